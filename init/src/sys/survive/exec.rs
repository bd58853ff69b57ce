//! Executing the program again, from anywhere: a signal handler, a panic hook, the loop.
//!
//! Everything here is async-signal-safe: system calls, atomic loads and stores, static memory. Descriptors
//! are close-on-exec all the time, so that no child can inherit one by mistake; only here, in the
//! moment before the program is replaced by itself, is the flag taken off all numbers that the table may
//! name. The next image closes those that it does not know.

use std::ffi::c_char;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::limits::DESCRIPTORS_MAX;
use crate::vault::{Front, Section};

/// The descriptor of the running program (`O_PATH`); negative: not opened yet.
pub(super) static PROGRAM: AtomicI32 = AtomicI32::new(-1);
/// The armed watchdog; negative: none.
pub(super) static WATCHDOG: AtomicI32 = AtomicI32::new(-1);

/// `WDIOC_KEEPALIVE` (linux/watchdog.h).
const KEEP_ALIVE: libc::Ioctl = 0x8004_5705;

/// A static table of C strings, as `execve` wants it.
#[repr(transparent)]
struct Strings<const N: usize>([*const c_char; N]);

// SAFETY: the pointers are to string literals, which nobody writes.
unsafe impl<const N: usize> Sync for Strings<N> {}

/// Our own word comes first: whatever the kernel's command line adds is behind it or not there.
static ARGUMENTS: Strings<3> = Strings([c"keelson".as_ptr(), c"--recover".as_ptr(), ptr::null()]);
/// For when the environment itself is what was overwritten.
static ENVIRONMENT: Strings<4> = Strings([
    c"HOME=/".as_ptr(),
    c"TERM=linux".as_ptr(),
    c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".as_ptr(),
    ptr::null(),
]);

unsafe extern "C" {
    static environ: *const *const c_char;
}

/// Time since boot, suspend included, in nanoseconds; 0 if there is no clock.
pub(super) fn boottime_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    if unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) } != 0 {
        return 0;
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.wrapping_mul(1_000_000_000).wrapping_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Takes close-on-exec off every number that the table may name, or puts it back.
fn pass_descriptors(front: &Front, pass: bool) {
    let end = front.mark(Section::Descriptors).min(DESCRIPTORS_MAX);
    let flags = if pass { 0 } else { libc::FD_CLOEXEC };
    for number in super::VAULT_DESCRIPTOR..i32::try_from(end).unwrap_or(i32::MAX) {
        // SAFETY: changes a flag of a number that may or may not be open; touches no memory.
        unsafe { libc::fcntl(number, libc::F_SETFD, flags) };
    }
}

/// Gives the watchdog its due, so that the next image has a whole period.
pub(super) fn pet_watchdog() {
    let watchdog = WATCHDOG.load(Ordering::Relaxed);
    if watchdog >= 0 {
        // SAFETY: this request takes no argument; a number that is no watchdog refuses it.
        unsafe { libc::ioctl(watchdog, KEEP_ALIVE) };
    }
}

/// Blocks every signal: those that come while the program is replaced wait for the next image.
pub(super) fn block_signals() {
    // SAFETY: a zeroed set is a valid one to fill; the calls only read and write it.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, ptr::null_mut());
    }
}

/// Executes `program` in place of this one. Returns only if that fails, with everything as before but
/// the signals, which stay blocked.
pub(super) fn execute(front: &Front, program: i32) {
    block_signals();
    pass_descriptors(front, true);
    pet_watchdog();
    front.set_executed_ns(boottime_ns());
    try_program(program);
    pass_descriptors(front, false);
}

/// Executes this same program again after a fault, whatever it takes. Returns only if nothing works.
pub(super) fn execute_again(front: &Front) {
    block_signals();
    pass_descriptors(front, true);
    pet_watchdog();
    front.set_executed_ns(boottime_ns());
    try_program(PROGRAM.load(Ordering::Relaxed));
    for path in [c"/proc/self/exe", c"/init", c"/sbin/init"] {
        // SAFETY: all three are NUL-terminated tables and strings of static memory.
        unsafe {
            libc::execve(path.as_ptr(), ARGUMENTS.0.as_ptr(), ENVIRONMENT.0.as_ptr());
        }
    }
}

fn try_program(program: i32) {
    if program < 0 {
        return;
    }
    // SAFETY: reading the pointer to the environment, which PID 1 never changes while it runs.
    let inherited = unsafe { environ };
    for environment in [inherited, ENVIRONMENT.0.as_ptr()] {
        // SAFETY: the arguments are static; if the environment is not readable, the kernel says EFAULT
        // and the static one is tried.
        unsafe {
            libc::syscall(
                libc::SYS_execveat,
                program,
                c"".as_ptr(),
                ARGUMENTS.0.as_ptr(),
                environment,
                libc::AT_EMPTY_PATH,
            );
        }
    }
}
