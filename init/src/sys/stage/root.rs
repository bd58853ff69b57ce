//! The root that the process sees: put together, furnished, entered, the old one left behind.
//!
//! With ids of its own the work has two halves. The machine's root does what only it may: layers and
//! volumes with their owners shifted, `/proc` (which belongs to the pid name space), memory and devices.
//! Then the stage joins the user name space and mounts what has to belong to it.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, open, openat};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use units::plan::{MOUNT_OPTIONAL, Mount, MountWhat, NEW_MOUNTS, NEW_USERS, Plan, Root};
use units::run::StageStep;

use super::identity::User;
use super::mounts::{self, Site};
use super::users::UserSpace;
use super::{Done, at, fault, users};

/// Where a new root is put together; each stage has a mount name space of its own, so one place is enough.
const ASSEMBLY: &str = "/run/keelson/stage";
/// Where it is mounted, in the scratch space of the assembly.
const ASSEMBLED: &str = "/run/keelson/stage/root";
/// Directories of an image that a working directory may have to be made in.
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Builds the root and goes into it.
pub(super) fn build(plan: &Plan) -> Done {
    if plan.enters || plan.namespaces & (NEW_MOUNTS | NEW_USERS) == 0 {
        return Ok(());
    }
    let space = plan.id_map.map(users::make).transpose()?;
    if plan.namespaces & NEW_MOUNTS != 0 {
        first_half(plan, space.as_ref())?;
    }
    if let Some(space) = &space {
        users::join(space, plan)?;
        second_half(plan)?;
    }
    match plan.root {
        Root::Machine => Ok(()),
        Root::Directory { .. } | Root::Overlay { .. } => pivot(),
    }
}

fn first_half(plan: &Plan, space: Option<&UserSpace>) -> Done {
    // What is mounted here is nobody else's business; what the machine mounts later still comes in.
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        .map_err(|errno| fault(StageStep::Root, errno))?;
    let scratch = match &plan.root {
        Root::Machine if plan.mounts.is_empty() => return Ok(()),
        Root::Machine => scratch()?,
        Root::Directory { path } => {
            let scratch = scratch()?;
            bind_root(&scratch, path)?;
            scratch
        }
        Root::Overlay { layers, upper } => {
            let scratch = scratch()?;
            overlay(&scratch, layers, upper.as_deref(), space)?;
            scratch
        }
    };
    let is_ours = |mount: &Mount| space.is_some() && belongs_to_user_space(mount);
    furnish(plan, &scratch, space, |mount| !is_ours(mount))?;
    finish_root(plan)
}

/// What only the owner of the new network, message and group name spaces can mount.
fn belongs_to_user_space(mount: &Mount) -> bool {
    let kind =
        matches!(mount.what, MountWhat::Sysfs | MountWhat::MessageQueues | MountWhat::Cgroup);
    kind || mount.target.starts_with("/sys/")
}

fn second_half(plan: &Plan) -> Done {
    if !matches!(plan.root, Root::Overlay { .. }) {
        return Ok(());
    }
    // Our view was copied: what was opened before belongs to the old one.
    rustix::process::chdir(ASSEMBLED).map_err(|errno| fault(StageStep::Root, errno))?;
    let scratch = open(ASSEMBLY, DIRECTORY, Mode::empty());
    let scratch = scratch.map_err(|errno| fault(StageStep::Root, errno))?;
    furnish(plan, &scratch, None, belongs_to_user_space)?;
    // Copied mounts are locked onto each other; only one of our own can become the root.
    let again = mounts::clone_tree(CWD, ".", true).and_then(|tree| {
        let onto = open(".", DIRECTORY, Mode::empty())?;
        mounts::attach(tree.as_fd(), onto.as_fd())
    });
    again.map_err(|errno| fault(StageStep::Root, errno))?;
    rustix::process::chdir(ASSEMBLED).map_err(|errno| fault(StageStep::Root, errno))
}

/// The plan's mounts that are wanted now, in order.
fn furnish(
    plan: &Plan,
    scratch: &OwnedFd,
    space: Option<&UserSpace>,
    is_wanted: impl Fn(&Mount) -> bool,
) -> Done {
    let start = if super::is_on_machine(plan) { "/" } else { "." };
    let root = openat(CWD, start, DIRECTORY, Mode::empty())
        .map_err(|errno| fault(StageStep::Root, errno))?;
    let mut site = Site::new(root.as_fd(), scratch.as_fd(), space, super::is_on_machine(plan));
    // Before anything is hidden or restricted: what was asked for by path is what was there.
    site.take_sources(&plan.mounts)
        .map_err(|(index, errno)| at(step_of(&plan.mounts[index]), errno, index))?;
    for (index, mount) in plan.mounts.iter().enumerate().filter(|(_, mount)| is_wanted(mount)) {
        match site.place(index, mount) {
            Err(Errno::NOENT | Errno::NOTDIR) if mount.flags & MOUNT_OPTIONAL != 0 => {}
            other => other.map_err(|errno| at(step_of(mount), errno, index))?,
        }
    }
    Ok(())
}

/// What has to be there before the root may be read-only.
fn finish_root(plan: &Plan) -> Done {
    let Root::Overlay { .. } = plan.root else { return Ok(()) };
    let said = |errno| fault(StageStep::Root, errno);
    let root = open(".", DIRECTORY, Mode::empty()).map_err(said)?;
    if plan.makes_working_directory {
        let path = plan.working_directory.trim_start_matches('/');
        let made = super::target::directory(root.as_fd(), path);
        made.map_err(|errno| fault(StageStep::WorkingDirectory, errno))?;
    }
    if plan.root_read_only {
        mounts::set_attributes(root.as_fd(), libc::MOUNT_ATTR_RDONLY, 0, false).map_err(said)?;
    }
    Ok(())
}

