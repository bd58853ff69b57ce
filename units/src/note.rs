//! What is worth knowing, typed: at once the log line, the watch event, the counter and the transcript.

use serde::{Deserialize, Serialize};

use crate::name::UnitName;
use crate::run::ExitStatus;

/// One thing that happened to a unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// To whom.
    pub unit: UnitName,
    /// Its run at that time; 0: never ran.
    pub run: u32,
    /// What.
    pub what: NoteKind,
}

/// Kinds of notes; the supervisor's author extends them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum NoteKind {
    /// The unit went from one state to another.
    State {
        /// Before, by its name for people.
        from: StateName,
        /// Now.
        to: StateName,
        /// Why, in one short phrase.
        cause: Box<str>,
    },
    /// A process ended in a way worth telling.
    Exited {
        /// How.
        status: ExitStatus,
    },
    /// The kernel killed for lack of memory.
    OutOfMemory {
        /// How many processes.
        kills: u32,
    },
    /// A probe changed its mind.
    Probe {
        /// Which.
        kind: crate::action::ProbeKind,
        /// Its new opinion.
        healthy: bool,
    },
    /// What the unit says of itself (`STATUS=`).
    Status(Box<str>),
    /// Something that a person should look at some day.
    Warning(Box<str>),
}

/// A state's name for people and for `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateName {
    /// Not running, and not meant to.
    Down,
    /// Meant to run; something that it needs is not up yet.
    Waiting,
    /// Its conditions and image are being looked at, or its processes started.
    Starting,
    /// It runs, or did its work.
    Up,
    /// It runs and reads its configuration again.
    Reloading,
    /// It is being ended.
    Stopping,
    /// It failed, and waits before the next try.
    Backoff,
    /// It failed, and stays so until somebody acts.
    Failed,
    /// A condition does not hold.
    Skipped,
}
