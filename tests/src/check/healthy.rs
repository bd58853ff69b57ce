//! A run that is up and well is never killed without a cause.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use units::UnitName;
use units::action::Action;
use units::event::{Event, KillTarget, Notification, Outcome, Request};
use units::goal::Goal;
use units::note::{Note, NoteKind, StateName};
use units::run::{Run, Ticket, UnitId};
use units::service::{OomPolicy, Service, Signal, Startup};
use units::spec::{RelationKind, Spec};
use units::view::UnitView;

use super::order::{is_held, says};
use super::{Checker, Seen, Violation};

/// What happened to each unit since it came up.
#[derive(Debug, Default)]
pub struct Healthy {
    up: BTreeMap<UnitId, Duration>,
    left_up: BTreeMap<UnitId, Duration>,
    fed: BTreeMap<UnitId, Duration>,
    excused: BTreeSet<Run>,
    probes: BTreeMap<Ticket, Run>,
    /// Signals that somebody asked for.
    asked: BTreeSet<UnitId>,
    /// PID 1 just came back.
    reborn: bool,
}

impl Checker for Healthy {
    fn on_fact(&mut self, seen: &Seen<'_>, event: &Event) -> Result<(), Violation> {
        match event {
            Event::Exited { run, .. } | Event::Emptied { run } => {
                self.excused.insert(*run);
            }
            Event::OutOfMemory { run, .. } => {
                let service = seen.spec(run.unit).and_then(|spec| spec.service());
                if service.is_some_and(|service| service.oom_policy != OomPolicy::Continue) {
                    self.excused.insert(*run);
                }
            }
            Event::Done { ticket, outcome } => {
                if let (Some(run), Outcome::Refused(_)) = (self.probes.remove(ticket), outcome) {
                    self.excused.insert(run);
                }
            }
            Event::Notified { run, notification, .. } => self.on_notified(seen, *run, notification),
            Event::Asked { request: Request::Kill { unit, .. }, .. } => {
                self.asked.extend(seen.supervisor.id(unit));
            }
            _ => {}
        }
        Ok(())
    }

    fn on_order(&mut self, seen: &Seen<'_>, order: &Action) -> Result<(), Violation> {
        match order {
            Action::Note(Note { unit, what: NoteKind::State { from, to, .. }, .. }) => {
                let Some(id) = seen.supervisor.id(unit) else { return Ok(()) };
                // What follows once the stop has begun is no new decision.
                let begins_to_stop = *to == StateName::Stopping;
                if begins_to_stop && let Some(view) = seen.supervisor.view().unit(id) {
                    self.check(seen, Run { unit: id, number: view.run }, "is stopped")?;
                    self.up.remove(&id);
                }
                self.on_state(seen, id, *from, *to);
                Ok(())
            }
            Action::Probe { ticket, run, .. } => {
                self.probes.insert(*ticket, *run);
                Ok(())
            }
            Action::Signal { run, target, signal } => self.on_signal(seen, *run, *target, *signal),
            Action::KillGroup { run } if !self.goes_on(seen, *run) => {
                self.check(seen, *run, "is killed")
            }
            _ => Ok(()),
        }
    }

    fn on_settled(&mut self, _seen: &Seen<'_>) -> Result<(), Violation> {
        self.reborn = false;
        Ok(())
    }

    fn on_death(&mut self, _seen: &Seen<'_>) -> Result<(), Violation> {
        self.reborn = true;
        Ok(())
    }
}

impl Healthy {
    fn on_state(&mut self, seen: &Seen<'_>, id: UnitId, from: StateName, to: StateName) {
        let was_up = matches!(from, StateName::Up | StateName::Reloading);
        let is_up = matches!(to, StateName::Up | StateName::Reloading);
        if is_up && !was_up {
            self.up.insert(id, seen.now);
        }
        if to == StateName::Starting {
            self.fed.insert(id, seen.now);
        }
        if !is_up {
            self.left_up.insert(id, seen.now);
        }
        if matches!(
            to,
            StateName::Down | StateName::Failed | StateName::Waiting | StateName::Backoff
        ) {
            self.up.remove(&id);
        }
    }

