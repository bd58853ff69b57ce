//! Changing what should run: files against the machine.

use serde::{Deserialize, Serialize};
use units::UnitName;

use super::status::Remark;

/// Make the machine's units what these files say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ApplyRequest {
    /// The files.
    pub files: Vec<UnitText>,
    /// They are all there is: applied units that are not among them go.
    pub whole: bool,
    /// Only say what would change.
    pub dry_run: bool,
    /// Go back by itself after this long, unless confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_within_ms: Option<u64>,
}

/// One unit file or drop-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UnitText {
    /// The name below the directory of units: `web.toml`, `web.service.d/memory.conf`.
    pub path: String,
    /// Its text; of a link, empty.
    pub text: String,
    /// Where it leads, if it is a symbolic link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// What an apply changed, or would.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ApplyReport {
    /// It was done.
    pub done: bool,
    /// Unit by unit, sorted by name; empty: the machine is already as the files say.
    pub changes: Vec<Change>,
    /// Units that stay as they are.
    pub unchanged: u32,
    /// What the loader said about the files. With an error among them nothing is done.
    pub remarks: Vec<Remark>,
    /// When it goes back by itself, in microseconds since boot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revert_at_us: Option<u64>,
}

/// What happens to one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// Which.
    pub unit: UnitName,
    /// What.
    pub effect: Effect,
    /// The settings that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// What a change of its spec does to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It is new, and starts.
    Added,
    /// It is new, and nothing starts it now.
    Defined,
    /// It is stopped and forgotten.
    Removed,
    /// It is restarted: what changed shows only in a new run.
    Restarted,
    /// Its limits are written to the running group.
    Adjusted,
    /// What changed matters at its next start or stop; nothing happens now.
    Updated,
}

/// One setting that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FieldChange {
    /// Its path in the spec: `service.resources.memory-max`.
    pub field: String,
    /// As it is, JSON in one line; empty: not set.
    pub before: String,
    /// As it will be.
    pub after: String,
}
