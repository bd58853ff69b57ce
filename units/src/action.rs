//! Orders that the supervisor gives, in the imperative.

use serde::{Deserialize, Serialize};

use crate::event::{Errand, KillTarget, Request};
use crate::name::UnitName;
use crate::note::Note;
use crate::run::{Role, Run, Ticket, UnitId};
use crate::service::Signal;
use crate::spec::PowerAction;

/// An order. Those with a ticket are answered by exactly one `Event::Done`.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Make ready for a run what needs the world: ask the conditions (if `conditions`), unpack the image
    /// (if the unit has one). `Ok`, `Unmet` or `Refused`.
    Prepare {
        /// Names the order.
        ticket: Ticket,
        /// For whom.
        run: Run,
        /// Ask the unit's conditions.
        conditions: bool,
        /// Make its image ready.
        image: bool,
    },
    /// Start one process in the run's group. `Process` or `Refused`; later `Executed` and `Exited`.
    ///
    /// After `Supervisor::restore` the order may come a second time, with another ticket. Where the process
    /// for this run, role and errand exists already (alive or not reaped), the answer is its number.
    Spawn {
        /// Names the order.
        ticket: Ticket,
        /// Whose.
        run: Run,
        /// Which.
        role: Role,
        /// What for.
        errand: Errand,
        /// Variables besides the unit's own (`MAINPID`, `SERVICE_RESULT`, `WATCHDOG_USEC` …).
        environment: Vec<(Box<str>, Box<str>)>,
        /// The accepted connection that it serves.
        connection: Option<u32>,
    },
    /// Send a signal. Never fails: who is gone needs none.
    Signal {
        /// Whose.
        run: Run,
        /// Whom.
        target: KillTarget,
        /// What.
        signal: Signal,
    },
    /// `cgroup.kill` (or, for another final signal than SIGKILL, that signal to each). Followed by `Emptied`
    /// as soon as the group is empty, at once if it is.
    KillGroup {
        /// Whose.
        run: Run,
    },
    /// The run is over: its group is empty or given up. Remove the group and what belonged to the run, also a
    /// `Prepare` still going on. Each run of a service gets one; after a restore the last ones may come again.
    Release {
        /// Whose.
        run: Run,
        /// Its descriptors in the store go too.
        drop_descriptors: bool,
        /// It will run again at once: keep what `…DirectoryPreserve=restart` asks for.
        restarting: bool,
    },
    /// Find the main process of a forking unit: from its PID file, or by a look at the group. `Process` or `Refused`.
    FindMain {
        /// Names the order.
        ticket: Ticket,
        /// Whose.
        run: Run,
    },
    /// The main process is this one from now on (`MAINPID=`); it belongs to the run's group.
    AdoptMain {
        /// Whose.
        run: Run,
        /// Which.
        pid: u32,
    },
    /// Try a probe once, in the unit's own surroundings. `Ok` or `Refused` (also when its time is over).
    Probe {
        /// Names the order.
        ticket: Ticket,
        /// Of whom.
        run: Run,
        /// Which.
        kind: ProbeKind,
    },
    /// Write the limits of the (changed) spec to the running group.
    SetLimits {
        /// Whose.
        run: Run,
    },
    /// Mount a mount unit. `Ok` or `Refused`.
    Mount {
        /// Names the order.
        ticket: Ticket,
        /// Which.
        unit: UnitId,
    },
    /// Unmount it. `Ok` or `Refused`.
    Unmount {
        /// Names the order.
        ticket: Ticket,
        /// Which.
        unit: UnitId,
    },
    /// Open a socket unit's sockets. `Ok` or `Refused`.
    Listen {
        /// Names the order.
        ticket: Ticket,
        /// Which.
        unit: UnitId,
    },
    /// Tell (`Called`) when somebody calls, or stop telling.
    Watch {
        /// Which socket unit.
        unit: UnitId,
        /// On or off.
        on: bool,
    },
    /// Close a socket unit's sockets.
    Close {
        /// Which.
        unit: UnitId,
    },
    /// Close an accepted connection that nobody will serve.
    Hang {
        /// Its number.
        connection: u32,
    },
    /// Keep an offered descriptor for the unit, or refuse (close) it.
    Keep {
        /// Whose.
        unit: UnitId,
        /// The shore's number.
        number: u32,
        /// Its name at the next start.
        name: Box<str>,
        /// Watch it for its other end's going.
        poll: bool,
    },
    /// Close a descriptor that was offered or kept.
    Drop {
        /// Whose.
        unit: UnitId,
        /// The shore's number.
        number: u32,
    },
    /// Remember on disk when a persistent timer last elapsed (unix time).
    Stamp {
        /// Which timer.
        unit: UnitId,
        /// Microseconds since 1970.
        unix_us: i64,
    },
    /// An instance is needed that is not defined: load it, then `Defined` with it and ask again.
    Instantiate {
        /// Its name.
        unit: UnitName,
        /// What to ask then.
        then: Request,
    },
    /// This unit's definition is forgotten: its files are gone or its connection is served, and it is down.
    Forgotten {
        /// Which; the number may be used again.
        unit: UnitId,
        /// Its name.
        name: UnitName,
    },
    /// The answer to `Asked`.
    Answer {
        /// The request.
        ticket: Ticket,
        /// How it ended.
        answer: Answer,
    },
    /// The unit's fate wants the machine down or up again.
    Power {
        /// Because of whom.
        unit: UnitId,
        /// What.
        action: PowerAction,
    },
    /// This changed and must survive us: the unit's record is to be written to its crash slot.
    Record {
        /// Which.
        unit: UnitId,
    },
    /// Something happened that people and tests may want to know.
    Note(Note),
}

/// Which probe of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields of `Probes`")]
pub enum ProbeKind {
    Startup,
    Readiness,
    Liveness,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// As asked.
    Ok,
    /// Nothing had to be done.
    Already,
    /// Skipped, because a condition does not hold.
    Skipped(Box<str>),
    /// It was tried and failed; the reason for people.
    Failed(Box<str>),
    /// It was not tried; the reason for people.
    Refused(Box<str>),
    /// Another request made this one void.
    Cancelled,
    /// There is no such unit.
    Unknown,
}

/// Where orders are collected within one step.
#[derive(Debug, Default)]
pub struct Outbox {
    actions: Vec<Action>,
}

impl Outbox {
    /// An empty one.
    #[must_use]
    pub fn new() -> Outbox {
        Outbox::default()
    }

    /// Gives an order.
    pub fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Takes all orders, in the order in which they were given.
    pub fn drain(&mut self) -> impl Iterator<Item = Action> + '_ {
        self.actions.drain(..)
    }

    /// Whether nothing was ordered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }
}
