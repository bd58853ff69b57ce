//! Needs are up before a start and go after a stop; of two in an order the one that stops goes first.

use std::collections::{BTreeMap, BTreeSet};

use units::UnitName;
use units::action::Action;
use units::event::Errand;
use units::goal::Goal;
use units::note::{Note, NoteKind, StateName};
use units::run::{Phase, Run, UnitId};
use units::service::Startup;
use units::spec::{RelationKind, Spec};
use units::view::UnitView;

use super::{Checker, Seen, Violation};

/// Runs that began.
#[derive(Debug, Default)]
pub struct Order {
    begun: BTreeSet<Run>,
    /// Whether a pair lies on a cycle, so that one of its edges may be ignored. Asked often.
    cyclic: BTreeMap<(UnitName, UnitName), bool>,
    /// What looks wrong at the end of the step, unless the other unit came to it only later in the step.
    suspicions: Vec<(UnitName, Violation)>,
    /// PID 1 just came back. What its last step decided may have been lost for some units and not for others.
    reborn: bool,
}

impl Checker for Order {
    fn on_order(&mut self, seen: &Seen<'_>, order: &Action) -> Result<(), Violation> {
        if let Action::Note(note) = order {
            self.suspicions.retain(|(other, _)| *other != note.unit);
        }
        match order {
            Action::Spawn { run, errand: Errand { phase, .. }, .. } => {
                let begins = matches!(phase, Phase::Condition | Phase::StartPre | Phase::Start);
                if begins && self.begun.insert(*run) {
                    return self.check_start(seen, run.unit);
                }
                Ok(())
            }
            Action::Prepare { run, .. } => {
                if self.begun.insert(*run) {
                    self.check_start(seen, run.unit)
                } else {
                    Ok(())
                }
            }
            Action::Note(Note { unit, what: NoteKind::State { from, to, cause }, .. }) => {
                // A fault waits for nobody.
                let by_wish = matches!(&**cause, "not wanted" | "restart");
                let ends = matches!(to, StateName::Stopping | StateName::Down) && by_wish;
                let ran = matches!(from, StateName::Up | StateName::Reloading);
                match seen.supervisor.id(unit) {
                    Some(id) if ends && ran => self.check_stop(seen, id),
                    Some(_) | None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn on_settled(&mut self, _seen: &Seen<'_>) -> Result<(), Violation> {
        if std::mem::take(&mut self.reborn) {
            self.suspicions.clear();
        }
        self.suspicions.pop().map_or(Ok(()), |(_, violation)| Err(violation))
    }

    fn on_death(&mut self, _seen: &Seen<'_>) -> Result<(), Violation> {
        self.suspicions.clear();
        self.reborn = true;
        Ok(())
    }
}

impl Order {
    fn check_start(&mut self, seen: &Seen<'_>, id: UnitId) -> Result<(), Violation> {
        let Some(unit) = seen.supervisor.view().unit(id) else { return Ok(()) };
        for other in seen.supervisor.view().units().filter(|other| other.id != id) {
            let after = is_after(seen.specs, unit.name, other.name);
            let before = is_after(seen.specs, other.name, unit.name);
            if !(after || before) || self.is_cyclic(seen.specs, unit.name, other.name) {
                continue;
            }
            if is_leaving(seen, other.id) {
                return self.suspect(&unit, "starts before", &other, "stopped");
            }
            if !after {
                continue;
            }
            let needs = relation(seen.specs, unit.name, other.name);
            if needs.is_some_and(|kind| !satisfies(&other, kind)) {
                return self.suspect(&unit, "starts without", &other, "up");
            }
            let on_way = other.state == StateName::Starting && other.goal == Goal::Up;
            if on_way {
                return self.suspect(&unit, "starts before", &other, "started");
            }
        }
        Ok(())
    }

    fn check_stop(&mut self, seen: &Seen<'_>, id: UnitId) -> Result<(), Violation> {
        let Some(unit) = seen.supervisor.view().unit(id) else { return Ok(()) };
        if unit.goal == Goal::Up {
            return Ok(());
        }
        for other in seen.supervisor.view().units().filter(|other| other.id != id) {
            let behind = is_after(seen.specs, other.name, unit.name);
            if behind
                && is_leaving(seen, other.id)
                && !self.is_cyclic(seen.specs, unit.name, other.name)
            {
                return self.suspect(&unit, "stops before", &other, "stopped");
            }
        }
        Ok(())
    }

    fn suspect(
        &mut self,
        unit: &UnitView<'_>,
        how: &str,
        other: &UnitView<'_>,
        what: &str,
    ) -> Result<(), Violation> {
        let (state, goal) = (other.state, other.goal);
        let text = format!(
            "{} {how} {} is {what} (it is {state:?}, its goal {goal:?}, {:?})",
            unit.name, other.name, other.fault
        );
        self.suspicions.push((other.name.clone(), Violation { checker: "order", text }));
        Ok(())
    }

    fn is_cyclic(&mut self, specs: &[Spec], one: &UnitName, other: &UnitName) -> bool {
        let key = (one.clone(), other.clone());
        if let Some(known) = self.cyclic.get(&key) {
            return *known;
        }
        let cyclic = reaches(specs, one, other) && reaches(specs, other, one);
        self.cyclic.insert(key, cyclic);
        cyclic
    }
}

/// Whether one unit is ordered after another, by either's words.
#[must_use]
pub fn is_after(specs: &[Spec], one: &UnitName, other: &UnitName) -> bool {
    says(specs, one, RelationKind::After, other) || says(specs, other, RelationKind::Before, one)
}

/// Whether the unit is active, and going to rest by somebody's wish or for lack of a need.
#[must_use]
pub fn is_leaving(seen: &Seen<'_>, id: UnitId) -> bool {
    let Some(unit) = seen.supervisor.view().unit(id) else { return false };
    let active = !matches!(
        unit.state,
        StateName::Down
            | StateName::Skipped
            | StateName::Failed
            | StateName::Waiting
            | StateName::Backoff
    );
    active && (unit.goal != Goal::Up || is_held(&unit))
}

/// Whether a need keeps the unit from running.
#[must_use]
pub fn is_held(unit: &UnitView<'_>) -> bool {
    unit.held_by.is_some() || unit.fault.as_deref().is_some_and(|text| text.starts_with("needs "))
}

/// The strongest need of one unit for another.
#[must_use]
pub fn relation(specs: &[Spec], one: &UnitName, other: &UnitName) -> Option<RelationKind> {
    let kinds = [RelationKind::BindsTo, RelationKind::Requisite, RelationKind::Requires];
    kinds.into_iter().find(|kind| says(specs, one, *kind, other))
}

/// Whether a definition has a relation.
#[must_use]
pub fn says(specs: &[Spec], one: &UnitName, kind: RelationKind, other: &UnitName) -> bool {
    let spec = specs.iter().find(|spec| spec.name == *one);
    spec.is_some_and(|spec| spec.related(kind).any(|name| name == other))
}

fn satisfies(unit: &UnitView<'_>, kind: RelationKind) -> bool {
    match unit.state {
        StateName::Up | StateName::Reloading => unit.goal == Goal::Up && unit.ready,
        StateName::Skipped => kind != RelationKind::BindsTo,
        // A oneshot that did its work.
        StateName::Down => kind != RelationKind::BindsTo && unit.run > 0 && unit.fault.is_none(),
        // The same, which does it again later.
        StateName::Backoff => kind != RelationKind::BindsTo && unit.fault.is_none() && works(unit),
        StateName::Waiting | StateName::Starting | StateName::Stopping | StateName::Failed => false,
    }
}

/// Whether a unit is there to do something, not to stay.
fn works(unit: &UnitView<'_>) -> bool {
    unit.spec.service().is_some_and(|service| service.startup == Startup::Oneshot)
}

fn reaches(specs: &[Spec], from: &UnitName, to: &UnitName) -> bool {
    let mut seen = BTreeSet::new();
    let mut list = vec![from];
    while let Some(name) = list.pop() {
        for spec in specs.iter().filter(|spec| is_after(specs, name, &spec.name)) {
            if spec.name == *to {
                return true;
            }
            if seen.insert(&spec.name) {
                list.push(&spec.name);
            }
        }
    }
    false
}
