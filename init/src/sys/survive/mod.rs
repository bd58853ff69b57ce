//! PID 1 outlives its own faults: what it must not forget is in the vault, and a fault executes the
//! program again, which takes over from there.
//!
//! ```text
//!   main ── begin() ──┬─ Start::Fresh      a new vault, the machine boots
//!                     ├─ Start::Inherited  another image's vault: adopt, go on
//!                     └─ Start::Degraded   too many faults: keep what runs, then reboot
//!   fault ─ handler ─ line to the log ─ entry in the vault ─ execve ─ main ─ …
//! ```
//!
//! `docs/survival.md` tells the whole story.

mod degraded;
mod exec;
mod fault;
pub mod inject;
mod keeper;
mod line;
mod memory;
mod recover;
pub mod reexec;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub use degraded::Degraded;
pub use keeper::{Input, Keeper};
pub use memory::VAULT_DESCRIPTOR;
pub use recover::{
    Adopted, Birth, Cause, Inheritance, Kept, adopt, birth, close_all, gap_since, is_of,
};

use crate::vault::{Operation, OperationCode, Phase, Vault, Verdict};

/// What this image is to do.
#[derive(Debug)]
pub enum Start {
    /// Nobody was here before: boot the machine.
    Fresh(Keeper),
    /// Take over.
    Inherited(Box<Inheritance>),
    /// Keep what runs for a while, then start the machine anew.
    Degraded(Degraded),
}

/// The first thing that PID 1 does. From here on its faults are survived.
///
/// # Errors
/// When there is no memory for a vault: the kernel is then too poor for anything.
pub fn begin() -> io::Result<Start> {
    reset_signals();
    refuse_huge_pages();
    let Some(memory) = memory::inherit()? else { return fresh() };
    fault::install(memory.front)?;
    memory.front.enter(Operation::of(OperationCode::Inherit));
    memory.front.clear_critical();
    match Vault::open(memory.front, memory.body) {
        Ok(vault) => take_over(vault),
        Err(error) => Ok(Start::Degraded(Degraded::without_vault(error))),
    }
}

fn fresh() -> io::Result<Start> {
    let memory = memory::create()?;
    let vault = Vault::create(memory.front, memory.body, boot_id());
    fault::install(vault.front())?;
    vault.front().enter(Operation::of(OperationCode::Boot));
    Ok(Start::Fresh(Keeper::new(vault)))
}

fn take_over(vault: Vault<'static>) -> io::Result<Start> {
    let front = vault.front();
    front.succeed();
    let cause = recover::Cause::of(front);
    front.set_phase(Phase::Running);
    let now = Duration::from_nanos(exec::boottime_ns());
    let verdict = match cause {
        Cause::Replaced => Verdict::Recover,
        Cause::Fault(_) | Cause::Unknown => front.judge(now),
    };
    match verdict {
        Verdict::Recover => Ok(Start::Inherited(Box::new(Inheritance::take(vault, cause)))),
        Verdict::Degrade => Ok(Start::Degraded(Degraded::with(vault))),
    }
}

/// Opens what the fault handler needs, once `/proc` and `/dev` are there: the program itself and the
/// kernel's log. Before that a fault still finds the program by its usual paths.
pub fn arm(keeper: &mut Keeper, core_wanted: bool) {
    use rustix::fs::{Mode, OFlags, open};
    fault::CORE_WANTED.store(core_wanted, Ordering::Relaxed);
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    if let Ok(program) = open("/proc/self/exe", flags, Mode::empty()) {
        keeper.hold(program, crate::vault::Role::Program, &exec::PROGRAM);
    }
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    if let Ok(kmsg) = open("/dev/kmsg", flags, Mode::empty()) {
        keeper.hold(kmsg, crate::vault::Role::Kmsg, &fault::KMSG);
    }
}

/// Tells of the armed watchdog, which is petted before every execution of another image.
pub fn watch(watchdog: BorrowedFd<'_>) {
    exec::WATCHDOG.store(watchdog.as_raw_fd(), Ordering::Relaxed);
}

/// There is no watchdog any more.
pub fn watch_nothing() {
    exec::WATCHDOG.store(-1, Ordering::Relaxed);
}

/// Blocks every signal: those that come from now on wait for the next image.
pub fn block_signals() {
    exec::block_signals();
}

/// Signals begin at their defaults, and all that are no faults wait until the loop hears them. An image
/// inherits both from the one before, whatever that was doing.
fn reset_signals() {
    const SIGNAL_LAST: i32 = 64;
    // SAFETY: zeroed sets and actions are valid; the calls read them and change dispositions only.
    unsafe {
        for signal in 1..=SIGNAL_LAST {
            if signal != libc::SIGPIPE {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
        let mut waiting: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut waiting);
        for signal in fault::FAULT_SIGNALS {
            libc::sigdelset(&raw mut waiting, signal);
        }
        libc::sigprocmask(libc::SIG_SETMASK, &raw const waiting, ptr::null_mut());
        // Executing a descriptor leaves its number as the name that `ps` shows.
        libc::prctl(libc::PR_SET_NAME, c"keelson".as_ptr());
    }
}

/// A heap of a few megabytes in huge pages is mostly air, and the kernel puts them together again after we
/// gave back what is between. Children inherit this; the stage takes it back for programs.
fn refuse_huge_pages() {
    // SAFETY: plain numbers. A kernel without huge pages says no.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
}

/// The kernel's number for this boot; zero where `/proc` is not there yet.
fn boot_id() -> [u64; 2] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let half = |range| digits.get(range).and_then(|d: &str| u64::from_str_radix(d, 16).ok());
    [half(0..16).unwrap_or(0), half(16..32).unwrap_or(0)]
}
