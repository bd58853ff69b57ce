//! Nothing outlives its run but what may: by the author's wish, or because it cannot be ended.

use std::collections::BTreeSet;

use units::action::Action;
use units::run::Run;
use units::service::KillMode;

use super::{Checker, Seen, Violation};

/// Runs that were given up with processes in them.
#[derive(Debug, Default)]
pub struct Orphans {
    given_up: BTreeSet<Run>,
}

impl Checker for Orphans {
    fn on_order(&mut self, seen: &Seen<'_>, order: &Action) -> Result<(), Violation> {
        let Action::Release { run, .. } = order else { return Ok(()) };
        if seen.kernel.is_empty(*run) || self.given_up.contains(run) {
            return Ok(());
        }
        if !may_be_given_up(seen, *run) {
            let text = format!("{run:?} is released with processes in it");
            return Err(Violation { checker: "orphans", text });
        }
        self.given_up.insert(*run);
        Ok(())
    }

    fn on_turn_end(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        for run in seen.kernel.populated() {
            let unit = seen.supervisor.view().unit(run.unit);
            let own = unit.is_some_and(|unit| unit.run == run.number);
            if !own && !self.given_up.contains(&run) {
                let text = format!("{run:?} has processes and is nobody's run");
                return Err(Violation { checker: "orphans", text });
            }
        }
        Ok(())
    }
}

fn may_be_given_up(seen: &Seen<'_>, run: Run) -> bool {
    let spec = seen.spec(run.unit).and_then(|spec| spec.service());
    let by_wish = spec.is_none_or(|service| {
        let stopping = service.stopping;
        matches!(stopping.mode, KillMode::Process | KillMode::None) || !stopping.send_kill
    });
    by_wish || seen.kernel.is_stuck(seen.now, run)
}
