//! The multi-version map: what a replica's log builds up. It has no clock and no neighbours; the same
//! commands in the same order make the same store.

mod alarms;
mod apply;
mod auth;
mod check;
mod chores;
mod hash;
mod history;
mod lease_clock;
mod leases;
mod machine;
mod range;
mod slots;
mod snapshot;
mod span;
mod txn;
mod v2;
mod version;
mod watches;
mod writing;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use auth::Auth;
pub use check::{check_change, check_range};
pub use chores::{Chores, Retention};
pub use hash::Hashing;
pub use lease_clock::LeaseClock;
pub use snapshot::{BadSnapshot, Restoring, Snapshot};
pub use txn::is_read_only;
pub use v2::V2;

use crate::command::{Alarm, Change, TxnRequest, User};
use crate::error::Error;
use crate::read::{Drained, RangeReply, RangeRequest, WatchId, WatchRequest};
use crate::reply::TxnReply;
use alarms::Alarms;
use history::History;
use leases::Leases;
use watches::Watches;

/// What a member told of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Published {
    /// Its name.
    pub name: String,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
}

/// The map with all that belongs to it.
#[derive(Debug, Default)]
pub struct Store {
    /// Index of the last command that was applied.
    applied: u64,
    /// The latest time that any command brought.
    now_unix_ms: u64,
    history: History,
    leases: Leases,
    watches: Watches,
    auth: Auth,
    alarms: Alarms,
    published: BTreeMap<u64, Published>,
    v2: V2,
    /// Snapshots in the making, and how many there ever were.
    pinned: BTreeSet<u64>,
    pins: u64,
    /// The one that the replica takes, and what it restores from.
    taken: Option<Snapshot>,
    restoring: Option<Box<Restoring>>,
}

impl Store {
    /// An empty store at revision 1.
    pub fn new() -> Self {
        Self::default()
    }

    /// Index of the last command that was applied.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The last revision.
    pub fn revision(&self) -> i64 {
        self.history.revision
    }

    /// The oldest revision that can be read; zero if nothing was compacted.
    pub fn compact_revision(&self) -> i64 {
        self.history.compacted
    }

    /// Roughly what keys and history occupy. This is what the quota limits.
    pub fn bytes(&self) -> u64 {
        self.history.slots.bytes()
    }

    /// Has `tidy` something to do?
    pub fn has_garbage(&self) -> bool {
        self.history.has_garbage()
    }

    /// All leases, in order.
    pub fn leases(&self) -> Vec<i64> {
        self.leases.leases.keys().copied().collect()
    }

    /// The keys that hang on a lease, in order. Nothing if there is no such lease.
    pub fn lease_keys(&self, id: i64) -> Option<Vec<Vec<u8>>> {
        let lease = self.leases.leases.get(&id)?;
        let key = |number: &u32| self.history.slots.slot(*number).key.to_vec();
        let mut keys: Vec<Vec<u8>> = lease.slots.iter().map(key).collect();
        keys.sort();
        Some(keys)
    }

    /// Users, roles and what they may do.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// What members told of themselves.
    pub fn published(&self) -> &BTreeMap<u64, Published> {
        &self.published
    }

    /// The keys of version 2.
    pub fn v2(&self) -> &V2 {
        &self.v2
    }

    /// All alarms, by member.
    pub fn alarms(&self) -> Vec<(u64, Alarm)> {
        self.alarms.all()
    }

    /// Reads. Whoever asks linearizably must first have made sure that the store is new enough.
    ///
    /// # Errors
    ///
    /// What etcd says of such a request.
    pub fn read(&self, who: Option<&User>, asked: &RangeRequest) -> Result<RangeReply, Error> {
        check_range(asked)?;
        self.alarms.allow_read()?;
        self.auth.may_read(who, &asked.key, &asked.end)?;
        self.history.range(asked, self.history.revision)
    }

    /// Reads with a transaction that changes nothing, without the log.
    ///
    /// # Errors
    ///
    /// What etcd says of such a request; it must be one of `is_read_only`.
    pub fn read_txn(&self, who: Option<&User>, asked: &TxnRequest) -> Result<TxnReply, Error> {
        check_change(&Change::Txn(asked.clone()))?;
        self.alarms.allow_read()?;
        self.auth.may_txn(who, asked)?;
        self.history.read_txn(asked)
    }

    /// Begins a watch. It may have something to tell at once: drain it.
    ///
    /// # Errors
    ///
    /// The caller may not read the whole range.
    pub fn watch_create(
        &mut self,
        who: Option<&User>,
        asked: &WatchRequest,
    ) -> Result<WatchId, Error> {
        self.auth.may_read(who, &asked.key, &asked.end)?;
        Ok(self.watches.create(asked, self.history.revision))
    }

    /// Ends a watch. False if there was none.
    pub fn watch_cancel(&mut self, id: WatchId) -> bool {
        self.watches.cancel(id)
    }

    /// Has it something to tell?
    pub fn watch_is_ready(&self, id: WatchId) -> bool {
        self.watches.is_ready(id)
    }

    /// The revision up to which a watch has heard everything, if it has. One that waits for a revision to come
    /// has no progress.
    pub fn watch_progress(&self, id: WatchId) -> Option<i64> {
        self.watches.progress(id, self.history.revision)
    }

    /// How many watches there are.
    pub fn watch_count(&self) -> usize {
        self.watches.len()
    }

    /// What a watch has to tell, in about `bytes_max`: the only place where events occupy memory.
    pub fn drain_watch(&mut self, id: WatchId, bytes_max: usize) -> Drained {
        self.watches.drain(id, &self.history, bytes_max)
    }
    /// Frees what compaction left, in a turn of at most `changes_max`. True while there is more to do.
    pub fn tidy(&mut self, changes_max: usize) -> bool {
        self.pinned.is_empty() && self.history.tidy(changes_max)
    }
}
