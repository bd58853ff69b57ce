//! The set of all units: makes state follow goal.

use std::time::Duration;

use crate::action::{Action, Answer, Outbox};
use crate::event::Event;
use crate::name::UnitName;
use crate::record::Record;
use crate::run::UnitId;
use crate::spec::Spec;
use crate::view::{UnitView, View};

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
    pub life: u32,
}

/// Every unit's definition, goal, state and history.
#[derive(Debug)]
pub struct Supervisor {
    facts: Facts,
}

impl Supervisor {
    /// A supervisor of nothing; `Event::Defined` tells it of units.
    #[must_use]
    pub fn new(facts: Facts) -> Supervisor {
        Supervisor { facts }
    }

    /// Goes on after a crash or a replacement of PID 1, with the same ids and run numbers.
    ///
    /// Orders whose answer the old life did not see are given again under new tickets: `Spawn` with
    /// the same run, role and errand is answered with the process that exists, if it does.
    #[must_use]
    pub fn restore(
        facts: Facts,
        specs: Vec<Spec>,
        records: Vec<Record>,
        now: Duration,
        out: &mut Outbox,
    ) -> Supervisor {
        let _ = (specs, records, now, out); // the skeleton has no units to restore
        Supervisor::new(facts)
    }

    /// Takes one fact and gives the orders that follow from it.
    pub fn step(&mut self, event: Event, now: Duration, out: &mut Outbox) {
        let _ = now; // the skeleton keeps no deadlines
        if let Event::Asked { ticket, .. } = event {
            out.push(Action::Answer { ticket, answer: Answer::Unknown });
        }
    }

    /// When `Event::Tick` is due; `None`: not before another fact.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        None
    }

    /// What there is to see.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::new(self)
    }

    /// The spec in effect: for a running unit the one it was started with.
    #[must_use]
    pub fn spec(&self, id: UnitId) -> Option<&Spec> {
        self.look(id).map(|unit| unit.spec)
    }

    /// The unit of that name or alias.
    #[must_use]
    pub fn id(&self, name: &UnitName) -> Option<UnitId> {
        self.view().units().find(|unit| unit.name == name).map(|unit| unit.id)
    }

    /// What of a unit must survive us.
    #[must_use]
    pub fn record(&self, id: UnitId) -> Option<Record> {
        self.look(id).map(|unit| Record {
            id,
            name: unit.name.clone(),
            run: unit.run,
            goal: unit.goal,
            since: unit.since,
            restarts: unit.restarts,
            fault: None,
        })
    }

    /// All of them.
    pub fn ids(&self) -> impl Iterator<Item = UnitId> + use<> {
        std::iter::empty()
    }

    pub(crate) fn look(&self, id: UnitId) -> Option<UnitView<'_>> {
        let _ = (id, &self.facts); // the skeleton has no units
        None
    }

    pub(crate) fn shutting_down(&self) -> bool {
        false
    }
}
