//! What went wrong with a unit: evidence, turned into words only at the edge.

use serde::{Deserialize, Serialize};

use crate::action::ProbeKind;
use crate::run::{ExitStatus, Phase, StageStep};

/// Why a run, or the attempt to make one, ended badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// A process ended unclean: the main one (`Phase::Start`) or a command around it.
    Exited {
        /// Which list of commands it belongs to.
        phase: Phase,
        /// How it ended.
        status: ExitStatus,
    },
    /// A phase took longer than it may.
    Timeout(Waited),
    /// The watchdog was not fed in time.
    Watchdog,
    /// The kernel killed it for lack of memory.
    OutOfMemory,
    /// A probe failed as often as it may.
    Probe(ProbeKind),
    /// It ended before it said `READY=1`, or its main process could not be found.
    Protocol,
    /// It was started too often in too short a time.
    StartLimit,
    /// Callers came faster than the socket's trigger limit.
    TriggerLimit,
    /// An assertion does not hold.
    Assertion,
    /// The world refused an order.
    Refused {
        /// Where, if a process was being set up.
        step: Option<StageStep>,
        /// Linux's error number, 0 if there is none.
        errno: u16,
    },
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waited {
    /// The request to start, while it still waited for its needs (`JobTimeoutSec=`).
    Job,
    /// Coming up.
    Start,
    /// Being up (`RuntimeMaxSec=`).
    Runtime,
    /// Going down.
    Stop,
}
