//! Taking over from the image before: what it held, who is still alive, and what cannot be told any more.
//!
//! Nothing here decides what becomes of a unit. It finds facts; the node judges them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::fs::fstat;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::exec::boottime_ns;
use super::keeper::Keeper;
use super::memory::VAULT_DESCRIPTOR;
use crate::limits::DESCRIPTORS_MAX;
use crate::vault::check::{Units, read_units};
use crate::vault::{Fault, Front, Newborn, Operation, Phase, Repairs, Role, Section, Vault};

/// Why there is a new image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// On purpose.
    Replaced,
    /// The last one failed.
    Fault(Fault),
    /// Somebody executed it from outside, or its last words are damaged.
    Unknown,
}

impl Cause {
    pub(super) fn of(front: &Front) -> Cause {
        match front.phase() {
            Phase::Replacing => Cause::Replaced,
            Phase::Failing => front.faults().next().map_or(Cause::Unknown, Cause::Fault),
            Phase::Running => Cause::Unknown,
        }
    }

    /// Since when nobody supervised, on `CLOCK_BOOTTIME`.
    fn since_ns(self, front: &Front) -> u64 {
        match self {
            Cause::Fault(fault) => fault.at_ns,
            Cause::Replaced | Cause::Unknown => front.executed_ns(),
        }
    }
}

/// A descriptor of the last image, proven to be the one in its table.
#[derive(Debug)]
pub struct Kept {
    /// What it is for.
    pub role: Role,
    /// Itself.
    pub descriptor: OwnedFd,
}

/// Everything that the last image left.
#[derive(Debug)]
pub struct Inheritance {
    /// The vault, repaired.
    pub keeper: Keeper,
    /// Why we are here.
    pub cause: Cause,
    /// Which image we are, counted from 1.
    pub generation: u64,
    /// What was damaged.
    pub repairs: Repairs,
    /// Units: definitions and records.
    pub units: Units,
    /// Descriptors by number, which is about the order in which they were opened.
    pub descriptors: Vec<Kept>,
    /// What the table names and is not there any more, or is something else.
    pub missing: Vec<Role>,
    /// A child that was made in the last moment.
    pub newborn: Option<Newborn>,
    /// What crashed us twice and is not to be tried again.
    pub quarantined: Vec<Operation>,
    /// Since when nobody supervised, on `CLOCK_BOOTTIME`.
    pub since_ns: u64,
}

impl Inheritance {
    /// Takes everything. Descriptors that no entry names are closed.
    pub(super) fn take(mut vault: Vault<'static>, cause: Cause) -> Inheritance {
        let front = vault.front();
        let repairs = vault.repair();
        let units = read_units(&mut vault);
        let (descriptors, missing) = take_descriptors(&mut vault);
        let known = |pid| descriptors.iter().any(|kept| kept.is_process(pid));
        let newborn = front.newborn().filter(|newborn| !known(newborn.pid));
        let mut keeper = Keeper::new(vault);
        // When it does not fit, the other form is still in force, and we can read both.
        let _ = keeper.define_for_ourselves(&units);
        let mut inheritance = Inheritance {
            keeper,
            cause,
            generation: front.generation(),
            repairs,
            units,
            descriptors,
            missing,
            newborn,
            quarantined: front.quarantined().collect(),
            since_ns: cause.since_ns(front),
        };
        // Each image opens these anew: the program may be another one now.
        let (anew, kept) = std::mem::take(&mut inheritance.descriptors)
            .into_iter()
            .partition(|kept| matches!(kept.role, Role::Program | Role::Kmsg));
        inheritance.descriptors = kept;
        close_all(&mut inheritance.keeper, anew);
        inheritance
    }

    /// Takes the first descriptor with a role for which `wanted` holds.
    pub fn claim(&mut self, wanted: impl Fn(&Role) -> bool) -> Option<Kept> {
        let index = self.descriptors.iter().position(|kept| wanted(&kept.role))?;
        Some(self.descriptors.swap_remove(index))
    }
}

/// Closes descriptors that nobody claimed, and strikes them from the table.
pub fn close_all(keeper: &mut Keeper, kept: Vec<Kept>) {
    for kept in &kept {
        keeper.strike(kept.descriptor.as_fd());
    }
    keeper.commit();
}

/// How long ago that was, on `CLOCK_BOOTTIME`.
#[must_use]
pub fn gap_since(since_ns: u64) -> Duration {
    Duration::from_nanos(boottime_ns().saturating_sub(since_ns))
}

impl Kept {
    fn is_process(&self, number: u32) -> bool {
        match self.role {
            Role::Process { pid, .. } | Role::Child { pid, .. } | Role::Guest { pid, .. } => {
                pid == number
            }
            Role::Program
            | Role::Kmsg
            | Role::Console
            | Role::Watchdog
            | Role::Control
            | Role::Notify
            | Role::Uevent
            | Role::LogArena
            | Role::LogPipe { .. }
            | Role::Listen { .. }
            | Role::Stored { .. }
            | Role::Offered { .. }
            | Role::KernelRing
            | Role::Client { .. }
            | Role::Report { .. } => false,
        }
    }
}

