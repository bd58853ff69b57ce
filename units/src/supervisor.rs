//! The set of all units: makes state follow goal.
//!
//! Each step has two phases. First the fact changes goals, states and evidence of the units that it is about
//! (`door`, `asks`, `goals`); then the units whose surroundings changed are considered one by one until
//! nothing changes any more (`settle`). Nothing here recurses over the graph, and a step costs what it
//! changes, not what there is.

mod asks;
mod climb;
mod define;
mod descend;
mod door;
mod goals;
mod look;
mod notices;
mod probes;
mod reload;
mod rest;
mod restore;
mod settle;
mod sockets;
#[cfg(test)]
mod tests;
mod timers;
mod ways;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::action::{Action, Answer, Outbox};
use crate::event::{Event, Request};
use crate::goal::Aim;
use crate::graph::Graph;
use crate::limits::UNSETTLED_PAUSE;
use crate::name::UnitName;
use crate::note::{Note, NoteKind};
use crate::record::Record;
use crate::run::{Ticket, UnitId};
use crate::spec::Spec;
use crate::state::State;
use crate::unit::Unit;
use crate::view::View;

/// What the supervisor is told once about the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// A hash of the machine id: spreads delays differently on each machine.
    pub machine_seed: u64,
    /// Unix time minus time since boot, in microseconds; later by `Event::ClockStepped`.
    pub boot_unix_us: i64,
    /// Local time minus UTC.
    pub utc_offset_s: i32,
    /// How often PID 1 was replaced since boot; the tickets of each life differ.
    pub life: u16,
}

/// Every unit's definition, goal, state and history.
#[derive(Debug)]
pub struct Supervisor {
    facts: Facts,
    /// The latest time that a step was told.
    now: Duration,
    units: Vec<Option<Unit>>,
    /// Per slot, the last run number of the units that had it: numbers go on for the next one.
    floors: Vec<u32>,
    /// Names and aliases.
    names: BTreeMap<UnitName, UnitId>,
    graph: Graph,
    /// What is due when; one entry per unit.
    deadlines: BTreeSet<(Duration, UnitId)>,
    /// Units to be considered.
    queue: VecDeque<UnitId>,
    /// Units that changed in this step.
    touched: Vec<UnitId>,
    /// Counts orders.
    sequence: u32,
    /// Everything goes down; who asked for it.
    closing: Option<Vec<Ticket>>,
    /// Units that are not at rest.
    awake: usize,
    /// Units on their way up or down, idle ones that wait for the others left out.
    busy: usize,
    /// Idle units that wait for the others.
    idlers: BTreeSet<UnitId>,
    /// Instances that are being loaded, and what for.
    parked: BTreeMap<UnitName, Vec<Parked>>,
    /// When persistent timers last elapsed, for timers that are not defined yet.
    stamps: BTreeMap<UnitName, i64>,
    out: Outbox,
}

/// What waits for the definition of an instance.
#[derive(Debug)]
enum Parked {
    /// A request.
    Asked { ticket: Ticket, request: Request },
    /// A unit that names it.
    Pulled,
    /// A connection.
    Called { socket: UnitId, connection: crate::event::Connection },
}

impl Supervisor {
    /// A supervisor of nothing; `Event::Defined` tells it of units.
    #[must_use]
    pub fn new(facts: Facts) -> Supervisor {
        Supervisor {
            facts,
            now: Duration::ZERO,
            units: Vec::new(),
            floors: Vec::new(),
            names: BTreeMap::new(),
            graph: Graph::default(),
            deadlines: BTreeSet::new(),
            queue: VecDeque::new(),
            touched: Vec::new(),
            sequence: 0,
            closing: None,
            awake: 0,
            busy: 0,
            idlers: BTreeSet::new(),
            parked: BTreeMap::new(),
            stamps: BTreeMap::new(),
            out: Outbox::new(),
        }
    }

