//! What the harness can do, one file each.

pub(crate) mod boot;
pub(crate) mod peers;
mod smoke;
mod steps;
pub(crate) mod verify;
