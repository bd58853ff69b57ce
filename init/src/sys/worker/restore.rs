//! What the last boot left for this one: the time that is known to have passed, and randomness. And
//! the end of the haste of the start.

use rustix::fs::{Mode, OFlags, fstat, fsync, ftruncate, open, stat};
use rustix::io::{Errno, Result};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use std::os::fd::AsRawFd;
use std::process::ExitCode;

use crate::calendar_floor::{Correction, correct};
use crate::sys::files::write_setting;
use crate::sys::state::{self, CLOCK, SEED, SEED_BYTES};

/// The worker.
#[must_use]
pub fn main() -> ExitCode {
    let clock = set_clock();
    let seed = if state::is_present() { credit_seed() } else { Ok(()) };
    if state::is_present()
        && let Err(errno) = state::keep_clock()
    {
        eprintln!("{CLOCK}: {errno}; a machine without a clock may start in the past");
    }
    // Grace periods take their time again from here on (`sys::boot::kernel::hasten`).
    let _ = write_setting("/sys/kernel/rcu_expedited", "0");
    match (clock, seed) {
        (Ok(()), Ok(())) => ExitCode::SUCCESS,
        (Err(errno), _) => super::fail(&format!("the clock cannot be set: {errno}")),
        (_, Err(errno)) => super::fail(&format!("{SEED}: {errno}; its randomness is not used")),
    }
}

/// The wall clock, unless it is believable as it is.
fn set_clock() -> Result<()> {
    seal_timewarp();
    let now = clock_gettime(ClockId::Realtime).tv_sec;
    let modified = |path: &str| stat(path).ok().map(|stat| stat.st_mtime);
    let image = modified("/keelson").or_else(|| modified("/proc/1/exe")).unwrap_or(0);
    let (time, why) = match correct(now, image, modified(CLOCK)) {
        Correction::None => return Ok(()),
        Correction::Past(time) => (time, "was behind the last known time"),
        Correction::Future(time) => (time, "was too far ahead"),
    };
    clock_settime(ClockId::Realtime, Timespec { tv_sec: time, tv_nsec: 0 })?;
    println!("the clock {why}: set from {now} to {time} seconds since 1970");
    Ok(())
}

/// The first settimeofday(2) with a zone may shift the clock by it; this one, with none, takes that
/// chance away. Our hardware clocks are in UTC.
fn seal_timewarp() {
    let zone = [0_i32; 2];
    // SAFETY: the kernel reads a struct timezone, two ints, and takes a null pointer for no time.
    unsafe { libc::syscall(libc::SYS_settimeofday, std::ptr::null::<u8>(), zone.as_ptr()) };
}

/// Gives the seed to the kernel, credited as random once: before that it is made invalid on the
/// disk, after that replaced, so that no two boots ever get the same.
fn credit_seed() -> Result<()> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = match open(SEED, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return state::keep_seed(),
        Err(errno) => return Err(errno),
    };
    let mut seed = [0; SEED_BYTES];
    let length = rustix::io::read(&file, &mut seed)?;
    ftruncate(&file, 0)?;
    fsync(&file)?;
    // One that others could read, or that is cut short, is mixed in but counts for nothing.
    let is_secret = fstat(&file)?.st_mode & 0o077 == 0 && length == SEED_BYTES;
    add_entropy(&seed[..length], is_secret)?;
    state::keep_seed()
}

/// `struct rand_pool_info` with the whole seed.
#[repr(C)]
struct Pool {
    entropy_bits: libc::c_int,
    bytes: libc::c_int,
    buffer: [u8; SEED_BYTES],
}

fn add_entropy(seed: &[u8], is_secret: bool) -> Result<()> {
    /// `RNDADDENTROPY`: `_IOW('R', 3, int[2])`.
    const ADD_ENTROPY: libc::c_ulong = 0x4008_5203;
    let bytes = libc::c_int::try_from(seed.len()).map_err(|_| Errno::INVAL)?;
    let mut pool = Pool { entropy_bits: 0, bytes, buffer: [0; SEED_BYTES] };
    if is_secret {
        pool.entropy_bits = bytes * 8;
    }
    pool.buffer[..seed.len()].copy_from_slice(seed);
    let random = open("/dev/random", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    // SAFETY: the argument is a rand_pool_info whose length field is that of its buffer's used part.
    match unsafe { libc::ioctl(random.as_raw_fd(), ADD_ENTROPY, &raw const pool) } {
        -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
        _ => Ok(()),
    }
}
