//! The shore: the only room with system calls, descriptors and `unsafe`. It decides nothing.

pub mod boot;
pub mod configuration;
pub mod console;
pub mod files;
pub mod kmsg;
pub mod modules;
pub mod net;
pub mod shutdown;
pub mod state;
pub mod uevent;
pub mod watchdog;
pub mod worker;
