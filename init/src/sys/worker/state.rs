//! Finds the state partition, mounts it, and furnishes it.
//!
//! Runs beside the worker that loads drivers: whenever a block device appears its first bytes are
//! read, in a thread of its own, since a dying disk may never answer. A machine whose partition is
//! missing or broken comes up without: this worker says so, loudly, and fails.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{MountFlags, mount, mount_bind};
use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::cmdline::{CommandLine, Options};
use crate::identity::MachineId;
use crate::limits::BLOCK_DEVICES_MAX;
use crate::machine::State;
use crate::superblock::{SUPERBLOCK_BYTES, Volume};
use crate::sys::boot::{MACHINE_ID_FILE, make_directory, make_variable_directories, since_boot};
use crate::sys::configuration;
use crate::sys::files::{read_small, read_text, replace};
use crate::sys::kmsg::{Kmsg, Level};
use crate::sys::state::{CONFIGURATION, MACHINE_ID, STATE};
use crate::sys::uevent::{Heard, UeventSocket};
use crate::uevent::Uevent;
use crate::volume::Source;

/// How long a named source is waited for.
const NAMED_WAIT: Duration = Duration::from_secs(30);
/// How long the usual one is waited for once all drivers are loaded, when there is a disk at all.
const USUAL_WAIT: Duration = Duration::from_secs(3);
/// How often is looked whether all drivers are loaded.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The directories of a state partition, with their modes.
const DIRECTORIES: [(&str, u32); 7] = [
    ("images", 0o700),
    ("units", 0o755),
    ("logs", 0o750),
    ("containers", 0o711),
    ("volumes", 0o711),
    ("timers", 0o755),
    ("var", 0o755),
];

/// The worker.
#[must_use]
pub fn main() -> ExitCode {
    let (config, _) = configuration::read_image();
    let line = CommandLine::parse(&read_small("/proc/cmdline").unwrap_or_default());
    let options = Options::read(&line);
    let is_named = options.state.is_some() || config.state.source != State::default().source;
    let source = match Source::parse(options.state.as_deref().unwrap_or(&config.state.source)) {
        Ok(Source::None) => {
            println!("no state partition is wanted: everything is kept in memory");
            return ExitCode::SUCCESS;
        }
        Ok(source) => source,
        Err(why) => return without(&why),
    };
    let wait = options.state_wait.or(config.state.wait.map(|span| span.0));
    let patience = Patience { longest: wait.or(is_named.then_some(NAMED_WAIT)) };
    match Search::new(source, patience).and_then(|search| search.find()) {
        Ok(found) => match take_into_use(&found) {
            Ok(()) => {
                if fs::exists(CONFIGURATION).unwrap_or(false) {
                    super::setup::configure_again();
                }
                ExitCode::SUCCESS
            }
            Err(why) => without(&why),
        },
        Err(why) => without(&why),
    }
}

/// The device node of a volume that may still be on its way, waited for at most so long.
///
/// # Errors
/// Why there is none.
pub fn find_device(source: &str, longest: Duration) -> Result<String, String> {
    let source = Source::parse(source)?;
    let search = Search::new(source, Patience { longest: Some(longest) })?;
    Ok(search.find()?.device)
}

/// The machine goes on without its state, and everybody shall know.
fn without(why: &str) -> ExitCode {
    let text = format!("state: {why}; the machine goes on without a state partition");
    if let Ok(kmsg) = Kmsg::open() {
        kmsg.log(Level::Error, &text);
    }
    super::fail(&text)
}

/// A volume that was found.
#[derive(Debug)]
struct Found {
    device: String,
    volume: Volume,
}

/// How long to wait: for a given time, or, if nobody gave one, for as long as it seems worth it.
#[derive(Debug)]
struct Patience {
    longest: Option<Duration>,
}

impl Patience {
    /// Whether to give up, `waited` after the start; `settled` is the time since all drivers were
    /// loaded, `disks` whether there is any disk.
    fn is_over(&self, waited: Duration, settled: Option<Duration>, disks: bool) -> bool {
        match (self.longest, settled) {
            (Some(longest), _) => waited >= longest,
            (None, None) => waited >= NAMED_WAIT,
            (None, Some(settled)) => !disks || settled >= USUAL_WAIT,
        }
    }
}

/// The search.
struct Search {
    source: Source,
    patience: Patience,
    socket: UeventSocket,
    /// The devices that were, or are being, looked at.
    seen: BTreeSet<Box<str>>,
    /// How many of those have not answered yet.
    open: usize,
    answers: Receiver<Option<Found>>,
    sender: Sender<Option<Found>>,
}

impl Search {
    fn new(source: Source, patience: Patience) -> Result<Search, String> {
        let socket =
            UeventSocket::open().map_err(|errno| format!("no news of devices: {errno}"))?;
        let (sender, answers) = channel();
        Ok(Search { source, patience, socket, seen: BTreeSet::new(), open: 0, answers, sender })
    }

    fn find(mut self) -> Result<Found, String> {
        let start = since_boot();
        let mut settled = None;
        self.look_at_all();
        loop {
            if let Some(found) = self.answer() {
                return Ok(found);
            }
            if settled.is_none() && fs::exists(super::coldplug::DONE_FILE).unwrap_or(false) {
                // What came between the last message and now is there too.
                self.look_at_all();
                settled = Some(since_boot());
                continue;
            }
            let now = since_boot();
            let since_settled = settled.map(|at| now.saturating_sub(at));
            let waited = now.saturating_sub(start);
            if self.patience.is_over(waited, since_settled, !self.seen.is_empty()) {
                return Err(self.not_found(waited));
            }
            self.hear();
        }
    }

