//! The one reaper.
//!
//! An end is looked at, told, and only then reaped: whatever happens in between, a zombie keeps its
//! status for the next image of the program.

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use units::run::ExitStatus;
use units::service::Signal;

/// A process that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reaped {
    /// Its number, not free yet.
    pub(crate) pid: u32,
    /// How it ended.
    pub(crate) status: ExitStatus,
}

/// Looks at one child that ended, if there is one. Called until `None`, since SIGCHLD coalesces.
pub(crate) fn peek() -> Option<Reaped> {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    loop {
        // SAFETY: all zero is a valid answer: nobody.
        let mut about: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `about` is a live place for the answer.
        let done = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut about, flags) };
        if done != 0 {
            match std::io::Error::last_os_error().raw_os_error() {
                Some(libc::EINTR) => continue,
                _ => return None,
            }
        }
        // SAFETY: the answer is about a child that ended, or still all zero.
        let (pid, status) = unsafe { (about.si_pid(), about.si_status()) };
        let pid = u32::try_from(pid).ok().filter(|pid| *pid != 0)?;
        return Some(Reaped { pid, status: exit_status(about.si_code, status) });
    }
}

/// Frees the number of a child that ended.
pub(crate) fn reap(pid: u32) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    // A child that was looked at is there; nobody else waits.
    let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
}

/// What the kernel says of an end (waitid(2)), in our words.
fn exit_status(code: i32, status: i32) -> ExitStatus {
    match code {
        libc::CLD_EXITED => ExitStatus::Code(u8::try_from(status & 0xff).unwrap_or(u8::MAX)),
        _ => ExitStatus::Signal {
            signal: Signal(u8::try_from(status).unwrap_or(0)),
            core: code == libc::CLD_DUMPED,
        },
    }
}
