//! The log as raft reads it: in memory, from the oldest entry kept for members that lag.

use std::cell::Cell;
use std::collections::VecDeque;

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot, SnapshotMetadata};
use raft::{Error, GetEntriesContext, RaftState, Storage, StorageError};

use crate::wal::Mark;

/// What raft reads.
#[derive(Debug, Default)]
pub(super) struct Memory {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Index and term of the entry before the first.
    before: (u64, u64),
    /// Term, vote and commit index at the start.
    pub(super) state: HardState,
    /// The members as of the last applied entry.
    pub(super) voters: ConfState,
    /// The latest snapshot with a file.
    pub(super) snapshot: Option<Mark>,
    /// Raft wants a newer snapshot for a member that lags.
    pub(super) wanted: Cell<bool>,
}

impl Memory {
    /// What a log said.
    #[must_use]
    pub(super) fn new(state: HardState, mark: &Mark, entries: VecDeque<Entry>) -> Self {
        let mut memory = Self {
            before: (mark.index, mark.term),
            state,
            voters: mark.voters.clone(),
            snapshot: (mark.file != 0).then(|| mark.clone()),
            ..Self::default()
        };
        let after = entries.into_iter().filter(|entry| entry.index > mark.index);
        memory.append(&after.collect::<Vec<_>>());
        memory
    }

    /// Adds entries; they replace those of the same index and all that follow.
    pub(super) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        let keep = usize::try_from(first.index.saturating_sub(self.before.0 + 1));
        while self.entries.len() > keep.unwrap_or(usize::MAX) {
            self.bytes -= self.entries.pop_back().map_or(0, |entry| size(&entry));
        }
        self.bytes += entries.iter().map(size).sum::<usize>();
        self.entries.extend(entries.iter().cloned());
    }

    /// Begins anew after a snapshot.
    pub(super) fn install(&mut self, mark: &Mark) {
        self.entries.clear();
        self.bytes = 0;
        self.before = (mark.index, mark.term);
        self.voters = mark.voters.clone();
    }

    /// Whether the entries in memory go on where the latest snapshot ends.
    #[must_use]
    pub(super) fn has_usable_snapshot(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|mark| mark.index >= self.before.0)
    }

    /// Forgets the oldest entries until so many bytes are left, but none after `index`.
    pub(super) fn shrink(&mut self, bytes: usize, index: u64) {
        while self.bytes > bytes {
            let Some(first) = self.entries.front() else { return };
            if first.index > index {
                return;
            }
            self.before = (first.index, first.term);
            self.bytes -= size(first);
            self.entries.pop_front();
        }
    }

    /// The last index.
    #[must_use]
    pub(super) fn last(&self) -> u64 {
        self.entries.back().map_or(self.before.0, |entry| entry.index)
    }

    fn position(&self, index: u64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.before.0 + 1)?).ok()
    }
}

fn size(entry: &Entry) -> usize {
    entry.data.len() + entry.context.len() + 32
}

impl Storage for Memory {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(self.state.clone(), self.voters.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let compacted = Error::Store(StorageError::Compacted);
        let from = self.position(low).ok_or(compacted)?;
        let to = self.position(high).unwrap_or(0).min(self.entries.len());
        let max = max_size.into().unwrap_or(u64::MAX);
        let mut total = 0_u64;
        let wanted = self.entries.range(from.min(to)..to).take_while(|entry| {
            let first = total == 0;
            total = total.saturating_add(size(entry) as u64);
            first || total <= max
        });
        Ok(wanted.cloned().collect())
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index == self.before.0 {
            return Ok(self.before.1);
        }
        let position = self.position(index).ok_or(Error::Store(StorageError::Compacted))?;
        let entry = self.entries.get(position);
        entry.map(|entry| entry.term).ok_or(Error::Store(StorageError::Unavailable))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.before.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, _: u64) -> raft::Result<Snapshot> {
        let usable =
            |mark: &&Mark| mark.index >= request_index.max(1) && mark.index >= self.before.0;
        let Some(mark) = self.snapshot.as_ref().filter(usable) else {
            self.wanted.set(true);
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        };
        Ok(named(mark))
    }
}

/// A snapshot without its state: that is sent in chunks beside it.
#[must_use]
pub(super) fn named(mark: &Mark) -> Snapshot {
    let metadata = SnapshotMetadata {
        conf_state: Some(mark.voters.clone()),
        index: mark.index,
        term: mark.term,
    };
    Snapshot { data: prost::bytes::Bytes::new(), metadata: Some(metadata) }
}
