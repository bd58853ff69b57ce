//! The mounts of a plan, one by one: each made apart, given its flags, and moved onto an opened place.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, Uid, chmod, chown, fstat, mkdirat, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use units::plan::{
    DeviceNode, MOUNT_NO_DEVICES, MOUNT_NO_EXEC, MOUNT_NO_SUID, MOUNT_OPTIONAL, MOUNT_READ_ONLY,
    MOUNT_RECURSIVE, Mount, MountWhat,
};

use super::users::UserSpace;
use super::{last_errno, target, users};

/// A root under construction.
pub(super) struct Site<'a> {
    root: BorrowedFd<'a>,
    scratch: BorrowedFd<'a>,
    space: Option<&'a UserSpace>,
    on_machine: bool,
    /// Trees of the machine, opened before anything was changed; at the mount's own index.
    sources: Vec<Option<OwnedFd>>,
    /// One empty directory serves all masks: hundreds of file systems cost the kernel dearly.
    empty: Option<OwnedFd>,
    files: u32,
}

impl<'a> Site<'a> {
    pub(super) fn new(
        root: BorrowedFd<'a>,
        scratch: BorrowedFd<'a>,
        space: Option<&'a UserSpace>,
        on_machine: bool,
    ) -> Site<'a> {
        Site { root, scratch, space, on_machine, sources: Vec::new(), empty: None, files: 0 }
    }

    /// On the machine's root rules may hide what other rules bind: all sources are opened first.
    pub(super) fn take_sources(&mut self, mounts: &[Mount]) -> Result<(), (usize, Errno)> {
        if !self.on_machine {
            return Ok(());
        }
        for (index, mount) in mounts.iter().enumerate() {
            let recursive = mount.flags & MOUNT_RECURSIVE != 0;
            let source = if let MountWhat::Bind { source, create } = &mount.what {
                source_tree(source, *create, recursive)
            } else if mount.what == MountWhat::Relax {
                clone_tree(CWD, &mount.target, true)
            } else {
                self.sources.push(None);
                continue;
            };
            let is_optional = mount.flags & MOUNT_OPTIONAL != 0;
            self.sources.push(match source {
                Err(Errno::NOENT | Errno::NOTDIR) if is_optional => None,
                other => Some(other.map_err(|errno| (index, errno))?),
            });
        }
        Ok(())
    }

    /// One mount.
    pub(super) fn place(&mut self, index: usize, what: &Mount) -> Result<(), Errno> {
        match &what.what {
            MountWhat::Proc { hide, processes_only } => {
                let subset = if *processes_only { ",subset=pid" } else { "" };
                let hide = if *hide == 0 { String::new() } else { format!("hidepid={hide}") };
                self.new_mount(what, "proc", &format!("{hide}{subset}"))
            }
            MountWhat::Sysfs => self.new_mount(what, "sysfs", ""),
            MountWhat::Cgroup => self.new_mount(what, "cgroup2", ""),
            MountWhat::MessageQueues => self.new_mount(what, "mqueue", ""),
            MountWhat::Terminals => {
                let group = users::outside(self.space, 5);
                let options = format!("newinstance,ptmxmode=0666,mode=0620,gid={group}");
                self.new_mount(what, "devpts", &options)
            }
            MountWhat::Memory { bytes_max, mode, options } => {
                let options = self.memory_options(*bytes_max, *mode, options);
                self.new_mount(what, "tmpfs", &options)
            }
            MountWhat::Devices { nodes } => self.devices(what, nodes),
            MountWhat::Bind { source, create } => self.bind(index, what, source, *create),
            MountWhat::Text(text) => self.text(what, text),
            MountWhat::Mask | MountWhat::Inaccessible => self.hide(what),
            MountWhat::Restrict => self.restrict(what),
            MountWhat::Relax => self.relax(index, what),
        }
    }

    fn target(&self, what: &Mount, is_file: bool) -> Result<OwnedFd, Errno> {
        target::open(self.root, what, is_file, self.on_machine)
    }

    /// A new file system of a kind, on its target.
    fn new_mount(&self, what: &Mount, kind: &str, options: &str) -> Result<(), Errno> {
        let onto = self.target(what, false)?;
        attach(new_tree(kind, options, attributes(what.flags))?.as_fd(), onto.as_fd())
    }

    fn memory_options(&self, bytes_max: u64, mode: u32, more: &str) -> String {
        let mut options = format!("mode={mode:o}");
        if bytes_max > 0 {
            options.push_str(&format!(",size={bytes_max}"));
        }
        if let Some(space) = self.space {
            options.push_str(&format!(",uid={0},gid={0}", users::outside(Some(space), 0)));
        }
        if !more.is_empty() {
            options.push(',');
            options.push_str(more);
        }
        options
    }

    /// A file or directory of the machine.
    fn bind(
        &mut self,
        index: usize,
        what: &Mount,
        source: &str,
        create: bool,
    ) -> Result<(), Errno> {
        let recursive = what.flags & MOUNT_RECURSIVE != 0;
        let is_new = create && !self.on_machine && !std::fs::exists(source).unwrap_or(true);
        let tree = match self.sources.get_mut(index).and_then(Option::take) {
            Some(tree) => tree,
            None if self.on_machine => return Ok(()),
            None => source_tree(source, create, recursive)?,
        };
        let onto = self.target(what, !is_directory(&tree)?)?;
        if is_new {
            take_after(source, &onto, self.space)?;
        }
        if let Some(space) = self.space {
            // Not every file system can shift owners; then they stay as they are.
            let _ = users::shift(tree.as_fd(), space);
        }
        set_attributes(tree.as_fd(), attributes(what.flags), 0, recursive)?;
        attach(tree.as_fd(), onto.as_fd())
    }

    /// A `/dev` of its own: memory, the standard devices, links, and more devices.
    fn devices(&self, what: &Mount, nodes: &[DeviceNode]) -> Result<(), Errno> {
        let onto = self.target(what, false)?;
        let options = self.memory_options(64 * 1024, 0o755, "");
        let tree = new_tree("tmpfs", &options, attributes(what.flags & !MOUNT_NO_DEVICES))?;
        let dev = tree.as_fd();
        for (name, minor) in STANDARD_DEVICES {
            standard_device(dev, name, minor, self.space.is_some())?;
        }
        for (name, leads_to) in DEVICE_LINKS {
            rustix::fs::symlinkat(leads_to, dev, name)?;
        }
        for name in ["pts", "shm", "mqueue"] {
            mkdirat(dev, name, Mode::from_raw_mode(0o755))?;
        }
        attach(tree.as_fd(), onto.as_fd())?;
        // Devices that are bound need a place that is part of the tree.
        if self.space.is_some() {
            for (name, _) in STANDARD_DEVICES {
                bind_device(dev, &format!("/dev/{name}"), name)?;
            }
        }
        for node in nodes {
            let inside = node.target.strip_prefix("/dev/").unwrap_or(&node.target);
            bind_device(dev, &node.source, inside)?;
        }
        Ok(())
    }

    /// A small read-only file with this text. It has a name in our own memory as long as it takes.
    fn text(&mut self, what: &Mount, text: &str) -> Result<(), Errno> {
        self.files += 1;
        let name = format!("text.{}", self.files);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(self.scratch, &*name, flags, Mode::from_raw_mode(0o644))?;
        rustix::io::write(&file, text.as_bytes())?;
        let tree = clone_tree(self.scratch, &name, false)?;
        let onto = self.target(what, true)?;
        set_attributes(tree.as_fd(), libc::MOUNT_ATTR_RDONLY, 0, false)?;
        attach(tree.as_fd(), onto.as_fd())
    }

    /// Files become `/dev/null` (for `Inaccessible` a file that nobody may read), directories empty.
    fn hide(&mut self, what: &Mount) -> Result<(), Errno> {
        let onto = self.target(what, false)?;
        let mask = what.what == MountWhat::Mask;
        let tree = match (is_directory(&onto)?, mask) {
            (true, true) => return self.cover(onto.as_fd()),
            (true, false) => {
                let read_only = attributes(MOUNT_READ_ONLY);
                new_tree("tmpfs", "size=4k,nr_inodes=2,mode=0000", read_only)?
            }
            (false, true) => null_device()?,
            (false, false) => self.closed_file()?,
        };
        attach(tree.as_fd(), onto.as_fd())
    }

    /// Covers a directory by the empty one. The first mask is what the others are cloned from: kernels
    /// before 6.15 clone only what is attached, and one that never is would be unmounted when it is let
    /// go of, which waits for every processor.
    fn cover(&mut self, onto: BorrowedFd<'_>) -> Result<(), Errno> {
        if let Some(empty) = &self.empty {
            return attach(clone_tree(empty, "", false)?.as_fd(), onto);
        }
        let tree = new_tree("tmpfs", "size=4k,nr_inodes=2,mode=0755", attributes(MOUNT_READ_ONLY))?;
        attach(tree.as_fd(), onto)?;
        self.empty = Some(tree);
        Ok(())
    }

    fn closed_file(&mut self) -> Result<OwnedFd, Errno> {
        self.files += 1;
        let name = format!("closed.{}", self.files);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        drop(openat(self.scratch, &*name, flags, Mode::empty())?);
        clone_tree(self.scratch, &name, false)
    }

    /// What is there gets flags: a mount of its own first, so that nothing else changes.
    fn restrict(&self, what: &Mount) -> Result<(), Errno> {
        let onto = self.target(what, false)?;
        if self.on_machine && &*what.target == "/" {
            // Our root cannot be covered by another; but it is a mount, and ours alone.
            return set_attributes(onto.as_fd(), attributes(what.flags), 0, true);
        }
        let tree = clone_tree(&onto, "", true)?;
        set_attributes(tree.as_fd(), attributes(what.flags), 0, true)?;
        attach(tree.as_fd(), onto.as_fd())
    }

    /// What is there is as it was before a rule for something above it.
    fn relax(&mut self, index: usize, what: &Mount) -> Result<(), Errno> {
        let onto = self.target(what, false)?;
        let tree = match self.sources.get_mut(index).and_then(Option::take) {
            Some(tree) => tree,
            None => {
                let tree = clone_tree(&onto, "", true)?;
                set_attributes(tree.as_fd(), 0, attributes(what.flags), true)?;
                tree
            }
        };
        attach(tree.as_fd(), onto.as_fd())
    }
}