fn step_of(mount: &Mount) -> StageStep {
    match mount.what {
        MountWhat::Devices { .. } => StageStep::Device,
        MountWhat::Mask | MountWhat::Inaccessible | MountWhat::Restrict | MountWhat::Relax => {
            StageStep::Mask
        }
        MountWhat::Proc { .. }
        | MountWhat::Sysfs
        | MountWhat::Cgroup
        | MountWhat::MessageQueues
        | MountWhat::Terminals
        | MountWhat::Memory { .. }
        | MountWhat::Bind { .. }
        | MountWhat::Text(_) => StageStep::Mount,
    }
}

/// A little memory for what has to have a name while it is mounted: upper directory, small files.
fn scratch() -> Done<OwnedFd> {
    let said = |errno| fault(StageStep::Root, errno);
    let mounted = match mount("tmpfs", ASSEMBLY, "tmpfs", MountFlags::empty(), c"mode=0755") {
        Err(Errno::NOENT) => {
            make_directory(ASSEMBLY).map_err(said)?;
            mount("tmpfs", ASSEMBLY, "tmpfs", MountFlags::empty(), c"mode=0755")
        }
        other => other,
    };
    mounted.map_err(said)?;
    open(ASSEMBLY, DIRECTORY, Mode::empty()).map_err(said)
}

/// A directory of the machine as the root.
fn bind_root(scratch: &OwnedFd, path: &str) -> Done {
    let said = |errno| fault(StageStep::Root, errno);
    mkdirat(scratch, "root", Mode::from_raw_mode(0o755)).map_err(said)?;
    let bound = mounts::clone_tree(CWD, path, true).and_then(|tree| {
        let onto = openat(scratch, "root", DIRECTORY, Mode::empty())?;
        mounts::attach(tree.as_fd(), onto.as_fd())
    });
    bound.map_err(said)?;
    rustix::process::chdir(ASSEMBLED).map_err(said)
}

/// Layers over each other. They are opened first and named by descriptor: no path is looked up twice,
/// none has to be escaped, and the kernel's page of options holds two hundred of them.
fn overlay(
    scratch: &OwnedFd,
    layers: &[Box<str>],
    upper: Option<&str>,
    space: Option<&UserSpace>,
) -> Done {
    let said = |errno| fault(StageStep::Image, errno);
    let mut lower = Vec::with_capacity(layers.len());
    for (index, layer) in layers.iter().enumerate().rev() {
        let opened = open(&**layer, DIRECTORY, Mode::empty());
        let opened = opened.and_then(|directory| match space {
            Some(space) => users::shifted(scratch.as_fd(), directory.as_fd(), index, space),
            None => Ok(directory),
        });
        lower.push(opened.map_err(|errno| at(StageStep::Image, errno, index))?);
    }
    let kept = upper.map(|path| kept_directory(path).map_err(said)).transpose()?;
    let own = kept.as_ref().unwrap_or(scratch);
    make_below(own, "upper", space).map_err(said)?;
    make_below(own, "work", space).map_err(said)?;
    mkdirat(scratch, "root", Mode::from_raw_mode(0o755)).map_err(said)?;
    let names: Vec<String> = lower.iter().map(|fd| named(fd.as_fd())).collect();
    let own = named(own.as_fd());
    let options = format!("lowerdir={},upperdir={own}/upper,workdir={own}/work", names.join(":"));
    let options = CString::new(options).map_err(|_| said(Errno::INVAL))?;
    mount("overlay", ASSEMBLED, "overlay", MountFlags::empty(), Some(&*options)).map_err(said)?;
    rustix::process::chdir(ASSEMBLED).map_err(said)
}

/// A path that means the opened thing and nothing else.
fn named(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn kept_directory(path: &str) -> Result<OwnedFd, Errno> {
    make_directory(path)?;
    open(path, DIRECTORY, Mode::empty())
}

/// An upper directory's owner is the root's owner.
fn make_below(own: &OwnedFd, name: &str, space: Option<&UserSpace>) -> Result<(), Errno> {
    match mkdirat(own, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => match space {
            Some(space) => users::give(own.as_fd(), name, space),
            None => Ok(()),
        },
        Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

pub(super) fn make_directory(path: &str) -> Result<(), Errno> {
    std::fs::create_dir_all(path).map_err(|error| super::limits::raw(&error))
}

fn pivot() -> Done {
    let said = |errno| fault(StageStep::Pivot, errno);
    rustix::process::pivot_root(".", ".").map_err(said)?;
    // The old root lies over the new one now.
    unmount(".", UnmountFlags::DETACH).map_err(said)?;
    rustix::process::chdir("/").map_err(said)
}

/// The working directory, with the user's home in the place of `~`.
pub(super) fn working_directory(plan: &Plan, user: &User) -> Done<String> {
    Ok(match &*plan.working_directory {
        "" => "/".to_owned(),
        "~" => user.home.clone(),
        path => path.to_owned(),
    })
}

/// Goes there; nowhere outside of the root (CVE-2024-21626).
pub(super) fn enter(plan: &Plan, path: &str) -> Done {
    let said = |errno| fault(StageStep::WorkingDirectory, errno);
    match rustix::process::chdir(path) {
        Err(Errno::NOENT | Errno::NOTDIR) if plan.working_directory_optional => {
            rustix::process::chdir("/").map_err(said)?;
        }
        other => other.map_err(said)?,
    }
    let here = rustix::process::getcwd(Vec::new()).map_err(said)?;
    if here.as_bytes().starts_with(b"/") { Ok(()) } else { Err(said(Errno::XDEV)) }
}
