//! The first moments: being a process at all, before there is a file system.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, fcntl_getfd};
use rustix::process::{chdir, setsid, umask};
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd};

use super::Setting;
use super::root::{ensure_null, ignore};
use super::steps::Faults;

/// The search path of units that name none.
pub(super) const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Settles what a process inherits, and finds out where we are. All signals but those of faults are
/// blocked already (`survive::begin`); the loop hears them, and children get an empty set.
pub(super) fn begin(faults: &mut Faults) -> Setting {
    umask(Mode::from_raw_mode(0o022));
    fill_descriptors(faults);
    faults.check(chdir("/"), "chdir /", "a mount may stay busy");
    // Already the leader of a session when somebody else made our name space.
    let session = setsid().map(|_| ());
    faults.check(ignore(session, Errno::PERM), "setsid", "signals of a terminal may reach us");
    settle_environment();
    setting()
}

/// Descriptors 0 to 2 must be something: the next file that is opened would take their place.
fn fill_descriptors(faults: &mut Faults) {
    for number in 0..3 {
        // SAFETY: the descriptor is only asked for its flags; a closed one answers EBADF.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        if fcntl_getfd(fd).is_ok() {
            continue;
        }
        let null = ensure_null().and_then(|()| open("/dev/null", OFlags::RDWR, Mode::empty()));
        let Some(null) = faults.check(null, "/dev/null", "descriptors 0 to 2 stay closed") else {
            return;
        };
        // The lowest free number is the one that is missing, so this one stays open there.
        debug_assert_eq!(null.as_raw_fd(), number);
        let _kept_open = null.into_raw_fd();
    }
}

/// The kernel gives `HOME=/` and `TERM=linux` and every `key=value` that it did not know.
fn settle_environment() {
    // SAFETY: PID 1 has one thread, and nothing holds a pointer into the environment yet.
    unsafe {
        std::env::remove_var("HOME");
        std::env::set_var("PATH", SEARCH_PATH);
    }
}

/// Only the first PID 1 may turn ctrl-alt-del from a reset into a signal; in a pid name space the
/// kernel refuses with EINVAL, without the right with EPERM.
pub(super) fn setting() -> Setting {
    // SAFETY: reboot(2) with this command takes no pointer and only sets a flag in the kernel.
    match unsafe { libc::reboot(libc::RB_DISABLE_CAD) } {
        0 => Setting::Machine,
        _ => Setting::Container,
    }
}
