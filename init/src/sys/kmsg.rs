//! The kernel's log as the first place to write to: it exists before any disk and outlives us.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};

use crate::limits::KMSG_LINE_BYTES_MAX;

/// How grave a line is (syslog(3) numbers); the console shows what is below its own level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Level {
    /// The machine cannot go on.
    Alert = 1,
    /// Something failed.
    Error = 3,
    /// Something may fail.
    Warning = 4,
    /// What everybody should read.
    Notice = 5,
    /// What helps to understand.
    Info = 6,
    /// What only the curious read; never on the console.
    Debug = 7,
}

/// An open `/dev/kmsg`.
#[derive(Debug)]
pub struct Kmsg {
    file: OwnedFd,
}

impl Kmsg {
    /// Opens the log for writing; it never blocks for longer than the console itself needs.
    ///
    /// # Errors
    /// Whatever `open` says; in a container the log is often missing.
    pub fn open() -> rustix::io::Result<Kmsg> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
        open("/dev/kmsg", flags, Mode::empty()).map(|file| Kmsg { file })
    }

    /// Writes lines, each as a record of its own under facility 3 (daemon).
    pub fn log(&self, level: Level, text: &str) {
        for line in text.lines() {
            let mut record = format!("<{}>keelson: {line}", 24 + level as u8).into_bytes();
            record.truncate(KMSG_LINE_BYTES_MAX);
            // A log that refuses a line (its buffer is being resized) must not stop the machine.
            let _ = rustix::io::write(&self.file, &record);
        }
    }
}

impl AsFd for Kmsg {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Says on the kernel's log that PID 1 itself could not do something.
pub fn complain(text: &str) {
    if let Ok(kmsg) = Kmsg::open() {
        kmsg.log(Level::Warning, text);
    }
}

/// Opens the kernel's ring for reading, from its oldest record on, without waiting.
///
/// # Errors
/// What `open` says; in a container the ring is often not ours to read.
pub fn open_ring() -> std::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(open("/dev/kmsg", flags, Mode::empty())?)
}
