//! The files that the process sees: a root of its own, mounts into it, and the way in.
//!
//! Targets inside an image are resolved below the root's descriptor (`openat2` with `RESOLVE_IN_ROOT`,
//! or without any link where the plan is strict), and everything is mounted onto what was opened, never
//! onto a path that is looked up twice (`containers.md` 1.2).

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
    mount_change, move_mount, open_tree, unmount,
};
use units::plan::{
    DeviceNode, MOUNT_CREATE, MOUNT_NO_DEVICES, MOUNT_NO_EXEC, MOUNT_NO_SUID, MOUNT_OPTIONAL,
    MOUNT_READ_ONLY, MOUNT_RECURSIVE, MOUNT_STRICT, Mount, MountWhat, NEW_MOUNTS, Plan, Root,
};
use units::run::StageStep;

use super::identity::User;
use super::{Done, at, fault, last_errno};

/// Where a new root is put together; each stage has a mount name space of its own, so one place is enough.
const ASSEMBLY: &str = "/run/keelson/stage";

/// Builds the root and goes into it.
pub(super) fn build(plan: &Plan) -> Done {
    if plan.enters || plan.namespaces & NEW_MOUNTS == 0 {
        return Ok(());
    }
    // What is mounted here is nobody else's business; what the machine mounts later still comes in.
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        .map_err(|errno| fault(StageStep::Root, errno))?;
    let root = match &plan.root {
        Root::Machine => "/",
        Root::Directory { path } => {
            bind_tree(path)?;
            "."
        }
        Root::Overlay { layers, upper } => {
            overlay(layers, upper.as_deref(), plan)?;
            "."
        }
    };
    let directory = openat(CWD, root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| fault(StageStep::Root, errno))?;
    for (index, mount) in plan.mounts.iter().enumerate() {
        match place(directory.as_fd(), mount) {
            Err(Errno::NOENT | Errno::NOTDIR) if mount.flags & MOUNT_OPTIONAL != 0 => {}
            other => other.map_err(|errno| at(step_of(mount), errno, index))?,
        }
    }
    if plan.root_read_only {
        set_attributes(directory.as_fd(), c"", libc::MOUNT_ATTR_RDONLY, 0, false)
            .map_err(|errno| fault(StageStep::Root, errno))?;
    }
    if !super::is_on_machine(plan) {
        pivot()?;
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

fn bind_tree(path: &str) -> Done {
    let said = |errno| fault(StageStep::Root, errno);
    rustix::mount::mount_bind_recursive(path, path).map_err(said)?;
    rustix::process::chdir(path).map_err(said)
}

fn overlay(layers: &[Box<str>], upper: Option<&str>, plan: &Plan) -> Done {
    let said = |errno| fault(StageStep::Image, errno);
    make_directory(ASSEMBLY).map_err(said)?;
    mount("tmpfs", ASSEMBLY, "tmpfs", MountFlags::empty(), c"mode=0755").map_err(said)?;
    let kept = upper.map_or(ASSEMBLY, |upper| upper);
    let (upper, work) = (format!("{kept}/upper"), format!("{kept}/work"));
    let root = format!("{ASSEMBLY}/root");
    for directory in [kept, &upper, &work, &root] {
        make_directory(directory).map_err(said)?;
    }
    if let Some(map) = &plan.id_map {
        // The root of an overlay belongs to whom its upper directory does.
        let owner = if map.own { 0 } else { map.base };
        let _ = owner;
    }
    let lower: Vec<&str> = layers.iter().rev().map(|layer| &**layer).collect();
    let options = format!("lowerdir={},upperdir={upper},workdir={work}", lower.join(":"));
    let options = CString::new(options).map_err(|_| said(Errno::INVAL))?;
    mount("overlay", &*root, "overlay", MountFlags::empty(), Some(&*options)).map_err(said)?;
    rustix::process::chdir(&*root).map_err(said)
}

fn make_directory(path: &str) -> Result<(), Errno> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(Errno::NOENT) => std::fs::create_dir_all(path)
            .map_err(|error| Errno::from_raw_os_error(error.raw_os_error().unwrap_or(0))),
        Err(errno) => Err(errno),
    }
}

fn pivot() -> Done {
    let said = |errno| fault(StageStep::Pivot, errno);
    rustix::process::pivot_root(".", ".").map_err(said)?;
    // The old root lies over the new one now.
    unmount(".", UnmountFlags::DETACH).map_err(said)?;
    rustix::process::chdir("/").map_err(said)
}

