//! Every request is answered exactly once.

use std::collections::BTreeSet;

use units::action::Action;
use units::event::Event;
use units::run::Ticket;

use super::{Checker, Seen, Violation};

/// The requests that wait.
#[derive(Debug, Default)]
pub struct Answers {
    open: BTreeSet<Ticket>,
}

impl Checker for Answers {
    fn on_fact(&mut self, _seen: &Seen<'_>, event: &Event) -> Result<(), Violation> {
        if let Event::Asked { ticket, .. } = event {
            self.open.insert(*ticket);
        }
        Ok(())
    }

    fn on_order(&mut self, _seen: &Seen<'_>, order: &Action) -> Result<(), Violation> {
        if let Action::Answer { ticket, answer } = order
            && !self.open.remove(ticket)
        {
            let text = format!("{ticket:?} was answered twice, the second time with {answer:?}");
            return Err(Violation { checker: "answers", text });
        }
        Ok(())
    }

    /// Whoever asked is gone too: the connection was to the process that died.
    fn on_death(&mut self, _seen: &Seen<'_>) -> Result<(), Violation> {
        self.open.clear();
        Ok(())
    }
}
