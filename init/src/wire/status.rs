//! What is told about units.

use serde::{Deserialize, Serialize};
use units::UnitName;
use units::note::StateName;

/// A unit in short. Times are microseconds since boot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnitStatus {
    /// Its full name.
    pub name: UnitName,
    /// One line for people.
    #[serde(default)]
    pub description: String,
    /// Where it is.
    pub state: StateName,
    /// Whether it is meant to be up.
    pub wanted: bool,
    /// Since when it is in this state.
    pub since_us: u64,
    /// When this state ends by itself: a deadline, the end of a back-off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_us: Option<u64>,
    /// The number of its current or last incarnation; 0: it never ran.
    pub run: u32,
    /// How often it was restarted by itself.
    #[serde(default)]
    pub restarts: u32,
    /// Its main process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_pid: Option<u32>,
    /// Its control group, relative to the root of the tree; clients read memory, processor time
    /// and tasks there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// It is up and its readiness probe agrees.
    pub ready: bool,
    /// What it says of itself (`STATUS=`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
    /// Why its last run failed, as long as that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultView>,
    /// The image or directory that its root comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What it listens on or offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PortView>,
    /// A timer's next time, unix time in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_unix_us: Option<i64>,
    /// A timer's last time, unix time in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_unix_us: Option<i64>,
    /// What a timer or a socket starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggers: Option<UnitName>,
    /// What it pulls in: the branches of the tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pulls: Vec<UnitName>,
    /// What it waits for right now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<UnitName>,
    /// What it uses; not told by PID 1 but filled in by the client from the control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FaultView {
    /// One line for people: `exited with 1`, `killed for lack of memory`, `not ready after 90 s`.
    pub text: String,
    /// When, in microseconds since boot.
    pub at_us: u64,
    /// In which run.
    pub run: u32,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PortView {
    /// `0.0.0.0:80`, `/run/x.sock`, `80`.
    pub address: String,
    /// `tcp`, `udp`, `unix` …
    pub protocol: String,
    /// Its name, if it has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// What a control group uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Usage {
    /// `memory.current`, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// `memory.max`, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_max_bytes: Option<u64>,
    /// `memory.peak`, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_peak_bytes: Option<u64>,
    /// `cpu.stat`'s `usage_usec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<u64>,
    /// `pids.current`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u64>,
    /// `io.stat`'s `rbytes`, summed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_bytes: Option<u64>,
    /// `io.stat`'s `wbytes`, summed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_bytes: Option<u64>,
}

/// Everything about one unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnitDetail {
    /// As in the list.
    pub status: UnitStatus,
    /// Its spec as it is in force (`units::Spec`).
    pub spec: serde_json::Value,
    /// Units that pull it in.
    #[serde(default)]
    pub pulled_by: Vec<UnitName>,
    /// What the loader said about its files.
    #[serde(default)]
    pub remarks: Vec<Remark>,
    /// The state in which it is, in the supervisor's own words.
    #[serde(default)]
    pub state: String,
}

/// One file of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnitFile {
    /// Where it came from.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A remark of the loader (`units::Diagnostic`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Remark {
    /// `note`, `warning` or `error`.
    pub severity: String,
    /// As a person reads it, several lines.
    pub text: String,
}
