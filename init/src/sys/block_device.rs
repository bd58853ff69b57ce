//! Which disk a path means: control groups limit whole disks, by their numbers.

use std::io;

use rustix::fs::{FileType, major, minor, stat};
use rustix::io::Errno;

use crate::mountinfo;
use crate::sys::files::read_text;

/// The number of the disk that a device node is, or on which a path lies, as `MAJOR:MINOR`.
///
/// Only device nodes are looked at. Where another path lies is read in the list of mounts: a file
/// system that does not answer must not stop PID 1.
pub(crate) fn behind(path: &str) -> io::Result<String> {
    let (major, minor) = if path.starts_with("/dev/") { node(path)? } else { file_system(path)? };
    Ok(whole_disk(major, minor))
}

fn node(path: &str) -> io::Result<(u32, u32)> {
    let found = stat(path)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::BlockDevice {
        return Err(Errno::NOTBLK.into());
    }
    Ok((major(found.st_rdev), minor(found.st_rdev)))
}

fn file_system(path: &str) -> io::Result<(u32, u32)> {
    let lines = std::fs::read("/proc/self/mountinfo")?;
    let mounts = mountinfo::parse(&lines);
    let above = mounts.iter().filter(|mount| {
        let target = std::str::from_utf8(&mount.target).unwrap_or("\0");
        let rest = path.strip_prefix(target.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    // Of mounts on one place the last one counts.
    let deepest = above.max_by_key(|mount| mount.target.len()).ok_or(Errno::NODEV)?;
    let (major, minor) = deepest.device;
    // Major number 0: a file system without a disk of its own.
    if major == 0 { Err(Errno::NOTBLK.into()) } else { Ok((major, minor)) }
}

/// A partition's disk; a disk is its own.
fn whole_disk(major: u32, minor: u32) -> String {
    let own = format!("{major}:{minor}");
    let directory = format!("/sys/dev/block/{own}");
    if read_text(&format!("{directory}/partition")).is_err() {
        return own;
    }
    read_text(&format!("{directory}/../dev")).unwrap_or(own)
}
