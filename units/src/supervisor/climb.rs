//! The way up: the steps of a start, one after the other.

use std::time::Duration;

use super::Supervisor;
use crate::action::Action;
use crate::container::RootSource;
use crate::event::Errand;
use crate::evidence::{Evidence, Process, Watchdog};
use crate::fault::{Fault, Waited};
use crate::limits::{FIND_MAIN_PERIOD, LISTEN_TIMEOUT, ORDER_GRACE};
use crate::probe_watch::ProbeWatch;
use crate::run::{Phase, Role, UnitId};
use crate::service::{Command, Commands, Service, Startup, TimeoutMode};
use crate::spec::Body;
use crate::state::{State, Until};
use crate::unit::{Idle, Part};

/// How a run stands, by what its processes did and what its type makes of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulse {
    /// It runs.
    Alive,
    /// Its processes ended well, and it stays up.
    Lingers,
    /// It ended well.
    Finished,
    /// It ended badly.
    Crashed,
}

impl Supervisor {
    /// A new run: first of all, what needs a look at the world.
    pub(super) fn begin(&mut self, id: UnitId) {
        let unit = self.change(id);
        unit.run += 1;
        unit.now = Some(Box::new(Evidence::default()));
        unit.idle = Idle::No;
        unit.told_held = None;
        unit.history.finished = false;
        let spec = unit.spec.clone();
        let conditions = !spec.conditions.is_empty();
        let image = spec.service().is_some_and(has_image);
        if !conditions && !image {
            return self.start(id);
        }
        self.prepare(id);
    }

    pub(super) fn prepare(&mut self, id: UnitId) {
        let ticket = self.own_order(id);
        let unit = self.unit(id);
        let conditions = !unit.spec.conditions.is_empty();
        let image = unit.service().is_some_and(has_image);
        let run = unit.run_of(id);
        self.order(Action::Prepare { ticket, run, conditions, image });
        self.set_state(id, State::Preparing, "its needs are met");
    }

    /// Orders what a mount or socket unit is.
    pub(super) fn open(&mut self, id: UnitId, until: Duration) {
        let ticket = self.own_order(id);
        let is_mount = matches!(self.unit(id).spec.body, Body::Mount(_));
        self.order(match is_mount {
            true => Action::Mount { ticket, unit: id },
            false => Action::Listen { ticket, unit: id },
        });
        self.set_state(id, State::Opening { until }, "its needs are met");
    }

    /// The present step is done: on to the next.
    #[expect(clippy::wildcard_enum_match_arm, reason = "`next` says where this may be called")]
    pub(super) fn climb(&mut self, id: UnitId) {
        match self.unit(id).state {
            State::Preparing => self.start(id),
            State::StartPre { errand, until } => {
                self.pre(id, errand.phase, errand.index + 1, until)
            }
            State::Launching { index, until } => self.launched(id, index, until),
            State::Finding { until, .. } => self.started(id, until),
            State::StartPost { index, until } => self.post(id, index + 1, until),
            State::Probing { .. } => self.arrive(id),
            state => unreachable!("{state:?} is no step of the way up"),
        }
    }

    /// Conditions hold. All starts count against the limit, whoever wanted them (systemd.unit(5)).
    fn start(&mut self, id: UnitId) {
        if !self.admits(id) {
            self.change(id).evidence().blame(Fault::StartLimit);
            return self.rest(id);
        }
        let spec = self.unit(id).spec.clone();
        match &spec.body {
            Body::Service(service) => {
                let until = self.after(service.timeouts.start);
                self.pre(id, Phase::Condition, 0, until);
            }
            Body::Target | Body::Timer(_) => self.arrive(id),
            Body::Socket(_) => {
                let until = self.now + LISTEN_TIMEOUT;
                self.open(id, until);
            }
            Body::Mount(mount) => {
                let until = self.now + mount.timeout.saturating_add(ORDER_GRACE);
                self.open(id, until);
            }
        }
    }

    /// Counts a start, unless there were too many.
    fn admits(&mut self, id: UnitId) -> bool {
        let now = self.now;
        let unit = self.change(id);
        let limit = unit.spec.start_limit;
        if limit.interval.is_zero() {
            return true;
        }
        let history = &mut unit.history;
        if history.window_starts == 0 || now >= history.window_since + limit.interval {
            history.window_since = now;
            history.window_starts = 0;
        }
        if history.window_starts >= limit.burst {
            return false;
        }
        history.window_starts += 1;
        true
    }