    fn not_found(&self, waited: Duration) -> String {
        let names: Vec<&str> = self.seen.iter().map(|name| &**name).collect();
        let looked = if names.is_empty() { "there is no disk".into() } else { names.join(", ") };
        let silent = match self.open {
            0 => String::new(),
            open => format!("; {open} did not answer"),
        };
        let source = &self.source;
        format!(
            "{source:?} was not found within {:.1} s (looked at: {looked}{silent})",
            waited.as_secs_f32()
        )
    }

    /// The first answer that is the one.
    fn answer(&mut self) -> Option<Found> {
        while let Ok(answer) = self.answers.try_recv() {
            self.open -= 1;
            if answer.is_some() {
                return answer;
            }
        }
        None
    }

    /// Waits a moment for news of devices, or for an answer.
    fn hear(&mut self) {
        let wait = if self.open == 0 { LOOK_EVERY } else { Duration::from_millis(1) };
        let timeout = Timespec::try_from(wait).ok();
        // A failed wait only means that we look again.
        let _ = poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], timeout.as_ref());
        loop {
            match self.socket.next() {
                Heard::Device(event) if &*event.subsystem == "block" => self.look_at(event),
                Heard::Device(_) => {}
                Heard::Lost => self.look_at_all(),
                Heard::Nothing => break,
            }
        }
    }

    fn look_at_all(&mut self) {
        for entry in fs::read_dir("/sys/class/block").into_iter().flatten().flatten() {
            let path = entry.path().join("uevent");
            let text = path.to_str().and_then(|path| read_text(path).ok()).unwrap_or_default();
            self.look_at(Uevent::parse_file("", &text));
        }
    }

    /// Reads the beginning of a device in a thread of its own.
    fn look_at(&mut self, device: Uevent) {
        let Some(name) = device.devname.clone() else { return };
        let is_memory =
            ["loop", "ram", "zram", "sr", "fd"].iter().any(|kind| name.starts_with(kind));
        if is_memory || self.seen.len() >= BLOCK_DEVICES_MAX || !self.seen.insert(name.clone()) {
            return;
        }
        let (source, sender) = (self.source.clone(), self.sender.clone());
        let work = move || {
            let path = format!("/dev/{name}");
            let volume = read_start(&path).ok().and_then(|bytes| Volume::recognise(&bytes));
            let found = volume.filter(|volume| source.is(&device, volume));
            // Nobody listens any more once the volume is found.
            let _ = sender.send(found.map(|volume| Found { device: path, volume }));
        };
        let stack = 64 * 1024 + SUPERBLOCK_BYTES;
        if std::thread::Builder::new().stack_size(stack).spawn(work).is_ok() {
            self.open += 1;
        }
    }
}

fn read_start(path: &str) -> rustix::io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = open(path, flags, Mode::empty())?;
    let mut bytes = vec![0; SUPERBLOCK_BYTES];
    let mut length = 0;
    while length < bytes.len() {
        match rustix::io::pread(&file, &mut bytes[length..], length as u64)? {
            0 => break,
            count => length += count,
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Mounts the volume, makes its directories, and puts its `var` over the one in memory.
fn take_into_use(found: &Found) -> Result<(), String> {
    let Found { device, volume } = found;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount(&**device, STATE, volume.kind, flags, c"").map_err(|errno| {
        format!("{device} ({} {:?}) cannot be mounted: {errno}", volume.kind, volume.label)
    })?;
    for (name, mode) in DIRECTORIES {
        make_directory(&format!("{STATE}/{name}"), mode)
            .map_err(|errno| format!("{device}: mkdir {name}: {errno}"))?;
    }
    mount_bind("/state/var", "/var").map_err(|errno| format!("/state/var on /var: {errno}"))?;
    make_variable_directories().map_err(|errno| format!("directories of /var: {errno}"))?;
    keep_identity();
    println!("{device} ({} {:?}) is mounted at {STATE}", volume.kind, volume.label);
    Ok(())
}

/// The identity on the partition holds; a partition without one takes the present one.
fn keep_identity() {
    let kept = read_text(MACHINE_ID).ok().and_then(|text| MachineId::parse(&text));
    let (path, id) = match kept {
        Some(id) => (MACHINE_ID_FILE, Some(id)),
        None => {
            (MACHINE_ID, read_text(MACHINE_ID_FILE).ok().and_then(|text| MachineId::parse(&text)))
        }
    };
    let Some(id) = id else { return };
    if let Err(errno) = replace(path, format!("{id}\n").as_bytes(), 0o444) {
        eprintln!("{path}: {errno}; the machine's identity is another after the next start");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn patience_depends_on_what_was_asked_for_and_what_is_there() {
        let named = Patience { longest: Some(s(9)) };
        assert!(!named.is_over(s(8), Some(s(8)), false) && named.is_over(s(9), None, true));
        let usual = Patience { longest: None };
        assert!(!usual.is_over(s(20), None, false), "drivers are still being loaded");
        assert!(usual.is_over(s(1), Some(s(0)), false), "there is no disk at all");
        assert!(!usual.is_over(s(1), Some(s(1)), true) && usual.is_over(s(9), Some(s(3)), true));
    }
}
