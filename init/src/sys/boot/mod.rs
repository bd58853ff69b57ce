//! The straight line from the kernel's `exec` to the loop.
//!
//! Nothing here may block, and as little as possible is here: what can wait is a worker
//! (`sys::worker`), run by the supervisor as a unit with a deadline. Each step is recorded; one that
//! fails says so and the machine goes on. Only without `/proc`, `/sys` or `/dev` does it stop.

mod fatal;
mod identify;
mod kernel;
mod late;
mod mounts;
mod root;
mod start;
mod steps;

pub(in crate::sys) use kernel::occupy_leaf;
pub(in crate::sys) use late::late_mounts;
pub(in crate::sys) use mounts::{make_directory, make_variable_directories};

pub use fatal::fatal;
pub use identify::{HOSTNAME_DEFAULT, MACHINE_ID_FILE};

pub use kernel::{ChildLimits, Limit, OWN_GROUP};
pub use steps::{Fault, Faults, Outcome, Recorder, Step, since_boot};

use crate::cmdline::{CommandLine, Options};
use crate::identity::MachineId;
use crate::sys::files;
use crate::sys::kmsg::{Kmsg, Level};

/// Where we are PID 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Of a machine: everything is ours.
    Machine,
    /// Of a pid name space that somebody else made: what is not ours to set stays as it is.
    Container,
}

/// What early boot found out and set up.
#[derive(Debug)]
pub struct Early {
    /// The record, for the log and the boot chart.
    pub recorder: Recorder,
    /// Where we are.
    pub setting: Setting,
    /// The kernel command line, for conditions of units.
    pub command_line: CommandLine,
    /// What it says about us.
    pub options: Options,
    /// The machine's identity so far.
    pub machine_id: MachineId,
    /// The kernel's number of this boot.
    pub boot_id: Box<str>,
    /// The host name so far.
    pub hostname: Box<str>,
    /// The limits for children.
    pub child_limits: ChildLimits,
    /// The kernel's log, if there is one.
    pub kmsg: Option<Kmsg>,
}

/// Brings the machine from the kernel's hands to the point where units can be started.
///
/// Does not return if the machine cannot run.
#[must_use]
pub fn early() -> Early {
    let mut recorder = Recorder::default();
    let setting = recorder.step("start", start::begin);
    if setting == Setting::Machine {
        recorder.step("root", root::leave_rootfs);
        recorder.step("furnish", root::furnish);
    }
    if let Err((target, errno)) = recorder.step("vital", |_| mounts::mount_vital(setting)) {
        fatal(setting, &format!("cannot mount {target}: {errno}"));
    }
    if setting == Setting::Machine {
        recorder.step("hasten", kernel::hasten);
    }
    recorder.step("mounts", |faults| mounts::mount_usual(setting, faults));
    let kmsg = recorder.step("kmsg", open_log);
    let bytes = files::read_small("/proc/cmdline").unwrap_or_default();
    let command_line = CommandLine::parse(&bytes);
    let options = recorder.step("cmdline", |faults| read_options(&command_line, faults));
    let early = Early {
        setting,
        hostname: recorder.step("hostname", |f| identify::set_hostname(setting, &options, f)),
        machine_id: recorder.step("machine-id", |f| identify::find_machine_id(&options, f)),
        boot_id: read_boot_id(),
        child_limits: recorder.step("limits", kernel::raise_limits),
        command_line,
        options,
        kmsg,
        recorder,
    };
    finish(early)
}

/// What early boot found out, found out again: for a new life of PID 1 on a machine that is up.
#[must_use]
pub fn again() -> Early {
    let mut recorder = Recorder::default();
    let mut faults = Faults::default();
    let setting = start::setting();
    let command_line = CommandLine::parse(&files::read_small("/proc/cmdline").unwrap_or_default());
    let options = Options::read(&command_line);
    let known = files::read_text(MACHINE_ID_FILE).ok().and_then(|text| MachineId::parse(&text));
    Early {
        setting,
        hostname: files::read_text("/proc/sys/kernel/hostname").unwrap_or_default().into(),
        machine_id: known.unwrap_or_else(|| identify::find_machine_id(&options, &mut faults)),
        boot_id: read_boot_id(),
        child_limits: recorder.step("limits", kernel::raise_limits),
        command_line,
        options,
        kmsg: Kmsg::open().ok(),
        recorder: Recorder::default(),
    }
}

fn finish(mut early: Early) -> Early {
    let Early { recorder, setting, options, .. } = &mut early;
    recorder.step("groups", |faults| kernel::offer_controllers(*setting, faults));
    if *setting == Setting::Machine {
        recorder.step("settings", |faults| kernel::set(options, faults));
        recorder.step("seal", root::seal);
    }
    early.log();
    early
}

impl Early {
    /// Writes the record to the kernel's log: what failed for everybody, the rest for the curious.
    fn log(&self) {
        let Some(kmsg) = &self.kmsg else { return };
        for step in &self.recorder.steps {
            let level = if step.is_ok() { Level::Debug } else { Level::Error };
            kmsg.log(level, &step.to_string());
        }
    }
}

fn open_log(faults: &mut Faults) -> Option<Kmsg> {
    faults.check(Kmsg::open(), "/dev/kmsg", "early notes are lost")
}

fn read_options(command_line: &CommandLine, faults: &mut Faults) -> Options {
    let options = Options::read(command_line);
    for problem in &options.problems {
        faults.note(problem, "it is ignored");
    }
    options
}

fn read_boot_id() -> Box<str> {
    files::read_text("/proc/sys/kernel/random/boot_id").unwrap_or_default().into()
}