    /// The commands before the main process, from this one on.
    fn pre(&mut self, id: UnitId, mut phase: Phase, mut index: u16, until: Until) {
        let spec = self.unit(id).spec.clone();
        let commands = &spec.service().expect("only services have commands").commands;
        if phase == Phase::Condition && usize::from(index) >= commands.condition.len() {
            (phase, index) = (Phase::StartPre, 0);
        }
        if usize::from(index) >= list(commands, phase).len() {
            return self.launch(id, 0, until);
        }
        let errand = Errand { phase, index };
        self.spawn(id, Role::Control, errand);
        self.set_state(id, State::StartPre { errand, until }, "its needs are met");
    }

    fn launch(&mut self, id: UnitId, index: u16, until: Until) {
        let spec = self.unit(id).spec.clone();
        let service = spec.service().expect("only services launch");
        if usize::from(index) >= launches(service) {
            return self.started(id, until);
        }
        let forks = matches!(service.startup, Startup::Forking { .. });
        let role = if forks { Role::Control } else { Role::Main };
        self.spawn(id, role, Errand { phase: Phase::Start, index });
        self.set_state(id, State::Launching { index, until }, "its needs are met");
    }

    /// The main process counts as started; a oneshot may have more of them, a forking unit hides it.
    fn launched(&mut self, id: UnitId, index: u16, until: Until) {
        let spec = self.unit(id).spec.clone();
        let service = spec.service().expect("only services launch");
        match &service.startup {
            Startup::Oneshot => self.launch(id, index + 1, until),
            Startup::Forking { pid_file, guess } if pid_file.is_some() || *guess => {
                if self.unit(id).main_lives() {
                    return self.started(id, until);
                }
                self.set_state(id, State::Finding { again: None, until }, "");
                self.find_main(id);
            }
            Startup::Forking { .. }
            | Startup::Simple
            | Startup::Exec
            | Startup::Notify
            | Startup::NotifyReload { .. }
            | Startup::Idle => self.started(id, until),
        }
    }

    /// Looks for the main process of a forking unit: its file may lack for a while.
    pub(super) fn seek(&mut self, id: UnitId) {
        let now = self.now;
        let unit = self.unit(id);
        let State::Finding { again, until } = unit.state else {
            unreachable!("only a unit that is looked for is sought")
        };
        if until.is_some_and(|until| until <= now) {
            return self.overrun(id);
        }
        if again.is_some_and(|again| again <= now) {
            return self.find_main(id);
        }
        if unit.order.is_some() {
            return;
        }
        let has_file = unit.service().is_some_and(
            |s| matches!(&s.startup, Startup::Forking { pid_file, .. } if pid_file.is_some()),
        );
        if !has_file {
            // A guess that fails leaves a unit without a main process: it lives as long as its group does.
            return self.started(id, until);
        }
        let again = Some(now + FIND_MAIN_PERIOD);
        self.set_state(id, State::Finding { again, until }, "");
    }

    pub(super) fn find_main(&mut self, id: UnitId) {
        let ticket = self.own_order(id);
        let unit = self.change(id);
        let run = unit.run_of(id);
        if let State::Finding { again, .. } = &mut unit.state {
            *again = None;
        }
        self.order(Action::FindMain { ticket, run });
    }

    /// The unit is started by its type; what is left are the commands after it and the probes.
    fn started(&mut self, id: UnitId, until: Until) {
        let now = self.now;
        let unit = self.change(id);
        let spec = unit.spec.clone();
        let service = spec.service().expect("only services are started");
        let evidence = unit.evidence();
        let every = evidence.watchdog.map(|watchdog| watchdog.every).or(service.timeouts.watchdog);
        evidence.watchdog = every
            .filter(|every| !every.is_zero() && service.startup != Startup::Oneshot)
            .map(|every| Watchdog { every, until: now.saturating_add(every) });
        evidence.probes = ProbeWatch::new(&service.probes, now).map(Box::new);
        self.post(id, 0, until);
    }

    fn post(&mut self, id: UnitId, index: u16, until: Until) {
        let spec = self.unit(id).spec.clone();
        let service = spec.service().expect("only services have commands");
        if usize::from(index) < service.commands.start_post.len() {
            self.spawn(id, Role::Control, Errand { phase: Phase::StartPost, index });
            return self.set_state(id, State::StartPost { index, until }, "its needs are met");
        }
        match self.pulse(id) {
            Pulse::Crashed => self.fall(id),
            Pulse::Finished => self.done(id),
            Pulse::Alive | Pulse::Lingers => {
                if self.unit(id).now.as_ref().is_some_and(|now| now.gated()) {
                    self.set_state(id, State::Probing { until }, "its needs are met");
                } else {
                    self.arrive(id);
                }
            }
        }
    }

