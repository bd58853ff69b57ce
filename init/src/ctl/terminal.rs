//! The terminal that a person sits at: raw while a program inside a unit has it, and back again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{
    OptionalActions, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

/// Our own terminal in raw mode until this is dropped.
#[derive(Debug)]
pub(crate) struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Turns to raw mode.
    pub(crate) fn enter() -> io::Result<RawMode> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Flush, &raw)?;
        Ok(RawMode { before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // There is nothing to be done about a terminal that is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// A new terminal: our end and the other one.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) ours: OwnedFd,
    pub(crate) theirs: OwnedFd,
}

impl Pair {
    /// Makes one with the size and the settings of our own terminal.
    pub(crate) fn open() -> io::Result<Pair> {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let theirs = ioctl_tiocgptpeer(&ours, flags)?;
        if let Ok(settings) = tcgetattr(io::stdin()) {
            tcsetattr(&theirs, OptionalActions::Now, &settings)?;
        }
        let pair = Pair { ours, theirs };
        adopt_size(pair.ours.as_fd());
        // Writing to a program that does not read must not stop us from hearing that it ended.
        let status = rustix::fs::fcntl_getfl(&pair.ours)?;
        rustix::fs::fcntl_setfl(&pair.ours, status | OFlags::NONBLOCK)?;
        Ok(pair)
    }
}

/// Gives a terminal the size of ours; the program in it gets SIGWINCH.
pub(crate) fn adopt_size(terminal: BorrowedFd<'_>) {
    let size: Option<Winsize> =
        tcgetwinsize(io::stdout()).or_else(|_| tcgetwinsize(io::stdin())).ok();
    if let Some(size) = size {
        // A terminal whose program just ended takes no size any more.
        let _ = tcsetwinsize(terminal, size);
    }
}
