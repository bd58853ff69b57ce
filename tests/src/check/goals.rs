//! Nothing is started or kept up against the goal.

use std::collections::BTreeSet;

use units::action::Action;
use units::event::{Errand, Event, Request};
use units::goal::Goal;
use units::note::StateName;
use units::run::{Phase, UnitId};

use super::order::{is_after, is_leaving};
use super::{Checker, Seen, Violation};

/// Whether the machine goes down, and which starts look wrong in this step.
#[derive(Debug, Default)]
pub struct Goals {
    closing: bool,
    doubtful: BTreeSet<UnitId>,
}

impl Checker for Goals {
    fn on_fact(&mut self, _seen: &Seen<'_>, event: &Event) -> Result<(), Violation> {
        self.closing |= matches!(event, Event::Asked { request: Request::ShutDown, .. });
        Ok(())
    }

    fn on_order(&mut self, seen: &Seen<'_>, order: &Action) -> Result<(), Violation> {
        let Action::Spawn { run, errand: Errand { phase, .. }, .. } = order else { return Ok(()) };
        if !matches!(phase, Phase::Condition | Phase::StartPre | Phase::Start) {
            return Ok(());
        }
        let Some(unit) = seen.supervisor.view().unit(run.unit) else { return Ok(()) };
        if self.closing || unit.goal == Goal::Down {
            self.doubtful.insert(run.unit);
        }
        Ok(())
    }

    /// One step may start a unit and, with what it learns next, break the start off again.
    fn on_settled(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        for id in std::mem::take(&mut self.doubtful) {
            let Some(unit) = seen.supervisor.view().unit(id) else { continue };
            let ends = matches!(
                unit.state,
                StateName::Stopping | StateName::Down | StateName::Failed | StateName::Skipped
            );
            if !ends {
                let text = format!("{} is started against its goal", unit.name);
                return Err(Violation { checker: "goals", text });
            }
        }
        Ok(())
    }

    fn on_turn_end(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        for unit in seen.supervisor.view().units() {
            let up = matches!(unit.state, StateName::Up | StateName::Reloading);
            if !up || unit.goal != Goal::Down {
                continue;
            }
            let waits = seen.supervisor.view().units().any(|other| {
                is_after(seen.specs, other.name, unit.name) && is_leaving(seen, other.id)
            });
            if !waits {
                let text = format!("{} stays up against its goal", unit.name);
                return Err(Violation { checker: "goals", text });
            }
        }
        Ok(())
    }

    fn on_death(&mut self, _seen: &Seen<'_>) -> Result<(), Violation> {
        // Whoever wanted the machine down asks again.
        self.closing = false;
        Ok(())
    }
}
