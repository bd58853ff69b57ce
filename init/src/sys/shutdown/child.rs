//! Work that may hang, in a child of its own with a deadline.
//!
//! Processes and not threads: a process stuck in the kernel can be left behind, while a thread would
//! keep its whole process from ever ending.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::{Errno, Result};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, waitpid};
use std::time::Duration;

use crate::sys::boot::since_boot;

/// How a child's work went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It ended by itself, with this code; `None`: it was killed.
    Code(Option<i32>),
    /// It did not end in time and was left behind with a SIGKILL on its way.
    Late,
}

impl Ended {
    /// Whether it ended with code 0.
    pub(super) fn is_ok(self) -> bool {
        self == Ended::Code(Some(0))
    }
}

/// A running child.
#[derive(Debug)]
pub(super) struct Child {
    pid: Pid,
    watch: Option<OwnedFd>,
}

impl Child {
    /// Runs `work` in a copy of this process and ends it with the code that `work` gives.
    pub(super) fn start(work: impl FnOnce() -> i32) -> Result<Child> {
        // SAFETY: this process has one thread, so the copy may do whatever this process could.
        match unsafe { libc::fork() } {
            -1 => {
                Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::AGAIN))
            }
            0 => {
                let code = work();
                // SAFETY: ends the copy without running what the original registered for its exit.
                unsafe { libc::_exit(code) }
            }
            number => {
                let pid =
                    Pid::from_raw(number).expect("fork gives a positive number to the parent");
                Ok(Child { pid, watch: pidfd_open(pid, PidfdFlags::empty()).ok() })
            }
        }
    }

    /// Its number.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for its end until `until`, calling `feed` at least every `every`.
    pub(super) fn wait(self, until: Duration, every: Duration, feed: &mut dyn FnMut()) -> Ended {
        self.wait_unless(until, every, &mut || {
            feed();
            false
        })
    }

    /// As [`Child::wait`], but gives up as soon as `given_up` says so.
    pub(super) fn wait_unless(
        self,
        until: Duration,
        every: Duration,
        given_up: &mut dyn FnMut() -> bool,
    ) -> Ended {
        loop {
            let stop = given_up();
            if let Some(ended) = self.ended() {
                return ended;
            }
            let left = until.saturating_sub(since_boot());
            if left.is_zero() || stop {
                // One that is stuck in the kernel does not notice; it is no longer waited for.
                let _ = kill_process(self.pid, Signal::KILL);
                return Ended::Late;
            }
            self.pause(left.min(every));
        }
    }

    /// Whether it has ended.
    pub(super) fn ended(&self) -> Option<Ended> {
        match waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(None) | Err(Errno::INTR) => None,
            Ok(Some((_, status))) => Some(Ended::Code(status.exit_status())),
            // Somebody else has reaped it, so its code is lost.
            Err(_) => Some(Ended::Code(None)),
        }
    }

    fn pause(&self, longest: Duration) {
        let Some(watch) = &self.watch else {
            return std::thread::sleep(longest.min(Duration::from_millis(5)));
        };
        let timeout = Timespec::try_from(longest).ok();
        // An interrupted or failed wait only means that the loop looks again.
        let _ = poll(&mut [PollFd::new(watch, PollFlags::IN)], timeout.as_ref());
    }
}

/// Runs `work` in a child and waits for it; where the kernel cannot even fork it is not done.
pub(super) fn run(
    until: Duration,
    every: Duration,
    feed: &mut dyn FnMut(),
    work: impl FnOnce() -> i32,
) -> Ended {
    match Child::start(work) {
        Ok(child) => child.wait(until, every, feed),
        Err(_) => Ended::Code(None),
    }
}
