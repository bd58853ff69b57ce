//! The replica.
pub mod members;
