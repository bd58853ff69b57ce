//! The end of a run: where to rest, and whether to come back.

use std::time::Duration;

use super::Supervisor;
use crate::action::{Action, Answer};
use crate::backoff;
use crate::evidence::Evidence;
use crate::fault::Fault;
use crate::goal::Goal;
use crate::graph::Link;
use crate::limits::UPHOLD_DELAY;
use crate::run::{ExitStatus, UnitId};
use crate::service::{ExitSet, PreserveMode, Restart, RestartPolicy, Service, Signal, Startup};
use crate::spec::PowerAction;
use crate::state::State;
use crate::text::timespan::format_us;
use crate::unit::{AskKind, Idle, Part};

/// Where a run leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It was wanted so, or it did its work.
    Down,
    /// A condition declined.
    Skipped,
    /// A fault.
    Failed,
    /// Again, at once.
    Waiting,
    /// Again, later.
    Backoff(Duration),
}

impl Supervisor {
    /// No process is left, or none that could be ended.
    pub(super) fn rest(&mut self, id: UnitId) {
        self.change(id).order = None;
        if self.unit(id).state.is_up() {
            // It rests at once, and the wait depends on how long it was well.
            self.credit_health(id);
        }
        let Some(evidence) = self.change(id).now.take() else {
            // It never began: it waited, or was between two tries.
            self.rest_at(id, State::Down, "not wanted");
            return self.forget_if_gone(id);
        };
        let gave_up_before = self.unit(id).history.gave_up;
        let verdict = self.verdict(id, &evidence);
        let cause = self.record_end(id, &evidence, verdict);
        self.release(id, &evidence, verdict);
        self.bring_into_effect(id);
        match verdict {
            Verdict::Down => self.rest_at(id, State::Down, &cause),
            Verdict::Skipped => self.rest_at(id, State::Skipped, &cause),
            Verdict::Failed => self.rest_at(id, State::Failed, &cause),
            Verdict::Waiting => self.come_back(id, State::Waiting, &cause),
            Verdict::Backoff(until) => {
                let cause = format!("{cause}, next try in {}", self.wait_until(until));
                self.come_back(id, State::Backoff { until }, &cause);
            }
        }
        self.pull_the_levers(id, verdict, gave_up_before);
        self.forget_if_gone(id);
    }

