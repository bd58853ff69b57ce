//! What of a unit must survive the death of PID 1.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::fault::Fault;
use crate::goal::Goal;
use crate::name::UnitName;
use crate::run::UnitId;

/// Largest encoded record (postcard), the longest unit name included.
pub const RECORD_BYTES_MAX: usize = 400;

/// One unit's fate, small enough for a fixed slot outside the heap.
///
/// The ids are those of the old life, so that what the shore knows by `Run` stays true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the table.
    pub id: UnitId,
    /// Its name.
    pub name: UnitName,
    /// The number of its present or last run.
    pub run: u32,
    /// Where it is meant to be.
    pub goal: Goal,
    /// When its state began.
    pub since: Duration,
    /// How often it came back by itself.
    pub restarts: u32,
    /// What went wrong last.
    pub fault: Option<Fault>,
}
