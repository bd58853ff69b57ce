//! Scripts about the store that a person can read.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it expects")]

mod keys;
mod script;
mod snapshot;
mod watches;
