//! A/B truth: which release runs, which is tried. Only its door stands yet.
#![forbid(unsafe_code)]

/// One of the two places that hold a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// The first place.
    A,
    /// The second place.
    B,
}
