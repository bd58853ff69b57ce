//! PID 1 from its first instruction to its last.

use std::io;
use std::process::ExitCode;

use mio::Interest;

use crate::node::{BootStep, Facts, Life, Node};
use crate::sys::boot::{self, Early, Setting};
use crate::sys::logs::LogFile;
use crate::sys::outward::Voices;
use crate::sys::run::Shore;
use crate::sys::shutdown::{self, Ending};
use crate::sys::sources::Source;
use crate::sys::uevent::UeventSocket;
use crate::sys::{cgroup, client, clock, configuration, console, kmsg, notify};

/// Brings the machine up, runs it, and brings it down.
pub fn main(_words: &[String]) -> ExitCode {
    let mut early = boot::early();
    let setting = early.setting;
    let facts = facts(&early);
    let voices = Voices::new(early.kmsg.take());
    let (store, logs) = LogFile::create(facts.machine.log.memory.0, &facts.units.boot_id);
    let mut shore = Shore::new(Node::new(facts, store), voices, logs)
        .unwrap_or_else(|error| failed(setting, &error));
    open(&mut shore, &early);
    let power = shore.run().unwrap_or_else(|error| failed(setting, &error));
    let budget = shore.node.ending_budget(clock::since_boot());
    let (kmsg, watchdog) = shore.voices.take();
    shutdown::finish(Ending { power, setting, budget, watchdog, kmsg })
}

fn failed(setting: Setting, error: &io::Error) -> ! {
    boot::fatal(setting, &format!("the event loop failed: {error}"))
}

/// Opens what the world reaches us by. One that fails is said, and the rest works.
fn open(shore: &mut Shore, early: &Early) {
    if early.setting == Setting::Machine {
        for path in console::paths(&early.command_line) {
            shore.add_console(&path);
        }
    }
    if let Err(error) = cgroup::prepare() {
        kmsg::complain(&format!("cannot make the group of all units: {error}"));
    }
    let readable = Some(Interest::READABLE);
    let opened = [
        ("notification socket", notify::open(crate::paths::NOTIFY_SOCKET).map(Source::Notify)),
        ("control socket", client::open(crate::paths::CONTROL_SOCKET).map(Source::Control)),
        ("clock watch", clock::open_watch().map(Source::Clock)),
        ("kernel's ring", kmsg::open_ring().map(Source::Kmsg)),
        ("device events", UeventSocket::open().map(Source::Uevent).map_err(io::Error::from)),
    ];
    for (name, source) in opened {
        if let Err(error) = source.and_then(|source| shore.sources.add(source, readable)) {
            kmsg::complain(&format!("cannot open the {name}: {error}"));
        }
    }
}

fn facts(early: &Early) -> Facts {
    let (machine, problems) = configuration::read_image();
    for problem in problems {
        kmsg::complain(&problem.to_string());
    }
    Facts {
        units: units::source::Facts {
            machine_id: early.machine_id.to_string().into(),
            boot_id: early.boot_id.replace('-', "").into(),
            hostname: early.hostname.clone(),
            kernel_release: rustix::system::uname().release().to_string_lossy().into(),
            ..units::source::Facts::default()
        },
        options: early.options.clone(),
        is_machine: early.setting == Setting::Machine,
        boot_unix_us: clock::boot_unix_us(),
        build: env!("CARGO_PKG_VERSION").into(),
        boot_steps: early.recorder.steps.iter().map(boot_step).collect(),
        life: Life::default(),
        readers: readers(&machine.access.readers),
        machine,
    }
}

fn boot_step(step: &boot::Step) -> BootStep {
    let fault = if step.is_ok() { String::new() } else { step.to_string() };
    BootStep { name: step.name, started: step.started, took: step.took, fault }
}

/// The number of the group whose members may look: given as such, or named in `/etc/group`.
fn readers(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let groups = crate::sys::files::read_text("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}
