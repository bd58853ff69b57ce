//! Mounts and unmounts mount units, in PID 1's own mount name space but not in PID 1: a device or a
//! server that does not answer holds up only this child.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, unmount};
use units::triggers::Mount;

use crate::sys::worker::{fail, request};
use crate::work::decode;

/// The worker `mount`.
#[must_use]
pub fn mount_main() -> ExitCode {
    run(|unit| {
        make_place(unit)?;
        let device = find_device(&unit.what)?;
        let options = Options::parse(&unit.options)?;
        do_mount(unit, &device, &options)
    })
}

/// The worker `unmount`.
#[must_use]
pub fn unmount_main() -> ExitCode {
    run(|unit| {
        let mut flags = UnmountFlags::NOFOLLOW;
        flags.set(UnmountFlags::DETACH, unit.lazy_unmount);
        flags.set(UnmountFlags::FORCE, unit.force_unmount);
        match unmount(&*unit.place, flags) {
            // Not mounted (any more) is what was wanted.
            Ok(()) | Err(rustix::io::Errno::INVAL) => Ok(()),
            Err(errno) => Err(format!("cannot unmount {}: {errno}", unit.place)),
        }
    })
}

fn run(work: impl FnOnce(&Mount) -> Result<(), String>) -> ExitCode {
    let unit = request().ok().and_then(|bytes| decode::<Mount>(&bytes).ok());
    let Some(unit) = unit else { return fail("unreadable request") };
    match work(&unit) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(&why),
    }
}

fn make_place(unit: &Mount) -> Result<(), String> {
    let place = Path::new(&*unit.place);
    if place.exists() {
        return Ok(());
    }
    let made = fs::DirBuilder::new().recursive(true).mode(unit.directory_mode).create(place);
    made.map_err(|error| format!("cannot make {}: {error}", unit.place))
}

/// How long a device that is named by its label or the like is waited for.
const DEVICE_WAIT: Duration = Duration::from_secs(30);

/// The device node that `LABEL=`, `UUID=` and the like mean; anything else is itself.
fn find_device(what: &str) -> Result<String, String> {
    match what.split_once('=') {
        Some(("LABEL" | "UUID" | "PARTLABEL", _)) => super::state::find_device(what, DEVICE_WAIT),
        _ => Ok(what.to_owned()),
    }
}

fn do_mount(unit: &Mount, device: &str, options: &Options) -> Result<(), String> {
    let place = &*unit.place;
    let said = |errno: rustix::io::Errno| format!("cannot mount {device} on {place}: {errno}");
    if options.bind {
        let bound = if options.recursive {
            mount_bind_recursive(device, place)
        } else {
            mount_bind(device, place)
        };
        bound.map_err(said)?;
        if options.flags.is_empty() {
            return Ok(());
        }
        // A bind mount takes its flags only when it is mounted again.
        return rustix::mount::mount_remount(place, options.flags | MountFlags::BIND, "")
            .map_err(said);
    }
    let fs_types = candidates(&unit.fs_type);
    let mut last = rustix::io::Errno::NODEV;
    for fs_type in fs_types {
        let text = std::ffi::CString::new(options.rest.join(","))
            .map_err(|_| "mount options have a NUL byte".to_owned())?;
        match mount(device, place, &*fs_type, options.flags, Some(&*text)) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::ROFS | rustix::io::Errno::ACCESS)
                if !unit.read_write_only && !options.flags.contains(MountFlags::RDONLY) =>
            {
                let flags = options.flags | MountFlags::RDONLY;
                return mount(device, place, &*fs_type, flags, Some(&*text)).map_err(said);
            }
            Err(errno) => last = errno,
        }
    }
    Err(said(last))
}

/// The given type, or each that the kernel knows and that has a device.
fn candidates(fs_type: &str) -> Vec<String> {
    if !fs_type.is_empty() && fs_type != "auto" {
        return vec![fs_type.to_owned()];
    }
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let on_devices = known.lines().filter(|line| !line.starts_with("nodev"));
    on_devices.map(|line| line.trim().to_owned()).collect()
}

/// `-o`, taken apart.
#[derive(Debug)]
struct Options {
    flags: MountFlags,
    bind: bool,
    recursive: bool,
    rest: Vec<String>,
}

impl Options {
    fn parse(text: &str) -> Result<Options, String> {
        let mut options =
            Options { flags: MountFlags::empty(), bind: false, recursive: false, rest: Vec::new() };
        for word in text.split(',').filter(|word| !word.is_empty()) {
            options.add(word);
        }
        Ok(options)
    }

    fn add(&mut self, word: &str) {
        let flag = match word {
            "ro" => MountFlags::RDONLY,
            "nosuid" => MountFlags::NOSUID,
            "nodev" => MountFlags::NODEV,
            "noexec" => MountFlags::NOEXEC,
            "sync" => MountFlags::SYNCHRONOUS,
            "dirsync" => MountFlags::DIRSYNC,
            "noatime" => MountFlags::NOATIME,
            "nodiratime" => MountFlags::NODIRATIME,
            "relatime" => MountFlags::RELATIME,
            "strictatime" => MountFlags::STRICTATIME,
            "lazytime" => MountFlags::LAZYTIME,
            "silent" => MountFlags::SILENT,
            "bind" => {
                self.bind = true;
                return;
            }
            "rbind" => {
                self.bind = true;
                self.recursive = true;
                return;
            }
            // What mount(8) or systemd keep for themselves, and the defaults.
            "rw" | "defaults" | "auto" | "noauto" | "nofail" | "_netdev" | "user" | "nouser"
            | "suid" | "dev" | "exec" | "async" => return,
            _ if word.starts_with("x-") => return,
            _ => {
                self.rest.push(word.to_owned());
                return;
            }
        };
        self.flags |= flag;
    }
}
