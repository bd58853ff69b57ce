//! No deadline stays in the past.

use super::{Checker, Seen, Violation};

/// Looks at the clock.
#[derive(Debug, Default)]
pub struct Deadlines;

impl Checker for Deadlines {
    fn on_turn_end(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        match seen.deadline {
            Some(due) if due <= seen.now => {
                let text = format!("the deadline {due:?} is overdue at {:?}", seen.now);
                Err(Violation { checker: "deadlines", text })
            }
            Some(_) | None => Ok(()),
        }
    }
}
