//! After PID 1 died: records and definitions become units again, and orders in flight are given again.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::Supervisor;
use super::settle::Standing;
use crate::action::Action;
use crate::event::Errand;
use crate::evidence::{Process, Watchdog};
use crate::graph::{Edge, Link};
use crate::limits::UNITS_MAX;
use crate::name::{UnitKind, UnitName};
use crate::probe_watch::ProbeWatch;
use crate::record::{PartRecord, Record, flag, span};
use crate::run::{Phase, Role, Run, UnitId};
use crate::service::{PreserveMode, Service, Startup};
use crate::socket::SocketNow;
use crate::spec::{Body, Spec};
use crate::state::{Reload, State};
use crate::timer::TimerNow;
use crate::unit::{NOWHERE, Part, Serving};

impl Supervisor {
    pub(super) fn adopt(&mut self, specs: Vec<Spec>, records: Vec<Record>) {
        let mut defined: BTreeMap<UnitName, Spec> =
            specs.into_iter().map(|spec| (spec.name.clone(), spec)).collect();
        let mut adopted = Vec::new();
        for record in records {
            let slot = usize::from(record.id.0);
            if slot >= UNITS_MAX || self.get(record.id).is_some() {
                continue;
            }
            let spec = defined.remove(&record.name);
            let removed = spec.is_none();
            let Some(spec) = spec.or_else(|| stand_in(&record.name)) else { continue };
            self.place(record.id, Rc::new(spec));
            self.change(record.id).removed = removed;
            adopted.push(record);
        }
        for spec in defined.into_values() {
            self.define(spec);
        }
        self.rebuild();
        for record in &adopted {
            self.take_over(record);
        }
        for record in adopted.iter().filter(|record| record.has(flag::HELD)) {
            self.hold_again(record.id);
        }
        for record in &adopted {
            self.order_again(record.id);
            self.forget_if_gone(record.id);
        }
    }

    /// The unit is as its record says.
    fn take_over(&mut self, record: &Record) {
        let (id, now) = (record.id, self.now);
        let unit = self.change(id);
        let errand = errand_of(record.state, unit.service());
        unit.run = record.run;
        unit.goal = record.goal;
        unit.held = record.has(flag::HELD).then_some(NOWHERE);
        unit.pinned = record.has(flag::PINNED);
        unit.since = span(record.since_us);
        unit.job_until = record.job_until_us.map(span);
        unit.history = record.history();
        unit.now = record.evidence(errand).map(Box::new);
        let state = record.state();
        unit.state = state;
        restore_health(unit, record, now);
        self.restore_part(record);
        self.count(State::Down, state);
    }

    /// By whom a unit is held no record says. The death may have come between the records of the two: then the
    /// need is not on its way down, and the unit, if it did not begin to stop, stays up.
    fn hold_again(&mut self, id: UnitId) {
        let state = self.unit(id).state;
        if !state.is_active() || state.is_stopping() {
            return;
        }
        let needs =
            self.graph.out(id).iter().filter(|e| e.link.is_hard() || e.link == Link::PartOf);
        let takers = self.graph.back(id).iter().filter(|edge| edge.link == Link::StopsAlso);
        let mut holders = needs.chain(takers).filter(|edge| self.takes_along(**edge));
        let holder = holders.next().map(|edge| edge.unit);
        self.change(id).held = holder;
        if holder.is_none() {
            self.let_go(id);
        }
    }

    fn takes_along(&self, edge: Edge) -> bool {
        match self.standing_for(edge) {
            Standing::Satisfied => false,
            Standing::OnWay => edge.link == Link::BindsTo && !self.unit(edge.unit).state.is_up(),
            Standing::Leaving | Standing::Turning => true,
            Standing::Dead => edge.link.is_hard(),
        }
    }

    fn restore_part(&mut self, record: &Record) {
        let part = match &record.part {
            PartRecord::Plain => return,
            PartRecord::Timer { began_us, last_us, base_unix_us, spent, count } => {
                Part::Timer(Box::new(TimerNow {
                    began: span(*began_us),
                    last: last_us.map(span),
                    base_unix_us: *base_unix_us,
                    spent: *spent,
                    count: *count,
                    next: None,
                }))
            }
            PartRecord::Socket(window) => Part::Socket(Box::new(SocketNow {
                window_since: span(window.since_us),
                window_triggers: u32::from(window.count),
                ..SocketNow::default()
            })),
            PartRecord::Instance { socket, connection } => Part::Instance(Box::new(Serving {
                socket: *socket,
                connection: *connection,
                peer: "".into(),
            })),
        };
        let fits = matches!(
            (&part, &self.unit(record.id).part),
            (Part::Timer(_), Part::Timer(_)) | (Part::Socket(_), Part::Socket(_))
        );
        if let Part::Instance(serving) = &part {
            let socket = serving.socket;
            if self.get(socket).is_some()
                && let Part::Socket(memory) = &mut self.change(socket).part
            {
                memory.serving.push(record.id);
            }
        } else if !fits {
            return;
        }
        self.change(record.id).part = part;
    }

    /// The shore that had our orders is gone: what it may not have done is ordered once more.
    fn order_again(&mut self, id: UnitId) {
        self.enqueue(id);
        self.release_older(id);
        let state = self.unit(id).state;
        match state {
            State::Down
            | State::Skipped
            | State::Failed
            | State::Waiting
            | State::Backoff { .. } => {
                self.release_again(id);
            }
            State::Preparing => self.prepare(id),
            State::Finding { .. } => self.find_main(id),
            State::Opening { until } => self.open(id, until),
            State::Closing { until } => self.close(id, until),
            State::StartPre { .. }
            | State::Launching { .. }
            | State::StartPost { .. }
            | State::Probing { .. }
            | State::Up { .. }
            | State::Reloading { .. }
            | State::StopCommand { .. }
            | State::StopPost { .. } => self.spawn_again(id),
            State::Terminating { .. } => self.signal_again(id),
            State::Killing { .. } | State::Emptying { .. } => self.kill_again(id),
        }
        self.adopt_again(id);
    }

