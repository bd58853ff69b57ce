//! What must hold, whatever happens: one log, nothing acknowledged lost, and histories that one machine
//! alone could have produced (linearizability; each answer names its place in the log, so that no search
//! is needed).

use std::collections::BTreeMap;

use super::cells::{Cells, Command, Reply};
use crate::check::Violation;

/// A question of a client.
#[derive(Debug, Clone)]
pub struct Question {
    /// The highest place in the log that anybody had been told of when it was asked.
    pub floor: u64,
    /// What was asked; none is a read.
    pub command: Option<Command>,
    /// The cell that is read.
    pub cell: u64,
}

/// What is known of the one log.
#[derive(Debug, Default)]
pub struct Truth {
    log: BTreeMap<u64, Command>,
    replies: BTreeMap<u64, Reply>,
    digests: BTreeMap<u64, u64>,
    values: BTreeMap<u64, Vec<(u64, u64)>>,
    places: BTreeMap<u64, u64>,
    model: Cells,
    /// The highest place in the log that anybody was told of.
    pub told: u64,
    acknowledged: BTreeMap<u64, Command>,
    refused: Vec<u64>,
}

fn violation(checker: &'static str, text: String) -> Violation {
    Violation { checker, text }
}

impl Truth {
    /// A replica carried out a command.
    ///
    /// # Errors
    /// When another one carried out something else there.
    pub fn on_applied(&mut self, node: u64, index: u64, command: Command) -> Result<(), Violation> {
        if let Some(known) = self.log.get(&index) {
            if *known == command {
                return Ok(());
            }
            let text = format!("node {node} has {command:?} at {index}, another has {known:?}");
            return Err(violation("log agreement", text));
        }
        if self.log.last_key_value().is_some_and(|(last, _)| *last > index) {
            let text = format!("node {node} has {command:?} at {index}, others have nothing there");
            return Err(violation("log agreement", text));
        }
        if let Some(before) = self.places.insert(command.id, index) {
            let text = format!("{command:?} stands at {before} and again at {index}");
            return Err(violation("once", text));
        }
        self.replies.insert(index, self.model.perform(index, &command));
        self.digests.insert(index, self.model.digest);
        let value = self.model.get(command.cell);
        self.values.entry(command.cell).or_default().push((index, value));
        self.log.insert(index, command);
        Ok(())
    }

    /// A replica's machine as of an index.
    ///
    /// # Errors
    /// When it is not what the log makes of it.
    pub fn on_state(&self, node: u64, applied: u64, cells: &Cells) -> Result<(), Violation> {
        let wanted = self.digests.range(..=applied).next_back().map_or(0, |(_, digest)| *digest);
        if cells.digest == wanted {
            return Ok(());
        }
        Err(violation("state", format!("node {node} has another state as of {applied}")))
    }

    /// A client was told that its command is in force.
    ///
    /// # Errors
    /// When that is not so, or contradicts what others were told.
    pub fn on_acknowledged(
        &mut self,
        question: &Question,
        index: u64,
        reply: Reply,
    ) -> Result<(), Violation> {
        let Some(command) = question.command else { return Ok(()) };
        if self.log.get(&index) != Some(&command) || self.replies.get(&index) != Some(&reply) {
            let text = format!("{command:?} was answered with {reply:?} at {index}");
            return Err(violation("answers", text));
        }
        if index <= question.floor {
            let text = format!("{command:?} stands at {index}, after {} was told", question.floor);
            return Err(violation("linearizability", text));
        }
        self.acknowledged.insert(index, command);
        self.told = self.told.max(index);
        Ok(())
    }

    /// A client was told what a cell holds.
    ///
    /// # Errors
    /// When it was told the past.
    pub fn on_read(&mut self, question: &Question, at: u64, value: u64) -> Result<(), Violation> {
        let history = self.values.get(&question.cell).map_or(&[][..], Vec::as_slice);
        let before = history.iter().rev().find(|(index, _)| *index <= at);
        let wanted = before.map_or(0, |(_, value)| *value);
        if at < question.floor || wanted != value {
            let Question { floor, cell, .. } = question;
            let text = format!("cell {cell} read as {value} at {at}, {floor} was told before");
            return Err(violation("linearizability", text));
        }
        self.told = self.told.max(at);
        Ok(())
    }

    /// A client was told that its command was certainly not carried out.
    pub fn on_refused(&mut self, question: &Question) {
        self.refused.extend(question.command.map(|command| command.id));
    }

    /// When all is over: the survivors' state.
    ///
    /// # Errors
    /// When something acknowledged is gone, or something refused is there.
    pub fn at_end(&self, applied: u64) -> Result<(), Violation> {
        if let Some((index, command)) = self.acknowledged.range(applied + 1..).next() {
            let text =
                format!("{command:?} at {index} was acknowledged; the log ends at {applied}");
            return Err(violation("durability", text));
        }
        match self.refused.iter().find(|id| self.places.contains_key(id)) {
            Some(id) => {
                Err(violation("refusals", format!("command {id} was refused and carried out")))
            }
            None => Ok(()),
        }
    }

    /// Commands carried out, and answers that were checked.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.log.len(), self.acknowledged.len())
    }
}
