//! What the harness can do, one file each.

pub(crate) mod boot;
mod smoke;
mod steps;
pub(crate) mod verify;
