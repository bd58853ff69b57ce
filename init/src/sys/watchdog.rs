//! The hardware's watchdog, or the kernel's software one (`Documentation/watchdog/watchdog-api`).

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, Result};
use std::time::Duration;

/// `WDIOC_SETTIMEOUT`: `_IOWR('W', 6, int)`.
const SET_TIMEOUT: libc::c_ulong = 0xc004_5706;
/// `WDIOC_GETTIMEOUT`: `_IOR('W', 7, int)`.
const GET_TIMEOUT: libc::c_ulong = 0x8004_5707;
/// `WDIOC_KEEPALIVE`: `_IOR('W', 5, int)`.
const KEEP_ALIVE: libc::c_ulong = 0x8004_5705;

/// The device that a machine has, if it has one.
pub const DEVICE: &str = "/dev/watchdog0";

/// An armed watchdog. Dropping it does not disarm it: whoever loses it is reset, and that is its
/// purpose. Only [`Watchdog::disarm`] does.
#[derive(Debug)]
pub struct Watchdog {
    file: OwnedFd,
    timeout: Duration,
}

impl Watchdog {
    /// Opens and so arms the device, and asks for a timeout in whole seconds; what the device made of
    /// it is in [`Watchdog::timeout`].
    ///
    /// # Errors
    /// `ENOENT` without a device, `EBUSY` when somebody else holds it.
    pub fn open(path: &str, timeout: Duration) -> Result<Watchdog> {
        let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut watchdog = Watchdog { file, timeout };
        watchdog.set_timeout(timeout)?;
        Ok(watchdog)
    }

    /// Asks for another timeout.
    ///
    /// # Errors
    /// When the device does not tell its timeout.
    pub fn set_timeout(&mut self, timeout: Duration) -> Result<()> {
        let mut seconds =
            libc::c_int::try_from(timeout.as_secs().max(1)).unwrap_or(libc::c_int::MAX);
        // Some devices have one fixed timeout and refuse this; the next call tells which.
        let _ = self.control(SET_TIMEOUT, &mut seconds);
        self.control(GET_TIMEOUT, &mut seconds)?;
        self.timeout = Duration::from_secs(u64::try_from(seconds).unwrap_or(1).max(1));
        Ok(())
    }

    /// Takes over a descriptor that stayed open while PID 1 replaced itself.
    ///
    /// # Errors
    /// If the descriptor is not a watchdog's.
    pub fn adopt(file: OwnedFd) -> Result<Watchdog> {
        let mut watchdog = Watchdog { file, timeout: Duration::ZERO };
        let mut seconds = 0;
        watchdog.control(GET_TIMEOUT, &mut seconds)?;
        watchdog.timeout = Duration::from_secs(u64::try_from(seconds).unwrap_or(1).max(1));
        Ok(watchdog)
    }

    /// After this much silence it resets the machine.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Feeds it.
    ///
    /// # Errors
    /// What the device says; it may still be alive.
    pub fn ping(&self) -> Result<()> {
        let mut unused = 0;
        self.control(KEEP_ALIVE, &mut unused)
    }

    /// Turns it off, where the device permits that ("magic close").
    ///
    /// # Errors
    /// The system call's error; the watchdog may still be armed.
    pub fn disarm(self) -> Result<()> {
        rustix::io::write(&self.file, b"V").map(|_| ())
    }

    fn control(&self, request: libc::c_ulong, value: &mut libc::c_int) -> Result<()> {
        // SAFETY: each of the three requests takes a pointer to an int or ignores it.
        let result = unsafe { libc::ioctl(self.file.as_raw_fd(), request, &raw mut *value) };
        match result {
            -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
            _ => Ok(()),
        }
    }
}

impl AsFd for Watchdog {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