    /// Takes one fact and gives the orders that follow from it.
    ///
    /// The orders to write records come first: a shore that performs in order never does what a crash would forget.
    pub fn step(&mut self, event: Event, now: Duration, out: &mut Outbox) {
        self.now = self.now.max(now);
        self.on_event(event);
        self.finish(out);
    }

    /// Goes on after a crash or a replacement of PID 1, with the same ids and run numbers.
    ///
    /// Orders whose answer the old life did not see are given again under new tickets; the shore answers an order
    /// that it carried out already by looking at what exists (see `Action::Spawn`).
    #[must_use]
    pub fn restore(
        facts: Facts,
        specs: Vec<Spec>,
        records: Vec<Record>,
        now: Duration,
        out: &mut Outbox,
    ) -> Supervisor {
        let mut supervisor = Supervisor::new(facts);
        supervisor.now = now;
        supervisor.adopt(specs, records);
        supervisor.finish(out);
        supervisor
    }

    /// Whether no unit is on its way up or down.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.busy == 0
    }

    /// When `Event::Tick` is due; `None`: not before another fact.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let unsettled = (!self.queue.is_empty()).then(|| self.now + UNSETTLED_PAUSE);
        let due = self.deadlines.first().map(|(due, _)| *due);
        due.into_iter().chain(unsettled).min()
    }

    /// What there is to see.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::new(self)
    }

    /// The spec in effect: for a running unit the one it was started with, its limits and relations excepted.
    #[must_use]
    pub fn spec(&self, id: UnitId) -> Option<&Spec> {
        self.get(id).map(|unit| &*unit.spec)
    }

    /// The unit of that name or alias.
    #[must_use]
    pub fn id(&self, name: &UnitName) -> Option<UnitId> {
        self.names.get(name).copied()
    }

    /// What of a unit must survive us; `None`: nothing any more.
    #[must_use]
    pub fn record(&self, id: UnitId) -> Option<Record> {
        self.get(id).map(|unit| Record::of(id, unit))
    }

    /// Everything goes down, and nothing starts any more.
    #[must_use]
    pub fn shutting_down(&self) -> bool {
        self.closing.is_some()
    }

    /// Settles, then hands over what was ordered, records first.
    fn finish(&mut self, out: &mut Outbox) {
        self.settle();
        self.answer_shutdown();
        for id in std::mem::take(&mut self.touched) {
            if let Some(unit) = self.get_mut(id) {
                unit.dirty = false;
            }
            self.arm(id);
            out.push(Action::Record { unit: id });
        }
        for action in self.out.drain() {
            out.push(action);
        }
    }
}

/// Small verbs that every file here uses.
impl Supervisor {
    /// All of them.
    pub fn ids(&self) -> impl Iterator<Item = UnitId> + use<> {
        (0..self.units.len()).map(|index| UnitId(u16::try_from(index).expect("ids fit")))
    }

    fn get(&self, id: UnitId) -> Option<&Unit> {
        self.units.get(usize::from(id.0)).and_then(Option::as_ref)
    }

    fn get_mut(&mut self, id: UnitId) -> Option<&mut Unit> {
        self.units.get_mut(usize::from(id.0)).and_then(Option::as_mut)
    }

    fn unit(&self, id: UnitId) -> &Unit {
        self.get(id).expect("an id inside the supervisor names a unit")
    }

    /// A unit to be changed: it gets a record, and its deadline is looked at again.
    fn change(&mut self, id: UnitId) -> &mut Unit {
        let unit = self.units[usize::from(id.0)].as_mut();
        let unit = unit.expect("an id inside the supervisor names a unit");
        if !unit.dirty {
            unit.dirty = true;
            self.touched.push(id);
        }
        unit
    }

    /// Gives an order.
    fn order(&mut self, action: Action) {
        self.out.push(action);
    }

    /// A name for an order of this unit: life, unit and a count in one number.
    fn ticket(&mut self, id: UnitId) -> Ticket {
        self.sequence = self.sequence.wrapping_add(1);
        Ticket(self.life() << 48 | u64::from(id.0) << 32 | u64::from(self.sequence))
    }

