//! Drivers for the devices that were there before us, and the modules that the machine wants by name.
//!
//! The socket for new devices is opened first, so that none falls between the look at `/sys` and the
//! listening; a bus whose driver is loaded brings devices of its own, and the kernel's messages about
//! those are followed until there are none. No external program has a part in it.

use rustix::fs::{AtFlags, CWD, Mode, chmodat};
use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;

use crate::cmdline::{CommandLine, Options};
use crate::sys::files::{create, read_small, read_text};
use crate::sys::modules::Modules;
use crate::sys::uevent::{Heard, UeventSocket};
use crate::uevent::Action;

/// Exists when every device that was there at the start has been offered to its driver.
pub const DONE_FILE: &str = "/run/keelson/coldplugged";

/// Modules that the kernel asks for too late, or never, each with a path that tells that it is there
/// already (systemd's `kmod-setup`): nothing but overlay is needed for a container to start, and the
/// rest comes through `/sbin/modprobe` when it is used.
const EARLY: [(&str, &str); 3] = [
    ("overlay", "/sys/module/overlay"),
    ("virtio_rng", "/sys/module/virtio_rng"),
    ("qemu_fw_cfg", "/sys/firmware/qemu_fw_cfg"),
];

/// The worker.
#[must_use]
pub fn main() -> ExitCode {
    let socket = match UeventSocket::open() {
        Ok(socket) => socket,
        Err(errno) => return super::fail(&format!("cannot listen for devices: {errno}")),
    };
    let modules = Modules::open();
    let mut seen = BTreeSet::new();
    let mut failed = 0;
    let mut wanted = devices();
    wanted.extend(by_name());
    while !wanted.is_empty() {
        wanted.retain(|alias| seen.insert(alias.clone()));
        wanted.sort_by_key(|alias| !is_storage(alias));
        failed += load(&modules, &wanted);
        wanted = news(&socket);
    }
    set_modes();
    if let Err(errno) = create(DONE_FILE, b"", 0o644) {
        return super::fail(&format!("{DONE_FILE}: {errno}"));
    }
    println!("{} kinds of devices and names looked up, {failed} modules refused", seen.len());
    ExitCode::SUCCESS
}

/// Loads and complains; a module that refuses its device is that device's misfortune.
fn load(modules: &Modules, wanted: &[Box<str>]) -> usize {
    let refused = modules.load_all(wanted);
    for one in &refused {
        eprintln!("module {}: {}; its device is not used", one.file, one.errno);
    }
    refused.len()
}

/// The aliases of all devices on all buses.
fn devices() -> Vec<Box<str>> {
    let mut found = BTreeSet::new();
    for bus in fs::read_dir("/sys/bus").into_iter().flatten().flatten() {
        for device in fs::read_dir(bus.path().join("devices")).into_iter().flatten().flatten() {
            let path = device.path().join("modalias");
            let alias = path.to_str().and_then(|path| read_text(path).ok());
            found.extend(alias.filter(|alias| !alias.is_empty()).map(String::into_boxed_str));
        }
    }
    found.extend(read_text("/sys/class/dmi/id/modalias").ok().map(String::into_boxed_str));
    found.into_iter().collect()
}

/// The aliases of devices that came meanwhile; all devices again where messages were lost.
fn news(socket: &UeventSocket) -> Vec<Box<str>> {
    let mut found = Vec::new();
    loop {
        match socket.next() {
            Heard::Device(event) if event.action == Action::Add => found.extend(event.modalias),
            Heard::Device(_) => {}
            Heard::Lost => return devices(),
            Heard::Nothing => return found,
        }
    }
}

/// The modules that are wanted by name: ours, the command line's, and those of
/// `/etc/modules-load.d/*.conf` (one a line, `#` and `;` begin a comment).
fn by_name() -> Vec<Box<str>> {
    let early = EARLY.iter().filter(|(_, path)| rustix::fs::stat(*path).is_err());
    let mut names: Vec<Box<str>> = early.map(|(name, _)| (*name).into()).collect();
    let line = CommandLine::parse(&read_small("/proc/cmdline").unwrap_or_default());
    names.extend(Options::read(&line).modules);
    names.extend(crate::sys::configuration::read().0.kernel.modules);
    for file in fs::read_dir("/etc/modules-load.d").into_iter().flatten().flatten() {
        let text = file.path().to_str().and_then(|path| read_text(path).ok()).unwrap_or_default();
        let lines = text.lines().map(str::trim);
        let named = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
        names.extend(named.map(Box::from));
    }
    names
}

/// Disks first: somebody is waiting for the state partition.
fn is_storage(alias: &str) -> bool {
    // Virtio's block and SCSI devices, and PCI's class 1; virtio over PCI brings the former.
    ["virtio:d00000002", "virtio:d00000008", "pci:v00001AF4", "nvme", "scsi:"]
        .iter()
        .any(|start| alias.starts_with(start))
        || alias.contains("bc01sc")
}

/// Devices that every program may open, as udev's rules have it; the kernel makes them for root.
fn set_modes() {
    for path in ["/dev/fuse", "/dev/net/tun", "/dev/kvm", "/dev/vsock"] {
        // Whoever is not there needs no mode.
        let _ = chmodat(CWD, path, Mode::from_raw_mode(0o666), AtFlags::empty());
    }
}
