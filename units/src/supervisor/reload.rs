//! Reloading: commands, or a signal that is answered with `RELOADING=1` and `READY=1`.

use super::Supervisor;
use crate::action::{Action, Answer};
use crate::event::{Errand, KillTarget};
use crate::run::{Phase, Role, UnitId};
use crate::service::{Signal, Startup};
use crate::state::{Reload, State};
use crate::unit::AskKind;

impl Supervisor {
    /// Whether a unit can be asked to read its configuration again.
    pub(super) fn can_reload(&self, id: UnitId) -> bool {
        let service = self.unit(id).service();
        service.is_some_and(|service| {
            !service.commands.reload.is_empty()
                || matches!(service.startup, Startup::NotifyReload { .. })
        })
    }

    pub(super) fn reload(&mut self, id: UnitId) {
        self.reload_command(id, 0);
    }

    pub(super) fn reload_on(&mut self, id: UnitId) {
        let State::Reloading { step: Reload::Command(index), .. } = self.unit(id).state else {
            unreachable!("only a command is followed by another")
        };
        self.reload_command(id, index + 1);
    }

    fn reload_command(&mut self, id: UnitId, index: u16) {
        let spec = self.unit(id).spec.clone();
        let service = spec.service().expect("only services reload");
        let until = self.after(service.timeouts.start);
        if usize::from(index) < service.commands.reload.len() && !self.unit(id).control_lives() {
            self.spawn(id, Role::Control, Errand { phase: Phase::Reload, index });
            let step = Reload::Command(index);
            return self.set_state(id, State::Reloading { step, until }, "asked to reload");
        }
        let Startup::NotifyReload { signal } = service.startup else {
            return self.reload_ok(id);
        };
        let now = self.now;
        let unit = self.change(id);
        unit.evidence().reload_sent = now;
        let run = unit.run_of(id);
        self.order(Action::Signal { run, target: KillTarget::Main, signal });
        let step = Reload::Asked;
        self.set_state(id, State::Reloading { step, until }, "asked to reload");
    }

    /// It reloads, by itself or as asked.
    pub(super) fn reload_said(&mut self, id: UnitId) {
        let timeout = self.unit(id).service().and_then(|service| service.timeouts.start);
        let unit = self.unit(id);
        let asked = matches!(unit.state, State::Reloading { .. });
        let until = if asked { unit.state.until() } else { self.after(timeout) };
        let step = Reload::Said;
        self.set_state(id, State::Reloading { step, until }, "it reloads");
    }

    /// The command takes too long; the unit stays up.
    pub(super) fn reload_kill(&mut self, id: UnitId) {
        let run = self.unit(id).run_of(id);
        let (target, signal) = (KillTarget::Control, Signal::KILL);
        self.order(Action::Signal { run, target, signal });
        let step = Reload::Overdue;
        self.set_state(id, State::Reloading { step, until: None }, "");
    }

    pub(super) fn reload_ok(&mut self, id: UnitId) {
        self.reloaded(id, "reloaded", &Answer::Ok);
    }

    pub(super) fn reload_failed(&mut self, id: UnitId) {
        let state = self.unit(id).state;
        let by_command = matches!(state, State::Reloading { step: Reload::Command(_), .. });
        let why = if by_command { "the reload command failed" } else { "the reload took too long" };
        self.warn(id, why.into());
        self.reloaded(id, why, &Answer::Failed(why.into()));
    }

    fn reloaded(&mut self, id: UnitId, cause: &str, answer: &Answer) {
        let unit = self.unit(id);
        let timeout = unit.service().and_then(|service| service.timeouts.runtime);
        let arrived = unit.now.as_ref().and_then(|now| now.arrived);
        let until = timeout.zip(arrived).map(|(runtime, arrived)| arrived.saturating_add(runtime));
        self.set_state(id, State::Up { until }, cause);
        self.answer_asks(id, AskKind::Reload, answer);
        // Who asked while it was reading wants what was written since.
        let mut late = false;
        for ask in &mut self.change(id).asks {
            if ask.kind == AskKind::ReloadNext {
                ask.kind = AskKind::Reload;
                late = true;
            }
        }
        if late {
            self.reload(id);
        }
    }
}
