//! All versions of all keys, and the order in which they came. The log of changes reaches back to where
//! history begins; watches read from it, and compaction consumes it from its old end: the keys named there are
//! exactly those that may have something to forget.

use std::collections::VecDeque;

use super::slots::{Slot, Slots};
use super::span::Span;
use super::version::Version;
use crate::error::Error;
use crate::read::KeyValue;

/// One change: which key, in which revision, as which of its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) main: i64,
    pub(super) sub: u32,
    pub(super) slot: u32,
}

/// Keys through time.
#[derive(Debug)]
pub(super) struct History {
    pub(super) slots: Slots,
    pub(super) log: VecDeque<Change>,
    /// The last revision.
    pub(super) revision: i64,
    /// Where history begins. Zero until the first compaction.
    pub(super) compacted: i64,
    /// Up to which beginning of history everything is freed, and how many changes of the next one were looked at.
    tidied: i64,
    looked_at: usize,
}

impl Default for History {
    fn default() -> Self {
        Self {
            slots: Slots::default(),
            log: VecDeque::new(),
            revision: 1,
            compacted: 0,
            tidied: 0,
            looked_at: 0,
        }
    }
}

impl History {
    /// The revision to read at: the one asked for if it is known, else the last one.
    pub(super) fn readable(&self, asked: i64, last: i64) -> Result<i64, Error> {
        match asked {
            asked if asked > last => Err(Error::FutureRevision),
            asked if asked <= 0 => Ok(last),
            asked if asked < self.compacted => Err(Error::Compacted),
            asked => Ok(asked),
        }
    }

    /// The keys of a span that were there at a revision.
    pub(super) fn seen<'a>(
        &'a self,
        span: Span<'a>,
        revision: i64,
    ) -> impl Iterator<Item = (&'a Slot, Version<'a>)> + 'a {
        self.slots.range(span).filter_map(move |number| {
            let slot = self.slots.slot(number);
            Some((slot, slot.at(revision)?))
        })
    }

    /// The newest version of a key that is there.
    pub(super) fn newest(&self, key: &[u8]) -> Option<Version<'_>> {
        let version = self.slots.slot(self.slots.find(key)?).newest();
        (!version.is_deletion()).then_some(version)
    }

    /// Adds a version.
    pub(super) fn push(&mut self, key: &[u8], version: &Version<'_>) -> u32 {
        let slot = self.slots.push(key, version);
        self.log.push_back(Change { main: version.main, sub: version.sub, slot });
        slot
    }

    /// Where in the log a place in time is.
    pub(super) fn log_place(&self, main: i64, sub: u32) -> usize {
        self.log.partition_point(|change| (change.main, change.sub) < (main, sub))
    }

    /// Lets history begin at `revision`. What is older is forgotten bit by bit (`tidy`).
    pub(super) fn compact(&mut self, revision: i64) -> Result<(), Error> {
        if revision <= self.compacted {
            return Err(Error::Compacted);
        }
        if revision > self.revision {
            return Err(Error::FutureRevision);
        }
        self.compacted = revision;
        self.looked_at = 0;
        Ok(())
    }

    /// Frees what compaction left, at most `changes_max` of it at once. True while there is more.
    pub(super) fn tidy(&mut self, changes_max: usize) -> bool {
        for _ in 0..changes_max {
            if !self.has_garbage() {
                self.give_back();
                return false;
            }
            self.forget_next();
        }
        self.has_garbage()
    }

    /// Changes before the beginning of history go. Those right at it stay, because a watch may begin there,
    /// but what they replaced goes.
    fn forget_next(&mut self) {
        let compacted = self.compacted;
        if let Some(change) = self.log.front().copied().filter(|change| change.main < compacted) {
            self.slots.forget(change.slot, compacted);
            self.log.pop_front();
            self.looked_at = 0;
            return;
        }
        match self.log.get(self.looked_at).copied().filter(|change| change.main == compacted) {
            Some(change) => {
                self.slots.forget(change.slot, compacted);
                self.looked_at += 1;
            }
            None => {
                self.looked_at = 0;
                self.tidied = compacted;
            }
        }
    }

    pub(super) fn has_garbage(&self) -> bool {
        self.tidied < self.compacted
    }

    fn give_back(&mut self) {
        if self.log.capacity() > 4 * self.log.len() + 1024 {
            self.log.shrink_to(2 * self.log.len());
        }
    }
}

/// As told to clients.
pub(super) fn shown(slot: &Slot, version: &Version<'_>) -> KeyValue {
    KeyValue {
        key: slot.key.to_vec(),
        create_revision: version.create,
        mod_revision: version.main,
        version: version.version,
        value: version.value.to_vec(),
        lease: version.lease,
    }
}
