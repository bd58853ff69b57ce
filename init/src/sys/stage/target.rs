//! Places inside a root that is not trusted: resolved below an opened directory by the kernel itself
//! (`openat2`), made one part at a time, each below what was opened before (`containers.md` 1.2).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, unlinkat};
use rustix::io::Errno;
use units::plan::{MOUNT_CREATE, MOUNT_STRICT, Mount};

const PLACE: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// Opens a mount's target, made if the plan says so.
pub(super) fn open(
    root: BorrowedFd<'_>,
    what: &Mount,
    is_file: bool,
    on_machine: bool,
) -> Result<OwnedFd, Errno> {
    // On the machine's own root its own links count, those of `/proc` as well.
    let mut resolve = match on_machine {
        true => ResolveFlags::empty(),
        false => ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
    };
    resolve.set(ResolveFlags::NO_SYMLINKS, what.flags & MOUNT_STRICT != 0);
    let path = inside(&what.target);
    match openat2(root, path, PLACE, Mode::empty(), resolve) {
        Err(Errno::NOENT) if what.flags & MOUNT_CREATE != 0 => create(root, path, is_file, resolve),
        other => other,
    }
}

/// A directory with all above it, made where they lack.
pub(super) fn directory(root: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, inside(path), PLACE, Mode::empty(), resolve) {
        Err(Errno::NOENT) => create(root, inside(path), false, resolve),
        other => other,
    }
}

fn inside(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        path => path,
    }
}

fn create(
    root: BorrowedFd<'_>,
    path: &str,
    is_file: bool,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(Errno::XDEV);
    }
    let mut above = openat(root, ".", PLACE, Mode::empty())?;
    let mut so_far = String::new();
    for (index, part) in parts.iter().enumerate() {
        so_far.push_str(part);
        let is_last = index + 1 == parts.len();
        above = match openat2(root, &*so_far, PLACE, Mode::empty(), resolve) {
            Err(Errno::NOENT) => {
                make_one(above.as_fd(), part, is_last && is_file)?;
                openat2(root, &*so_far, PLACE, Mode::empty(), resolve)?
            }
            other => other?,
        };
        so_far.push('/');
    }
    Ok(above)
}

/// One part of a path, in the place of a link that leads nowhere if there is one.
fn make_one(above: BorrowedFd<'_>, part: &str, is_file: bool) -> Result<(), Errno> {
    match make_fresh(above, part, is_file) {
        Err(Errno::EXIST) => {
            unlinkat(above, part, AtFlags::empty())?;
            make_fresh(above, part, is_file)
        }
        other => other,
    }
}

fn make_fresh(above: BorrowedFd<'_>, part: &str, is_file: bool) -> Result<(), Errno> {
    if !is_file {
        return mkdirat(above, part, Mode::from_raw_mode(0o755));
    }
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    openat(above, part, flags, Mode::from_raw_mode(0o644)).map(drop)
}