    /// The unit that a ticket of this life names.
    fn owner(&self, ticket: Ticket) -> Option<UnitId> {
        let id = UnitId(u16::try_from(ticket.0 >> 32 & 0xffff).expect("masked"));
        (ticket.0 >> 48 == self.life() && self.get(id).is_some()).then_some(id)
    }

    /// The highest bit of a ticket is for whoever asks us.
    fn life(&self) -> u64 {
        u64::from(self.facts.life & 0x7fff)
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.order(Action::Answer { ticket, answer });
    }

    fn note(&mut self, id: UnitId, what: NoteKind) {
        let unit = self.unit(id);
        let note = Note { unit: unit.spec.name.clone(), run: unit.run, what };
        self.order(Action::Note(note));
    }

    fn warn(&mut self, id: UnitId, text: String) {
        self.note(id, NoteKind::Warning(text.into()));
    }

    /// Asks for a unit to be considered.
    fn enqueue(&mut self, id: UnitId) {
        if let Some(unit) = self.get_mut(id)
            && !unit.queued
        {
            unit.queued = true;
            self.queue.push_back(id);
        }
    }

    /// Puts a unit into another state: the one place where that happens.
    fn set_state(&mut self, id: UnitId, to: State, cause: &str) {
        let now = self.now;
        let unit = self.change(id);
        let from = unit.state;
        unit.state = to;
        if from.name() == to.name() {
            return;
        }
        unit.blocked_on = None;
        unit.since = now;
        let what =
            NoteKind::State { from: from.name(), to: to.name(), cause: cause.to_owned().into() };
        self.note(id, what);
        self.count(from, to);
        self.enqueue(id);
        self.stir(id);
        if from.is_up() && !to.is_up() {
            self.left_up(id);
        }
    }

    /// A run that was healthy for long enough makes the back-off begin anew.
    fn credit_health(&mut self, id: UnitId) {
        let now = self.now;
        let unit = self.change(id);
        let arrived = unit.now.as_ref().and_then(|now| now.arrived);
        let reset_after = unit.service().map(|service| service.restart.reset_after);
        let healthy = reset_after
            .zip(arrived)
            .is_some_and(|(reset_after, arrived)| now.saturating_sub(arrived) >= reset_after);
        if healthy {
            unit.history.tries = 0;
        }
    }

    /// A run that nobody wanted to end takes with it who is bound to it.
    fn left_up(&mut self, id: UnitId) {
        self.credit_health(id);
        let unit = self.unit(id);
        let direct = unit.service().is_some_and(|service| service.restart.direct);
        if unit.aim() == Aim::Up && !direct {
            self.lose(id);
        }
    }

    fn count(&mut self, from: State, to: State) {
        let awake = |state: State| usize::from(!state.at_rest());
        let busy = |state: State| usize::from(state.is_starting() || state.is_stopping());
        self.awake = self.awake + awake(to) - awake(from);
        self.busy = self.busy + busy(to) - busy(from);
        if self.busy == 0 {
            for id in std::mem::take(&mut self.idlers) {
                self.enqueue(id);
            }
        }
    }

    /// Keeps the unit's one entry in the index of deadlines.
    fn arm(&mut self, id: UnitId) {
        let due = self.due(id);
        let armed = self.get(id).and_then(|unit| unit.armed);
        if armed == due {
            return;
        }
        if let Some(armed) = armed {
            self.deadlines.remove(&(armed, id));
        }
        if let Some(due) = due {
            self.deadlines.insert((due, id));
        }
        if let Some(unit) = self.get_mut(id) {
            unit.armed = due;
        }
    }

    /// The earliest of everything that a unit waits for.
    fn due(&self, id: UnitId) -> Option<Duration> {
        let unit = self.get(id)?;
        let evidence = unit.now.as_ref();
        [
            unit.state.until(),
            unit.job_until,
            unit.idle.until(),
            evidence.and_then(|now| now.watchdog).map(|watchdog| watchdog.until),
            evidence.and_then(|now| now.probes.as_ref()).and_then(|probes| probes.due()),
            self.timer_due(unit),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
