//! What is answered.

use serde::{Deserialize, Serialize};
use std::fmt;
use units::Answer;

use super::apply::ApplyReport;
use super::machine::{BootChart, Clock, Health, Machine, Metrics, Version};
use super::status::{UnitDetail, UnitFile};

/// One response. Written as JSON: `{"done":"Ok"}`, `{"refused":{"kind":"forbidden","text":"…"}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// An order was carried out, or taken if there was no `wait`.
    Done(Answer),
    /// Nothing was done, and why.
    Refused(Refusal),
    /// To `version`.
    Version(Version),
    /// To `health`.
    Health(Health),
    /// To `metrics`.
    Metrics(Metrics),
    /// To `status`.
    Machine(Box<Machine>),
    /// To `show`.
    Unit(Box<UnitDetail>),
    /// To `cat`.
    Files(Vec<UnitFile>),
    /// To `logs`; one descriptor comes along.
    Logs(LogArena),
    /// To `logs-wait`.
    LogsGrown {
        /// How many records were ever appended.
        appended: u64,
    },
    /// To `boot-chart`.
    BootChart(Box<BootChart>),
    /// To `dump`.
    Dump {
        /// Text for a bug report.
        text: String,
    },
    /// To `exec`.
    Exited(ExecEnd),
    /// To `apply` and `revert`.
    Applied(Box<ApplyReport>),
}

/// How a program ran with `exec` ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecEnd {
    /// It returned a code.
    Code(u8),
    /// A signal ended it.
    Signal(u8),
    /// It could not be started, and why.
    NotStarted(String),
}

/// The log store as it can be read from outside. The descriptor is read-only; its format is
/// described in `docs/logs.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LogArena {
    /// Its size.
    pub bytes: u64,
    /// The time there.
    pub clock: Clock,
    /// 32 hexadecimal digits: which boot this is on the disk.
    pub boot_id: String,
    /// Where older logs lie on the disk, if there is one.
    pub disk: Option<String>,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refusal {
    /// The class, for programs.
    pub kind: RefusalKind,
    /// One line for people: what, where, what to do.
    pub text: String,
}

/// Classes of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// The request is not one.
    BadRequest,
    /// The peer may not.
    Forbidden,
    /// There is no such unit.
    UnknownUnit,
    /// Not while the node is in this phase.
    WrongPhase,
    /// A limit is reached.
    Limit,
    /// It makes no sense for this unit or in its state.
    NotApplicable,
    /// It was tried and the world said no.
    Failed,
    /// PID 1 was replaced, or failed and recovered, before it could answer. What can be asked twice may be
    /// asked again at once, on the same connection.
    Interrupted,
}

impl Response {
    /// A refusal.
    #[must_use]
    pub fn refused(kind: RefusalKind, text: impl Into<String>) -> Response {
        Response::Refused(Refusal { kind, text: text.into() })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
