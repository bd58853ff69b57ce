//! The shore: the only room with system calls, descriptors and `unsafe`. It decides nothing.

pub mod boot;
pub mod cgroup;
pub mod configuration;
pub mod console;
pub mod devices;
mod faults;
pub mod files;
pub mod kmsg;
pub mod kv;
pub mod modules;
pub mod net;
pub mod shutdown;
pub mod spawn;
pub mod state;
pub mod survive;
pub mod uevent;
pub mod watchdog;
pub mod worker;

mod block_device;
mod call;
mod client;
mod clock;
mod groups;
mod holdings;
mod input;
mod keeping;
mod limit;
mod listen;
mod logs;
mod notify;
mod outward;
mod perform;
pub mod pid1;
mod processes;
mod reap;
mod reexec;
mod resident;
mod resume;
mod run;
mod signals;
mod sources;
pub mod stage;
mod take;
mod token;
mod workers;

/// Lets all signals through: handlers are in place.
pub(crate) fn unblock_signals() -> std::io::Result<()> {
    // SAFETY: the set is a live local that `sigemptyset` makes valid before it is read.
    let done = unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut())
    };
    if done < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether the other end of a descriptor is gone, or the descriptor is in error.
pub(crate) fn hung_up(descriptor: std::os::fd::BorrowedFd<'_>) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut polled = [PollFd::from_borrowed_fd(descriptor, PollFlags::empty())];
    poll(&mut polled, Some(&NOW)).is_ok()
        && polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}