/// One mount.
fn place(root: BorrowedFd<'_>, what: &Mount) -> Result<(), Errno> {
    match &what.what {
        MountWhat::Proc { hide, processes_only } => {
            let subset = if *processes_only { ",subset=pid" } else { "" };
            new(root, what, "proc", &format!("hidepid={hide}{subset}"))
        }
        MountWhat::Sysfs => new(root, what, "sysfs", ""),
        MountWhat::Cgroup => new(root, what, "cgroup2", ""),
        MountWhat::MessageQueues => new(root, what, "mqueue", ""),
        MountWhat::Terminals => {
            new(root, what, "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5")
        }
        MountWhat::Memory { bytes_max, mode, options } => {
            let size = if *bytes_max > 0 { format!(",size={bytes_max}") } else { String::new() };
            let more = if options.is_empty() { String::new() } else { format!(",{options}") };
            new(root, what, "tmpfs", &format!("mode={mode:o}{size}{more}"))
        }
        MountWhat::Devices { nodes } => devices(root, what, nodes),
        MountWhat::Bind { source, create } => bind(root, what, source, *create),
        MountWhat::Text(text) => text_file(root, what, text),
        MountWhat::Mask => mask(root, what),
        MountWhat::Inaccessible => inaccessible(root, what),
        MountWhat::Restrict => change(root, what, attributes(what.flags), 0),
        MountWhat::Relax => change(root, what, 0, attributes(what.flags)),
    }
}

fn attributes(flags: u8) -> u64 {
    let pairs = [
        (MOUNT_READ_ONLY, libc::MOUNT_ATTR_RDONLY),
        (MOUNT_NO_EXEC, libc::MOUNT_ATTR_NOEXEC),
        (MOUNT_NO_SUID, libc::MOUNT_ATTR_NOSUID),
        (MOUNT_NO_DEVICES, libc::MOUNT_ATTR_NODEV),
    ];
    pairs.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, attribute)| attribute).sum()
}

/// Opens a target below the root, made if the plan says so.
fn target(root: BorrowedFd<'_>, what: &Mount, is_file: bool) -> Result<OwnedFd, Errno> {
    let resolve = match what.flags & MOUNT_STRICT {
        0 => ResolveFlags::IN_ROOT,
        _ => ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS,
    };
    let path = what.target.trim_start_matches('/');
    let path = if path.is_empty() { "." } else { path };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    match openat2(root, path, flags, Mode::empty(), resolve) {
        Err(Errno::NOENT) if what.flags & MOUNT_CREATE != 0 => {
            create(root, path, is_file, resolve)?;
            openat2(root, path, flags, Mode::empty(), resolve)
        }
        other => other,
    }
}

/// Makes a target with all directories above it, each below what was opened before.
fn create(
    root: BorrowedFd<'_>,
    path: &str,
    is_file: bool,
    resolve: ResolveFlags,
) -> Result<(), Errno> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let mut above = openat(root, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let mut so_far = String::new();
    for (index, part) in parts.iter().enumerate() {
        let is_last = index + 1 == parts.len();
        let made = if is_last && is_file {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(&above, *part, flags, Mode::from_raw_mode(0o644)).map(drop)
        } else {
            rustix::fs::mkdirat(&above, *part, Mode::from_raw_mode(0o755))
        };
        match made {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        if !so_far.is_empty() {
            so_far.push('/');
        }
        so_far.push_str(part);
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        above = openat2(root, &*so_far, flags, Mode::empty(), resolve)?;
    }
    Ok(())
}

/// A path that means the opened thing and nothing else.
fn opened(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// A new file system of a kind, made apart and then moved onto the target.
fn new(root: BorrowedFd<'_>, what: &Mount, kind: &str, options: &str) -> Result<(), Errno> {
    use rustix::mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
        fsconfig_set_string, fsmount, fsopen,
    };
    let onto = target(root, what, false)?;
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some((name, value)) => fsconfig_set_string(context.as_fd(), name, value)?,
            None => fsconfig_set_flag(context.as_fd(), option)?,
        }
    }
    fsconfig_create(context.as_fd())?;
    let attributes = u32::try_from(attributes(what.flags)).unwrap_or(0);
    let attributes = MountAttrFlags::from_bits_retain(attributes);
    let made = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    attach(made.as_fd(), onto.as_fd())
}

fn attach(tree: BorrowedFd<'_>, onto: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", onto, "", flags)
}

fn bind(root: BorrowedFd<'_>, what: &Mount, source: &str, make_source: bool) -> Result<(), Errno> {
    let recursive = what.flags & MOUNT_RECURSIVE != 0;
    let tree = match clone_tree(source, recursive) {
        Err(Errno::NOENT) if make_source => {
            make_directory(source)?;
            clone_tree(source, recursive)?
        }
        other => other?,
    };
    let is_file = !rustix::fs::fstat(&tree)
        .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir());
    let onto = target(root, what, is_file)?;
    set_attributes(tree.as_fd(), c"", attributes(what.flags), 0, recursive)?;
    attach(tree.as_fd(), onto.as_fd())
}

