//! The kernel's own file systems, each with its exact flags.

use rustix::fs::{AtFlags, CWD, Mode, chmodat, mkdirat, statfs, symlinkat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

use super::Setting;
use super::root::ignore;
use super::steps::Faults;

/// One file system to mount.
#[derive(Debug)]
pub(in crate::sys) struct Api {
    /// Its type and its name in `/proc/mounts`.
    pub(in crate::sys) kind: &'static str,
    /// Where it goes.
    pub(in crate::sys) target: &'static str,
    flags: MountFlags,
    /// Mount data, best first: older kernels refuse what they do not know.
    data: &'static [&'static str],
    /// The type's number, to recognise it where it is mounted already; zero: do not look.
    magic: i64,
    /// What is lost without it.
    pub(super) then: &'static str,
}

const NOSUID: MountFlags = MountFlags::NOSUID;
pub(super) const NODEV: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);
pub(super) const NONE: MountFlags = NODEV.union(MountFlags::NOEXEC);
pub(super) const PLAIN: &[&str] = &[""];

/// Without these no process can be supervised.
const VITAL: [Api; 3] = [
    Api::new("proc", "/proc", NONE, PLAIN, 0x9fa0, "the machine cannot run"),
    Api::new("sysfs", "/sys", NONE, PLAIN, 0x6265_6572, "the machine cannot run"),
    // Has no magic of its own (it is a tmpfs): a second mount of it answers "busy".
    Api::new("devtmpfs", "/dev", NOSUID, &["mode=0755"], 0, "the machine cannot run"),
];

/// Without these some programs fail.
const USUAL: [Api; 6] = [
    Api::new("tmpfs", "/dev/shm", NODEV, &["mode=1777"], TMPFS, "no shared memory"),
    Api::new(
        "devpts",
        "/dev/pts",
        NOSUID.union(MountFlags::NOEXEC),
        &["mode=0620,gid=5,ptmxmode=0666"],
        0x1cd1,
        "no pseudo terminals",
    ),
    Api::new("tmpfs", "/run", NODEV, &["mode=0755"], TMPFS, "nothing can be kept in /run"),
    Api::new("tmpfs", "/tmp", NODEV, &["mode=1777"], TMPFS, "nothing can be kept in /tmp"),
    Api::new("tmpfs", "/var", NODEV, &["mode=0755"], TMPFS, "nothing can be kept in /var"),
    Api::new(
        "cgroup2",
        "/sys/fs/cgroup",
        NONE,
        // favordynmods (6.0): moving processes and turning on controllers need no grace period.
        &[
            "nsdelegate,memory_recursiveprot,favordynmods",
            "nsdelegate,memory_recursiveprot",
            "nsdelegate",
            "",
        ],
        0x6367_7270,
        "units have no limits",
    ),
];

const TMPFS: i64 = 0x0102_1994;

/// The links in `/dev` that programs expect (systemd's `dev_setup`).
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("/proc/kcore", "/dev/core"),
];

/// Mounts proc, sysfs and devtmpfs; the error names the one that failed.
pub(super) fn mount_vital(setting: Setting) -> Result<(), (&'static str, Errno)> {
    let ours = |api: &&Api| setting == Setting::Machine || api.kind == "proc";
    VITAL
        .iter()
        .filter(ours)
        .try_for_each(|api| api.mount(setting).map_err(|errno| (api.target, errno)))
}

/// Mounts the usual rest and makes the links in `/dev`.
///
/// In a container only what every container's PID 1 needs of its own: the rest was its maker's.
pub(super) fn mount_usual(setting: Setting, faults: &mut Faults) {
    let ours = |api: &&Api| {
        setting == Setting::Machine || ["/run", "/sys/fs/cgroup"].contains(&api.target)
    };
    for api in USUAL.iter().filter(ours) {
        api.mount_noting(setting, faults);
    }
    make_directories(faults);
    if setting == Setting::Container {
        return;
    }
    for (to, path) in DEVICE_LINKS {
        faults.check(make_link(to, path), format_args!("symlink {path}"), "programs may miss it");
    }
    // With devpts' own ptmx open to all, the one in /dev is the same device.
    let chmod = chmodat(CWD, "/dev/ptmx", Mode::from_raw_mode(0o666), AtFlags::empty());
    faults.check(ignore(chmod, Errno::NOENT), "chmod /dev/ptmx", "only root gets terminals");
}

