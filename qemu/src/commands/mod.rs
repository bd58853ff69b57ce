//! What the harness can do, one file each.

pub(crate) mod boot;
mod steps;
pub(crate) mod verify;
