//! The replicated map. Only its door stands yet: the store is a capability of its own.
#![forbid(unsafe_code)]

/// A store revision: it grows by one with each committed change, and never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);