/// Minor numbers of memory devices; `tty` is 5:0.
const STANDARD_DEVICES: [(&str, u32); 6] =
    [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9), ("tty", 0)];
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// A node; in a user name space only an empty file, over which the machine's own node is bound.
fn standard_device(
    dev: BorrowedFd<'_>,
    name: &str,
    minor: u32,
    is_bound: bool,
) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(0o666);
    if is_bound {
        return openat(dev, name, OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC, mode)
            .map(drop);
    }
    let number = rustix::fs::makedev(if minor == 0 { 5 } else { 1 }, minor);
    rustix::fs::mknodat(dev, name, FileType::CharacterDevice, mode, number)
}

/// Binds a device of the machine; what is no device is refused.
fn bind_device(dev: BorrowedFd<'_>, source: &str, inside: &str) -> Result<(), Errno> {
    let tree = clone_tree(CWD, source, false)?;
    let kind = FileType::from_raw_mode(fstat(&tree)?.st_mode);
    if !matches!(kind, FileType::CharacterDevice | FileType::BlockDevice) {
        return Err(Errno::NODEV);
    }
    if let Some((above, _)) = inside.rsplit_once('/') {
        target::directory(dev, above)?;
    }
    let flags = OFlags::CREATE | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    drop(openat(dev, inside, flags, Mode::from_raw_mode(0o666))?);
    let onto = openat(dev, inside, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    attach(tree.as_fd(), onto.as_fd())
}

/// The machine's `/dev/null`, if it is that (CVE-2025-31133: it may be anything but).
fn null_device() -> Result<OwnedFd, Errno> {
    let tree = clone_tree(CWD, "/dev/null", false)?;
    let stat = fstat(&tree)?;
    let is_null = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
        && stat.st_rdev == rustix::fs::makedev(1, 3);
    if is_null { Ok(tree) } else { Err(Errno::NODEV) }
}

fn source_tree(source: &str, create: bool, recursive: bool) -> Result<OwnedFd, Errno> {
    match clone_tree(CWD, source, recursive) {
        Err(Errno::NOENT) if create => {
            super::root::make_directory(source)?;
            clone_tree(CWD, source, recursive)
        }
        other => other,
    }
}

/// Gives a directory that was made just now the owner and the mode of what it will cover: a volume on
/// a directory that the image gives to a user can be written by that user, as with other engines.
fn take_after(source: &str, covered: &OwnedFd, space: Option<&UserSpace>) -> Result<(), Errno> {
    let stat = fstat(covered)?;
    let inside = |id: u32| id.saturating_sub(users::outside(space, 0));
    let owner = (Uid::from_raw(inside(stat.st_uid)), Gid::from_raw(inside(stat.st_gid)));
    chown(source, Some(owner.0), Some(owner.1))?;
    chmod(source, Mode::from_raw_mode(stat.st_mode & 0o7777))
}

fn is_directory(fd: &OwnedFd) -> Result<bool, Errno> {
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode).is_dir())
}