/// What programs expect in the file systems that start empty.
fn make_directories(faults: &mut Faults) {
    let made = make_directory("/run/keelson", 0o755);
    faults.check(made, "mkdir /run/keelson", "the machine cannot be reached by keelctl");
    faults.check(make_directory("/run/lock", 0o755), "mkdir /run/lock", "programs may miss it");
    let made = make_variable_directories();
    faults.check(made, "directories of /var", "programs may miss them");
}

/// What programs expect in `/var`, whatever is mounted there.
pub(in crate::sys) fn make_variable_directories() -> rustix::io::Result<()> {
    for (path, mode) in [("/var/empty", 0o555), ("/var/tmp", 0o1777)] {
        make_directory(path, mode)?;
    }
    for path in ["/var/lib", "/var/log", "/var/cache"] {
        make_directory(path, 0o755)?;
    }
    make_link("../run", "/var/run")
}

/// Makes a directory unless it exists; what the umask takes away is given back.
pub(in crate::sys) fn make_directory(path: &str, mode: u32) -> rustix::io::Result<()> {
    let mode = Mode::from_raw_mode(mode);
    match mkdirat(CWD, path, mode) {
        Ok(()) if mode.intersects(Mode::WGRP | Mode::WOTH) => {
            chmodat(CWD, path, mode, AtFlags::empty())
        }
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

/// Makes a link unless something is there.
pub(in crate::sys) fn make_link(to: &str, path: &str) -> rustix::io::Result<()> {
    ignore(symlinkat(to, CWD, path), Errno::EXIST)
}

impl Api {
    pub(super) const fn new(
        kind: &'static str,
        target: &'static str,
        flags: MountFlags,
        data: &'static [&'static str],
        magic: i64,
        then: &'static str,
    ) -> Api {
        Api { kind, target, flags, data, magic, then }
    }

    /// Mounts it, and notes the fault if that fails.
    pub(in crate::sys) fn mount_noting(&self, setting: Setting, faults: &mut Faults) {
        faults.check(
            self.mount(setting),
            format_args!("mount {} on {}", self.kind, self.target),
            self.then,
        );
    }

    /// Mounts it unless it is there already.
    pub(in crate::sys) fn mount(&self, setting: Setting) -> rustix::io::Result<()> {
        if self.is_mounted() {
            return Ok(());
        }
        // Only /dev/shm, /dev/pts and the like may have to be made; those in /sys exist or are
        // not supported.
        ignore(mkdirat(CWD, self.target, Mode::from_raw_mode(0o755)), Errno::EXIST)
            .or_else(|errno| ignore(Err(errno), Errno::ROFS))
            .or_else(|errno| ignore(Err(errno), Errno::PERM))?;
        let mut last = Err(Errno::INVAL);
        // What a container mounts may be its host's own tree: no options that change it.
        let data = match setting {
            Setting::Machine => self.data,
            Setting::Container => &self.data[self.data.len() - 1..],
        };
        for data in data {
            let data = std::ffi::CString::new(*data).expect("mount data holds no zero byte");
            last = mount(self.kind, self.target, self.kind, self.flags, data.as_c_str());
            match last {
                // Mounted by the kernel itself, or by whoever made our name space.
                Err(Errno::BUSY) => return Ok(()),
                Err(Errno::INVAL) => {}
                Ok(()) | Err(_) => return last,
            }
        }
        last
    }

    fn is_mounted(&self) -> bool {
        // A tmpfs below a tmpfs cannot be told from its directory by its number.
        self.magic != 0
            && self.magic != TMPFS
            && statfs(self.target).is_ok_and(|found| found.f_type == self.magic)
    }
}
