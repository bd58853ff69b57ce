//! What the author of a unit wrote, made exact: one type for our TOML and for systemd's files.
//!
//! A `Spec` holds no state and knows no time of its own. All names, specifiers and defaults are
//! resolved when it is made; the supervisor and the planner never look at text again.

use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use std::time::Duration;

use crate::compact::{List, Rare, Usual};
use crate::name::UnitName;

pub use crate::execution::*;
pub use crate::resources::*;
pub use crate::service::*;
pub use crate::triggers::*;

/// The instance in the spec of a template that an `Accept=yes` socket starts; stands where the name
/// of the connection will.
pub const CONNECTION_INSTANCE: &str = "KEELSON.CONNECTION";

/// One unit as its author wants it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The full name with its suffix.
    pub name: UnitName,
    /// One line for people; empty when the author gave none.
    pub description: Box<str>,
    /// Links for people.
    pub documentation: List<Box<str>>,
    /// The files it was made from: the unit file, then its drop-ins, in order of application.
    pub sources: List<Box<str>>,
    /// Other names of this unit (`Alias=` in effect, symbolic links).
    pub aliases: List<UnitName>,
    /// Relations to other units, default dependencies and `[Install]` of others included.
    pub relations: Vec<Relation>,
    /// What must hold when it starts, in order.
    pub conditions: List<Condition>,
    /// How often it may start.
    pub start_limit: StartLimit,
    /// What happens to the machine when the unit fails.
    pub failure_action: PowerAction,
    /// What happens to the machine when the unit ends well.
    pub success_action: PowerAction,
    /// Operators may not start it by name.
    pub refuse_manual_start: bool,
    /// Operators may not stop it by name.
    pub refuse_manual_stop: bool,
    /// Stopped when nothing wants it any more.
    pub stop_when_unneeded: bool,
    /// May be the goal of `isolate`.
    pub allow_isolate: bool,
    /// Survives `isolate`.
    pub ignore_on_isolate: bool,
    /// `JobTimeoutSec=`: the longest wait from the request to start until it is up.
    pub job_timeout: Option<Duration>,
    /// What `keelctl enable` links, and what makes the unit part of the boot.
    pub install: Rare<Install>,
    /// `[X-Fleet]`: on which machines of a cluster it may run; `None`: on this one.
    pub placement: Option<Box<Placement>>,
    /// The part that depends on the kind.
    pub body: Body,
}

/// The part of a spec that depends on the unit's kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// Processes.
    Service(Box<Service>),
    /// A time.
    Timer(Box<Timer>),
    /// Listening sockets.
    Socket(Box<Socket>),
    /// Nothing but relations.
    Target,
    /// A file system.
    Mount(Box<Mount>),
}

/// One relation to another unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Relation {
    /// Its meaning.
    pub kind: RelationKind,
    /// The other unit.
    pub unit: UnitName,
}

/// The meanings of relations, as in systemd.unit(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RelationKind {
    /// Start it too; its failure does not matter.
    Wants,
    /// Start it too; without it, this unit does not run.
    Requires,
    /// It must be up already.
    Requisite,
    /// As `Requires`, and any end of it stops this unit.
    BindsTo,
    /// Its stop and restart are ours too.
    PartOf,
    /// Keep it running as long as we are.
    Upholds,
    /// Never both.
    Conflicts,
    /// We start after it and stop before it.
    After,
    /// We start before it and stop after it.
    Before,
    /// Started when we fail.
    OnFailure,
    /// Started when we end well.
    OnSuccess,
    /// A reload of ours is a reload of it.
    PropagatesReloadTo,
    /// A reload of it is a reload of ours.
    ReloadPropagatedFrom,
    /// A stop of ours is a stop of it.
    PropagatesStopTo,
    /// A stop of it is a stop of ours.
    StopPropagatedFrom,
    /// Share `/tmp` and network name spaces with it.
    JoinsNamespaceOf,
}

/// One `Condition…=` or `Assert…=` line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What is asked.
    pub test: ConditionTest,
    /// The right-hand side, specifiers expanded; empty only for tests without one.
    pub argument: Box<str>,
    /// `!`: must not hold.
    pub negated: bool,
    /// `|`: one of these at least must hold.
    pub triggering: bool,
    /// `Assert…=`: not holding is a failure, not a skip.
    pub assertion: bool,
}

