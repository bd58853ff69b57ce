//! Too many faults: what runs keeps running for a while, and then the machine starts anew.
//!
//! This is a second, tiny PID 1. It reads nothing but the table of descriptors, holds nothing but
//! numbers, and uses no heap: whatever broke the first one is not here. It reaps, feeds the watchdog,
//! keeps output pipes from filling up, says what is going on to whoever asks on the control socket, and
//! ends after a bounded time or when somebody orders the end.

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, accept_with, send};

use super::exec::{self, boottime_ns, pet_watchdog};
use super::fault;
use super::line::Line;
use crate::limits::{DEGRADED_MAX, FAULTS_KEPT_MAX};
use crate::sys::watchdog::Watchdog;
use crate::vault::{Front, Operation, OperationCode, PipeEnd, Role, Section, Vault, VaultError};

/// How often it looks around.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The signals that order an end at once: SIGINT (ctrl-alt-del), SIGTERM, and those of container managers.
const END_SIGNALS: [i32; 5] = [libc::SIGINT, libc::SIGTERM, 34 + 4, 34 + 5, 34 + 15];

/// PID 1 after too many faults.
#[derive(Debug)]
pub struct Degraded {
    vault: Option<Vault<'static>>,
    until_ns: u64,
    listener: RawFd,
    reaped: u64,
    dropped_bytes: u64,
}

impl Degraded {
    pub(super) fn with(vault: Vault<'static>) -> Degraded {
        let front = vault.front();
        front.degrade(boottime_ns());
        front.enter(Operation::of(OperationCode::Degraded));
        let until_ns = front.degraded_since_ns().saturating_add(as_ns(DEGRADED_MAX));
        let mut degraded =
            Degraded { vault: Some(vault), until_ns, listener: -1, reaped: 0, dropped_bytes: 0 };
        degraded.find_descriptors();
        degraded
    }

    /// For a vault that cannot be read: nothing is known but that processes run.
    pub(super) fn without_vault(error: VaultError) -> Degraded {
        let mut line = Line::new("<1>keelson: ");
        // Writing to a line cannot fail.
        let _ = std::fmt::Write::write_fmt(&mut line, format_args!("{error}"));
        fault::say(&line);
        let until_ns = boottime_ns().saturating_add(as_ns(DEGRADED_MAX));
        Degraded { vault: None, until_ns, listener: -1, reaped: 0, dropped_bytes: 0 }
    }

    /// Looks after the machine until its time is over or somebody orders the end. The machine is then to
    /// be started anew.
    pub fn hold(&mut self) {
        let mut line = Line::new(
            "<1>keelson: degraded after too many faults; units keep running, reboot in s=",
        );
        line.decimal(self.rest().as_secs());
        fault::say(&line);
        while !self.rest().is_zero() && !self.too_many() {
            pet_watchdog();
            if self.hear_signal() {
                break;
            }
            self.reap();
            self.drain_pipes();
            self.answer();
        }
        let mut line = Line::new("<1>keelson: degraded mode ends; reboot. reaped=");
        line.decimal(self.reaped);
        line.text(" log-bytes-dropped=");
        line.decimal(self.dropped_bytes);
        fault::say(&line);
    }

    /// Hands over the armed watchdog, for the end of the machine.
    #[must_use]
    pub fn take_watchdog(self) -> Option<Watchdog> {
        let number = exec::WATCHDOG.swap(-1, Ordering::Relaxed);
        if number < 0 {
            return None;
        }
        // SAFETY: the number is the watchdog of the table, and this image has no other owner of it.
        Watchdog::adopt(unsafe { OwnedFd::from_raw_fd(number) }).ok()
    }

    /// Whether even this mode fails all the time: then nothing but the end is left.
    fn too_many(&self) -> bool {
        let Some(front) = self.front() else { return false };
        let since_ns = front.degraded_since_ns();
        front.faults().filter(|fault| fault.at_ns > since_ns).count() >= FAULTS_KEPT_MAX / 2
    }

    fn front(&self) -> Option<&'static Front> {
        self.vault.as_ref().map(Vault::front)
    }

    fn rest(&self) -> Duration {
        Duration::from_nanos(self.until_ns.saturating_sub(boottime_ns()))
    }

    fn find_descriptors(&mut self) {
        let Some(vault) = &self.vault else { return };
        for number in 0..vault.used(Section::Descriptors) {
            let Ok(fd) = RawFd::try_from(number) else { return };
            match vault.descriptor(number).ok().flatten().map(|entry| entry.role) {
                Some(Role::Control) => self.listener = fd,
                Some(Role::Watchdog) => exec::WATCHDOG.store(fd, Ordering::Relaxed),
                Some(Role::Kmsg) => fault::KMSG.store(fd, Ordering::Relaxed),
                Some(Role::Program) => exec::PROGRAM.store(fd, Ordering::Relaxed),
                Some(_) | None => {}
            }
        }
    }

    fn reap(&mut self) {
        let flags = rustix::process::WaitOptions::NOHANG;
        while let Ok(Some(_)) = rustix::process::wait(flags) {
            self.reaped += 1;
        }
    }

    /// A writer that finds its pipe full waits for ever; a line that nobody keeps is the lesser loss.
    fn drain_pipes(&mut self) {
        let Some(vault) = &self.vault else { return };
        let mut buffer = [0; 16 * 1024];
        for number in 0..vault.used(Section::Descriptors) {
            let Ok(Some(entry)) = vault.descriptor(number) else { continue };
            if !matches!(entry.role, Role::LogPipe { end: PipeEnd::Read, .. }) {
                continue;
            }
            let Ok(fd) = RawFd::try_from(number) else { continue };
            // SAFETY: the number is a pipe of the table; nobody in this image closes any.
            let pipe = unsafe { BorrowedFd::borrow_raw(fd) };
            while let Ok(count @ 1..) = rustix::io::read(pipe, &mut buffer) {
                self.dropped_bytes = self.dropped_bytes.saturating_add(count as u64);
            }
        }
    }

    /// Says what is going on to everybody who connects, and lets them go.
    fn answer(&mut self) {
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK_EVERY.subsec_nanos()) };
        if self.listener < 0 {
            // Nothing to wait for but time; an interrupted wait is a short one.
            let _ = poll(&mut [], Some(&wait));
            return;
        }
        // SAFETY: the number is the control socket of the table; nobody in this image closes it.
        let listener = unsafe { BorrowedFd::borrow_raw(self.listener) };
        let mut set = [PollFd::from_borrowed_fd(listener, PollFlags::IN)];
        match poll(&mut set, Some(&wait)) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match accept_with(listener, flags) {
            Ok(client) => {
                // A client that does not listen is not waited for.
                let _ = send(&client, self.status().bytes(), SendFlags::NOSIGNAL);
            }
            Err(Errno::NOTSOCK | Errno::BADF) => self.listener = -1,
            Err(_) => {}
        }
    }

    fn status(&self) -> Line {
        let mut line = Line::new("keelson: degraded after ");
        line.decimal(self.front().map_or(0, Front::fault_count));
        line.text(" faults of PID 1; units keep running unsupervised; reboot in ");
        line.decimal(self.rest().as_secs());
        line.text(" s");
        line
    }

    fn hear_signal(&self) -> bool {
        let no_wait = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the set is zeroed, which is empty, then filled; the call reads it and the time only.
        let signal = unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            for signal in END_SIGNALS {
                libc::sigaddset(&raw mut set, signal);
            }
            libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const no_wait)
        };
        signal > 0
    }
}

fn as_ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
