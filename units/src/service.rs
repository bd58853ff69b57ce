//! The part of a spec that runs processes.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::compact::{List, Rare};
use crate::container::Container;
use crate::execution::Execution;
use crate::limits::{PHASE_TIMEOUT, RESTART_DELAY, RESTART_RESET_AFTER};
use crate::name::UnitName;
use crate::probe::Probes;
use crate::resources::Resources;

/// A unit that runs processes: commands, life, surroundings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// When it counts as up.
    pub startup: Startup,
    /// `RemainAfterExit=`: stays up when its processes ended well.
    pub remain_after_exit: bool,
    /// `ExitType=cgroup`: lives as long as any process of the group does.
    pub lives_with_group: bool,
    /// What is executed, phase by phase.
    pub commands: Commands,
    /// When and how it comes back.
    pub restart: Restart,
    /// Exits that count as clean besides 0, HUP, INT, TERM and PIPE.
    pub success: ExitSet,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// How it is ended.
    pub stopping: Stopping,
    /// Who may send notifications.
    pub notify_access: NotifyAccess,
    /// How many descriptors it may keep with us; zero: none.
    pub descriptors_max: u32,
    /// `FileDescriptorStorePreserve=`; over a restart only, if nothing is said.
    pub descriptors_preserve: Option<PreserveMode>,
    /// Sockets whose descriptors it gets, besides those that name it.
    pub sockets: List<UnitName>,
    /// What an out-of-memory kill inside means.
    pub oom_policy: OomPolicy,
    /// How its processes are set up.
    pub execution: Rare<Execution>,
    /// A root file system of its own, if it is a container.
    pub container: Option<Box<Container>>,
    /// What it may use.
    pub resources: Rare<Resources>,
    /// How we ask whether it is ready and healthy.
    pub probes: Probes,
}

/// `Type=`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Startup {
    /// Up as soon as its process exists.
    #[default]
    Simple,
    /// Up when its program was executed.
    Exec,
    /// Up when the first process exits; the main process is told by a file or guessed.
    Forking {
        /// `PIDFile=`.
        pid_file: Option<Box<str>>,
        /// `GuessMainPID=`.
        guess: bool,
    },
    /// Up when all commands ended well.
    Oneshot,
    /// Up at `READY=1`.
    Notify,
    /// As `Notify`; a reload is a signal that it answers with `RELOADING=1` and `READY=1`.
    NotifyReload {
        /// The signal that asks for a reload (SIGHUP by default).
        signal: Signal,
    },
    /// As `Simple`, but started when nothing else is being started, or after five seconds.
    Idle,
}

/// A Linux signal number, 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signal(pub u8);

impl Signal {
    /// SIGHUP.
    pub const HUP: Signal = Signal(1);
    /// SIGINT.
    pub const INT: Signal = Signal(2);
    /// SIGABRT.
    pub const ABRT: Signal = Signal(6);
    /// SIGKILL.
    pub const KILL: Signal = Signal(9);
    /// SIGPIPE.
    pub const PIPE: Signal = Signal(13);
    /// SIGTERM.
    pub const TERM: Signal = Signal(15);
    /// SIGCONT.
    pub const CONT: Signal = Signal(18);
}

/// The commands of each phase, in order (systemd.service(5)).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Commands {
    /// `ExecCondition=`.
    pub condition: List<Command>,
    /// `ExecStartPre=`.
    pub start_pre: List<Command>,
    /// `ExecStart=`; empty for a container that runs what its image says.
    pub start: List<Command>,
    /// `ExecStartPost=`.
    pub start_post: List<Command>,
    /// `ExecReload=`.
    pub reload: List<Command>,
    /// `ExecStop=`.
    pub stop: List<Command>,
    /// `ExecStopPost=`.
    pub stop_post: List<Command>,
}

/// One command line: a program and its arguments, specifiers expanded, variables not yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The program: absolute, or a name to be found in the search path.
    pub program: Box<str>,
    /// The arguments with `argv[0]` first.
    pub arguments: Vec<Argument>,
    /// `-`: its failure is no failure.
    pub ignore_failure: bool,
    /// `+`: without the unit's user, capabilities and sandbox.
    pub full_privileges: bool,
    /// `!`, `!!`: without the unit's user, but with the rest.
    pub keep_user: bool,
}

/// One word of a command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Argument {
    /// Taken as it is.
    Literal(Box<str>),
    /// `${NAME}` within are replaced, `$$` is `$`; stays one word.
    Expand(Box<str>),
    /// `$NAME` alone, here without its `$`: its value split at white space into zero or more words.
    Split(Box<str>),
}

