//! The way down: each step is harsher than the one before, and each has its deadline.
//!
//! `ExecStop=` → stop signal → final signal → `ExecStopPost=` → final signal once more. A run that ended by itself
//! skips what would be for its main process: its group is killed at once. An ordered stop leaves the others of
//! the group until the deadline to end as well.

use std::time::Duration;

use super::Supervisor;
use super::climb::Pulse;
use crate::action::Action;
use crate::event::{Errand, KillTarget};
use crate::fault::{Fault, Waited};
use crate::goal::{Aim, Goal};
use crate::limits::ORDER_GRACE;
use crate::run::{Phase, Role, UnitId};
use crate::service::{KillMode, Service, Signal, TimeoutMode};
use crate::spec::Body;
use crate::state::{State, Until};

impl Supervisor {
    /// Down in order.
    pub(super) fn retire(&mut self, id: UnitId) {
        let spec = self.unit(id).spec.clone();
        match &spec.body {
            Body::Service(_) => self.stop_command(id, 0),
            Body::Target | Body::Timer(_) => self.rest(id),
            Body::Socket(_) => {
                self.close_socket(id);
                self.rest(id);
            }
            Body::Mount(mount) => {
                let until = self.now + mount.timeout.saturating_add(ORDER_GRACE);
                self.close(id, until);
            }
        }
    }

    pub(super) fn close(&mut self, id: UnitId, until: Duration) {
        let ticket = self.own_order(id);
        self.order(Action::Unmount { ticket, unit: id });
        let cause = self.why(id);
        self.set_state(id, State::Closing { until }, &cause);
    }

    /// Down without the stop commands.
    pub(super) fn fall(&mut self, id: UnitId) {
        match self.unit(id).service() {
            Some(_) => self.terminate(id),
            None => self.retire(id),
        }
    }

    fn stop_command(&mut self, id: UnitId, index: u16) {
        let unit = self.unit(id);
        let service = unit.service().expect("only services have commands");
        // One command at a time: while a reload's still runs, the signals must do.
        if unit.control_lives() || usize::from(index) >= service.commands.stop.len() {
            return self.terminate(id);
        }
        let until = self.after(service.timeouts.stop);
        let cause = self.why(id);
        self.spawn(id, Role::Control, Errand { phase: Phase::Stop, index });
        self.stand_down(id);
        self.set_state(id, State::StopCommand { index, until }, &cause);
    }

    /// The stop signal, to whom the kill mode names.
    pub(super) fn terminate(&mut self, id: UnitId) {
        let unit = self.unit(id);
        let service = unit.service().expect("only services have processes");
        let (stopping, again) = (service.stopping, unit.goal == Goal::Again);
        match self.reach(id) {
            Reach::Nobody => self.stop_post(id, 0),
            Reach::Leftovers => self.kill(id),
            Reach::Somebody => {
                let until = self.after(self.stop_timeout(id));
                let cause = self.why(id);
                let signal = if again { stopping.restart_signal } else { stopping.signal };
                self.send(id, signal);
                self.stand_down(id);
                self.change(id).evidence().signalled = true;
                self.set_state(id, State::Terminating { until }, &cause);
            }
        }
    }

    /// Whom the stop signal could reach.
    fn reach(&self, id: UnitId) -> Reach {
        let unit = self.unit(id);
        let evidence = unit.now.as_ref().expect("a run that ends has evidence");
        let quiet = evidence.quiet();
        match unit.service().map_or(KillMode::Group, |service| service.stopping.mode) {
            KillMode::None => Reach::Nobody,
            KillMode::Process if quiet => Reach::Nobody,
            KillMode::Group | KillMode::Mixed if quiet && !evidence.populated => Reach::Nobody,
            KillMode::Mixed if quiet => Reach::Leftovers,
            KillMode::Group if quiet && self.ended_by_itself(id) => Reach::Leftovers,
            KillMode::Group | KillMode::Mixed | KillMode::Process => Reach::Somebody,
        }
    }

    fn ended_by_itself(&self, id: UnitId) -> bool {
        let ended = matches!(self.pulse(id), Pulse::Finished | Pulse::Crashed);
        ended && self.unit(id).aim() == Aim::Up
    }

    /// The watchdog's signal instead of the stop signal.
    pub(super) fn abort(&mut self, id: UnitId) {
        self.change(id).evidence().blame(Fault::Watchdog);
        self.signal_abort(id);
    }