fn clone_tree(source: &str, recursive: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    open_tree(CWD, source, flags)
}

/// `mount_setattr(2)` on what a descriptor names.
fn set_attributes(
    fd: BorrowedFd<'_>,
    path: &std::ffi::CStr,
    set: u64,
    clear: u64,
    recursive: bool,
) -> Result<(), Errno> {
    if set == 0 && clear == 0 {
        return Ok(());
    }
    let attributes =
        libc::mount_attr { attr_set: set, attr_clr: clear, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a live C string and the attributes a live struct of the given size.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if done < 0 { Err(last_errno()) } else { Ok(()) }
}

/// A `/dev` of its own: memory, the standard devices, links, and more devices.
fn devices(root: BorrowedFd<'_>, what: &Mount, nodes: &[DeviceNode]) -> Result<(), Errno> {
    new(root, what, "tmpfs", "mode=0755,size=64k")?;
    let dev = target(root, what, false)?;
    let standard = ["null", "zero", "full", "random", "urandom", "tty"];
    for name in standard {
        device(dev.as_fd(), &format!("/dev/{name}"), name)?;
    }
    for node in nodes {
        let inside = node.target.strip_prefix("/dev/").unwrap_or(&node.target);
        device(dev.as_fd(), &node.source, inside)?;
    }
    let links = [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ];
    for (name, leads_to) in links {
        rustix::fs::symlinkat(leads_to, &dev, name)?;
    }
    for name in ["pts", "shm", "mqueue"] {
        rustix::fs::mkdirat(&dev, name, Mode::from_raw_mode(0o755))?;
    }
    Ok(())
}

/// Binds a device of the machine: making nodes is not allowed in a user name space, binding is.
fn device(dev: BorrowedFd<'_>, source: &str, inside: &str) -> Result<(), Errno> {
    let tree = clone_tree(source, false)?;
    let flags = OFlags::CREATE | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    drop(openat(dev, inside, flags, Mode::from_raw_mode(0o666))?);
    let onto = openat(dev, inside, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    attach(tree.as_fd(), onto.as_fd())
}

/// A small read-only file with this text.
fn text_file(root: BorrowedFd<'_>, what: &Mount, text: &str) -> Result<(), Errno> {
    // Only what has a name can be mounted; stages of several units may do so at the same time.
    let mut unique = [0; 8];
    rustix::rand::getrandom(&mut unique, rustix::rand::GetRandomFlags::empty())?;
    let path = format!("/run/keelson/.text.{:016x}", u64::from_ne_bytes(unique));
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW;
    let file = openat(CWD, &*path, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o644))?;
    rustix::io::write(&file, text.as_bytes())?;
    let done = attach_text(root, what, &path);
    rustix::fs::unlink(&*path)?;
    done
}

fn attach_text(root: BorrowedFd<'_>, what: &Mount, path: &str) -> Result<(), Errno> {
    let tree = clone_tree(path, false)?;
    let onto = target(root, what, true)?;
    set_attributes(tree.as_fd(), c"", libc::MOUNT_ATTR_RDONLY, 0, false)?;
    attach(tree.as_fd(), onto.as_fd())
}

/// Files become `/dev/null`, directories empty; what is not there needs no mask.
fn mask(root: BorrowedFd<'_>, what: &Mount) -> Result<(), Errno> {
    let onto = match target(root, what, false) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        other => other?,
    };
    let stat = rustix::fs::fstat(&onto)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
        let strict = Mount { flags: what.flags | MOUNT_READ_ONLY, ..what.clone() };
        return new(root, &strict, "tmpfs", "size=4k,nr_inodes=2,mode=0555");
    }
    attach(clone_tree("/dev/null", false)?.as_fd(), onto.as_fd())
}

/// As a mask, and not even readable.
fn inaccessible(root: BorrowedFd<'_>, what: &Mount) -> Result<(), Errno> {
    let onto = target(root, what, false)?;
    let stat = rustix::fs::fstat(&onto)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
        let strict = Mount { flags: what.flags | MOUNT_READ_ONLY, ..what.clone() };
        return new(root, &strict, "tmpfs", "size=4k,nr_inodes=2,mode=0000");
    }
    attach(clone_tree("/dev/null", false)?.as_fd(), onto.as_fd())
}

/// Changes the flags of what is there: a mount of its own first, so that nothing else changes.
fn change(root: BorrowedFd<'_>, what: &Mount, set: u64, clear: u64) -> Result<(), Errno> {
    let onto = target(root, what, false)?;
    let tree = clone_tree(&opened(&onto), true)?;
    set_attributes(tree.as_fd(), c"", set, clear, true)?;
    attach(tree.as_fd(), onto.as_fd())
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
