//! Scripts about the store that a person can read.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it expects")]

mod auth;
mod keys;
mod model;
mod script;
mod snapshot;
mod time;
mod v2;
mod watches;
