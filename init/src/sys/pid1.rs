//! PID 1 from its first instruction to its last.

use std::io::{self, Read};
use std::process::ExitCode;

use mio::Interest;

use crate::build_id::{HEAD_BYTES, build_id};
use crate::node::action::Power;
use crate::node::{BootStep, Event, Facts, Life, Node};
use crate::sys::boot::{self, Early, Setting};
use crate::sys::kmsg::Kmsg;
use crate::sys::logs::LogFile;
use crate::sys::outward::Voices;
use crate::sys::run::Shore;
use crate::sys::shutdown::{self, Ending};
use crate::sys::sources::Source;
use crate::sys::survive::{self, Degraded, Inheritance, Keeper, Start};
use crate::sys::uevent::UeventSocket;
use crate::sys::{cgroup, client, clock, configuration, console, faults, kmsg, notify, resume};

/// Brings the machine up, runs it, and brings it down; or takes over from an earlier life of PID 1.
pub fn main(_words: &[String]) -> ExitCode {
    match survive::begin() {
        Ok(Start::Fresh(keeper)) => boot_and_run(keeper),
        Ok(Start::Inherited(left)) if left.keeper.front().is_booted() => take_over_and_run(*left),
        // The early boot itself failed: from the start.
        Ok(Start::Inherited(left)) => boot_and_run(left.keeper),
        Ok(Start::Degraded(degraded)) => hold_and_reboot(degraded),
        Err(error) => boot::fatal(Setting::Machine, &format!("no memory for the vault: {error}")),
    }
}

fn boot_and_run(mut keeper: Keeper) -> ! {
    let mut early = boot::early();
    prepare(&mut keeper, &early);
    let facts = facts(&early, &keeper);
    let voices = Voices::new(early.kmsg.take());
    let (store, logs) = LogFile::create(facts.machine.log.memory.0, &facts.units.boot_id);
    keeper.front().set_booted();
    let mut shore = Shore::new(Node::new(facts, store), voices, logs, keeper)
        .unwrap_or_else(|error| failed(early.setting, &error));
    shore.enter_arena();
    open(&mut shore, &early);
    shore.step(Event::Started);
    run(shore, early.setting)
}

fn take_over_and_run(mut left: Inheritance) -> ! {
    let mut early = boot::again();
    prepare(&mut left.keeper, &early);
    let facts = facts(&early, &left.keeper);
    let voices = Voices::new(early.kmsg.take());
    let shore = resume::take_over(left, facts, voices, |shore| reopen(shore, &early))
        .unwrap_or_else(|error| failed(early.setting, &error));
    run(shore, early.setting)
}

/// Too many faults: units keep running for a while, and then everything starts anew.
fn hold_and_reboot(mut degraded: Degraded) -> ! {
    degraded.hold();
    let watchdog = degraded.take_watchdog();
    let setting = boot::again().setting;
    let power = match setting {
        Setting::Machine => Power::Reboot { argument: None },
        Setting::Container => Power::Exit(1),
    };
    let budget = crate::limits::DEGRADED_END_MAX;
    shutdown::finish(Ending { power, setting, budget, watchdog, kmsg: Kmsg::open().ok() })
}

fn run(mut shore: Shore, setting: Setting) -> ! {
    let power = shore.run().unwrap_or_else(|error| failed(setting, &error));
    let budget = shore.node.ending_budget(clock::since_boot());
    let (kmsg, watchdog) = shore.voices.take();
    shutdown::finish(Ending { power, setting, budget, watchdog, kmsg })
}

/// Settles what the command line says about faults, and opens what their handler needs.
fn prepare(keeper: &mut Keeper, early: &Early) {
    survive::arm(keeper, early.options.core);
    keeper.allow_injection(early.options.fault_injection);
    let front = keeper.front();
    keeper.injector().go_on(front, true);
    if let Some(faults_max) = early.options.faults_max {
        keeper.front().set_faults_max(faults_max);
    }
}

fn failed(setting: Setting, error: &io::Error) -> ! {
    boot::fatal(setting, &format!("the event loop failed: {error}"))
}

/// Opens what the world reaches us by. One that fails is said, and the rest works.
fn open(shore: &mut Shore, early: &Early) {
    reopen(shore, early);
    if let Err(error) = cgroup::prepare() {
        kmsg::complain(&format!("cannot make the group of all units: {error}"));
    }
    let opened = [
        ("notification socket", notify::open(crate::paths::NOTIFY_SOCKET).map(Source::Notify)),
        ("control socket", client::open(crate::paths::CONTROL_SOCKET).map(Source::Control)),
        ("kernel's ring", kmsg::open_ring().map(Source::Kmsg)),
        ("device events", UeventSocket::open().map(Source::Uevent).map_err(io::Error::from)),
    ];
    for (name, source) in opened {
        add(shore, name, source);
    }
}

/// Opens what each life opens for itself.
fn reopen(shore: &mut Shore, early: &Early) {
    if early.setting == Setting::Machine {
        for path in console::paths(&early.command_line) {
            shore.add_console(&path);
        }
    }
    add(shore, "clock watch", clock::open_watch().map(Source::Clock));
    if early.options.fault_injection {
        add(shore, "pipe of faults", faults::open_pipe().map(Source::Faults));
    }
}

fn add(shore: &mut Shore, name: &str, source: io::Result<Source>) {
    let readable = Some(Interest::READABLE);
    if let Err(error) = source.and_then(|source| shore.add_source(source, readable)) {
        kmsg::complain(&format!("cannot open the {name}: {error}"));
    }
}

fn facts(early: &Early, keeper: &Keeper) -> Facts {
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
        observed: false,
        boot_unix_us: clock::boot_unix_us(),
        build: build().into(),
        boot_steps: early.recorder.steps.iter().map(boot_step).collect(),
        life: life(keeper),
        readers: configuration::group_number(&machine.access.readers),
        machine,
    }
}

/// Which build this is; the bare word when the linker did not say.
fn build() -> String {
    let mut head = [0; HEAD_BYTES];
    let read = std::fs::File::open("/proc/self/exe").and_then(|mut file| file.read(&mut head));
    read.ok().and_then(|length| build_id(&head[..length])).unwrap_or_else(|| "unknown".to_owned())
}

fn life(keeper: &Keeper) -> Life {
    let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let front = keeper.front();
    let lives = front.generation().saturating_sub(1);
    Life { reexecs: count(lives), faults: count(front.fault_count()) }
}

fn boot_step(step: &boot::Step) -> BootStep {
    let fault = if step.is_ok() { String::new() } else { step.to_string() };
    BootStep { name: step.name, started: step.started, took: step.took, fault }
}
