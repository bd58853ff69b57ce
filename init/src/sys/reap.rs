//! The one reaper.

use rustix::process::{WaitOptions, WaitStatus, wait};
use units::run::ExitStatus;
use units::service::Signal;

/// A process that ended and is reaped now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reaped {
    /// Its number, free again.
    pub(crate) pid: u32,
    /// How it ended.
    pub(crate) status: ExitStatus,
}

/// Reaps one child that ended, if there is one. Called until `None`, since SIGCHLD coalesces.
pub(crate) fn next() -> Option<Reaped> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                let pid = pid.as_raw_nonzero().get().unsigned_abs();
                return Some(Reaped { pid, status: exit_status(status) });
            }
            Err(rustix::io::Errno::INTR) => {}
            // No child at all, or none that ended.
            Ok(None) | Err(_) => return None,
        }
    }
}

/// The kernel's wait status in our words.
pub(crate) fn exit_status(status: WaitStatus) -> ExitStatus {
    const CORE_FLAG: i32 = 0x80;
    if let Some(code) = status.exit_status() {
        return ExitStatus::Code(u8::try_from(code & 0xff).unwrap_or(u8::MAX));
    }
    let signal = status.terminating_signal().unwrap_or(0);
    ExitStatus::Signal {
        signal: Signal(u8::try_from(signal).unwrap_or(0)),
        core: status.as_raw() & CORE_FLAG != 0,
    }
}
