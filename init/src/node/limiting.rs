//! Limits changed while a unit runs (`keelctl set`), until its files are read again.

use units::UnitName;
use units::action::Answer;
use units::run::Run;

use crate::node::Node;
use crate::node::action::{Action, Outbox};
use crate::node::api::{Question, reply};
use crate::node::event::Fault;
use crate::wire::response::RefusalKind;
use crate::wire::{Limits, Response};

impl Node {
    /// Only what is named is written: what was set before stays, whatever the files say of it. The
    /// kernel is what remembers.
    pub(super) fn on_set_limits(
        &mut self,
        question: Question,
        name: &UnitName,
        limits: &Limits,
        out: &mut Outbox,
    ) {
        let id = self.supervisor.id(name);
        let unit = id.and_then(|id| self.supervisor.view().unit(id));
        let Some(unit) = unit else { return reply(question, self.unknown(name), out) };
        if unit.spec.service().is_none() || unit.main_pid.is_none() {
            let text = format!("unit {} has no running processes to limit", name.short());
            return reply(question, Response::refused(RefusalKind::NotApplicable, text), out);
        }
        let run = Run { unit: unit.id, number: unit.run };
        let Question { client, id } = question;
        out.push(Action::ChangeLimits { client, id, run, limits: Box::new(limits.clone()) });
    }
}

/// The shore has written what was asked for, or the kernel did not take it.
pub(super) fn on_limits_changed(
    question: Question,
    refused: Option<(&'static str, Fault)>,
    out: &mut Outbox,
) {
    let response = match refused {
        None => Response::Done(Answer::Ok),
        Some((file, fault)) => {
            let why = std::io::Error::from_raw_os_error(i32::from(fault.errno));
            let text = format!("the kernel does not take this for {file}: {why}");
            Response::refused(RefusalKind::Failed, text)
        }
    };
    reply(question, response, out);
}
