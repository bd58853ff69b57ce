//! Boots it: virtual machines that a person looks at and that tests drive.
//!
//! ```no_run
//! # fn main() -> Result<(), qemu::Fault> {
//! use std::time::Duration;
//! let artefacts = qemu::artefacts::Artefacts::make(&mut qemu::artefacts::silent)?;
//! let options = qemu::Options::new(&artefacts.kernel.fast, &artefacts.initramfs);
//! let mut machine = qemu::Machine::spawn(&options)?;
//! machine.wait_for(qemu::PROMPT, Duration::from_secs(60))?;
//! machine.send_line("poweroff")?;
//! machine.exit_status(Duration::from_secs(60))?;
//! # Ok(())
//! # }
//! ```

pub mod artefacts;
pub mod ask;
pub mod console;
mod fault;
pub mod install;
mod machine;
mod options;
pub mod qmp;
pub mod status;

pub use console::Line;
pub use fault::Fault;
pub use machine::{Machine, PROMPT};
pub use options::{AGENT_PORT, Disk, Forward, Options, QEMU, Sockets, free_port};
