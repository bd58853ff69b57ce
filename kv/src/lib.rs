//! The replicated map: a Raft replica, its log, and the store that it replicates.
#![forbid(unsafe_code)]

pub mod limits;
pub mod replica;
pub mod wal;

/// A store revision: it grows by one with each committed change, and never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);
