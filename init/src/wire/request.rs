//! What may be asked.

use serde::{Deserialize, Serialize};
use units::UnitName;
use units::resources::Amount;

use super::apply::ApplyRequest;

/// One request. Written as JSON: `"status"`, `{"start":{"unit":"web.service","wait":true}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Who is there. → `version`
    Version,
    /// Is the machine well. → `health`
    Health,
    /// Counters of PID 1. → `metrics`
    Metrics,
    /// The machine and every unit in short. → `machine`
    Status,
    /// Everything about one unit. → `unit`
    Show {
        /// Which.
        unit: UnitName,
    },
    /// The files that a unit was made from. → `files`
    Cat {
        /// Which.
        unit: UnitName,
    },
    /// The log store, as a read-only descriptor to read from (`docs/logs.md`). → `logs`
    Logs,
    /// Answered once more than this many records were ever appended to the log store. → `logs-grown`
    LogsWait {
        /// What the client has seen of `appended`.
        appended: u64,
    },
    /// How the boot went. → `boot-chart`
    BootChart,
    /// PID 1's own state as text, for a bug report. → `dump`
    Dump,
    /// Bring a unit up, with all that it needs. → `done`
    Start {
        /// Which.
        unit: UnitName,
        /// Answer when it is up or failed, not when the order is taken.
        wait: bool,
    },
    /// Bring it down, with all that needs it. → `done`
    Stop {
        /// Which.
        unit: UnitName,
        /// Answer when it is down.
        wait: bool,
    },
    /// Down and up again. → `done`
    Restart {
        /// Which.
        unit: UnitName,
        /// Answer when it is up or failed.
        wait: bool,
        /// Nothing when it is down.
        only_if_up: bool,
    },
    /// Let it read its configuration again. → `done`
    Reload {
        /// Which.
        unit: UnitName,
        /// Answer when it has.
        wait: bool,
        /// Restart it if it cannot reload.
        or_restart: bool,
    },
    /// Send a signal to a unit's processes. → `done`
    Kill {
        /// Which.
        unit: UnitName,
        /// Linux's number, 1 to 64.
        signal: u8,
        /// To which of them.
        whom: KillWhom,
    },
    /// Forget failures, start limits and back-off. → `done`
    ResetFailed {
        /// Of one unit, or of all.
        unit: Option<UnitName>,
    },
    /// Only this unit and what it needs. → `done`
    Isolate {
        /// Which.
        unit: UnitName,
        /// Answer when it is so.
        wait: bool,
    },
    /// Change the limits of a running unit, until its files say otherwise. → `done`
    SetLimits {
        /// Which.
        unit: UnitName,
        /// What changes.
        limits: Limits,
    },
    /// Run a program inside a unit: its namespaces, its group, its user. → `exited`, when it ended.
    /// With `terminal` one descriptor comes along, a terminal; else three: input, output, errors.
    /// When the client goes, the program gets SIGHUP and, five seconds later, SIGKILL.
    Exec(ExecRequest),
    /// Send a signal to the program of an earlier `exec` of the same connection. → `done`
    ExecSignal {
        /// The id of the `exec`.
        request: u32,
        /// Linux's number.
        signal: u8,
    },
    /// Make the machine's units what these files say. → `applied`
    Apply(ApplyRequest),
    /// Keep what the last `apply` did. → `done`
    Confirm,
    /// Undo it now. → `applied`
    Revert,
    /// Replace the running PID 1 without stopping a unit; with a descriptor: by that binary. → `done`
    /// before it happens; the connection then closes.
    Reexec,
    /// Shut the machine down. → `done` before it happens.
    Power {
        /// To what end.
        kind: PowerKind,
        /// Do not stop units in order: kill, sync, go.
        force: bool,
    },
}

/// Which processes of a unit get a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KillWhom {
    /// The main process.
    Main,
    /// The command around it.
    Control,
    /// Every process of the group.
    #[default]
    All,
}

/// New limits; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// `memory.min`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_min: Option<Amount>,
    /// `memory.low`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_low: Option<Amount>,
    /// `memory.high`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_high: Option<Amount>,
    /// `memory.max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_max: Option<Amount>,
    /// `memory.swap.max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swap_max: Option<Amount>,
    /// `cpu.max` in microseconds of processor time per second; 0 takes the limit away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota_us_per_s: Option<u64>,
    /// `cpu.weight`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_weight: Option<u32>,
    /// `io.weight`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_weight: Option<u32>,
    /// `pids.max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks_max: Option<Amount>,
}

/// A program to run inside a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExecRequest {
    /// Inside which; it must run.
    pub unit: UnitName,
    /// Program and arguments; a name without a slash is looked up in the unit's `PATH`.
    pub arguments: Vec<String>,
    /// Added to the unit's environment, `NAME=value`.
    #[serde(default)]
    pub environment: Vec<String>,
    /// The working directory inside; the unit's own if `None`.
    #[serde(default)]
    pub directory: Option<String>,
    /// As whom inside, `user` or `user:group`, names or numbers; the unit's own if `None`.
    #[serde(default)]
    pub user: Option<String>,
    /// The one descriptor is a terminal, which becomes the controlling one.
    pub terminal: bool,
}

/// How the machine goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PowerKind {
    /// Off.
    Poweroff,
    /// Through the firmware and up again.
    Reboot,
    /// Stopped, with the power on.
    Halt,
    /// Into the kernel that was loaded with kexec.
    Kexec,
}
