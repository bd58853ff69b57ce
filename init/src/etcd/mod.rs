//! The store's node as etcd's clients see it: calls in, answers out, with a replica in between. Pure: the
//! connections, the disk and the clock are the shore's (`sys::kv`).

pub mod flags;
pub mod identity;
pub mod node;
pub mod url;

mod answer;
mod auth;
mod cluster;
mod duties;
mod keys;
mod leases;
mod maintenance;
mod streams;

use std::time::Duration;

use kv::etcd::status::Status;
use kv::replica::members::Members;
use kv::replica::{Action, Event};
use kv::reply::Reply;

pub use node::Node;

/// Names a call, from its first byte until its end was said. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call(pub u64);

/// What the clocks say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moment {
    /// Of the clock that never goes back.
    pub now: Duration,
    /// Of the clock on the wall, in milliseconds since 1970.
    pub unix_ms: u64,
}

/// What the node hears.
#[derive(Debug)]
pub enum Fact {
    /// A client begins a call.
    Opened {
        /// Which.
        call: Call,
        /// Service and method, as in `/etcdserverpb.KV/Put`.
        path: String,
        /// The token in its headers.
        token: Option<String>,
    },
    /// A whole message of a call.
    Said {
        /// Which.
        call: Call,
        /// Without gRPC's prefix.
        message: Vec<u8>,
    },
    /// The client has no more to say.
    Finished {
        /// Which.
        call: Call,
    },
    /// The client does not wait any more. Nothing may be said to it.
    Gone {
        /// Which.
        call: Call,
    },
    /// All that was said in a call has left.
    Sent {
        /// Which.
        call: Call,
    },
    /// A password was hashed; or it cannot be.
    Hashed {
        /// For whom.
        call: Call,
        /// The hash.
        hash: Option<String>,
    },
    /// A password was compared with a hash.
    Checked {
        /// For whom.
        call: Call,
        /// It is the right one.
        fits: bool,
    },
    /// Another member said something that is not for the replica.
    Word {
        /// Who.
        from: u64,
        /// What.
        word: Vec<u8>,
    },
    /// Something for the replica.
    Replica(Event),
}

/// What the shore is to do.
#[derive(Debug)]
pub enum Order {
    /// Send a message of a call, prefix included.
    Say {
        /// Which.
        call: Call,
        /// The bytes.
        message: Vec<u8>,
    },
    /// End a call.
    End {
        /// Which.
        call: Call,
        /// Why, if it did not go well.
        status: Option<Status>,
    },
    /// Do not read on in a call, or do.
    Pause {
        /// Which.
        call: Call,
        /// Do not.
        paused: bool,
    },
    /// Make the hash of a password, with a salt that nobody can guess. Answered by `Hashed`.
    HashPassword {
        /// For whom.
        call: Call,
        /// The password.
        password: String,
        /// What the hash is to cost.
        cost: u32,
    },
    /// Compare a password with a hash. Answered by `Checked`.
    CheckPassword {
        /// For whom.
        call: Call,
        /// The password.
        password: String,
        /// The hash.
        hash: String,
    },
    /// Say something to another member that is not for its replica. It may be lost.
    Word {
        /// To whom.
        peer: u64,
        /// What.
        word: Vec<u8>,
    },
    /// Something for the disk. Its `Write` and `Snapshot…` are answered by an [`Event`].
    Disk(Box<Action<Reply>>),
    /// Send a frame to a peer. It may be lost.
    Send {
        /// To whom.
        peer: u64,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// Peers are to be reached as these say.
    Members(Members),
    /// Something that an administrator should know.
    Note(String),
}

#[cfg(test)]
mod tests;
