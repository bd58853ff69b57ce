//! The consoles: where people look first, and the one place that must never hold PID 1 up.
//!
//! A serial line behind a multiplexer can block a writer for ever; so each console is opened not
//! blocking and has a bounded queue of whole lines in front of it. Which consoles there are is read
//! from the kernel command line: `/sys/class/tty/console/active` and `/proc/consoles` take the lock of
//! the console, and have been seen to hold a reader for hours.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, Result, write};

use crate::cmdline::CommandLine;
use crate::limits::CONSOLE_BUFFER_BYTES_MAX;
use crate::lines::LineQueue;

/// One console.
#[derive(Debug)]
pub struct Console {
    path: Box<str>,
    file: OwnedFd,
    queue: LineQueue,
}

impl Console {
    /// Opens a console for writing.
    ///
    /// # Errors
    /// What `open` says: `ENODEV` where the kernel has no console, `EIO` for a line that is not there.
    pub fn open(path: &str) -> Result<Console> {
        let file = open_terminal(path)?;
        Ok(Console { path: path.into(), file, queue: LineQueue::new(CONSOLE_BUFFER_BYTES_MAX) })
    }

    /// Takes a line (without its end) to be written by [`Console::flush`].
    pub fn say(&mut self, line: &str) {
        self.queue.push(line);
    }

    /// Whether lines wait: only then is the descriptor worth watching.
    #[must_use]
    pub fn is_owing(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Writes what the console takes now; says whether that was all. If not, its descriptor tells when
    /// it takes more; that may be another descriptor than before.
    ///
    /// A console that was hung up is opened again, once for each call; one that stays dead loses its
    /// lines rather than keeping them.
    pub fn flush(&mut self) -> bool {
        let mut reopened = false;
        while self.is_owing() {
            match write(&self.file, self.queue.front()) {
                Ok(count) => self.queue.consume(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return false,
                Err(_) if !reopened => {
                    reopened = true;
                    if let Ok(file) = open_terminal(&self.path) {
                        self.file = file;
                    }
                }
                Err(_) => self.queue.consume(usize::MAX),
            }
        }
        true
    }
}

impl AsFd for Console {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The consoles of the machine: every `console=` of the command line, else the kernel's choice.
#[must_use]
pub fn paths(line: &CommandLine) -> Vec<Box<str>> {
    let mut paths: Vec<Box<str>> = Vec::new();
    for console in line.values("console") {
        let name = console.split(',').next().unwrap_or(console);
        let path: Box<str> = format!("/dev/{name}").into();
        // "null" and "" are the kernel's words for "none".
        if !name.is_empty() && name != "null" && !paths.contains(&path) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        paths.push("/dev/console".into());
    }
    paths
}

fn open_terminal(path: &str) -> Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open(path, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consoles_are_those_of_the_command_line() {
        let paths = |line: &str| paths(&CommandLine::parse(line.as_bytes())).join(" ");
        let both = "console=tty0 console=ttyS0,115200n8 console=tty0";
        assert_eq!(paths(both), "/dev/tty0 /dev/ttyS0");
        assert_eq!(paths("quiet"), "/dev/console");
        assert_eq!(paths("console=null"), "/dev/console");
    }
}
