//! Control groups (v2): the tree `units/NAME:RUN`, its limits and its ends.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use units::resources::Resources;

use crate::paths::GROUP_ROOT;
use crate::sys::limit;

/// Makes the group of all units and hands every controller on to the groups in it.
///
/// # Errors
/// When the group cannot be made. A controller that cannot be had is missed where a limit needs it.
pub(crate) fn prepare() -> io::Result<()> {
    let units = format!("{GROUP_ROOT}/units");
    match mkdirat(CWD, &*units, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    let listed = crate::sys::files::read_text(&format!("{units}/cgroup.controllers"))?;
    for name in listed.split_whitespace() {
        // See above.
        let _ = crate::sys::files::write_setting(
            &format!("{units}/cgroup.subtree_control"),
            &format!("+{name}"),
        );
    }
    Ok(())
}

/// Makes a unit's group with its limits, and opens it.
pub(crate) fn create(name: &str, resources: &Resources) -> io::Result<OwnedFd> {
    let path = format!("{GROUP_ROOT}/units/{name}");
    match mkdirat(CWD, &*path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, &*path, flags, Mode::empty())?;
    limit::write_new(directory.as_fd(), resources)?;
    Ok(directory)
}

/// Opens a group that is there.
pub(crate) fn open(name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(CWD, format!("{GROUP_ROOT}/units/{name}"), flags, Mode::empty())?)
}

/// The names of all groups of units.
pub(crate) fn names() -> Vec<String> {
    let entries = std::fs::read_dir(format!("{GROUP_ROOT}/units")).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Kills every process of the group and of the groups below it.
pub(crate) fn kill(directory: BorrowedFd<'_>) -> io::Result<()> {
    write_file(directory, "cgroup.kill", "1")
}

/// The processes of the group itself and of the groups one below.
pub(crate) fn processes(directory: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    let text = crate::sys::take::read_file_at_all(directory, "cgroup.procs")?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// Removes a group with all groups below it; one that still has processes stays.
pub(crate) fn remove(name: &str) {
    remove_tree(&format!("{GROUP_ROOT}/units/{name}"), 0);
}

fn remove_tree(path: &str, depth: u32) {
    const DEPTH_MAX: u32 = 16;
    let removed = unlinkat(CWD, path, AtFlags::REMOVEDIR);
    if removed.is_ok() || depth >= DEPTH_MAX {
        return;
    }
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Some(below) = entry.path().to_str()
        {
            remove_tree(below, depth + 1);
        }
    }
    // A group with a process in uninterruptible sleep stays; its name will not be used again.
    let _ = unlinkat(CWD, path, AtFlags::REMOVEDIR);
}

fn write_file(directory: BorrowedFd<'_>, file: &str, text: &str) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let opened = openat(directory, file, flags, Mode::empty())?;
    rustix::io::write(&opened, text.as_bytes())?;
    Ok(())
}
