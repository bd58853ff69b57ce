//! What the replica hears, and what it asks for.

use serde::{Deserialize, Serialize};

use super::members::{Member, Members};
use crate::wal::log::Order;

/// Names a question until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A fact.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A client wants the state changed.
    Asked {
        /// Answered by `Applied` or `Refused`.
        ticket: Ticket,
        /// What to do.
        command: Vec<u8>,
    },
    /// A client wants to read what is certainly the latest.
    ReadAsked {
        /// Answered by `ReadReady` or `Refused`.
        ticket: Ticket,
    },
    /// Someone wants other members.
    ChangeAsked {
        /// Answered by `Changed` or `Refused`.
        ticket: Ticket,
        /// Carried out together.
        steps: Vec<Step>,
    },
    /// Someone wants another leader. Answered by nothing but the change itself.
    TransferAsked {
        /// The wanted leader.
        to: u64,
    },
    /// A frame came from a peer.
    PeerSaid {
        /// The frame.
        bytes: Vec<u8>,
    },
    /// The connection to a peer broke.
    PeerLost {
        /// Which one.
        peer: u64,
    },
    /// An order for the disk was carried out, durably where that was asked.
    Done {
        /// The order's.
        ticket: Ticket,
    },
    /// An order for the disk failed.
    Failed {
        /// The order's.
        ticket: Ticket,
        /// In the kernel's words.
        why: String,
    },
    /// What was read from a snapshot.
    DiskRead {
        /// The order's.
        ticket: Ticket,
        /// As many as asked, unless the file ended.
        bytes: Vec<u8>,
    },
    /// Time passed.
    Tick,
}

/// One step of a change of members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// A new member, as a learner or at once as a voter.
    Add(Member),
    /// A learner becomes a voter.
    Promote(u64),
    /// A member leaves for ever.
    Remove(u64),
    /// A member has another name or other addresses. Never together with other steps.
    Update(Member),
}

/// An order, or an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Action<Reply> {
    /// Make or remove a segment of the log.
    Segment(Order),
    /// Write to a segment and make it durable; with no bytes, only make it durable.
    Write {
        /// Answered by `Done` or `Failed`.
        ticket: Ticket,
        /// The segment.
        segment: u64,
        /// From this byte on.
        offset: u64,
        /// What to write.
        bytes: Vec<u8>,
    },
    /// Write to a snapshot's file; the first write makes it.
    SnapshotWrite {
        /// Answered by `Done` or `Failed`.
        ticket: Ticket,
        /// The file.
        file: u64,
        /// From this byte on.
        offset: u64,
        /// What to write.
        bytes: Vec<u8>,
        /// The file is complete: make it durable, with its name.
        last: bool,
    },
    /// Read from a snapshot's file.
    SnapshotRead {
        /// Answered by `DiskRead` or `Failed`.
        ticket: Ticket,
        /// The file.
        file: u64,
        /// From this byte on.
        offset: u64,
        /// How much.
        bytes: usize,
    },
    /// Remove a snapshot's file.
    SnapshotRemove {
        /// The file.
        file: u64,
    },
    /// Send a frame; it may be lost, but never wait.
    Send {
        /// To this member.
        peer: u64,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// A command was carried out, durably.
    Applied {
        /// Whose.
        ticket: Ticket,
        /// At this place of the log.
        index: u64,
        /// What it answers.
        reply: Reply,
    },
    /// The members were changed.
    Changed {
        /// Whose wish.
        ticket: Ticket,
    },
    /// The state machine may be read now: it contains all that was acknowledged before.
    ReadReady {
        /// Whose.
        ticket: Ticket,
    },
    /// It was not done, or it is not known whether.
    Refused {
        /// Whose.
        ticket: Ticket,
        /// Why.
        why: Refusal,
    },
    /// The members are now these.
    Members(Members),
    /// The leader is now another; zero is none.
    Leader {
        /// Who.
        leader: u64,
        /// In this term.
        term: u64,
    },
    /// The replica serves and votes no more until it is started again.
    Broken {
        /// Why, for the log.
        why: String,
    },
}

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Nobody leads: it was certainly not done.
    NoLeader,
    /// Too much waits already: it was certainly not done.
    Busy,
    /// It took too long: perhaps it is done, perhaps it will be.
    Late,
    /// The replica is broken or removed: perhaps it was done.
    Stopped,
    /// The command is larger than any may be.
    TooLarge,
    /// A member of this number is or was there.
    MemberExists,
    /// No such member.
    MemberUnknown,
    /// It is no learner.
    NotLearner,
    /// The learner has not caught up with the leader.
    LearnerBehind,
    /// There are as many learners as there may be.
    TooManyLearners,
    /// Another change is not finished, or this one cannot be.
    ChangeRefused,
    /// Only the leader can tell.
    NotLeader,
}

/// What came of a step.
#[derive(Debug)]
pub struct Outbox<Reply, Happened> {
    /// In the order in which they are to be carried out.
    pub actions: Vec<Action<Reply>>,
    /// For watchers, in the order of revisions.
    pub happened: Vec<Happened>,
}

impl<Reply, Happened> Default for Outbox<Reply, Happened> {
    fn default() -> Self {
        Self { actions: Vec::new(), happened: Vec::new() }
    }
}
