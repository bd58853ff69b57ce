//! Control groups (v2): the tree `units/NAME:RUN`, its limits and its ends.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use units::resources::{Amount, Resources};

use crate::paths::GROUP_ROOT;

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
    limit(std::os::fd::AsFd::as_fd(&directory), resources)?;
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

/// Writes the limits. A controller that the kernel lacks is no failure unless a limit needs it.
pub(crate) fn limit(directory: BorrowedFd<'_>, resources: &Resources) -> io::Result<()> {
    let amounts = [
        ("memory.min", resources.memory_min),
        ("memory.low", resources.memory_low),
        ("memory.high", resources.memory_high),
        ("memory.max", resources.memory_max),
        ("memory.swap.max", resources.memory_swap_max),
        ("memory.zswap.max", resources.memory_zswap_max),
        ("pids.max", resources.tasks_max),
    ];
    for (file, amount) in amounts {
        if let Some(amount) = amount {
            write_file(directory, file, &text(file, amount))?;
        }
    }
    if let Some(weight) = resources.cpu_weight {
        match weight {
            0 => write_file(directory, "cpu.idle", "1")?,
            weight => write_file(directory, "cpu.weight", &weight.to_string())?,
        }
    }
    if let Some(quota) = resources.cpu_quota_us_per_s {
        let period = resources.cpu_period_us.unwrap_or(100_000);
        let share = quota.saturating_mul(period) / 1_000_000;
        write_file(directory, "cpu.max", &format!("{} {period}", share.max(1000)))?;
    }
    if let Some(cpus) = &resources.cpus {
        write_file(directory, "cpuset.cpus", cpus)?;
    }
    if let Some(nodes) = &resources.memory_nodes {
        write_file(directory, "cpuset.mems", nodes)?;
    }
    if let Some(weight) = resources.io_weight {
        write_file(directory, "io.weight", &weight.to_string())?;
    }
    Ok(())
}

fn text(file: &str, amount: Amount) -> String {
    match amount {
        Amount::Absolute(number) => number.to_string(),
        Amount::Unlimited => "max".to_owned(),
        Amount::Share(parts) => {
            let total = if file == "pids.max" { pids_total() } else { memory_total() };
            (total / 10_000 * u64::from(parts)).to_string()
        }
    }
}

fn memory_total() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram.saturating_mul(u64::from(info.mem_unit.max(1)))
}

fn pids_total() -> u64 {
    let text = crate::sys::files::read_text("/proc/sys/kernel/pid_max").unwrap_or_default();
    text.parse().unwrap_or(32_768)
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
