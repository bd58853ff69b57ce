//! One command's changes to keys: they share a revision, and are numbered within it.

use super::history::{History, shown};
use super::leases::Leases;
use super::span::Span;
use super::version::Version;
use crate::command::{DeleteRangeRequest, PutRequest};
use crate::error::Error;
use crate::reply::{DeleteRangeReply, PutReply};

/// Changes under way.
pub(super) struct Writing<'a> {
    pub(super) history: &'a mut History,
    pub(super) leases: &'a mut Leases,
    /// How many changes so far.
    changes: u32,
}

impl<'a> Writing<'a> {
    pub(super) fn new(history: &'a mut History, leases: &'a mut Leases) -> Self {
        Self { history, leases, changes: 0 }
    }

    /// The last revision as it is to be seen from within.
    pub(super) fn last(&self) -> i64 {
        self.history.revision + i64::from(self.changes > 0)
    }

    /// A put can only fail before it has changed anything.
    pub(super) fn check_put(&self, put: &PutRequest) -> Result<(), Error> {
        let keeps = put.ignore_value || put.ignore_lease;
        if keeps && self.history.newest(&put.key).is_none() {
            return Err(Error::KeyNotFound);
        }
        if put.lease != 0 && !self.leases.exists(put.lease) {
            return Err(Error::LeaseNotFound);
        }
        Ok(())
    }

    pub(super) fn put(&mut self, put: &PutRequest) -> PutReply {
        let main = self.history.revision + 1;
        let slot = self.history.slots.find(&put.key).map(|number| self.history.slots.slot(number));
        let before = slot.filter(|slot| slot.is_live()).map(|slot| (slot, slot.newest()));
        let prev_kv = match &before {
            Some((slot, version)) if put.prev_kv => Some(shown(slot, version)),
            Some(_) | None => None,
        };
        let before = before.map(|(_, version)| version).unwrap_or_default();
        let kept = if put.ignore_value { before.value.to_vec() } else { Vec::new() };
        let version = Version {
            main,
            sub: self.changes,
            create: if before.version == 0 { main } else { before.create },
            version: before.version + 1,
            lease: if put.ignore_lease { before.lease } else { put.lease },
            value: if put.ignore_value { &kept } else { &put.value },
        };
        let lease_before = before.lease;
        let slot = self.history.push(&put.key, &version);
        if lease_before != version.lease {
            self.leases.attach(slot, lease_before, version.lease);
        }
        self.changes += 1;
        PutReply { revision: main, prev_kv }
    }

    pub(super) fn delete_range(&mut self, delete: &DeleteRangeRequest) -> DeleteRangeReply {
        let span = Span::new(&delete.key, &delete.end);
        let live = |number: &u32| self.history.slots.slot(*number).is_live();
        let doomed: Vec<u32> = self.history.slots.range(span).filter(live).collect();
        let mut prev_kvs = Vec::new();
        for number in &doomed {
            let slot = self.history.slots.slot(*number);
            if delete.prev_kv {
                prev_kvs.push(shown(slot, &slot.newest()));
            }
            self.delete(*number);
        }
        let deleted = i64::try_from(doomed.len()).unwrap_or(i64::MAX);
        DeleteRangeReply { revision: self.last(), deleted, prev_kvs }
    }

    /// Deletes one key that is there.
    pub(super) fn delete(&mut self, number: u32) {
        let main = self.history.revision + 1;
        let slot = self.history.slots.slot(number);
        let (key, lease) = (slot.key.clone(), slot.newest().lease);
        let gone = Version { main, sub: self.changes, create: main, ..Version::default() };
        self.history.push(&key, &gone);
        self.leases.attach(number, lease, 0);
        self.changes += 1;
    }

    /// Makes the changes the last revision. Tells it, if there were any.
    pub(super) fn finish(self) -> Option<i64> {
        if self.changes == 0 {
            return None;
        }
        self.history.revision += 1;
        Some(self.history.revision)
    }
}