    pub(super) fn signal_abort(&mut self, id: UnitId) {
        let unit = self.unit(id);
        let service = unit.service().expect("only services have a watchdog");
        let (signal, abort) = (service.stopping.watchdog_signal, service.timeouts.abort);
        if self.reach(id) != Reach::Somebody {
            return self.terminate(id);
        }
        let until = self.after(abort.or(self.stop_timeout(id)));
        let cause = self.why(id);
        self.send(id, signal);
        self.stand_down(id);
        self.change(id).evidence().signalled = true;
        self.set_state(id, State::Terminating { until }, &cause);
    }

    /// It said that it stops: no signal, but the same deadline.
    pub(super) fn yield_to_itself(&mut self, id: UnitId) {
        let until = self.after(self.stop_timeout(id));
        self.stand_down(id);
        self.set_state(id, State::Terminating { until }, "it stops by itself");
    }

    /// The final signal.
    pub(super) fn kill(&mut self, id: UnitId) {
        let unit = self.unit(id);
        let service = unit.service().expect("only services have processes");
        let (mode, send_kill) = (service.stopping.mode, service.stopping.send_kill);
        let quiet = unit.now.as_ref().is_some_and(|now| now.quiet());
        if !send_kill || mode == KillMode::None {
            // Whoever asks for that lives with what is left.
            self.change(id).evidence().stuck = !quiet;
            return self.stop_post(id, 0);
        }
        if mode == KillMode::Process && quiet {
            return self.stop_post(id, 0);
        }
        let until = self.after(self.stop_timeout(id));
        let cause = self.why(id);
        self.send_final(id);
        self.stand_down(id);
        self.set_state(id, State::Killing { until }, &cause);
    }

    /// A step is done.
    #[expect(clippy::wildcard_enum_match_arm, reason = "`next` says where this may be called")]
    pub(super) fn descend(&mut self, id: UnitId) {
        match self.unit(id).state {
            State::StopCommand { index, .. } => self.stop_command(id, index + 1),
            State::Terminating { .. } | State::Killing { .. } => self.stop_post(id, 0),
            State::StopPost { index, .. } => self.stop_post(id, index + 1),
            state => unreachable!("{state:?} is no step of the way down"),
        }
    }

    /// A process ended: the step may be done without the group being empty.
    pub(super) fn check(&mut self, id: UnitId) {
        let unit = self.unit(id);
        let evidence = unit.now.as_ref().expect("a run that ends has evidence");
        let (quiet, signalled) = (evidence.quiet(), evidence.signalled);
        let mode = unit.service().map_or(KillMode::Group, |service| service.stopping.mode);
        if !quiet {
            return;
        }
        match (mode, unit.state) {
            (KillMode::Process | KillMode::None, State::Emptying { .. }) => self.rest(id),
            (KillMode::Process | KillMode::None, _) => self.stop_post(id, 0),
            (KillMode::Mixed, State::Terminating { .. }) => self.kill(id),
            // It stopped by itself and left others behind, who were told nothing.
            (KillMode::Group, State::Terminating { .. }) if !signalled => self.kill(id),
            (KillMode::Group | KillMode::Mixed, _) => {}
        }
    }

    /// A process came into being after the signal was sent.
    pub(super) fn resend(&mut self, id: UnitId) {
        let unit = self.unit(id);
        let stopping = unit.service().map(|service| service.stopping).unwrap_or_default();
        if matches!(unit.state, State::Terminating { .. }) {
            self.send(id, stopping.signal);
        } else {
            self.send_final(id);
        }
    }

    /// A step took too long.
    pub(super) fn escalate(&mut self, id: UnitId) {
        let now = self.now;
        let unit = self.change(id);
        let (state, service) = (unit.state, unit.service().expect("only services escalate"));
        let failure = service.timeouts.stop_failure;
        if state.until().is_some_and(|until| until <= now) {
            unit.evidence().blame(Fault::Timeout(Waited::Stop));
        }
        match (state, failure) {
            (State::StopCommand { .. }, TimeoutMode::Terminate) => self.terminate(id),
            (State::StopCommand { .. }, TimeoutMode::Abort) => self.signal_abort(id),
            (State::StopCommand { .. }, TimeoutMode::Kill) => self.kill(id),
            (State::Terminating { .. }, _) => self.kill(id),
            (State::Killing { .. }, _) => {
                // Processes in uninterruptible sleep are a fact of life: the group is kept, we go on.
                self.change(id).evidence().stuck = true;
                self.stop_post(id, 0);
            }
            (State::StopPost { .. }, _) => self.empty(id),
            (state, _) => unreachable!("{state:?} does not escalate"),
        }
    }

