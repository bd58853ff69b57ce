//! What a ready source becomes: facts for the node.
//!
//! Each function takes what is there until the kernel says that there is no more, or until the source's
//! share of a turn is used up; then it answers `true`, and the source is taken again next turn.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use units::run::{ExitStatus, Role, Run, StageFault, StageStep};
use units::service::Signal;

use crate::limits::{NOTIFY_QUEUE_MAX, OUTPUT_BYTES_PER_TURN_MAX, RECORDS_PER_TURN_MAX};
use crate::node::Event;
use crate::sys::groups::keyed_value;
use crate::sys::processes::Owner;
use crate::sys::reap::{self, Reaped};
use crate::sys::run::Shore;
use crate::sys::sources::Source;
use crate::sys::token::{Kind, Token};
use crate::vault::{Operation, OperationCode};

impl Shore {
    /// Takes one source; `true` if it may have more.
    pub(crate) fn take(&mut self, token: Token) -> bool {
        if self.sources.get(token).is_none() {
            return false;
        }
        match token.kind {
            Kind::Notify => self.take_notify(token),
            Kind::Report => self.take_report(token),
            Kind::Memory => self.take_memory(token),
            Kind::Signals => self.take_signals(),
            Kind::Groups => self.take_groups(token),
            Kind::Listen => self.take_listen(token),
            Kind::Stored => self.take_stored(token),
            Kind::Clock => self.take_clock(token),
            Kind::Uevent => self.take_uevent(token),
            Kind::Control => self.take_control(token),
            Kind::Client => self.take_client(token),
            Kind::Output => self.take_output(token),
            Kind::Kmsg => self.take_kmsg(token),
            Kind::Console => self.take_console(token),
            Kind::Faults => self.take_faults(token),
        }
    }

    fn take_notify(&mut self, token: Token) -> bool {
        self.with_buffer(|shore, buffer| {
            (0..RECORDS_PER_TURN_MAX).all(|_| shore.receive_notification(token, buffer))
        })
    }

    /// Whose process that is: one that we started, or one in a run's group.
    pub(super) fn attribute(&self, pid: u32) -> Option<(Run, Option<Role>)> {
        if let Some(process) = self.processes.get(pid) {
            return match process.owner {
                Owner::Run { run, role } => Some((run, Some(role))),
                Owner::Guest(_) => None,
            };
        }
        let text = crate::sys::files::read_text(&format!("/proc/{pid}/cgroup")).ok()?;
        let name = text.strip_prefix("0::/")?.strip_prefix("units/")?;
        let name = name.split('/').next().unwrap_or(name);
        Some((self.groups.run_named(name)?, None))
    }

    fn take_report(&mut self, token: Token) -> bool {
        let Some(Source::Report { pid, pipe }) = self.sources.get(token) else { return false };
        let pid = *pid;
        let mut bytes = [0; 64];
        let fault = match rustix::io::read(pipe, &mut bytes) {
            Err(Errno::AGAIN | Errno::INTR) => return false,
            Ok(0) => None,
            Ok(length) => Some(decode_fault(&bytes[..length])),
            Err(_) => Some(StageFault { step: StageStep::Plan, errno: 0, item: 0 }),
        };
        self.remove_source(token);
        let Some(process) = self.processes.get_mut(pid) else { return false };
        process.report = None;
        process.fault = fault;
        if let (None, Owner::Run { run, role }) = (fault, process.owner) {
            self.step(Event::Unit(units::Event::Executed { run, role }));
        }
        false
    }

    fn take_memory(&mut self, token: Token) -> bool {
        let Some(Source::Memory(watch)) = self.sources.get(token) else { return false };
        for run in self.groups.pressed(watch.as_fd()) {
            self.look_at_memory(run);
        }
        false
    }

    /// Tells of out-of-memory kills that were not told yet.
    pub(crate) fn look_at_memory(&mut self, run: Run) {
        let Some(group) = self.groups.get_mut(run) else { return };
        let Ok(text) = read_file_at(&group.directory, "memory.events") else { return };
        let total = keyed_value(&text, b"oom_kill").unwrap_or(0);
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        let kills = total.saturating_sub(group.kills);
        group.kills = total;
        if kills > 0 {
            self.keeper.set_kills(run, total);
            self.step(Event::Unit(units::Event::OutOfMemory { run, kills }));
        }
    }

    pub(super) fn take_signals(&mut self) -> bool {
        for signal in self.signals.pending() {
            if i32::from(signal.0) != libc::SIGCHLD {
                self.step(Event::Signalled { signal });
            }
        }
        // Whatever the signal was: SIGCHLD coalesces, so every look reaps all there is.
        self.reap_all();
        false
    }

    /// Reaps until nobody is left to reap.
    pub(crate) fn reap_all(&mut self) {
        self.keeper.enter(Operation::of(OperationCode::Reap));
        while let Some(ended) = reap::peek() {
            self.tell_exit(ended);
            // Only now that what follows from its end is written down.
            reap::reap(ended.pid);
        }
    }

