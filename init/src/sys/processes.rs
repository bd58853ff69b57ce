//! The processes that PID 1 started: which number is whose.
//!
//! A number cannot be used again before we have reaped its holder, so the table is exact. The
//! descriptors (pidfds) are handles for signals and for the adoption after a re-execution; nothing is
//! reaped through them, because two reapers race.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use units::run::{Role, Run, StageFault, Ticket};

use crate::sys::token::Token;

/// Whose a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A run's.
    Run {
        /// Which.
        run: Run,
        /// As what.
        role: Role,
    },
    /// A program that somebody runs inside a unit.
    Guest(Ticket),
}

/// One process.
#[derive(Debug)]
pub(crate) struct Process {
    /// Whose.
    pub(crate) owner: Owner,
    /// Handle; lacking only for processes that came to us by `MAINPID=`.
    pub(crate) pidfd: Option<OwnedFd>,
    /// The stage's report, until it came.
    pub(crate) report: Option<Token>,
    /// What the stage reported, if it failed.
    pub(crate) fault: Option<StageFault>,
}

/// All processes, by number.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    by_pid: BTreeMap<u32, Process>,
}

impl Processes {
    /// A new one.
    pub(crate) fn insert(&mut self, pid: u32, process: Process) {
        self.by_pid.insert(pid, process);
    }

    /// The process of that number.
    pub(crate) fn get(&self, pid: u32) -> Option<&Process> {
        self.by_pid.get(&pid)
    }

    /// As [`Processes::get`].
    pub(crate) fn get_mut(&mut self, pid: u32) -> Option<&mut Process> {
        self.by_pid.get_mut(&pid)
    }

    /// It was reaped.
    pub(crate) fn remove(&mut self, pid: u32) -> Option<Process> {
        self.by_pid.remove(&pid)
    }

    /// The number of a run's process in that role.
    pub(crate) fn find(&self, run: Run, role: Role) -> Option<u32> {
        let wanted = Owner::Run { run, role };
        self.by_pid.iter().find(|(_, process)| process.owner == wanted).map(|(pid, _)| *pid)
    }

    /// The guest of a ticket.
    pub(crate) fn guest(&self, ticket: Ticket) -> Option<u32> {
        let wanted = Owner::Guest(ticket);
        self.by_pid.iter().find(|(_, process)| process.owner == wanted).map(|(pid, _)| *pid)
    }

    /// Every process.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Process)> {
        self.by_pid.iter().map(|(pid, process)| (*pid, process))
    }
}
