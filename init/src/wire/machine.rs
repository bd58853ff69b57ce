//! What is told about the machine and about PID 1 itself.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use units::UnitName;
use units::note::StateName;

use super::status::UnitStatus;

/// What a node is doing; decides which requests are legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodePhase {
    /// The first goals are not reached yet.
    Booting,
    /// The usual.
    Serving,
    /// On its way down.
    Stopping,
}

/// The machine and every unit in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Machine {
    /// Its host name.
    pub name: String,
    /// What it is doing.
    pub phase: NodePhase,
    /// The time there.
    pub clock: Clock,
    /// Who answers.
    pub version: Version,
    /// Where control groups are mounted.
    pub group_root: String,
    /// When an apply goes back by itself, in microseconds since boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revert_at_us: Option<u64>,
    /// What a person should know: no state partition, a quarantined unit …
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Every unit, sorted by name.
    pub units: Vec<UnitStatus>,
}

/// The time at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Clock {
    /// Microseconds since boot.
    pub now_us: u64,
    /// Unix time at boot, in microseconds: add a time since boot to get the time of day.
    pub boot_unix_us: i64,
    /// Local time minus UTC.
    pub utc_offset_s: i32,
}

/// Who is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Version {
    /// The release of keelson.
    pub keelson: String,
    /// What it was built from.
    pub build: String,
    /// The kernel's release.
    pub kernel: String,
    /// 32 hexadecimal digits.
    pub machine_id: String,
    /// 32 hexadecimal digits; another at each boot.
    pub boot_id: String,
    /// How often PID 1 replaced itself since boot, on request or after a fault.
    pub reexecs: u32,
    /// How many of those were faults.
    pub faults: u32,
}

/// Is the machine well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Health {
    /// What it is doing.
    pub phase: NodePhase,
    /// Every wanted unit is up and ready, and there is no warning.
    pub well: bool,
    /// Units that failed.
    pub failed: Vec<UnitName>,
    /// Wanted units that are not up yet.
    pub pending: Vec<UnitName>,
    /// As in `machine`.
    pub warnings: Vec<String>,
}

/// Counters of PID 1 since it was last executed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Metrics {
    /// Longest time from one poll to the next.
    pub loop_pause_max_us: u64,
    /// Turns of the loop: times it woke up.
    pub turns: u64,
    /// Facts that the node was told.
    pub events: u64,
    /// Orders that it gave.
    pub actions: u64,
    /// Everything else, by name: `note.state`, `log.lines-lost`, `control.refused` …
    pub counters: BTreeMap<String, u64>,
}

/// How the boot went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BootChart {
    /// When PID 1 was executed, in microseconds since the kernel started.
    pub init_us: u64,
    /// The steps of early boot, in order.
    pub steps: Vec<BootStep>,
    /// Changes of state of units, in order, the first [`crate::limits::TRANSITIONS_MAX`].
    pub transitions: Vec<Transition>,
    /// When the boot's goals were reached; `None`: not yet.
    pub done_us: Option<u64>,
}

/// One step of early boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BootStep {
    /// What.
    pub name: String,
    /// When it began, in microseconds since boot.
    pub start_us: u64,
    /// How long it took.
    pub took_us: u64,
    /// Why it failed and what follows from that; empty: it did not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fault: String,
}

/// One change of a unit's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Transition {
    /// Whose.
    pub unit: UnitName,
    /// When, in microseconds since boot.
    pub at_us: u64,
    /// Into which.
    pub to: StateName,
}
