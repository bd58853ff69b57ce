//! What went wrong with a unit: evidence, turned into words only at the edge.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::action::ProbeKind;
use crate::run::{ExitStatus, Phase, StageStep};
use crate::text::signal;

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

impl Fault {
    /// `$SERVICE_RESULT` (systemd.exec(5)).
    #[must_use]
    pub fn service_result(self) -> &'static str {
        match self {
            Fault::Exited { status: ExitStatus::Signal { core: true, .. }, .. } => "core-dump",
            Fault::Exited { status: ExitStatus::Signal { .. }, .. } => "signal",
            Fault::Exited { status: ExitStatus::Code(_) | ExitStatus::Stage(_), .. } => "exit-code",
            Fault::Exited { status: ExitStatus::Lost, .. } | Fault::Refused { .. } => "resources",
            Fault::Timeout(_) => "timeout",
            Fault::Watchdog | Fault::Probe(_) => "watchdog",
            Fault::OutOfMemory => "oom-kill",
            Fault::Protocol => "protocol",
            Fault::StartLimit | Fault::TriggerLimit => "start-limit-hit",
            Fault::Assertion => "exec-condition",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Exited { phase, status } => write!(f, "{}{}", whose(*phase), Ended(*status)),
            Fault::Timeout(Waited::Job) => f.write_str("its needs did not come up in time"),
            Fault::Timeout(Waited::Start) => f.write_str("did not come up in time"),
            Fault::Timeout(Waited::Runtime) => f.write_str("ran longer than it may"),
            Fault::Timeout(Waited::Stop) => f.write_str("did not end in time"),
            Fault::Watchdog => f.write_str("did not feed its watchdog"),
            Fault::OutOfMemory => f.write_str("killed for lack of memory"),
            Fault::Probe(ProbeKind::Startup) => f.write_str("startup probe failed"),
            Fault::Probe(ProbeKind::Readiness) => f.write_str("readiness probe failed"),
            Fault::Probe(ProbeKind::Liveness) => f.write_str("liveness probe failed"),
            Fault::Protocol => f.write_str("ended before it was ready"),
            Fault::StartLimit => f.write_str(
                "started too often in too short a time; `keelctl reset-failed` lets it start again",
            ),
            Fault::TriggerLimit => f.write_str("called too often in too short a time"),
            Fault::Assertion => f.write_str("an assertion does not hold"),
            Fault::Refused { step: Some(step), errno } => {
                write!(f, "could not be set up at step {step:?} (errno {errno})")
            }
            Fault::Refused { step: None, errno: 0 } => f.write_str("the order was refused"),
            Fault::Refused { step: None, errno } => {
                write!(f, "the order was refused (errno {errno})")
            }
        }
    }
}

/// The command's list, for people; nothing for the main process.
fn whose(phase: Phase) -> &'static str {
    match phase {
        Phase::Condition => "condition command ",
        Phase::StartPre => "start-pre command ",
        Phase::Start => "",
        Phase::StartPost => "start-post command ",
        Phase::Reload => "reload command ",
        Phase::Stop => "stop command ",
        Phase::StopPost => "stop-post command ",
    }
}

/// How a process ended, in words.
struct Ended(ExitStatus);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ExitStatus::Code(code) => write!(f, "exited with code {code}"),
            ExitStatus::Signal { signal, core: false } => {
                write!(f, "killed by {}", signal::name(signal))
            }
            ExitStatus::Signal { signal, core: true } => {
                write!(f, "dumped core on {}", signal::name(signal))
            }
            ExitStatus::Stage(fault) => write!(f, "{fault}"),
            ExitStatus::Lost => f.write_str("ended while nobody watched"),
        }
    }
}
