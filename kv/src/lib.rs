//! The replicated map: a Raft replica, its log, and the store that it replicates.
//! All of it is pure: no input or output, no clock, no random numbers.
#![forbid(unsafe_code)]

pub mod command;
pub mod error;
pub mod etcd;
pub mod limits;
mod nesting;
pub mod password;
pub mod read;
pub mod replica;
pub mod reply;
pub mod store;
pub mod v2;
pub mod wal;

/// A store revision: it grows by one with each committed change, and never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);
