//! Never two runs of one unit, and never two main processes of one run.

use std::collections::BTreeSet;

use units::action::Action;
use units::run::{Role, Run};

use super::{Checker, Seen, Violation};

/// Runs that were given up: what cannot be ended does not keep its unit from running again.
#[derive(Debug, Default)]
pub struct Runs {
    released: BTreeSet<Run>,
}

impl Checker for Runs {
    fn on_order(&mut self, seen: &Seen<'_>, order: &Action) -> Result<(), Violation> {
        match order {
            Action::Release { run, .. } => {
                self.released.insert(*run);
                Ok(())
            }
            Action::Spawn { run, role, errand, .. } => {
                let second = seen.kernel.populated().into_iter().find(|other| {
                    other.unit == run.unit && other != run && !self.released.contains(other)
                });
                if let Some(other) = second {
                    let text = format!("{run:?} begins while {other:?} lives");
                    return Err(Violation { checker: "runs", text });
                }
                let twice = *role == Role::Main
                    && seen.kernel.main(*run).is_some()
                    && !seen.kernel.has_process(*run, *role, *errand);
                if twice {
                    let text = format!("{run:?} gets a second main process");
                    return Err(Violation { checker: "runs", text });
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
