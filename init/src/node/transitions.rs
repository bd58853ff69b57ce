//! The first changes of state since boot, for the boot chart.

use std::time::Duration;

use units::UnitName;
use units::note::{Note, NoteKind, StateName};

use crate::limits::TRANSITIONS_MAX;

/// One change of a unit's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transition {
    /// When.
    pub(crate) at: Duration,
    /// Whose.
    pub(crate) unit: UnitName,
    /// To which state.
    pub(crate) to: StateName,
}

/// The first of them; later ones are only in the log.
#[derive(Debug, Default)]
pub(crate) struct Transitions {
    list: Vec<Transition>,
}

impl Transitions {
    /// Remembers a change of state while there is room.
    pub(crate) fn push(&mut self, at: Duration, note: &Note) {
        if let NoteKind::State { to, .. } = note.what
            && self.list.len() < TRANSITIONS_MAX
        {
            self.list.push(Transition { at, unit: note.unit.clone(), to });
        }
    }

    /// In order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Transition> {
        self.list.iter()
    }
}
