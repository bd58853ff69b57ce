//! The unit's own directories, and its standard descriptors.

use std::os::fd::AsRawFd;

use rustix::fs::{Gid, Mode, OFlags, Uid, open};
use rustix::io::Errno;
use units::execution::{Input, Output};
use units::plan::Plan;
use units::run::StageStep;

use super::identity::User;
use super::limits::raw;
use super::{Done, at, fault};

/// Makes the unit's own directories, on the machine or inside its root as the plan says.
pub(super) fn make_directories(plan: &Plan) -> Done {
    if !super::is_on_machine(plan) {
        return Ok(());
    }
    make_all(plan)
}

fn make_all(plan: &Plan) -> Done {
    for (index, directory) in plan.directories.iter().enumerate() {
        std::fs::create_dir_all(&*directory.path)
            .map_err(|error| at(StageStep::Directory, raw(&error), index))?;
        rustix::fs::chmod(&*directory.path, Mode::from_raw_mode(directory.mode))
            .map_err(|errno| at(StageStep::Directory, errno, index))?;
        for link in &directory.links {
            match rustix::fs::symlink(&*directory.path, &**link) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(at(StageStep::Directory, errno, index)),
            }
        }
    }
    Ok(())
}

/// Gives them to the user.
pub(super) fn own_directories(plan: &Plan, user: &User) -> Done {
    if !super::is_on_machine(plan) {
        make_all(plan)?;
    }
    for (index, directory) in plan.directories.iter().enumerate() {
        let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
        rustix::fs::chown(&*directory.path, Some(uid), Some(gid))
            .map_err(|errno| at(StageStep::Directory, errno, index))?;
    }
    Ok(())
}

/// Opens those standard descriptors that are not the spawner's.
pub(super) fn open_standard(plan: &Plan, _user: &User) -> Done {
    let stdio = &plan.stdio;
    let terminal = if stdio.terminal.is_empty() { "/dev/console" } else { &stdio.terminal };
    match &stdio.input {
        Input::Null | Input::Socket | Input::Descriptor(_) => {}
        Input::Tty { .. } => {
            put(open_file(terminal, OFlags::RDWR | OFlags::NOCTTY), 0, StageStep::Stdin)?;
            // Taken from whoever had it: the unit was given the terminal.
            let _ = rustix::process::ioctl_tiocsctty(rustix::stdio::stdin());
        }
        Input::File(path) => put(open_file(path, OFlags::RDONLY), 0, StageStep::Stdin)?,
        Input::Bytes(text) => {
            let file = rustix::fs::memfd_create("stdin", rustix::fs::MemfdFlags::CLOEXEC);
            let file = file.and_then(|file| {
                rustix::io::write(&file, text.as_bytes())?;
                rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
                Ok(file)
            });
            put(file, 0, StageStep::Stdin)?;
        }
    }
    output(&stdio.output, 1, terminal, StageStep::Stdout)?;
    output(&stdio.error, 2, terminal, StageStep::Stderr)
}

fn output(what: &Output, place: i32, terminal: &str, step: StageStep) -> Done {
    let create = OFlags::WRONLY | OFlags::CREATE | OFlags::NOCTTY;
    match what {
        Output::Log | Output::LogAndConsole | Output::Descriptor(_) => Ok(()),
        Output::Inherit => put(rustix::io::dup(inherited(place)), place, step),
        Output::Socket => put(rustix::io::dup(rustix::stdio::stdin()), place, step),
        Output::Null => put(open_file("/dev/null", OFlags::WRONLY), place, step),
        Output::Kmsg => put(open_file("/dev/kmsg", OFlags::WRONLY), place, step),
        Output::Tty => put(open_file(terminal, OFlags::WRONLY | OFlags::NOCTTY), place, step),
        Output::File(path) => put(open_file(path, create), place, step),
        Output::Append(path) => put(open_file(path, create | OFlags::APPEND), place, step),
        Output::Truncate(path) => put(open_file(path, create | OFlags::TRUNC), place, step),
    }
}

/// Standard output inherits from standard input, standard error from standard output.
fn inherited(place: i32) -> std::os::fd::BorrowedFd<'static> {
    if place == 1 { rustix::stdio::stdin() } else { rustix::stdio::stdout() }
}

fn open_file(path: &str, flags: OFlags) -> Result<std::os::fd::OwnedFd, Errno> {
    open(path, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o644))
}

fn put(file: Result<std::os::fd::OwnedFd, Errno>, place: i32, step: StageStep) -> Done {
    let file = file.map_err(|errno| fault(step, errno))?;
    // SAFETY: plain numbers; the place is one of the three standard ones, which stay open.
    if unsafe { libc::dup2(file.as_raw_fd(), place) } < 0 {
        return Err(fault(step, super::last_errno()));
    }
    Ok(())
}