    /// How long it is until then, for people.
    fn wait_until(&self, then: Duration) -> String {
        let wait = then.saturating_sub(self.now);
        format_us(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX) / 1000 * 1000)
    }

    fn verdict(&self, id: UnitId, evidence: &Evidence) -> Verdict {
        let unit = self.unit(id);
        let rested = match evidence.fault {
            None if evidence.declined => Verdict::Skipped,
            None => Verdict::Down,
            Some(_) => Verdict::Failed,
        };
        match (unit.goal, unit.held) {
            _ if evidence.stuck => Verdict::Failed,
            (Goal::Down, _) => rested,
            (Goal::Again, _) | (Goal::Up, Some(_)) => Verdict::Waiting,
            (Goal::Up, None) => match self.comes_back_at(id, evidence) {
                Some(at) if at <= self.now => Verdict::Waiting,
                Some(at) => Verdict::Backoff(at),
                None => rested,
            },
        }
    }

    /// When the unit is tried again without anybody's asking.
    fn comes_back_at(&self, id: UnitId, evidence: &Evidence) -> Option<Duration> {
        let unit = self.unit(id);
        let never = matches!(evidence.fault, Some(Fault::StartLimit | Fault::Assertion));
        if never || unit.removed {
            return None;
        }
        let spread = backoff::spread(self.facts.machine_seed, unit.spec.name.as_str(), unit.run);
        let service = unit.service();
        if service.is_some_and(|service| restarts(service, evidence)) {
            let restart = service.map(|service| &service.restart)?;
            return Some(self.now.saturating_add(backoff::delay(
                restart,
                unit.history.tries,
                spread,
            )));
        }
        let upheld = !evidence.declined && self.is_upheld(id);
        let delay = service.map_or(UPHOLD_DELAY, |service| {
            backoff::delay(&service.restart, unit.history.tries, spread).max(UPHOLD_DELAY)
        });
        upheld.then(|| self.now.saturating_add(delay))
    }

    fn is_upheld(&self, id: UnitId) -> bool {
        let mut upholders = self.graph.back(id).iter().filter(|edge| edge.link == Link::Upholds);
        upholders.any(|edge| self.get(edge.unit).is_some_and(|unit| unit.state.is_up()))
    }

    /// Keeps what the run taught, and says why it ended.
    fn record_end(&mut self, id: UnitId, evidence: &Evidence, verdict: Verdict) -> String {
        let cause = self.cause_of_end(id, evidence, verdict);
        // What somebody stopped did not finish: who needs it cannot go on without.
        let unit = self.unit(id);
        let by_itself = match verdict {
            Verdict::Down => unit.goal != Goal::Down,
            // What does its work again and again did it.
            Verdict::Backoff(_) => unit.service().is_some_and(|s| s.startup == Startup::Oneshot),
            Verdict::Skipped | Verdict::Failed | Verdict::Waiting => false,
        };
        let history = &mut self.change(id).history;
        history.fault = evidence.fault;
        history.gave_up = verdict == Verdict::Failed;
        history.finished = by_itself && evidence.arrived.is_some() && evidence.fault.is_none();
        cause
    }

    fn cause_of_end(&self, id: UnitId, evidence: &Evidence, verdict: Verdict) -> String {
        if let Some(fault) = evidence.fault {
            return fault.to_string();
        }
        match (verdict, self.unit(id).goal) {
            (Verdict::Skipped, _) => "a condition does not hold".into(),
            (Verdict::Waiting, Goal::Up) if self.unit(id).held.is_some() => {
                "its need is gone".into()
            }
            (Verdict::Waiting, Goal::Again) => "restart".into(),
            (_, Goal::Down) => "stopped".into(),
            (_, Goal::Up | Goal::Again) => "finished".into(),
        }
    }

    fn release(&mut self, id: UnitId, evidence: &Evidence, verdict: Verdict) {
        let unit = self.change(id);
        let run = unit.run_of(id);
        let Some(service) = unit.service() else { return };
        let restarting = matches!(verdict, Verdict::Waiting | Verdict::Backoff(_));
        let drop_descriptors = match service.descriptors_preserve.unwrap_or(PreserveMode::Restart) {
            PreserveMode::No => true,
            PreserveMode::Restart => !restarting,
            PreserveMode::Yes => false,
        };
        if drop_descriptors {
            unit.kept.clear();
        }
        let connection = match &mut unit.part {
            Part::Instance(serving) => serving.connection.take(),
            Part::Plain | Part::Timer(_) | Part::Socket(_) => None,
        };
        debug_assert!(evidence.stuck || evidence.quiet(), "no process is left");
        self.order(Action::Release { run, drop_descriptors, restarting });
        if let Some(connection) = connection {
            self.order(Action::Hang { connection });
        }
    }

    fn come_back(&mut self, id: UnitId, state: State, cause: &str) {
        let unit = self.change(id);
        if unit.goal == Goal::Again {
            unit.goal = Goal::Up;
        } else if unit.held.is_none() {
            unit.history.tries = unit.history.tries.saturating_add(1);
            unit.history.restarts = unit.history.restarts.saturating_add(1);
        }
        self.set_state(id, state, cause);
        self.answer_stops(id, true);
        if matches!(state, State::Backoff { .. }) {
            self.fail_asks(id);
        }
        self.enqueue(id);
    }

    /// Rests, answers who waited, and lets others know.
    pub(super) fn rest_at(&mut self, id: UnitId, state: State, cause: &str) {
        let now = self.now;
        let unit = self.change(id);
        unit.history.rested = Some(now);
        unit.job_until = None;
        unit.idle = Idle::No;
        unit.held = None;
        if state != State::Failed {
            unit.goal = Goal::Down;
        } else if unit.goal == Goal::Again {
            unit.goal = Goal::Up;
        }
        self.idlers.remove(&id);
        self.set_state(id, state, cause);
        self.answer_stops(id, state != State::Failed || !self.timed_out(id));
        self.answer_at_rest(id);
        self.lose_bonds(id);
        self.release_unneeded(id);
    }

    fn timed_out(&self, id: UnitId) -> bool {
        use crate::fault::Waited;
        self.unit(id).history.fault == Some(Fault::Timeout(Waited::Stop))
    }

    fn answer_at_rest(&mut self, id: UnitId) {
        let unit = self.unit(id);
        if unit.asks.is_empty() {
            return;
        }
        if unit.state == State::Skipped {
            let answer = Answer::Skipped("a condition does not hold".into());
            self.answer_asks(id, AskKind::Start, &answer);
        } else if unit.state == State::Down && unit.history.finished {
            self.answer_asks(id, AskKind::Start, &Answer::Ok);
        }
        self.fail_asks(id);
    }

    /// What a unit's end starts elsewhere.
    fn pull_the_levers(&mut self, id: UnitId, verdict: Verdict, gave_up_before: bool) {
        let unit = self.unit(id);
        let (spec, fault) = (unit.spec.clone(), unit.history.fault);
        match verdict {
            Verdict::Failed => {
                // A start that the limit refused is no new failure of a unit that had failed for good.
                if fault == Some(Fault::StartLimit) {
                    self.power(id, spec.start_limit.action);
                    if gave_up_before {
                        return;
                    }
                }
                self.power(id, spec.failure_action);
                self.start_related(id, Link::OnFailure);
            }
            Verdict::Down => {
                self.power(id, spec.success_action);
                self.start_related(id, Link::OnSuccess);
            }
            Verdict::Skipped | Verdict::Waiting | Verdict::Backoff(_) => {}
        }
    }

    fn power(&mut self, unit: UnitId, action: PowerAction) {
        if action != PowerAction::None && self.closing.is_none() {
            self.order(Action::Power { unit, action });
        }
    }

    fn start_related(&mut self, id: UnitId, link: Link) {
        let others: Vec<UnitId> = self.graph.related(id, link).collect();
        for other in others {
            if let Err(why) = self.want(other) {
                self.warn(id, format!("cannot start {}: {why}", self.unit(other).spec.name));
            }
        }
    }

    /// Whether an end of the main process is clean, its command's `-` included.
    pub(super) fn main_ended_well(&self, id: UnitId, status: ExitStatus) -> bool {
        let unit = self.unit(id);
        let Some(service) = unit.service() else { return true };
        let last = service.commands.start.len().saturating_sub(1);
        let index = match unit.state.launching() {
            Some(index) => usize::from(index),
            None => last,
        };
        let ignores = service.commands.start.get(index);
        ignores.is_some_and(|command| command.ignore_failure) || is_clean(service, status)
    }
}

