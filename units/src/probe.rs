//! How we ask a unit whether it is ready, and whether it is still healthy.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The probes of one unit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Probes {
    /// Up only once this succeeded; taken out of `ready` while it fails later.
    pub readiness: Option<Box<Probe>>,
    /// Restarted when this fails.
    pub liveness: Option<Box<Probe>>,
    /// Until this succeeds neither of the others runs.
    pub startup: Option<Box<Probe>>,
}

/// One probe, in the words of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// What is tried.
    pub action: ProbeAction,
    /// Wait after the start before the first try.
    pub initial_delay: Duration,
    /// Between two tries.
    pub period: Duration,
    /// Each try.
    pub timeout: Duration,
    /// Tries that must succeed in a row.
    pub success_threshold: u32,
    /// Tries that must fail in a row.
    pub failure_threshold: u32,
}

/// What a probe tries, in the unit's own network and root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeAction {
    /// A connection is accepted.
    Tcp {
        /// Address; the loopback address by default.
        host: Box<str>,
        /// Port.
        port: u16,
    },
    /// A GET is answered with a status from 200 to 399.
    Http {
        /// Address; the loopback address by default.
        host: Box<str>,
        /// Port.
        port: u16,
        /// Path with query.
        path: Box<str>,
        /// Additional header lines.
        headers: Vec<(Box<str>, Box<str>)>,
    },
    /// A command exits with zero.
    Exec {
        /// Program and arguments.
        command: Vec<Box<str>>,
    },
    /// A file exists.
    File {
        /// Path in the unit's root.
        path: Box<str>,
    },
}
