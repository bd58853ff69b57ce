//! Drivers for the devices that were there before us, and the modules that the machine wants by name.
//!
//! The socket for new devices is opened first, so that none falls between the look at `/sys` and the
//! listening; a bus whose driver is loaded brings devices of its own, and the kernel's messages about
//! those are followed until there are none. No external program has a part in it.

use rustix::fs::{AtFlags, CWD, Mode, chmodat};
use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cmdline::{CommandLine, Options};
use crate::limits::MODULE_LOADERS_MAX;
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
    let plugging = Plugging {
        socket,
        modules: Modules::open(),
        work: Mutex::new(Work::default()),
        changed: Condvar::new(),
    };
    plugging.lock().add(devices().into_iter().chain(by_name()));
    std::thread::scope(|scope| {
        // Loading waits for devices more than for processors, so there are several even on one.
        for _ in 1..MODULE_LOADERS_MAX {
            scope.spawn(|| plugging.run());
        }
        plugging.run();
    });
    plugging.ensure_watchdog();
    set_modes();
    if let Err(errno) = create(DONE_FILE, b"", 0o644) {
        return super::fail(&format!("{DONE_FILE}: {errno}"));
    }
    let Work { seen, refused, .. } = &*plugging.lock();
    println!("{} kinds of devices and names looked up, {refused} modules refused", seen.len());
    ExitCode::SUCCESS
}

/// What the loading threads share.
struct Plugging {
    socket: UeventSocket,
    modules: Modules,
    work: Mutex<Work>,
    changed: Condvar,
}

/// What is still to be looked up.
#[derive(Default)]
struct Work {
    /// The aliases of devices, disks last, because the last is taken next.
    pending: Vec<Box<str>>,
    seen: BTreeSet<Box<str>>,
    /// How many threads are loading; each may bring new devices.
    loading: usize,
    refused: usize,
}

impl Plugging {
    /// One thread: takes one alias after the other until there are none and none can come.
    fn run(&self) {
        while let Some(alias) = self.next() {
            let refused = self.modules.load(&alias);
            for one in &refused {
                // That a module refuses its device is that device's misfortune.
                eprintln!("module {}: {}; its device is not used", one.file, one.errno);
            }
            let mut work = self.lock();
            work.loading -= 1;
            work.refused += refused.len();
            drop(work);
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Option<Box<str>> {
        let mut work = self.lock();
        loop {
            work.add(news(&self.socket));
            if let Some(alias) = work.pending.pop() {
                work.loading += 1;
                return Some(alias);
            }
            if work.loading == 0 {
                return None;
            }
            // A driver that is still at work may already have brought devices.
            let waited = self.changed.wait_timeout(work, LOOK_EVERY);
            work = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A machine without a watchdog of hardware gets the kernel's own, unless none is wanted.
    fn ensure_watchdog(&self) {
        let watchdog = crate::sys::configuration::read_image().0.watchdog;
        if watchdog.timeout.0.is_zero() || rustix::fs::stat(&*watchdog.device).is_ok() {
            return;
        }
        for one in self.modules.load("softdog") {
            eprintln!("module {}: {}; nothing resets a machine that hangs", one.file, one.errno);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    fn add(&mut self, aliases: impl IntoIterator<Item = Box<str>>) {
        let new = aliases.into_iter().filter(|alias| self.seen.insert(alias.clone()));
        let before = self.pending.len();
        self.pending.extend(new);
        if self.pending.len() > before {
            self.pending.sort_by_key(|alias| urgency(alias));
        }
    }
}

/// How often new devices are looked for while a driver is slow.
const LOOK_EVERY: Duration = Duration::from_millis(20);

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

/// Somebody is waiting for the state partition: virtual disks and their buses first, then real ones.
fn urgency(alias: &str) -> u8 {
    // Virtio's block and SCSI devices; PCI's virtio devices, which bring them; PCI's class 1.
    let virtual_disk = ["virtio:d00000002", "virtio:d00000008", "pci:v00001AF4", "nvme"];
    if virtual_disk.iter().any(|start| alias.starts_with(start)) {
        return 2;
    }
    u8::from(alias.contains("bc01sc") || alias.starts_with("scsi:"))
}

/// Devices that every program may open, as udev's rules have it; the kernel makes them for root.
fn set_modes() {
    for path in ["/dev/fuse", "/dev/net/tun", "/dev/kvm", "/dev/vsock"] {
        // Whoever is not there needs no mode.
        let _ = chmodat(CWD, path, Mode::from_raw_mode(0o666), AtFlags::empty());
    }
}
