//! Replacing the running program on request: look, wait for a quiet moment, execute.

use std::time::Duration;

use units::service::Signal;

use crate::limits::CHECK_MAX;
use crate::node::event::{ClientId, Event};
use crate::sys::run::Shore;
use crate::sys::survive::reexec::{Candidate, Check, ReexecError};
use crate::sys::{reap, survive};
use crate::wire::Response;
use crate::wire::response::RefusalKind;

/// A replacement under way.
#[derive(Debug)]
pub(crate) struct Replacement {
    candidate: Candidate,
    /// The program looks at the vault.
    check: Option<Check>,
    /// When patience ends: with the look, or with workers that are still at it.
    until: Duration,
    /// Whom to answer: a client and the number of its request.
    client: Option<(ClientId, u32)>,
}

impl Shore {
    /// Begins to replace the program.
    pub(crate) fn reexec(
        &mut self,
        binary: Option<u32>,
        client: Option<(ClientId, u32)>,
    ) -> Option<Event<'static>> {
        if self.replacement.is_some() {
            self.refuse_replacement(client, "another replacement is under way");
            return None;
        }
        let file = binary.and_then(|number| self.holdings.take(number));
        if let Some(file) = &file {
            self.keeper.strike(std::os::fd::AsFd::as_fd(&file.descriptor));
            self.keeper.commit();
        }
        let begun = match file {
            Some(file) => Candidate::of(file.descriptor)
                .and_then(|candidate| Ok((candidate.check(&mut self.keeper)?, candidate)))
                .map(|(check, candidate)| (Some(check), candidate)),
            None => Candidate::same().map(|candidate| (None, candidate)),
        };
        match begun {
            Ok((check, candidate)) => {
                let until = self.now + CHECK_MAX;
                self.replacement = Some(Replacement { candidate, check, until, client });
            }
            Err(error) => self.refuse_replacement(client, &error.to_string()),
        }
        None
    }

    /// When the replacement needs the loop's attention.
    pub(crate) fn replacement_deadline(&self) -> Option<Duration> {
        self.replacement.as_ref().map(|replacement| replacement.until)
    }

    /// Whether that process is a program that looked at the vault. It ended so.
    pub(crate) fn take_check(&mut self, ended: reap::Reaped) -> bool {
        let Some(replacement) = &mut self.replacement else { return false };
        if replacement.check.as_ref().is_none_or(|check| check.pid() != ended.pid) {
            return false;
        }
        let verdict = replacement.check.take().map(|check| check.verdict(ended.status));
        match verdict {
            Some(Ok(_)) | None => replacement.until = self.now + CHECK_MAX,
            Some(Err(error)) => self.give_replacement_up(&error),
        }
        true
    }

    /// Executes the new program if it is time.
    pub(crate) fn try_replacement(&mut self) {
        let Some(replacement) = &self.replacement else { return };
        let late = self.now >= replacement.until;
        match &replacement.check {
            Some(check) if late => {
                let pid = check.pid();
                crate::sys::perform::kill(pid, Signal::KILL);
            }
            Some(_) => {}
            // Workers die with this life, and their work is done again: better to wait a moment.
            None if late || self.workers.is_empty() => self.replace(),
            None => {}
        }
    }

    fn replace(&mut self) {
        let Some(Replacement { candidate, client, .. }) = self.replacement.take() else { return };
        self.interrupt_clients(client);
        let asker = client.map_or(0, |(client, id)| u64::from(client.0) << 32 | u64::from(id));
        self.keeper.front().set_asker(asker);
        survive::block_signals();
        // Those that came before are in a pipe that only this life reads.
        self.take_signals();
        let error = candidate.execute(&mut self.keeper);
        self.keeper.front().set_asker(0);
        if let Err(error) = crate::sys::unblock_signals() {
            self.complain("let signals through", &error);
        }
        self.refuse_replacement(client, &error.to_string());
    }

    fn give_replacement_up(&mut self, error: &ReexecError) {
        let Some(replacement) = self.replacement.take() else { return };
        replacement.candidate.withdraw(&mut self.keeper);
        self.refuse_replacement(replacement.client, &error.to_string());
    }

    fn refuse_replacement(&mut self, client: Option<(ClientId, u32)>, why: &str) {
        self.complain("replace PID 1", &why);
        if let Some((client, id)) = client {
            self.reply(client, id, &Response::refused(RefusalKind::Failed, why), None);
        }
    }
}
