//! Facts that the node is told, in the past tense.

use std::time::Duration;

use units::run::{ExitStatus, Role, Run, Ticket, UnitId};
use units::service::Signal;

use crate::uevent::Uevent;
use crate::wire::Request;

/// A client of the control socket, by the shore's number; never used twice within one boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

/// Who is at the other end of the control socket (`SO_PEERCRED`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Process.
    pub pid: u32,
    /// User.
    pub uid: u32,
    /// Group, and the supplementary groups.
    pub gids: Vec<u32>,
}

/// Whose output it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Something that happened. Borrowed bytes are the shore's read buffer.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// The loop begins; the early boot's story is in the facts.
    Started,
    /// The loop begins in a new life of PID 1: all that the last one held is taken over.
    Resumed {
        /// What happened, for people.
        cause: String,
        /// How long nobody supervised.
        gap: Duration,
    },
    /// Time passed; a deadline may be due.
    Tick,
    /// A fact about units that needs no translation.
    Unit(units::Event),
    /// A process of a run was made.
    Spawned {
        /// The order.
        ticket: Ticket,
        /// Its number, or why there is none.
        result: Result<u32, Fault>,
    },
    /// A worker ended: its whole output, or why there is none.
    Worked {
        /// The order.
        ticket: Ticket,
        /// What it wrote to its standard output, if it exited with zero.
        result: Result<&'a [u8], WorkerFault>,
    },
    /// A process ended of which no run knows; counted only.
    Orphaned {
        /// How.
        status: ExitStatus,
    },
    /// A unit wrote to its standard output or error.
    Wrote {
        /// Who.
        unit: UnitId,
        /// Where.
        stream: Stream,
        /// What; any bytes.
        bytes: &'a [u8],
    },
    /// The kernel wrote a record to its ring (`/dev/kmsg` format).
    KernelWrote {
        /// One record.
        record: &'a [u8],
    },
    /// A process sent a datagram to the notification socket.
    Notified {
        /// Whose group it is in.
        run: Run,
        /// Who of it; `None`: another process of the group.
        role: Option<Role>,
        /// Its number.
        pid: u32,
        /// The datagram.
        text: &'a [u8],
        /// The descriptors that came along, by the shore's numbers.
        descriptors: Vec<u32>,
    },
    /// A stored descriptor was closed at its other end.
    DescriptorGone {
        /// Whose.
        unit: UnitId,
        /// The shore's number.
        number: u32,
    },
    /// A program that a client ran inside a unit ended.
    GuestExited {
        /// The order that started it.
        ticket: Ticket,
        /// How.
        status: ExitStatus,
    },
    /// The limits of a running group were changed for a client.
    LimitsChanged {
        /// Who asked.
        client: ClientId,
        /// Its number for the request.
        id: u32,
        /// The file of the group that the kernel did not take, and why.
        refused: Option<(&'static str, Fault)>,
    },
    /// A client came.
    Connected {
        /// Which.
        client: ClientId,
        /// Who.
        peer: Peer,
    },
    /// A client asked.
    Asked {
        /// Which.
        client: ClientId,
        /// The client's number for it, to be given back.
        id: u32,
        /// What.
        request: Box<Request>,
        /// The descriptors that came along, by the shore's numbers.
        descriptors: Vec<u32>,
    },
    /// A client of the last life waits for an answer that this life knows nothing of.
    Interrupted {
        /// Which.
        client: ClientId,
        /// Its number for the request.
        id: u32,
        /// It asked for the replacement that took place.
        replaced: bool,
    },
    /// A client is gone.
    Left {
        /// Which.
        client: ClientId,
    },
    /// PID 1 got a signal (not SIGCHLD).
    Signalled {
        /// Which.
        signal: Signal,
    },
    /// The kernel told of more devices than we could hear.
    DevicesLost,
    /// The kernel tells of a device.
    Device(Uevent),
}

/// Why a process could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Linux's error number.
    pub errno: u16,
}

/// Why a worker has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerFault {
    /// It could not be started.
    Spawn(Fault),
    /// It ended so.
    Ended {
        /// How.
        status: ExitStatus,
        /// The last line that it wrote to standard error.
        complaint: String,
    },
    /// It wrote more than it may.
    TooMuch,
}
