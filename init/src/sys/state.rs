//! The places on the state partition, and the two things that one boot tells the next.

use rustix::fs::{Mode, OFlags, StatVfsMountFlags, fsync, open, stat, statvfs};
use rustix::io::{Errno, Result, write};
use rustix::rand::{GetRandomFlags, getrandom};

/// Where the state partition is mounted.
pub const STATE: &str = "/state";
/// Its modification time is the last time that is known to have passed.
pub const CLOCK: &str = "/state/clock";
/// Randomness for the next boot.
pub const SEED: &str = "/state/random-seed";
/// Bytes of the seed: what the kernel's pool can take up.
pub const SEED_BYTES: usize = 512;
/// The machine's identity, kept over boots.
pub const MACHINE_ID: &str = "/state/machine-id";
/// The configuration that this machine got after its image was made.
pub const CONFIGURATION: &str = "/state/machine.toml";

/// Whether a state partition is mounted and can be written.
#[must_use]
pub fn is_present() -> bool {
    let device = |path: &str| stat(path).map(|stat| stat.st_dev);
    let mounted = matches!((device("/"), device(STATE)), (Ok(root), Ok(state)) if root != state);
    mounted && statvfs(STATE).is_ok_and(|fs| !fs.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Notes the present time for the next boot.
///
/// # Errors
/// The system call's error; `ENODEV` without a state partition.
pub fn keep_clock() -> Result<()> {
    keep(CLOCK, b"")
}

/// Draws a new seed for the next boot.
///
/// # Errors
/// The system call's error; `ENODEV` without a state partition.
pub fn keep_seed() -> Result<()> {
    let mut seed = [0; SEED_BYTES];
    getrandom(&mut seed, GetRandomFlags::NONBLOCK)?;
    keep(SEED, &seed)
}

fn keep(path: &str, bytes: &[u8]) -> Result<()> {
    if !is_present() {
        return Err(Errno::NODEV);
    }
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = open(path, flags, Mode::from_raw_mode(0o600))?;
    if write(&file, bytes)? != bytes.len() {
        return Err(Errno::IO);
    }
    let now = rustix::fs::Timestamps { last_access: NOW, last_modification: NOW };
    rustix::fs::futimens(&file, &now)?;
    fsync(&file)
}

/// `UTIME_NOW`.
const NOW: rustix::fs::Timespec =
    rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW as _ };
