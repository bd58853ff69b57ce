//! Small files, read and written whole: kernel settings, identities, seeds.

use rustix::fs::{CWD, Mode, OFlags, open, openat, renameat};
use rustix::io::{Errno, read, write};

use crate::limits::{LARGE_FILE_BYTES_MAX, SMALL_FILE_BYTES_MAX};

/// Reads a file of at most [`SMALL_FILE_BYTES_MAX`] bytes.
///
/// # Errors
/// The system call's error, or `EFBIG` for a larger file.
pub fn read_small(path: &str) -> rustix::io::Result<Vec<u8>> {
    read_bounded(path, SMALL_FILE_BYTES_MAX)
}

/// Reads a file of at most [`LARGE_FILE_BYTES_MAX`] bytes.
///
/// # Errors
/// As [`read_small`].
pub fn read_large(path: &str) -> rustix::io::Result<Vec<u8>> {
    read_bounded(path, LARGE_FILE_BYTES_MAX)
}

fn read_bounded(path: &str, bytes_max: usize) -> rustix::io::Result<Vec<u8>> {
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match read(&file, &mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        if bytes.len() > bytes_max {
            return Err(Errno::FBIG);
        }
    }
}

/// Reads a file as text without white space around it; what is not UTF-8 is replaced.
///
/// # Errors
/// As [`read_small`].
pub fn read_text(path: &str) -> rustix::io::Result<String> {
    Ok(String::from_utf8_lossy(&read_small(path)?).trim().to_owned())
}

/// Writes a kernel setting in one system call, as those files demand.
///
/// # Errors
/// The system call's error.
pub fn write_setting(path: &str, value: &str) -> rustix::io::Result<()> {
    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())?;
    match write(&file, value.as_bytes())? {
        count if count == value.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}

/// Replaces a file as a whole: readers see the old text or the new one, never a part.
///
/// # Errors
/// The system call's error.
pub fn replace(path: &str, bytes: &[u8], mode: u32) -> rustix::io::Result<()> {
    let new = format!("{path}.new");
    create(&new, bytes, mode)?;
    renameat(CWD, &*new, CWD, path)
}

/// Makes a file, or empties the one that is there, and writes it.
///
/// # Errors
/// The system call's error.
pub fn create(path: &str, bytes: &[u8], mode: u32) -> rustix::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags | OFlags::NOFOLLOW, Mode::from_raw_mode(mode))?;
    let mut rest = bytes;
    while !rest.is_empty() {
        match write(&file, rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Removes a directory of the unit's own below `/run`, with all that is in it. The tree is in memory, so
/// this cannot block; links are not followed.
pub(crate) fn remove_tree_below_run(path: &str) {
    let below = path.strip_prefix("/run/").is_some_and(|rest| !rest.is_empty());
    if below && !path.split('/').any(|part| part == "..") {
        // Not there is as good; what cannot be removed is found by whoever looks for it.
        let _ = std::fs::remove_dir_all(path);
    }
}