    /// A spawn without an answer is ordered again; the shore knows whether it was done.
    fn spawn_again(&mut self, id: UnitId) {
        for role in [Role::Main, Role::Control] {
            let process = *self.change(id).evidence().process(role);
            if let Process::Ordered { errand, .. } = process {
                self.spawn(id, role, errand);
            }
        }
    }

    fn signal_again(&mut self, id: UnitId) {
        if self.void_spawns(id) {
            // It may exist or not; nothing gentle reaches what cannot be named.
            return self.kill(id);
        }
        if self.unit(id).now.as_ref().is_some_and(|now| now.signalled) {
            self.resend(id);
        }
    }

    fn kill_again(&mut self, id: UnitId) {
        self.void_spawns(id);
        self.resend(id);
    }

    fn void_spawns(&mut self, id: UnitId) -> bool {
        let mut any = false;
        for role in [Role::Main, Role::Control] {
            let process = self.change(id).evidence().process(role);
            if matches!(process, Process::Ordered { .. }) {
                *process = Process::None;
                any = true;
            }
        }
        any
    }

    /// A main process that the unit named itself is not one that the shore started.
    fn adopt_again(&mut self, id: UnitId) {
        let unit = self.unit(id);
        let run = unit.run_of(id);
        let forks = unit.service().is_some_and(|s| matches!(s.startup, Startup::Forking { .. }));
        let main = unit.now.as_ref().and_then(|now| now.main.pid());
        if let Some(pid) = main
            && forks
        {
            self.order(Action::AdoptMain { run, pid });
        }
    }

    /// The run before the last one is over in any case, but its release may have been lost.
    fn release_older(&mut self, id: UnitId) {
        let unit = self.unit(id);
        if unit.service().is_some() && unit.run > 1 {
            let run = Run { unit: id, number: unit.run - 1 };
            self.order(Action::Release { run, drop_descriptors: false, restarting: true });
        }
    }

    /// The end of the last run may not have been carried out.
    fn release_again(&mut self, id: UnitId) {
        let unit = self.unit(id);
        let run = unit.run_of(id);
        let Some(service) = unit.service() else { return };
        if unit.run == 0 {
            return;
        }
        let restarting = !unit.state.at_rest();
        let drop_descriptors = match service.descriptors_preserve.unwrap_or(PreserveMode::Restart) {
            PreserveMode::No => true,
            PreserveMode::Restart => !restarting,
            PreserveMode::Yes => false,
        };
        self.order(Action::Release { run, drop_descriptors, restarting });
    }
}

/// Probes and watchdog begin anew, with what they knew.
fn restore_health(unit: &mut crate::unit::Unit, record: &Record, now: Duration) {
    let Some(run) = &record.run_now else { return };
    let runs = matches!(
        record.state,
        State::StartPost { .. }
            | State::Probing { .. }
            | State::Up { .. }
            | State::Reloading { .. }
    );
    if !runs {
        return;
    }
    let spec = unit.spec.clone();
    let Some(service) = spec.service() else { return };
    let passed = (record.has(flag::PROBED_START), record.has(flag::PROBED_READY));
    let evidence = unit.evidence();
    evidence.probes = ProbeWatch::restored(&service.probes, passed, now).map(Box::new);
    if run.watchdog_ms > 0 {
        let every = Duration::from_millis(u64::from(run.watchdog_ms));
        evidence.watchdog = Some(Watchdog { every, until: now.saturating_add(every) });
    }
}

/// The command that the present process belongs to.
fn errand_of(state: State, service: Option<&Service>) -> Option<Errand> {
    let errand = |phase, index| Some(Errand { phase, index });
    match state {
        State::StartPre { errand, .. } => Some(errand),
        State::Launching { index, .. } => errand(Phase::Start, index),
        State::StartPost { index, .. } => errand(Phase::StartPost, index),
        State::Reloading { step: Reload::Command(index), .. } => errand(Phase::Reload, index),
        State::StopCommand { index, .. } => errand(Phase::Stop, index),
        State::StopPost { index, .. } => errand(Phase::StopPost, index),
        State::Reloading { .. } => errand(Phase::Reload, 0),
        // What is being ended was some command; which one matters no more, but that it was ordered does.
        State::Terminating { .. } | State::Killing { .. } | State::Emptying { .. } => {
            service.and_then(|_| errand(Phase::Start, 0))
        }
        State::Down
        | State::Skipped
        | State::Failed
        | State::Waiting
        | State::Backoff { .. }
        | State::Preparing
        | State::Finding { .. }
        | State::Probing { .. }
        | State::Opening { .. }
        | State::Up { .. }
        | State::Closing { .. } => None,
    }
}

/// A definition for a unit whose own is gone: enough to stop it and to forget it.
fn stand_in(name: &UnitName) -> Option<Spec> {
    let body = match name.kind() {
        UnitKind::Service => Body::Service(Box::default()),
        UnitKind::Target => Body::Target,
        // Without its own words there is nothing that could be done about these.
        UnitKind::Timer | UnitKind::Socket | UnitKind::Mount => return None,
    };
    Some(Spec::new(name.clone(), body))
}