/// The tests of systemd.unit(5) that we honour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the directive's own name")]
pub enum ConditionTest {
    PathExists,
    PathExistsGlob,
    PathIsDirectory,
    PathIsSymbolicLink,
    PathIsMountPoint,
    PathIsReadWrite,
    PathIsEncrypted,
    DirectoryNotEmpty,
    FileNotEmpty,
    FileIsExecutable,
    KernelCommandLine,
    KernelModuleLoaded,
    KernelVersion,
    Virtualization,
    Architecture,
    Host,
    FirstBoot,
    Capability,
    Security,
    User,
    Group,
    ControlGroupController,
    Memory,
    CpuCount,
    AcPower,
    Environment,
    NeedsUpdate,
    Firmware,
    CpuFeature,
    OsRelease,
}

/// `StartLimitIntervalSec=` and `StartLimitBurst=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartLimit {
    /// Zero: no limit.
    pub interval: Duration,
    /// Starts allowed within the interval.
    pub burst: u32,
    /// What happens to the machine when the limit is hit.
    pub action: PowerAction,
}

impl Default for StartLimit {
    fn default() -> StartLimit {
        StartLimit { interval: Duration::from_secs(10), burst: 5, action: PowerAction::None }
    }
}

/// What a unit's fate may do to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "systemd.unit(5), FailureAction=, names them")]
pub enum PowerAction {
    #[default]
    None,
    Reboot,
    RebootForce,
    RebootImmediate,
    Poweroff,
    PoweroffForce,
    PoweroffImmediate,
    Exit,
    ExitForce,
    SoftReboot,
    Halt,
    Kexec,
}

/// `[Install]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Install {
    /// Units that want this one when it is enabled.
    pub wanted_by: List<UnitName>,
    /// Units that require this one when it is enabled.
    pub required_by: List<UnitName>,
    /// Units that uphold this one when it is enabled.
    pub upheld_by: List<UnitName>,
    /// Units enabled with this one.
    pub also: List<UnitName>,
    /// Other names when enabled.
    pub alias: List<UnitName>,
    /// The instance that a template gets when it is enabled without one.
    pub default_instance: Option<Box<str>>,
}

impl Usual for Install {
    fn usual() -> &'static Install {
        static USUAL: LazyLock<Install> = LazyLock::new(Install::default);
        &USUAL
    }
}

/// `[X-Fleet]`, in the words of fleet's unit files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Placement {
    /// `MachineID=`: only there.
    pub machine_id: Option<Box<str>>,
    /// `MachineOf=`: where these units are.
    pub machine_of: Vec<Box<str>>,
    /// `MachineMetadata=`: `key=value`, each of which the machine must have.
    pub metadata: Vec<Box<str>>,
    /// `Conflicts=`: not where units are whose names match one of these globs.
    pub conflicts: Vec<Box<str>>,
    /// `Replaces=`: takes the place of these units.
    pub replaces: Vec<Box<str>>,
    /// `Global=`: on every machine.
    pub global: bool,
}

impl Spec {
    /// A spec with nothing but a name and a body; relations and limits at their defaults.
    #[must_use]
    pub fn new(name: UnitName, body: Body) -> Spec {
        Spec {
            name,
            description: "".into(),
            documentation: List::new(),
            sources: List::new(),
            aliases: List::new(),
            relations: Vec::new(),
            conditions: List::new(),
            start_limit: StartLimit::default(),
            failure_action: PowerAction::None,
            success_action: PowerAction::None,
            refuse_manual_start: false,
            refuse_manual_stop: false,
            stop_when_unneeded: false,
            allow_isolate: false,
            ignore_on_isolate: false,
            job_timeout: None,
            install: Rare::default(),
            placement: None,
            body,
        }
    }

    /// The service part, if the unit is one.
    #[must_use]
    pub fn service(&self) -> Option<&Service> {
        match &self.body {
            Body::Service(service) => Some(service),
            Body::Timer(_) | Body::Socket(_) | Body::Target | Body::Mount(_) => None,
        }
    }

    /// The other ends of all relations of one kind.
    pub fn related(&self, kind: RelationKind) -> impl Iterator<Item = &UnitName> {
        self.relations.iter().filter(move |r| r.kind == kind).map(|r| &r.unit)
    }
}