/// When a service comes back by itself, and after what wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// `Restart=`.
    pub policy: RestartPolicy,
    /// The wait before the first restart.
    pub delay: Duration,
    /// The longest wait; equal to `delay`: no growth.
    pub delay_max: Duration,
    /// How many restarts it takes to grow from `delay` to `delay_max`.
    pub steps: u32,
    /// A run that was up this long makes the wait start from `delay` again.
    pub reset_after: Duration,
    /// `RestartPreventExitStatus=`: these never restart.
    pub prevent: ExitSet,
    /// `RestartForceExitStatus=`: these always do.
    pub force: ExitSet,
    /// `RestartMode=direct`: dependents are not told of the failure in between.
    pub direct: bool,
}

impl Default for Restart {
    /// As systemd without any of its directives: never, and 100 ms each time if it were.
    fn default() -> Restart {
        Restart {
            policy: RestartPolicy::No,
            delay: RESTART_DELAY,
            delay_max: RESTART_DELAY,
            steps: 0,
            reset_after: RESTART_RESET_AFTER,
            prevent: ExitSet::default(),
            force: ExitSet::default(),
            direct: false,
        }
    }
}

/// `Restart=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "systemd.service(5), Restart=, names them")]
pub enum RestartPolicy {
    #[default]
    No,
    Always,
    OnSuccess,
    OnFailure,
    OnAbnormal,
    OnAbort,
    OnWatchdog,
}

/// A set of exit codes and signals.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExitSet {
    /// Exit codes.
    pub codes: List<u8>,
    /// Signals.
    pub signals: List<Signal>,
}

/// How long each phase may take; `None`: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// From the first command until up.
    pub start: Option<Duration>,
    /// Each step of stopping: the stop commands, the signal, the kill.
    pub stop: Option<Duration>,
    /// After a watchdog's SIGABRT.
    pub abort: Option<Duration>,
    /// Up at most this long.
    pub runtime: Option<Duration>,
    /// `WatchdogSec=`: the longest silence.
    pub watchdog: Option<Duration>,
    /// `TimeoutStartFailureMode=`: the first signal after a start timeout.
    pub start_failure: TimeoutMode,
    /// `TimeoutStopFailureMode=`.
    pub stop_failure: TimeoutMode,
}

impl Default for Timeouts {
    /// As systemd's own defaults: 90 s to start and for each step of stopping, the rest unlimited.
    fn default() -> Timeouts {
        Timeouts {
            start: Some(PHASE_TIMEOUT),
            stop: Some(PHASE_TIMEOUT),
            abort: Some(PHASE_TIMEOUT),
            runtime: None,
            watchdog: None,
            start_failure: TimeoutMode::Terminate,
            stop_failure: TimeoutMode::Terminate,
        }
    }
}

/// What follows a timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TimeoutMode {
    /// The usual stop signal.
    #[default]
    Terminate,
    /// SIGABRT (or `WatchdogSignal=`).
    Abort,
    /// SIGKILL at once.
    Kill,
}

/// How a service is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopping {
    /// `KillMode=`.
    pub mode: KillMode,
    /// `KillSignal=`.
    pub signal: Signal,
    /// `RestartKillSignal=`, when it is a restart.
    pub restart_signal: Signal,
    /// `FinalKillSignal=`.
    pub final_signal: Signal,
    /// `WatchdogSignal=`.
    pub watchdog_signal: Signal,
    /// `SendSIGHUP=`: SIGHUP right after the stop signal.
    pub send_hup: bool,
    /// `SendSIGKILL=`: whether the last resort is used at all.
    pub send_kill: bool,
}

impl Default for Stopping {
    fn default() -> Stopping {
        Stopping {
            mode: KillMode::Group,
            signal: Signal::TERM,
            restart_signal: Signal::TERM,
            final_signal: Signal::KILL,
            watchdog_signal: Signal::ABRT,
            send_hup: false,
            send_kill: true,
        }
    }
}

/// `KillMode=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum KillMode {
    /// Stop signal and kill to the whole group.
    #[default]
    Group,
    /// Stop signal to the main process, kill to the whole group.
    Mixed,
    /// Only the main process.
    Process,
    /// Only the stop commands.
    None,
}

/// `NotifyAccess=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "systemd.service(5), NotifyAccess=, names them")]
pub enum NotifyAccess {
    #[default]
    None,
    Main,
    Exec,
    All,
}

/// When something of a unit outlives the unit's stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PreserveMode {
    /// Never.
    #[default]
    No,
    /// Only over a restart.
    Restart,
    /// Always.
    Yes,
}

/// `OOMPolicy=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum OomPolicy {
    /// Only noted.
    Continue,
    /// The unit is stopped in order and counts as failed.
    #[default]
    Stop,
    /// The kernel kills the whole group (`memory.oom.group`).
    Kill,
}
