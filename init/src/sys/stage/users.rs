//! Ids of its own: a user name space, made and mapped by the machine's root, then joined.
//!
//! The name space is born in a child that waits while its ids are mapped; its descriptor outlives the
//! child. It shifts the owners of layers and volumes before the stage joins it for good.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use units::plan::{IdMap, NEW_CGROUP, NEW_HOSTNAME, NEW_IPC, NEW_MOUNTS, NEW_NETWORK, Plan};
use units::run::StageStep;

use super::{Done, fault, last_errno, mounts};

/// A user name space and its map.
pub(super) struct UserSpace {
    space: OwnedFd,
    map: IdMap,
}

/// What an id inside is outside; without ids of its own it is itself.
pub(super) fn outside(space: Option<&UserSpace>, id: u32) -> u32 {
    match space {
        Some(space) if !space.map.own => space.map.base + id,
        Some(_) | None => id,
    }
}

/// Makes a user name space with its maps.
pub(super) fn make(map: IdMap) -> Done<UserSpace> {
    make_space(map).map_err(|errno| fault(StageStep::UserMap, errno))
}

fn make_space(map: IdMap) -> Result<UserSpace, Errno> {
    // Processes as our own pid name space numbers them: the child is named there by the number we know.
    let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::empty();
    let proc = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    let (ready, is_ready) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (done, is_done) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // SAFETY: this process has one thread; the child makes system calls only, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(is_done);
        wait_in_new_space(&is_ready, &done);
    }
    drop(is_ready);
    let mapped = match rustix::io::read(&ready, &mut [0; 1]) {
        Ok(1) => write_maps(&proc, child, map),
        Ok(_) => Err(Errno::PERM),
        Err(errno) => Err(errno),
    };
    let path = format!("{child}/ns/user");
    let space =
        mapped.and_then(|()| openat(&proc, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()));
    drop(is_done);
    // SAFETY: our own child, which ends now that its pipe is closed.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    Ok(UserSpace { space: space?, map })
}

fn wait_in_new_space(is_ready: &OwnedFd, done: &OwnedFd) -> ! {
    // SAFETY: plain numbers.
    let made = unsafe { libc::unshare(libc::CLONE_NEWUSER) } == 0;
    // Who reads sees the pipe's end where this fails.
    let _ = made && rustix::io::write(is_ready, b"1").is_ok() && {
        rustix::io::read(done, &mut [0; 1]).is_ok()
    };
    // SAFETY: ends this process, which is a copy.
    unsafe { libc::_exit(0) }
}

fn write_maps(proc: &OwnedFd, child: i32, map: IdMap) -> Result<(), Errno> {
    let (outside, count) = if map.own { (0, 1) } else { (map.base, map.count) };
    let text = format!("0 {outside} {count}\n");
    for file in ["uid_map", "gid_map"] {
        let path = format!("{child}/{file}");
        let file = openat(proc, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&file, text.as_bytes())?;
    }
    Ok(())
}

/// Joins the name space as its root, and makes there what has to belong to it.
pub(super) fn join(space: &UserSpace, plan: &Plan) -> Done {
    let said = || fault(StageStep::UserMap, last_errno());
    let left = NEW_MOUNTS | NEW_NETWORK | NEW_HOSTNAME | NEW_IPC | NEW_CGROUP;
    let left = i32::try_from(plan.namespaces & left).unwrap_or(0);
    // SAFETY: plain numbers; this process has one thread.
    unsafe {
        if libc::setns(space.space.as_raw_fd(), libc::CLONE_NEWUSER) < 0
            || libc::setgroups(0, std::ptr::null()) < 0
            || libc::syscall(libc::SYS_setresgid, 0, 0, 0) < 0
            || libc::syscall(libc::SYS_setresuid, 0, 0, 0) < 0
        {
            return Err(said());
        }
        if libc::unshare(left) < 0 {
            return Err(fault(StageStep::Namespaces, last_errno()));
        }
    }
    super::namespaces::furnish(plan)
}

/// A layer with its owners shifted, mounted in the scratch space: an overlay wants a place.
pub(super) fn shifted(
    scratch: BorrowedFd<'_>,
    layer: BorrowedFd<'_>,
    index: usize,
    space: &UserSpace,
) -> Result<OwnedFd, Errno> {
    let tree = mounts::clone_tree(layer, "", false)?;
    shift(tree.as_fd(), space)?;
    let name = format!("layer.{index}");
    rustix::fs::mkdirat(scratch, &*name, Mode::from_raw_mode(0o700))?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let onto = openat(scratch, &*name, flags, Mode::empty())?;
    mounts::attach(tree.as_fd(), onto.as_fd())?;
    Ok(tree)
}

/// Shifts the owners of a tree that is mounted nowhere yet.
pub(super) fn shift(tree: BorrowedFd<'_>, space: &UserSpace) -> Result<(), Errno> {
    if space.map.own {
        return Ok(());
    }
    let space = u64::try_from(space.space.as_raw_fd()).map_err(|_| Errno::BADF)?;
    mounts::set_mount(
        tree,
        false,
        libc::mount_attr {
            attr_set: libc::MOUNT_ATTR_IDMAP,
            attr_clr: 0,
            propagation: 0,
            userns_fd: space,
        },
    )
}

/// Gives a new directory to the name space's root.
pub(super) fn give(above: BorrowedFd<'_>, name: &str, space: &UserSpace) -> Result<(), Errno> {
    let id = outside(Some(space), 0);
    let (user, group) = (rustix::fs::Uid::from_raw(id), rustix::fs::Gid::from_raw(id));
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(above, name, Some(user), Some(group), flags)
}
