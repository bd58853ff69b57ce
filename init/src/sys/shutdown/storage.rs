//! Mounts, swap and the devices that are stacked on others, taken apart from the top.
//!
//! All of it runs in a child of PID 1, and each single call in a child of that: any one may hang on a
//! dead disk or server, and then only it is left behind.

use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{MountFlags, UnmountFlags, mount_remount, unmount};
use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::child::{Child, Ended};
use crate::mountinfo::{self, MountLine};
use crate::sys::boot::since_boot;
use crate::sys::files::read_small;
use crate::sys::kmsg::{Kmsg, Level};

/// The file systems that live in the kernel alone: nothing is lost with them.
const KERNEL_ONLY: [&str; 21] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "rootfs",
    "securityfs",
    "sysfs",
    "tracefs",
];

/// The longest that one call may take before it is left behind.
const CALL_MAX: Duration = Duration::from_secs(2);

/// Unmounts, turns off and detaches while that changes anything; the answer is how much is left.
pub(super) fn take_apart(until: Duration) -> i32 {
    let kmsg = Kmsg::open().ok();
    remount_read_only(&mounts(), until);
    let mut stuck = Vec::new();
    loop {
        let before = mounts().len();
        let changed = unmount_all(&mut stuck, UnmountFlags::empty(), until)
            | turn_off_swaps(until)
            | detach_loops(until)
            | remove_mapped(until);
        if !changed || before == 0 || since_boot() >= until {
            break;
        }
    }
    // The last try: whoever still uses them keeps a tree that nobody else sees.
    stuck.clear();
    let blockers = mounts();
    if !blockers.is_empty() {
        unmount_all(&mut stuck, UnmountFlags::FORCE, until);
        unmount_all(&mut stuck, UnmountFlags::DETACH, until);
    }
    let left = mounts();
    for mount in blockers.iter().filter(|_| kmsg.is_some()).take(16) {
        let name = String::from_utf8_lossy(&mount.target);
        let text = format!("shutdown: {name} ({}) was still in use", mount.source);
        kmsg.as_ref().expect("filtered above").log(Level::Warning, &text);
    }
    i32::try_from(left.len()).unwrap_or(i32::MAX).min(255)
}

/// The mounts with something behind them, the latest first: a mount comes before what it sits on.
fn mounts() -> Vec<MountLine> {
    let bytes = read_small("/proc/self/mountinfo").unwrap_or_default();
    let mut lines = mountinfo::parse(&bytes);
    lines.reverse();
    lines.retain(|line| line.target != b"/" && !KERNEL_ONLY.contains(&&*line.kind));
    // A tmpfs loses nothing, but what lies on it has to be reached first.
    lines.retain(|line| !(line.kind == "tmpfs".into() && is_ours(&line.target)));
    lines
}

fn is_ours(target: &[u8]) -> bool {
    [&b"/run"[..], b"/tmp", b"/var", b"/dev/shm"].contains(&target)
}

/// Makes all file systems read-only, all at the same time: this writes back what they hold, and one
/// that hangs keeps none of the others waiting.
fn remount_read_only(mounts: &[MountLine], until: Duration) {
    let mut seen = Vec::new();
    let mut children = Vec::new();
    for mount in mounts.iter().filter(|mount| !mount.read_only && mount.kind != "tmpfs".into()) {
        if seen.contains(&mount.device) {
            continue;
        }
        seen.push(mount.device);
        let Ok(target) = CString::new(mount.target.clone()) else { continue };
        let work = || code(mount_remount(&*target, MountFlags::RDONLY, c""));
        children.extend(Child::start(work));
    }
    for child in children {
        // A failed remount is no news: the unmount that follows says more.
        let _ = child.wait(until.min(since_boot() + CALL_MAX), CALL_MAX, &mut || ());
    }
}

/// Unmounts what can be, each in a child; says whether any is gone.
fn unmount_all(stuck: &mut Vec<u32>, flags: UnmountFlags, until: Duration) -> bool {
    let mut changed = false;
    for mount in mounts() {
        if stuck.contains(&mount.id) || since_boot() >= until {
            continue;
        }
        let Ok(target) = CString::new(mount.target) else { continue };
        let work = || code(unmount(&*target, flags | UnmountFlags::NOFOLLOW));
        match bounded(until, work) {
            Ended::Code(Some(0)) => changed = true,
            Ended::Code(_) => {}
            Ended::Late => stuck.push(mount.id),
        }
    }
    changed
}

/// Turns off all swap.
fn turn_off_swaps(until: Duration) -> bool {
    let text = String::from_utf8_lossy(&read_small("/proc/swaps").unwrap_or_default()).into_owned();
    let names = text.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().next());
    names.fold(false, |changed, name| {
        let Ok(name) = CString::new(name) else { return changed };
        // SAFETY: the path is a terminated string that lives through the call.
        let work = || i32::from(unsafe { libc::swapoff(name.as_ptr()) } != 0);
        changed | bounded(until, work).is_ok()
    })
}

/// Detaches loop devices from their files.
fn detach_loops(until: Duration) -> bool {
    /// `LOOP_CLR_FD` (linux/loop.h).
    const CLEAR: libc::c_ulong = 0x4c01;
    (0..LOOPS_MAX).fold(false, |changed, number| {
        if rustix::fs::stat(format!("/sys/block/loop{number}/loop/backing_file")).is_err() {
            return changed;
        }
        changed
            | bounded(until, || {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let Ok(device) = open(format!("/dev/loop{number}"), flags, Mode::empty()) else {
                    return 1;
                };
                // SAFETY: LOOP_CLR_FD takes no argument.
                i32::from(unsafe { libc::ioctl(device.as_raw_fd(), CLEAR, 0) } != 0)
            })
            .is_ok()
    })
}

/// Removes all device-mapper devices that nothing uses any more.
fn remove_mapped(until: Duration) -> bool {
    /// `DM_REMOVE_ALL` (linux/dm-ioctl.h): `_IOWR(0xfd, 1, struct dm_ioctl)`.
    const REMOVE_ALL: libc::c_ulong = 0xc138_fd01;
    /// `struct dm_ioctl`: version, size of the whole, and much that this call does not look at.
    const BYTES: usize = 312;
    let before = mapped_devices();
    if before == 0 {
        return false;
    }
    let ended = bounded(until, || {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let Ok(control) = open("/dev/mapper/control", flags, Mode::empty()) else { return 1 };
        let mut request = [0_u32; BYTES / 4];
        request[0] = 4;
        request[3] = u32::try_from(BYTES).expect("a few hundred");
        // SAFETY: the argument is a whole dm_ioctl whose size field says so.
        i32::from(
            unsafe { libc::ioctl(control.as_raw_fd(), REMOVE_ALL, request.as_mut_ptr()) } != 0,
        )
    });
    ended.is_ok() && mapped_devices() < before
}

fn mapped_devices() -> usize {
    let devices = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    devices.filter(|device| device.file_name().to_string_lossy().starts_with("dm-")).count()
}

/// Loop devices that are looked at.
const LOOPS_MAX: u32 = 256;

/// One call in a child with a deadline.
fn bounded(until: Duration, work: impl FnOnce() -> i32) -> Ended {
    super::child::run(until.min(since_boot() + CALL_MAX), CALL_MAX, &mut || (), work)
}

fn code(result: rustix::io::Result<()>) -> i32 {
    i32::from(result.is_err())
}