/// Standard input, output and error are everybody's.
const STDERR: RawFd = 2;

/// Takes the descriptors that the table names, and closes all others that got through.
fn take_descriptors(vault: &mut Vault<'static>) -> (Vec<Kept>, Vec<Role>) {
    let mut kept = Vec::new();
    let mut missing = Vec::new();
    let end = vault.used(Section::Descriptors).min(DESCRIPTORS_MAX);
    for number in (0..end).filter_map(|number| RawFd::try_from(number).ok()) {
        let place = usize::try_from(number).unwrap_or(0);
        match vault.descriptor(place) {
            _ if number == VAULT_DESCRIPTOR => {}
            Ok(Some(entry)) if is_open_as(number, entry.device, entry.inode) => {
                // SAFETY: the number is open, it is in our table, and each number is taken once.
                let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
                // Cannot fail for an open number.
                let _ = fcntl_setfd(&descriptor, FdFlags::CLOEXEC);
                kept.push(Kept { role: entry.role, descriptor });
            }
            Ok(None) if number <= STDERR => {}
            other => {
                missing.extend(other.ok().flatten().map(|entry| entry.role));
                // Nobody knows what it is for; nobody may find it open.
                vault.clear_descriptor(place);
                close(number);
            }
        }
    }
    vault.commit();
    (kept, missing)
}

fn is_open_as(number: RawFd, device: u64, inode: u64) -> bool {
    // SAFETY: the borrow lasts for this call, and a number that is not open is refused.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    fstat(descriptor).is_ok_and(|stat| stat.st_dev == device && stat.st_ino == inode)
}

fn close(number: RawFd) {
    // SAFETY: no owner in this image has the number: it comes from the image before.
    unsafe { libc::close(number) };
}

/// Who is behind an entry of the process table.
#[derive(Debug)]
pub enum Adopted {
    /// It is our child still, or a process that we watch; perhaps ended, not reaped.
    Alive(OwnedFd),
    /// It is gone, and how it ended nobody can tell. Its number may be a stranger's by now.
    Lost,
}

/// Looks whether the process behind a pidfd is the one in the table; without a pidfd, whether a process
/// of that number is our child and began at that time. Fails closed: a stranger is never adopted.
#[must_use]
pub fn adopt(pidfd: Option<OwnedFd>, pid: u32, start_ticks: u64) -> Adopted {
    match pidfd {
        Some(pidfd) if pid_of(pidfd.as_fd()) == Some(pid) => Adopted::Alive(pidfd),
        Some(_) | None => by_number(pid, start_ticks).map_or(Adopted::Lost, Adopted::Alive),
    }
}

/// Whether a pidfd is for that process, and the process not reaped yet.
#[must_use]
pub fn is_of(pidfd: BorrowedFd<'_>, pid: u32) -> bool {
    pid_of(pidfd) == Some(pid)
}

/// The process that a pidfd is for; `None` if it is none, or the process was reaped.
fn pid_of(pidfd: BorrowedFd<'_>) -> Option<u32> {
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let text = std::fs::read_to_string(path).ok()?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    pid.trim().parse().ok()
}

fn by_number(pid: u32, start_ticks: u64) -> Option<OwnedFd> {
    let number = Pid::from_raw(i32::try_from(pid).ok()?)?;
    let pidfd = pidfd_open(number, PidfdFlags::empty()).ok()?;
    let found = birth(pid)?;
    // A child of ours keeps its number until we reap it. Anybody else must be as old as the one we knew.
    let ours = found.parent == std::process::id();
    let same = start_ticks != 0 && found.start_ticks == start_ticks;
    (same || (ours && start_ticks == 0)).then_some(pidfd)
}

/// What `/proc/PID/stat` says of a process's birth (proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth {
    /// Its parent.
    pub parent: u32,
    /// When it began, in clock ticks since boot.
    pub start_ticks: u64,
}

/// When and of whom a process was born; `None` if it is gone.
#[must_use]
pub fn birth(pid: u32) -> Option<Birth> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_birth(&String::from_utf8_lossy(&text))
}

fn parse_birth(stat: &str) -> Option<Birth> {
    // The name in parentheses may hold anything, parentheses and spaces included.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let start_ticks = fields.nth(17)?.parse().ok()?;
    Some(Birth { parent, start_ticks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_shift_the_fields() {
        let text = "42 (a) R 1 (b) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2";
        assert_eq!(parse_birth(text), Some(Birth { parent: 7, start_ticks: 98765 }));
        assert_eq!(parse_birth("42 (x) S"), None);
    }

    #[test]
    fn we_know_our_own_birth() {
        let birth = birth(std::process::id()).unwrap();
        assert!(birth.start_ticks > 0);
    }

    #[test]
    fn a_stranger_is_not_adopted() {
        // Process 1 exists everywhere and is no child of this test.
        assert!(matches!(adopt(None, 1, 0), Adopted::Lost));
        assert!(matches!(adopt(None, 1, u64::MAX), Adopted::Lost));
        let null = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        assert!(matches!(adopt(Some(null), 1, 0), Adopted::Lost));
    }
}