    fn on_notified(&mut self, seen: &Seen<'_>, run: Run, notification: &Notification) {
        match notification {
            // A late word of an earlier run feeds nobody.
            Notification::Watchdog => {
                let unit = seen.supervisor.view().unit(run.unit);
                if unit.is_some_and(|unit| unit.run == run.number) {
                    self.fed.insert(run.unit, seen.now);
                }
            }
            Notification::WatchdogTrigger | Notification::Stopping => {
                self.excused.insert(run);
            }
            _ => {}
        }
    }

    fn on_signal(
        &mut self,
        seen: &Seen<'_>,
        run: Run,
        target: KillTarget,
        signal: Signal,
    ) -> Result<(), Violation> {
        let service = seen.spec(run.unit).and_then(|spec| spec.service());
        let own = |service: &Service| service.startup == Startup::NotifyReload { signal };
        let reloads = service.is_some_and(own);
        let harmless = signal == Signal::CONT || target == KillTarget::Control || reloads;
        if harmless || self.asked.remove(&run.unit) || self.goes_on(seen, run) {
            return Ok(());
        }
        self.check(seen, run, "gets a signal")
    }

    /// A stop that was decided before PID 1 died goes on, even where what led to it was lost with PID 1. One that
    /// is decided now is told.
    fn goes_on(&self, seen: &Seen<'_>, run: Run) -> bool {
        let unit = seen.supervisor.view().unit(run.unit);
        self.reborn && unit.is_some_and(|unit| unit.state == StateName::Stopping)
    }

    fn check(&self, seen: &Seen<'_>, run: Run, what: &str) -> Result<(), Violation> {
        let (Some(since), Some(unit)) =
            (self.up.get(&run.unit), seen.supervisor.view().unit(run.unit))
        else {
            return Ok(());
        };
        let well = unit.run == run.number
            && seen.kernel.main(run).is_some()
            && !self.excused.contains(&run)
            && unit.goal == Goal::Up
            && !self.lapsed(seen, run.unit, *since)
            && !(is_held(&unit) && self.lost_a_need(seen, run.unit, *since));
        if well {
            let text = format!("{} {what} although it is up and well", unit.name);
            return Err(Violation { checker: "healthy", text });
        }
        Ok(())
    }

    fn lapsed(&self, seen: &Seen<'_>, id: UnitId, since: Duration) -> bool {
        let Some(service) = seen.spec(id).and_then(|spec| spec.service()) else { return true };
        let fed = self.fed.get(&id).copied().unwrap_or_default();
        let hungry = service.timeouts.watchdog.is_some_and(|every| seen.now >= fed + every);
        let old = service.timeouts.runtime.is_some_and(|runtime| seen.now >= since + runtime);
        hungry || old
    }

    /// Whether something that the unit depends on, or that this depends on, is not, or was not, as it should be.
    fn lost_a_need(&self, seen: &Seen<'_>, id: UnitId, since: Duration) -> bool {
        let missing = seen.spec(id).is_some_and(|spec| {
            spec.relations.iter().any(|relation| seen.supervisor.id(&relation.unit).is_none())
        });
        let is_lost = |other: &UnitView<'_>| {
            let left = self.left_up.get(&other.id).is_some_and(|left| *left >= since);
            let up = matches!(other.state, StateName::Up | StateName::Reloading);
            left || !up || other.goal != Goal::Up || is_held(other)
        };
        missing || dependences(seen, id).iter().any(is_lost)
    }
}

/// All whose end takes the unit along, by one step or by several.
fn dependences<'a>(seen: &'a Seen<'_>, id: UnitId) -> Vec<UnitView<'a>> {
    let view = seen.supervisor.view();
    let (mut found, mut list) = (Vec::<UnitView<'_>>::new(), Vec::from_iter(view.unit(id)));
    while let Some(one) = list.pop() {
        for other in view.units().filter(|other| goes_with(seen.specs, one.name, other.name)) {
            if other.id != id && found.iter().all(|known| known.id != other.id) {
                found.push(other.clone());
                list.push(other);
            }
        }
    }
    found
}

fn goes_with(specs: &[Spec], own: &UnitName, other: &UnitName) -> bool {
    use RelationKind::{
        BindsTo, PartOf, PropagatesStopTo, Requires, Requisite, StopPropagatedFrom,
    };
    let kinds = [Requires, BindsTo, Requisite, PartOf, StopPropagatedFrom];
    kinds.into_iter().any(|kind| says(specs, own, kind, other))
        || says(specs, other, PropagatesStopTo, own)
}
