//! Facts that the supervisor is told, in the past tense.

use serde::{Deserialize, Serialize};

use crate::name::UnitName;
use crate::run::{ExitStatus, Phase, Role, Run, StageFault, Ticket, UnitId};
use crate::service::Signal;
use crate::spec::{ConditionTest, Spec};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Time passed; a deadline may be due.
    Tick,
    /// These are all definitions now: new ones are added, changed ones replaced, lacking ones forgotten
    /// once they are down. Running units keep their run; what changed shows at the next start.
    Defined {
        /// The whole set, in any order.
        specs: Vec<Spec>,
    },
    /// One more definition, besides those that are there: the answer to `Action::Instantiate`.
    Added {
        /// The instance.
        spec: Box<Spec>,
    },
    /// Somebody wants something. Answered exactly once by `Action::Answer`.
    Asked {
        /// Names the request.
        ticket: Ticket,
        /// What.
        request: Request,
    },
    /// An order was carried out, or was not.
    Done {
        /// The order.
        ticket: Ticket,
        /// How it went.
        outcome: Outcome,
    },
    /// The program of a process replaced the stage.
    Executed {
        /// Whose.
        run: Run,
        /// Which.
        role: Role,
    },
    /// A process ended and was reaped. Told once per process, after the `Done` of its spawn and before the
    /// `Emptied` that it causes.
    Exited {
        /// Whose.
        run: Run,
        /// Which.
        role: Role,
        /// How.
        status: ExitStatus,
    },
    /// No process is left in the run's group, now (the shore looks again just before it tells). Told when
    /// the group becomes empty, and in answer to `KillGroup` also when it was empty before.
    Emptied {
        /// Whose.
        run: Run,
    },
    /// A process sent a notification (sd_notify(3)).
    Notified {
        /// Whose group the sender is in.
        run: Run,
        /// Who of it.
        sender: Sender,
        /// What it said, one assignment.
        notification: Notification,
    },
    /// The kernel killed processes of the group for lack of memory.
    OutOfMemory {
        /// Whose.
        run: Run,
        /// How many, since the last such fact.
        kills: u32,
    },
    /// A socket unit has something to read or to accept.
    Called {
        /// The socket unit.
        unit: UnitId,
        /// With `Accept=yes`: the accepted connection, kept by the shore under this number.
        connection: Option<Connection>,
    },
    /// When persistent timers last elapsed (unix time in microseconds), as far as the disk remembers.
    /// Told once, as soon as the disk can be read.
    Stamped {
        /// By timer.
        stamps: Vec<(UnitName, i64)>,
    },
    /// A descriptor that the shore kept through a replacement of PID 1. Told once for each, after `restore`.
    Kept {
        /// Whose.
        unit: UnitId,
        /// The shore's number for it.
        number: u32,
        /// Its name.
        name: Box<str>,
    },
    /// The wall clock stands differently: unix time at boot, in microseconds, and the zone's offset in seconds.
    /// Told once at the start and at each step of the clock.
    ClockStepped {
        /// Unix time minus time since boot, in microseconds.
        boot_unix_us: i64,
        /// Local time minus UTC.
        utc_offset_s: i32,
    },
}

/// An accepted connection that waits for its instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The shore's number for it.
    pub number: u32,
    /// The peer, for `MaxConnectionsPerSource=` and `$REMOTE_ADDR`; empty if unnamed.
    pub peer: Box<str>,
    /// The instance name that it gets (`NUMBER-LOCAL-REMOTE`).
    pub instance: Box<str>,
}

/// Who sent a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sender {
    /// The main process.
    Main,
    /// A command around it.
    Control,
    /// Another process of the group.
    Other,
}

/// One assignment of a notification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "sd_notify(3) names them")]
pub enum Notification {
    Ready,
    Reloading {
        monotonic_us: Option<u64>,
    },
    Stopping,
    Status(Box<str>),
    Errno(i32),
    ExitStatus(i32),
    MainPid(u32),
    Watchdog,
    WatchdogTrigger,
    WatchdogUs(u64),
    ExtendTimeoutUs(u64),
    NotifyAccess(crate::service::NotifyAccess),
    /// A descriptor is offered; the shore keeps it under this number.
    StoreDescriptor {
        number: u32,
        name: Box<str>,
        poll: bool,
    },
    /// Descriptors of that name are no longer wanted.
    RemoveDescriptor {
        name: Box<str>,
    },
    /// A stored descriptor was closed at its other end.
    DescriptorGone {
        number: u32,
    },
}

/// What may be asked of the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Bring up, with all that it needs. Answered when up or failed.
    Start(UnitName),
    /// Bring down, with all that needs it. Answered when down.
    Stop(UnitName),
    /// Down and up again; what depends on it too.
    Restart(UnitName),
    /// As `Restart`, but nothing when it is down.
    TryRestart(UnitName),
    /// Let it read its configuration again. Refused when it cannot.
    Reload(UnitName),
    /// `Reload` where that is possible, else `Restart`.
    ReloadOrRestart(UnitName),
    /// Send a signal to its processes.
    Kill {
        /// Whose.
        unit: UnitName,
        /// Whom.
        whom: KillTarget,
        /// What.
        signal: Signal,
    },
    /// Forget failures, start limits and back-off.
    ResetFailed(Option<UnitName>),
    /// Only this and what it needs.
    Isolate(UnitName),
    /// Everything down, in order, because the machine goes down; nothing starts any more.
    ShutDown,
}

impl Request {
    /// The unit that it is about, unless it is about all.
    #[must_use]
    pub fn subject(&self) -> Option<&UnitName> {
        match self {
            Request::Start(name)
            | Request::Stop(name)
            | Request::Restart(name)
            | Request::TryRestart(name)
            | Request::Reload(name)
            | Request::ReloadOrRestart(name)
            | Request::ResetFailed(Some(name))
            | Request::Isolate(name) => Some(name),
            Request::Kill { unit, .. } => Some(unit),
            Request::ResetFailed(None) | Request::ShutDown => None,
        }
    }
}

/// To whom a signal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KillTarget {
    /// The main process.
    Main,
    /// The command around it.
    Control,
    /// Every process of the group.
    All,
}

/// How an order went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// As ordered.
    Ok,
    /// `Spawn`: the process exists (its program is not executed yet). `FindMain`: this is the main process.
    Process {
        /// Its number in PID 1's eyes.
        pid: u32,
    },
    /// `Prepare`: a condition does not hold; the unit is skipped, or fails if it was an assertion.
    Unmet {
        /// Which condition, by its place in the spec.
        index: u16,
        /// Its test, for the reason that people read.
        test: ConditionTest,
    },
    /// The world said no.
    Refused(Refusal),
}

/// Why the world said no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Where, if a process was being set up.
    pub stage: Option<StageFault>,
    /// Linux's error number, 0 if there is none.
    pub errno: u16,
    /// One line for people, lower case, no full stop; may be empty.
    pub text: Box<str>,
}

/// What a spawn order is for; kept with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// Which list.
    pub phase: Phase,
    /// Which command of it.
    pub index: u16,
}