    /// Up.
    pub(super) fn arrive(&mut self, id: UnitId) {
        let now = self.now;
        let unit = self.change(id);
        unit.job_until = None;
        unit.evidence().arrived = Some(now);
        let runtime = unit.service().and_then(|service| service.timeouts.runtime);
        let until = self.after(runtime);
        self.set_state(id, State::Up { until }, "started");
        self.answer_started(id);
        self.begin_timer(id);
        self.uphold(id);
        if self.unit(id).asks.iter().any(|ask| ask.kind == crate::unit::AskKind::Reload) {
            self.reload(id);
        }
    }

    /// A unit that does not linger did its work: it never is up, but who waited for it may go on.
    fn done(&mut self, id: UnitId) {
        let now = self.now;
        let unit = self.change(id);
        unit.job_until = None;
        unit.evidence().arrived = Some(now);
        self.answer_started(id);
        self.retire(id);
    }

    /// How the run stands.
    pub(super) fn pulse(&self, id: UnitId) -> Pulse {
        let unit = self.unit(id);
        let Some(evidence) = unit.now.as_ref() else { return Pulse::Alive };
        let Some(service) = unit.service() else { return Pulse::Alive };
        if evidence.main.lives() || (service.lives_with_group && evidence.populated) {
            return Pulse::Alive;
        }
        let well = match evidence.main {
            Process::Ended { status } => self.main_ended_well(id, status),
            // Without a main process the group is what lives.
            _ if evidence.populated && evidence.touched && launches(service) > 0 => {
                return Pulse::Alive;
            }
            Process::None | Process::Ordered { .. } | Process::Alive { .. } => true,
        };
        match (well, service.remain_after_exit) {
            (false, _) => Pulse::Crashed,
            (true, true) => Pulse::Lingers,
            (true, false) => Pulse::Finished,
        }
    }

    /// The start took too long.
    pub(super) fn overrun(&mut self, id: UnitId) {
        let unit = self.change(id);
        unit.evidence().blame(Fault::Timeout(Waited::Start));
        match unit.service().map(|service| service.timeouts.start_failure) {
            Some(TimeoutMode::Abort) => self.signal_abort(id),
            Some(TimeoutMode::Kill) => self.kill(id),
            Some(TimeoutMode::Terminate) | None => self.terminate(id),
        }
    }

    /// Orders a process.
    pub(super) fn spawn(&mut self, id: UnitId, role: Role, errand: Errand) {
        let ticket = self.ticket(id);
        let environment = self.variables(id, errand.phase);
        let unit = self.change(id);
        let run = unit.run_of(id);
        let connection = match &unit.part {
            Part::Instance(serving) if role == Role::Main => serving.connection,
            Part::Plain | Part::Timer(_) | Part::Socket(_) | Part::Instance(_) => None,
        };
        let evidence = unit.evidence();
        evidence.populated = true;
        evidence.touched = true;
        *evidence.process(role) = Process::Ordered { ticket, errand };
        self.order(Action::Spawn { ticket, run, role, errand, environment, connection });
    }

    pub(super) fn own_order(&mut self, id: UnitId) -> crate::run::Ticket {
        let ticket = self.ticket(id);
        self.change(id).order = Some(ticket);
        ticket
    }

    pub(super) fn after(&self, timeout: Option<Duration>) -> Until {
        timeout.map(|timeout| self.now.saturating_add(timeout))
    }
}

/// The commands of a phase.
pub(super) fn list(commands: &Commands, phase: Phase) -> &[Command] {
    match phase {
        Phase::Condition => &commands.condition,
        Phase::StartPre => &commands.start_pre,
        Phase::Start => &commands.start,
        Phase::StartPost => &commands.start_post,
        Phase::Reload => &commands.reload,
        Phase::Stop => &commands.stop,
        Phase::StopPost => &commands.stop_post,
    }
}

/// How many main processes there are, one after the other: a container's may be written in its image only.
fn launches(service: &Service) -> usize {
    service.commands.start.len().max(usize::from(service.container.is_some()))
}

fn has_image(service: &Service) -> bool {
    let container = service.container.as_ref();
    container.is_some_and(|container| matches!(container.root, RootSource::Image(_)))
}
