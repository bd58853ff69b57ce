//! What is wanted of a unit, apart from what it is.

use serde::{Deserialize, Serialize};

/// Where a unit is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// Not running.
    #[default]
    Down,
    /// Running.
    Up,
    /// Down first, then up: a restart that has not come to its turning point yet.
    Again,
}

/// Goal and holds together: where a unit goes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// Up.
    Up,
    /// Down.
    Down,
    /// Down for now; it is meant to come back.
    DownFirst,
}
