//! The one door for facts: what is stale, or is about nobody, goes no further.

use super::Supervisor;
use super::climb::{Pulse, list};
use super::rest::is_clean;
use crate::action::Action;
use crate::event::{Event, Outcome};
use crate::evidence::Process;
use crate::fault::Fault;
use crate::next::Cause;
use crate::note::NoteKind;
use crate::run::{ExitStatus, Phase, Role, Run, Ticket, UnitId};
use crate::service::{OomPolicy, Service, Signal, Startup};
use crate::state::State;
use crate::unit::{Idle, Part};

impl Supervisor {
    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            Event::Tick => self.on_tick(),
            Event::Defined { specs } => self.on_defined(specs),
            Event::Added { spec } => self.on_added(*spec),
            Event::Asked { ticket, request } => self.on_asked(ticket, request),
            Event::Done { ticket, outcome } => self.on_done(ticket, outcome),
            Event::Executed { run, role } => self.on_executed(run, role),
            Event::Exited { run, role, status } => self.on_exited(run, role, status),
            Event::Emptied { run } => self.on_emptied(run),
            Event::Notified { run, sender, notification } => {
                self.on_notified(run, sender, notification);
            }
            Event::OutOfMemory { run, kills } => self.on_out_of_memory(run, kills),
            Event::Called { unit, connection } => self.on_called(unit, connection),
            Event::Stamped { stamps } => self.on_stamped(stamps),
            Event::Kept { unit, number, name } => self.on_kept(unit, number, name),
            Event::ClockStepped { boot_unix_us, utc_offset_s } => {
                self.on_clock_stepped(boot_unix_us, utc_offset_s);
            }
        }
    }

    /// The unit whose present run a fact is about. Facts about any other run end here.
    pub(super) fn current(&self, run: Run) -> Option<UnitId> {
        let unit = self.get(run.unit)?;
        (unit.run == run.number && unit.now.is_some() && unit.service().is_some())
            .then_some(run.unit)
    }

    /// Everything whose time has come, unit by unit.
    fn on_tick(&mut self) {
        let due: Vec<UnitId> = {
            let entries = self.deadlines.iter();
            entries.take_while(|(due, _)| *due <= self.now).map(|(_, id)| *id).collect()
        };
        for id in due {
            if self.get(id).is_some() {
                self.on_due(id);
            }
        }
    }

    fn on_due(&mut self, id: UnitId) {
        let now = self.now;
        let unit = self.change(id);
        let due = |at: Option<std::time::Duration>| at.is_some_and(|at| at <= now);
        let (state, job, idle) =
            (due(unit.state.until()), due(unit.job_until), due(unit.idle.until()));
        let evidence = unit.now.as_ref();
        let watchdog = due(evidence.and_then(|now| now.watchdog).map(|watchdog| watchdog.until));
        if job {
            self.on_job_timeout(id);
        }
        if state && self.get(id).is_some_and(|unit| due(unit.state.until())) {
            self.apply(id, Cause::Deadline);
        }
        if idle {
            self.change(id).idle = Idle::Over;
            self.enqueue(id);
        }
        if watchdog && self.unit(id).now.as_ref().is_some_and(|now| now.watchdog.is_some()) {
            self.apply(id, Cause::Lapsed);
        }
        self.on_probes_due(id);
        self.on_timer_due(id);
    }

    fn on_done(&mut self, ticket: Ticket, outcome: Outcome) {
        let Some(id) = self.owner(ticket) else { return };
        let unit = self.unit(id);
        if unit.order == Some(ticket) {
            self.change(id).order = None;
            return self.on_own_order_done(id, outcome);
        }
        let Some(evidence) = unit.now.as_ref() else { return };
        if evidence.main.ordered_by(ticket) {
            self.on_spawned(id, Role::Main, outcome);
        } else if evidence.control.ordered_by(ticket) {
            self.on_spawned(id, Role::Control, outcome);
        } else {
            self.on_probed(id, ticket, &outcome);
        }
    }

    fn on_own_order_done(&mut self, id: UnitId, outcome: Outcome) {
        let state = self.unit(id).state;
        if let Outcome::Refused(refusal) = &outcome
            && !matches!(state, State::Finding { .. })
        {
            let fault =
                Fault::Refused { step: refusal.stage.map(|s| s.step), errno: refusal.errno };
            if !refusal.text.is_empty() {
                self.warn(id, refusal.text.to_string());
            }
            self.change(id).evidence().blame(fault);
        }
        let cause = match (state, &outcome) {
            (State::Preparing, Outcome::Unmet { index, .. }) => self.on_unmet(id, *index),
            (State::Preparing, Outcome::Ok | Outcome::Process { .. }) => Cause::Prepared,
            (State::Finding { .. }, Outcome::Process { pid }) => {
                let main = Process::Alive { pid: *pid, errand: None };
                let unit = self.change(id);
                unit.evidence().main = main;
                let run = unit.run_of(id);
                // Nobody started it by order of ours: its end is heard of only if it is known.
                self.order(Action::AdoptMain { run, pid: *pid });
                Cause::Found
            }
            (State::Finding { .. }, _) => Cause::NotFound,
            (State::Closing { .. }, Outcome::Refused(_)) => Cause::Stuck,
            (State::Closing { .. }, _) => Cause::Closed,
            (_, Outcome::Refused(_) | Outcome::Unmet { .. }) => Cause::Refused,
            (_, Outcome::Ok | Outcome::Process { .. }) => Cause::Opened,
        };
        self.apply(id, cause);
    }

    fn on_unmet(&mut self, id: UnitId, index: u16) -> Cause {
        let unit = self.change(id);
        let condition = unit.spec.conditions.get(usize::from(index));
        if condition.is_some_and(|condition| condition.assertion) {
            unit.evidence().blame(Fault::Assertion);
            Cause::Refused
        } else {
            unit.evidence().declined = true;
            Cause::Declined
        }
    }

    fn on_spawned(&mut self, id: UnitId, role: Role, outcome: Outcome) {
        let evidence = self.change(id).evidence();
        let process = evidence.process(role);
        let errand = process.errand();
        let refusal = match outcome {
            Outcome::Process { pid } => {
                *process = Process::Alive { pid, errand };
                if let (Role::Main, Part::Instance(serving)) = (role, &mut self.change(id).part) {
                    serving.connection = None;
                }
                self.apply(id, Cause::Spawned);
                return self.on_alive(id, role);
            }
            Outcome::Refused(refusal) => refusal,
            // Nonsense; a process that cannot be named is none.
            Outcome::Ok | Outcome::Unmet { .. } => crate::event::Refusal {
                stage: None,
                errno: 0,
                text: "the process has no number".into(),
            },
        };
        *process = Process::None;
        if !refusal.text.is_empty() {
            self.warn(id, refusal.text.to_string());
        }
        let fault = Fault::Refused { step: refusal.stage.map(|s| s.step), errno: refusal.errno };
        if errand.is_some_and(|errand| self.ignores_failure(id, errand.phase, errand.index)) {
            return self.apply_command(id, role, Cause::CommandOk);
        }
        if errand.is_none_or(|errand| errand.phase != Phase::Reload) {
            self.change(id).evidence().blame(fault);
        }
        self.apply(id, Cause::Refused);
    }

    /// A process exists: for some types that is all it takes.
    fn on_alive(&mut self, id: UnitId, role: Role) {
        let unit = self.unit(id);
        let simple = unit
            .service()
            .is_some_and(|service| matches!(service.startup, Startup::Simple | Startup::Idle));
        if role == Role::Main && simple && matches!(unit.state, State::Launching { .. }) {
            self.apply(id, Cause::Started);
        }
    }

    fn on_executed(&mut self, run: Run, role: Role) {
        let Some(id) = self.current(run) else { return };
        let unit = self.unit(id);
        let exec = unit.service().is_some_and(|service| service.startup == Startup::Exec);
        if role == Role::Main && exec && unit.main_lives() && launching(unit.state) {
            self.apply(id, Cause::Started);
        }
    }

    fn on_exited(&mut self, run: Run, role: Role, status: ExitStatus) {
        let Some(id) = self.current(run) else { return };
        let process = self.change(id).evidence().process(role);
        // A spawn is answered before the process's end is told: an end without it is that of an older one.
        if process.pid().is_none() {
            return;
        }
        let errand = process.errand();
        *process = Process::Ended { status };
        match role {
            Role::Main => self.on_main_exited(id, status),
            Role::Control => {
                let phase = errand.map_or(Phase::Start, |errand| errand.phase);
                let index = errand.map_or(0, |errand| errand.index);
                self.on_command_exited(id, phase, index, status);
            }
        }
    }

    fn on_main_exited(&mut self, id: UnitId, status: ExitStatus) {
        let spec = self.unit(id).spec.clone();
        let service = spec.service().expect("only services have processes");
        let well = self.main_ended_well(id, status);
        if status != ExitStatus::Code(0) || self.unit(id).state.is_up() {
            self.note(id, NoteKind::Exited { status });
        }
        if launching(self.unit(id).state) {
            self.blame_exit(id, status, well);
            let cause = launch_ended(service, status, well);
            if cause == Cause::Crashed {
                self.change(id).evidence().blame(Fault::Protocol);
            }
            return self.apply(id, cause);
        }
        self.blame_exit(id, status, well);
        let cause = match self.pulse(id) {
            Pulse::Alive | Pulse::Lingers => Cause::MainGone,
            Pulse::Finished => Cause::Finished,
            Pulse::Crashed => Cause::Crashed,
        };
        self.apply(id, cause);
    }

    fn blame_exit(&mut self, id: UnitId, status: ExitStatus, well: bool) {
        if well {
            return;
        }
        let evidence = self.change(id).evidence();
        let killed = matches!(status, ExitStatus::Signal { signal: Signal::KILL, .. });
        if killed && evidence.out_of_memory {
            evidence.blame(Fault::OutOfMemory);
        }
        evidence.blame(Fault::Exited { phase: Phase::Start, status });
    }

    fn on_command_exited(&mut self, id: UnitId, phase: Phase, index: u16, status: ExitStatus) {
        let spec = self.unit(id).spec.clone();
        let service = spec.service().expect("only services have commands");
        let well = is_clean(service, status) || self.ignores_failure(id, phase, index);
        let declines = phase == Phase::Condition && matches!(status, ExitStatus::Code(1..=254));
        if declines && !well {
            self.change(id).evidence().declined = true;
            return self.apply(id, Cause::Declined);
        }
        if well {
            return self.apply_command(id, Role::Control, Cause::CommandOk);
        }
        self.note(id, NoteKind::Exited { status });
        if phase != Phase::Reload {
            self.change(id).evidence().blame(Fault::Exited { phase, status });
        }
        self.apply_command(id, Role::Control, Cause::CommandFailed);
    }

    /// The first process of a forking unit is a command whose success is the start.
    fn apply_command(&mut self, id: UnitId, role: Role, cause: Cause) {
        let launching = launching(self.unit(id).state);
        let starts = launching && cause == Cause::CommandOk;
        self.apply(id, if starts { Cause::Started } else { cause });
        // What ended may have been all that a reload waited for before the run's own end is dealt with.
        let unit = self.get(id);
        if role == Role::Control && unit.is_some_and(|unit| unit.state.is_up()) {
            match self.pulse(id) {
                Pulse::Alive | Pulse::Lingers => {}
                Pulse::Finished => self.apply(id, Cause::Finished),
                Pulse::Crashed => self.apply(id, Cause::Crashed),
            }
        }
    }

    fn ignores_failure(&self, id: UnitId, phase: Phase, index: u16) -> bool {
        let service = self.unit(id).service();
        let command =
            service.and_then(|service| list(&service.commands, phase).get(usize::from(index)));
        command.is_some_and(|command| command.ignore_failure)
    }

    fn on_emptied(&mut self, run: Run) {
        let Some(id) = self.current(run) else { return };
        let unit = self.unit(id);
        // A process that we know of is not dead before we are told so: the fact is older than the process.
        if unit.main_lives() || unit.control_lives() {
            return;
        }
        let state = unit.state;
        self.change(id).evidence().populated = false;
        if matches!(state, State::Finding { .. }) {
            self.change(id).evidence().blame(Fault::Protocol);
        }
        let running = state.is_up() || matches!(state, State::Probing { .. });
        let cause = match self.pulse(id) {
            Pulse::Crashed if running || launching(state) => Cause::Crashed,
            Pulse::Finished if launching(state) => {
                self.change(id).evidence().blame(Fault::Protocol);
                Cause::Crashed
            }
            Pulse::Finished if running => Cause::Finished,
            Pulse::Alive | Pulse::Lingers | Pulse::Finished | Pulse::Crashed => Cause::Emptied,
        };
        self.apply(id, cause);
    }

    fn on_out_of_memory(&mut self, run: Run, kills: u32) {
        let Some(id) = self.current(run) else { return };
        self.note(id, NoteKind::OutOfMemory { kills });
        let policy = self.unit(id).service().map(|service| service.oom_policy);
        let evidence = self.change(id).evidence();
        evidence.out_of_memory = true;
        match policy {
            Some(OomPolicy::Stop) => {
                let stopping = self.unit(id).state.is_stopping();
                if !stopping {
                    self.change(id).evidence().blame(Fault::OutOfMemory);
                }
                self.apply(id, Cause::OutOfMemory);
            }
            // The kernel kills the whole group, and the exits tell the rest; or nothing is to be done.
            Some(OomPolicy::Kill | OomPolicy::Continue) | None => {}
        }
    }

    fn on_kept(&mut self, id: UnitId, number: u32, name: Box<str>) {
        match self.get_mut(id) {
            Some(unit) => unit.kept.push(crate::unit::Kept { number, name }),
            None => self.order(Action::Drop { unit: id, number }),
        }
    }
}

/// What the end of a main process means that did not count as started yet.
fn launch_ended(service: &Service, status: ExitStatus, well: bool) -> Cause {
    let executed = !matches!(status, ExitStatus::Stage(_));
    match service.startup {
        Startup::Oneshot if well => Cause::Started,
        // Its program ran, whatever became of it; the fact that says so may come late.
        Startup::Simple | Startup::Idle | Startup::Exec if executed => Cause::Started,
        Startup::Notify | Startup::NotifyReload { .. } if service.lives_with_group => {
            Cause::MainGone
        }
        Startup::Oneshot
        | Startup::Simple
        | Startup::Idle
        | Startup::Exec
        | Startup::Forking { .. }
        | Startup::Notify
        | Startup::NotifyReload { .. } => Cause::Crashed,
    }
}

fn launching(state: State) -> bool {
    matches!(state, State::Launching { .. })
}