/// The kernel's bits for a plan's flags.
fn attributes(flags: u8) -> u64 {
    let pairs = [
        (MOUNT_READ_ONLY, libc::MOUNT_ATTR_RDONLY),
        (MOUNT_NO_EXEC, libc::MOUNT_ATTR_NOEXEC),
        (MOUNT_NO_SUID, libc::MOUNT_ATTR_NOSUID),
        (MOUNT_NO_DEVICES, libc::MOUNT_ATTR_NODEV),
    ];
    pairs.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, attribute)| attribute).sum()
}

/// A new file system that is mounted nowhere yet.
fn new_tree(kind: &str, options: &str, attributes: u64) -> Result<OwnedFd, Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some((name, value)) => fsconfig_set_string(context.as_fd(), name, value)?,
            None => fsconfig_set_flag(context.as_fd(), option)?,
        }
    }
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::from_bits_retain(u32::try_from(attributes).unwrap_or(0));
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A copy of what is mounted at a place (with an empty path: at what is opened), mounted nowhere yet.
pub(super) fn clone_tree(from: impl AsFd, path: &str, recursive: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    flags.set(OpenTreeFlags::AT_EMPTY_PATH, path.is_empty());
    open_tree(from, path, flags)
}

pub(super) fn attach(tree: BorrowedFd<'_>, onto: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", onto, "", flags)
}

/// `mount_setattr(2)` on what a descriptor names.
pub(super) fn set_attributes(
    fd: BorrowedFd<'_>,
    set: u64,
    clear: u64,
    recursive: bool,
) -> Result<(), Errno> {
    if set == 0 && clear == 0 {
        return Ok(());
    }
    set_mount(
        fd,
        recursive,
        libc::mount_attr { attr_set: set, attr_clr: clear, propagation: 0, userns_fd: 0 },
    )
}

/// The call itself.
pub(super) fn set_mount(
    fd: BorrowedFd<'_>,
    recursive: bool,
    attributes: libc::mount_attr,
) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a live C string and the attributes a live struct of the given size.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if done < 0 { Err(last_errno()) } else { Ok(()) }
}