    fn stop_post(&mut self, id: UnitId, index: u16) {
        let unit = self.unit(id);
        let service = unit.service().expect("only services have commands");
        if unit.control_lives() || usize::from(index) >= service.commands.stop_post.len() {
            return self.empty(id);
        }
        let until = self.after(service.timeouts.stop);
        let cause = self.why(id);
        self.spawn(id, Role::Control, Errand { phase: Phase::StopPost, index });
        self.stand_down(id);
        self.set_state(id, State::StopPost { index, until }, &cause);
    }

    /// The last step: nothing may be left of the run.
    fn empty(&mut self, id: UnitId) {
        let unit = self.unit(id);
        let evidence = unit.now.as_ref().expect("a run that ends has evidence");
        let stopping = unit.service().map(|service| service.stopping).unwrap_or_default();
        let keeps = matches!(stopping.mode, KillMode::Process | KillMode::None);
        let done = if keeps { evidence.quiet() } else { !evidence.populated };
        // Of a run that is given up, a command that came after the final signal still goes.
        let kills = unit.control_lives() && stopping.send_kill && !keeps;
        if evidence.stuck && !kills {
            return self.abandon(id);
        }
        if done {
            return self.rest(id);
        }
        let until = self.after(self.stop_timeout(id));
        let cause = self.why(id);
        self.send_final(id);
        self.stand_down(id);
        self.set_state(id, State::Emptying { until }, &cause);
    }

    /// What is left cannot be ended.
    pub(super) fn abandon(&mut self, id: UnitId) {
        let evidence = self.change(id).evidence();
        evidence.stuck = true;
        evidence.blame(Fault::Timeout(Waited::Stop));
        self.rest(id);
    }

    /// Nobody has to feed a watchdog or to answer probes any more.
    fn stand_down(&mut self, id: UnitId) {
        let evidence = self.change(id).evidence();
        evidence.watchdog = None;
        evidence.probes = None;
    }

    fn send(&mut self, id: UnitId, signal: Signal) {
        let unit = self.unit(id);
        let stopping = unit.service().map(|service| service.stopping).unwrap_or_default();
        let mut signals = vec![signal];
        if stopping.send_hup {
            signals.push(Signal::HUP);
        }
        // A stopped process would not see the others.
        if signal != Signal::KILL && signal != Signal::CONT {
            signals.push(Signal::CONT);
        }
        let targets = self.targets(id, stopping.mode);
        let run = self.unit(id).run_of(id);
        for target in targets {
            for signal in &signals {
                self.order(Action::Signal { run, target, signal: *signal });
            }
        }
    }

    fn send_final(&mut self, id: UnitId) {
        let unit = self.unit(id);
        let stopping = unit.service().map(|service| service.stopping).unwrap_or_default();
        let run = unit.run_of(id);
        match stopping.mode {
            KillMode::Group | KillMode::Mixed => self.order(Action::KillGroup { run }),
            KillMode::Process | KillMode::None => {
                for target in self.targets(id, KillMode::Process) {
                    self.order(Action::Signal { run, target, signal: stopping.final_signal });
                }
            }
        }
    }

    fn targets(&self, id: UnitId, mode: KillMode) -> Vec<KillTarget> {
        let evidence = self.unit(id).now.as_ref();
        let alive = |role| {
            evidence.is_some_and(|now| match role {
                Role::Main => now.main.pid().is_some(),
                Role::Control => now.control.pid().is_some(),
            })
        };
        match mode {
            KillMode::Group => vec![KillTarget::All],
            KillMode::Mixed | KillMode::Process | KillMode::None => {
                let mut targets = Vec::new();
                targets.extend(alive(Role::Main).then_some(KillTarget::Main));
                targets.extend(alive(Role::Control).then_some(KillTarget::Control));
                targets
            }
        }
    }

    fn stop_timeout(&self, id: UnitId) -> Until {
        self.unit(id).service().and_then(stop_timeout)
    }
}

fn stop_timeout(service: &Service) -> Until {
    service.timeouts.stop
}

/// Whom the stop signal could reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Nobody, or nobody that it may.
    Nobody,
    /// Only what a run that is over left behind.
    Leftovers,
    /// Processes that may end in order.
    Somebody,
}