    fn tell_exit(&mut self, reaped: Reaped) {
        // The stage's report is written before it exits: it must be read before the exit is told.
        if let Some(token) = self.processes.get(reaped.pid).and_then(|process| process.report) {
            self.take_report(token);
        }
        if self.take_check(reaped) {
            return;
        }
        self.take_last_words(reaped.pid);
        if let Some(ticket) = self.workers.ticket_of(reaped.pid) {
            self.tell_worked(ticket, reaped.status);
            return;
        }
        let Some(process) = self.lose_process(reaped.pid) else {
            self.step(Event::Orphaned { status: reaped.status });
            return;
        };
        let (run, role) = match process.owner {
            Owner::Run { run, role } => (run, role),
            Owner::Guest(ticket) => {
                let status = process.fault.map_or(reaped.status, ExitStatus::Stage);
                return self.step(Event::GuestExited { ticket, status });
            }
        };
        // A kill for lack of memory is told before the exit that it caused.
        if matches!(reaped.status, ExitStatus::Signal { signal: Signal::KILL, .. }) {
            self.look_at_memory(run);
        }
        let status = process.fault.map_or(reaped.status, ExitStatus::Stage);
        self.step(Event::Unit(units::Event::Exited { run, role, status }));
    }

    /// What a process sent before it ended is heard before its end is told, also when both came while this turn
    /// was under way. No more can wait than the socket's queue holds.
    fn take_last_words(&mut self, pid: u32) {
        if self.processes.get(pid).is_none() {
            return;
        }
        let Some(token) = self.sources.notify() else { return };
        for _ in 0..=NOTIFY_QUEUE_MAX / RECORDS_PER_TURN_MAX {
            if !self.take_notify(token) {
                break;
            }
        }
    }

    fn tell_worked(&mut self, ticket: units::Ticket, status: ExitStatus) {
        let Some(worker) = self.lose_worker(ticket) else { return };
        match worker.result(status) {
            Ok(bytes) => self.step(Event::Worked { ticket, result: Ok(&bytes) }),
            Err(fault) => self.step(Event::Worked { ticket, result: Err(fault) }),
        }
    }

    fn take_groups(&mut self, token: Token) -> bool {
        let Some(Source::Groups(watch)) = self.sources.get(token) else { return false };
        for run in self.groups.changed(watch.as_fd()) {
            self.look_at_group(run);
        }
        false
    }

    /// Tells if nobody is left in a group.
    pub(crate) fn look_at_group(&mut self, run: Run) {
        // A run whose group could not be made has nobody in it.
        if let Some(group) = self.groups.get(run) {
            let Ok(text) = read_file_at(&group.directory, "cgroup.events") else { return };
            if keyed_value(&text, b"populated") != Some(0) {
                return;
            }
        }
        // The last process may have ended after this turn's reaping: its exit is told first.
        self.reap_all();
        self.step(Event::Unit(units::Event::Emptied { run }));
    }

    fn take_clock(&mut self, token: Token) -> bool {
        let Some(Source::Clock(timer)) = self.sources.get(token) else { return false };
        let mut bytes = [0; 8];
        // Both the cancellation and a spurious wakeup mean: look at the clock and wait again.
        let cancelled = rustix::io::read(timer, &mut bytes) == Err(Errno::CANCELED);
        if cancelled {
            if let Err(error) = crate::sys::clock::arm_watch(timer.as_fd()) {
                self.complain("watch the clock", &error);
            }
            self.tell_clock();
        }
        false
    }

    /// Tells how the wall clock stands.
    pub(crate) fn tell_clock(&mut self) {
        let boot_unix_us = crate::sys::clock::boot_unix_us();
        self.step(Event::Unit(units::Event::ClockStepped { boot_unix_us, utc_offset_s: 0 }));
    }

    fn take_output(&mut self, token: Token) -> bool {
        self.with_buffer(|shore, buffer| shore.read_output(token, buffer))
    }

    fn read_output(&mut self, token: Token, buffer: &mut [u8]) -> bool {
        let mut taken = 0;
        while taken < OUTPUT_BYTES_PER_TURN_MAX {
            match self.receive_output(token, buffer) {
                Some(length) => taken += length,
                None => return false,
            }
        }
        true
    }

    fn take_kmsg(&mut self, token: Token) -> bool {
        self.with_buffer(|shore, buffer| {
            for _ in 0..RECORDS_PER_TURN_MAX {
                if let Err(error) = shore.receive_kernel_record(token, buffer) {
                    // The ring went round: the next read is the oldest record that is left.
                    if error.kind() == io::ErrorKind::BrokenPipe {
                        continue;
                    }
                    return false;
                }
            }
            true
        })
    }

    /// Says on the kernel's log that the shore itself could not do something.
    pub(crate) fn complain(&self, what: &str, error: &dyn std::fmt::Display) {
        crate::sys::kmsg::complain(&format!("cannot {what}: {error}"));
    }
}

fn decode_fault(bytes: &[u8]) -> StageFault {
    postcard::from_bytes(bytes).unwrap_or(StageFault { step: StageStep::Plan, errno: 0, item: 0 })
}

/// Reads a file of a kernel directory to its end.
pub(crate) fn read_file_at_all(
    directory: std::os::fd::BorrowedFd<'_>,
    name: &str,
) -> io::Result<Vec<u8>> {
    use rustix::fs::{Mode, OFlags, openat};
    let file = openat(directory, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match rustix::io::read(&file, &mut chunk)? {
            0 => return Ok(bytes),
            length => bytes.extend_from_slice(&chunk[..length]),
        }
    }
}

/// Reads a small file of a kernel directory (kernfs: never blocks on a disk).
pub(crate) fn read_file_at(directory: &OwnedFd, name: &str) -> io::Result<Vec<u8>> {
    use rustix::fs::{Mode, OFlags, openat};
    let file = openat(directory, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = vec![0; 4096];
    let length = rustix::io::read(&file, &mut bytes[..])?;
    bytes.truncate(length);
    Ok(bytes)
}
