//! What a change brought about: for the one who asked, and for the rest of the node.

use crate::command::{Alarm, Permission};
use crate::error::Error;
use crate::read::{KeyValue, RangeReply, WatchId};
use crate::v2::V2Reply;

/// The answer to one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The store's revision afterwards, for the header.
    pub revision: i64,
    /// What was done, or why not.
    pub result: Result<Answer, Error>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To a put.
    Put(PutReply),
    /// To a deletion.
    DeleteRange(DeleteRangeReply),
    /// To a transaction.
    Txn(TxnReply),
    /// To a grant: the lease, and its seconds.
    LeaseGranted {
        /// Which.
        id: i64,
        /// How long.
        ttl_s: i64,
    },
    /// The era of the leader that begins to count leases.
    LeaseEra(u64),
    /// The alarms that were raised, or cleared.
    Alarms(Vec<(u64, Alarm)>),
    /// The roles of a user, the permissions of a role after a change: nothing more is told.
    Done,
    /// To a change of version 2 keys.
    V2(V2Reply),
}

/// To a put.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PutReply {
    /// For the header.
    pub revision: i64,
    /// What was there, if asked for.
    pub prev_kv: Option<KeyValue>,
}

/// To a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteRangeReply {
    /// For the header.
    pub revision: i64,
    /// How many keys went.
    pub deleted: i64,
    /// What was there, if asked for.
    pub prev_kvs: Vec<KeyValue>,
}

/// To a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TxnReply {
    /// For the header. Zero in a nested one, as in etcd.
    pub revision: i64,
    /// Which side was taken.
    pub succeeded: bool,
    /// One for each part of that side.
    pub replies: Vec<OpReply>,
}

/// To a part of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpReply {
    /// To a read.
    Range(RangeReply),
    /// To a put.
    Put(PutReply),
    /// To a deletion.
    DeleteRange(DeleteRangeReply),
    /// To a nested transaction.
    Txn(TxnReply),
}

/// What a replica must hear of when a command was applied, whoever asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// This watch had nothing to tell, and now has.
    WatchReady(WatchId),
    /// A lease began.
    LeaseGranted {
        /// Which.
        id: i64,
        /// How long.
        ttl_s: i64,
    },
    /// The time left to a lease is known better.
    LeaseRemaining {
        /// Which.
        id: i64,
        /// How long; zero means its whole time.
        remaining_s: i64,
    },
    /// A lease is over.
    LeaseGone {
        /// Which.
        id: i64,
    },
    /// Alarms were raised or cleared.
    AlarmsChanged,
    /// Users, roles or whether they matter have changed: tokens are old.
    AuthChanged,
    /// History before this revision is forgotten. `Store::tidy` has work.
    Compacted {
        /// The oldest revision that can be read.
        revision: i64,
    },
    /// Version 2 keys changed: those who wait should look.
    V2Changed,
    /// A member told of itself, or was forgotten.
    MembersChanged,
}

/// A user, as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserShown {
    /// Names of its roles.
    pub roles: Vec<String>,
}

/// A role, as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleShown {
    /// Its rights.
    pub permissions: Vec<Permission>,
}
