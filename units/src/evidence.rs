//! What is known of the present run of a service.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::event::Errand;
use crate::fault::Fault;
use crate::probe_watch::ProbeWatch;
use crate::run::{ExitStatus, Role, Ticket};
use crate::service::NotifyAccess;

/// Everything that facts told about one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    /// The main process.
    pub(crate) main: Process,
    /// The command around it.
    pub(crate) control: Process,
    /// Something may live in the group: a process was ordered, and no `Emptied` came since.
    pub(crate) populated: bool,
    /// A process was ordered at all.
    pub(crate) touched: bool,
    /// It got as far as up (or, without lingering, as far as finished).
    pub(crate) arrived: Option<Duration>,
    /// The first thing that went wrong; later ones are consequences.
    pub(crate) fault: Option<Fault>,
    /// A condition declined: it ends as skipped.
    pub(crate) declined: bool,
    /// The stop signal went to whom the kill mode names.
    pub(crate) signalled: bool,
    /// The group could not be emptied.
    pub(crate) stuck: bool,
    /// The kernel killed in the group for lack of memory.
    pub(crate) out_of_memory: bool,
    /// The watchdog, once it is fed.
    pub(crate) watchdog: Option<Watchdog>,
    /// Overrides `NotifyAccess=`.
    pub(crate) access: Option<NotifyAccess>,
    /// When a reload signal was sent, to know an old `RELOADING=1` from a new one.
    pub(crate) reload_sent: Duration,
    /// `STATUS=`.
    pub(crate) status: Option<Box<str>>,
    /// The probes.
    pub(crate) probes: Option<Box<ProbeWatch>>,
}

/// One process of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Process {
    /// There was none yet.
    #[default]
    None,
    /// It is ordered.
    Ordered {
        /// The spawn.
        ticket: Ticket,
        /// What for.
        errand: Errand,
    },
    /// It exists.
    Alive {
        /// Its number.
        pid: u32,
        /// What for.
        errand: Option<Errand>,
    },
    /// It ended.
    Ended {
        /// How.
        status: ExitStatus,
    },
}

/// A watchdog that must be fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watchdog {
    /// The longest silence.
    pub(crate) every: Duration,
    /// When silence is too long.
    pub(crate) until: Duration,
}

impl Process {
    pub(crate) fn lives(self) -> bool {
        matches!(self, Process::Ordered { .. } | Process::Alive { .. })
    }

    pub(crate) fn pid(self) -> Option<u32> {
        match self {
            Process::Alive { pid, .. } => Some(pid),
            Process::None | Process::Ordered { .. } | Process::Ended { .. } => None,
        }
    }

    pub(crate) fn errand(self) -> Option<Errand> {
        match self {
            Process::Ordered { errand, .. } => Some(errand),
            Process::Alive { errand, .. } => errand,
            Process::None | Process::Ended { .. } => None,
        }
    }

    pub(crate) fn status(self) -> Option<ExitStatus> {
        match self {
            Process::Ended { status } => Some(status),
            Process::None | Process::Ordered { .. } | Process::Alive { .. } => None,
        }
    }

    pub(crate) fn ordered_by(self, ticket: Ticket) -> bool {
        matches!(self, Process::Ordered { ticket: own, .. } if own == ticket)
    }
}

impl Evidence {
    pub(crate) fn process(&mut self, role: Role) -> &mut Process {
        match role {
            Role::Main => &mut self.main,
            Role::Control => &mut self.control,
        }
    }

    /// Keeps the first fault.
    pub(crate) fn blame(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Probes that must pass before it is up did not pass yet.
    pub(crate) fn gated(&self) -> bool {
        self.probes.as_ref().is_some_and(|probes| !probes.ready())
    }

    /// No process that we know of is alive or ordered.
    pub(crate) fn quiet(&self) -> bool {
        !self.main.lives() && !self.control.lives()
    }
}
