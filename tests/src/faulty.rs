//! A supervisor with a fault planted between it and the world, for the tests of the checkers.
//!
//! What it is told and what it orders passes through the fault; the checkers see the world's side of both.

use std::time::Duration;

use units::action::{Action, Outbox};
use units::event::{Event, KillTarget, Request};
use units::note::StateName;
use units::record::Record;
use units::run::{Role, Run};
use units::service::Signal;
use units::spec::{Body, RelationKind, Spec};
use units::supervisor::{Facts, Supervisor};

use crate::world::Brain;

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It answers each request twice.
    AnswersTwice,
    /// It never answers.
    NeverAnswers,
    /// It waits a tenth of what the author wrote before it tries again.
    HurriesBack,
    /// It does not look at the clock.
    IgnoresTicks,
    /// It does not hear that the machine goes down.
    MissesTheShutdown,
    /// It signals what runs, for no reason.
    Signals,
    /// It does not know which unit is to start after which.
    ForgetsTheOrder,
    /// It kills no group.
    SparesGroups,
    /// It writes only the first record of a step.
    WritesOneRecord,
    /// It starts the main process of a run twice.
    StartsTwice,
    /// Its clock runs at a third of the speed.
    DozesOff,
}

/// The supervisor, and what is wrong with it.
#[derive(Debug)]
pub struct Faulty {
    supervisor: Supervisor,
    fault: Fault,
}

impl Faulty {
    /// A supervisor of nothing, with a fault.
    #[must_use]
    pub fn new(facts: Facts, fault: Fault) -> Faulty {
        Faulty { supervisor: Supervisor::new(facts), fault }
    }

    /// What reaches the supervisor of what it is told.
    fn hears(&self, event: Event) -> Option<Event> {
        match (self.fault, event) {
            (Fault::IgnoresTicks, Event::Tick)
            | (Fault::MissesTheShutdown, Event::Asked { request: Request::ShutDown, .. }) => None,
            (_, Event::Defined { specs }) => Some(Event::Defined { specs: self.reads(specs) }),
            (_, event) => Some(event),
        }
    }

    /// What it makes of the definitions.
    fn reads(&self, mut specs: Vec<Spec>) -> Vec<Spec> {
        for spec in &mut specs {
            if self.fault == Fault::ForgetsTheOrder {
                spec.relations.retain(|relation| {
                    !matches!(relation.kind, RelationKind::After | RelationKind::Before)
                });
            }
            if let (Fault::HurriesBack, Body::Service(service)) = (self.fault, &mut spec.body) {
                service.restart.delay /= 10;
                service.restart.delay_max /= 10;
            }
        }
        specs
    }

    /// What becomes of its orders.
    fn orders(&self, given: &mut Outbox, out: &mut Outbox) {
        let mut records = 0;
        for order in given.drain() {
            match (self.fault, &order) {
                (Fault::AnswersTwice, Action::Answer { .. }) => out.push(order.clone()),
                (Fault::StartsTwice, Action::Spawn { role: Role::Main, .. }) => {
                    out.push(another(&order));
                }
                (Fault::NeverAnswers, Action::Answer { .. })
                | (Fault::SparesGroups, Action::KillGroup { .. }) => continue,
                (Fault::WritesOneRecord, Action::Record { .. }) => {
                    records += 1;
                    if records > 1 {
                        continue;
                    }
                }
                _ => {}
            }
            out.push(order);
        }
        if self.fault == Fault::Signals {
            out_of_the_blue(&self.supervisor).into_iter().for_each(|order| out.push(order));
        }
    }

    fn inner_time(&self, now: Duration) -> Duration {
        if self.fault == Fault::DozesOff { now / 3 } else { now }
    }
}

impl Brain for Faulty {
    fn step(&mut self, event: Event, now: Duration, out: &mut Outbox) {
        let now = self.inner_time(now);
        let Some(event) = self.hears(event) else { return };
        let mut given = Outbox::new();
        self.supervisor.step(event, now, &mut given);
        self.orders(&mut given, out);
    }

    fn deadline(&self) -> Option<Duration> {
        let due = self.supervisor.deadline()?;
        Some(if self.fault == Fault::DozesOff { due * 3 } else { due })
    }

    fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    fn reborn(
        &self,
        facts: Facts,
        specs: Vec<Spec>,
        records: Vec<Record>,
        now: Duration,
        out: &mut Outbox,
    ) -> Faulty {
        let (now, specs) = (self.inner_time(now), self.reads(specs));
        let mut given = Outbox::new();
        let supervisor = Supervisor::restore(facts, specs, records, now, &mut given);
        let faulty = Faulty { supervisor, fault: self.fault };
        faulty.orders(&mut given, out);
        faulty
    }
}

/// The same spawn for the command before it, or after it.
fn another(spawn: &Action) -> Action {
    let mut spawn = spawn.clone();
    if let Action::Spawn { errand, .. } = &mut spawn {
        errand.index += 1;
    }
    spawn
}

fn out_of_the_blue(supervisor: &Supervisor) -> Option<Action> {
    let up = supervisor
        .view()
        .units()
        .find(|unit| unit.state == StateName::Up && unit.main_pid.is_some())?;
    let run = Run { unit: up.id, number: up.run };
    Some(Action::Signal { run, target: KillTarget::Main, signal: Signal::TERM })
}