/// `SuccessExitStatus=` and what counts as clean without it (systemd.service(5)).
pub(super) fn is_clean(service: &Service, status: ExitStatus) -> bool {
    let by_default = match status {
        ExitStatus::Code(code) => code == 0,
        ExitStatus::Signal { signal, core } => {
            !core
                && service.startup != Startup::Oneshot
                && [Signal::HUP, Signal::INT, Signal::TERM, Signal::PIPE].contains(&signal)
        }
        ExitStatus::Stage(_) | ExitStatus::Lost => false,
    };
    by_default || contains(&service.success, status)
}

fn contains(set: &ExitSet, status: ExitStatus) -> bool {
    match status {
        ExitStatus::Code(code) => set.codes.contains(&code),
        ExitStatus::Signal { signal, .. } => set.signals.contains(&signal),
        ExitStatus::Stage(fault) => set.codes.contains(&fault.step.exit_code()),
        ExitStatus::Lost => false,
    }
}

/// The restart table of systemd.service(5). Prevention wins over force, force over policy.
fn restarts(service: &Service, evidence: &Evidence) -> bool {
    if evidence.declined {
        return false;
    }
    let Restart { policy, prevent, force, .. } = &service.restart;
    if let Some(status) = evidence.main.status() {
        if contains(prevent, status) {
            return false;
        }
        if contains(force, status) {
            return true;
        }
    }
    let fault = evidence.fault;
    match policy {
        RestartPolicy::No => false,
        RestartPolicy::Always => true,
        RestartPolicy::OnSuccess => fault.is_none(),
        RestartPolicy::OnFailure => fault.is_some(),
        RestartPolicy::OnAbnormal => fault.is_some_and(|fault| !is_exit_code(fault)),
        RestartPolicy::OnAbort => fault.is_some_and(is_signal),
        RestartPolicy::OnWatchdog => fault == Some(Fault::Watchdog),
    }
}

fn is_exit_code(fault: Fault) -> bool {
    matches!(fault, Fault::Exited { status: ExitStatus::Code(_) | ExitStatus::Stage(_), .. })
}

fn is_signal(fault: Fault) -> bool {
    matches!(fault, Fault::Exited { status: ExitStatus::Signal { .. }, .. })
}
