//! A plan: a spec made exact for spawning.
//!
//! Everything that the stage needs to turn itself into the program is here as plain values: the
//! stage is a straight interpreter and decides nothing. A plan is made anew for each spawn (it is on
//! the path of a restart, so making one costs microseconds) and travels to the stage as bytes.
//!
//! Paths on the *machine* are those that PID 1 sees; paths *inside* start at the new root.

mod capabilities;
mod command;
mod compose;
mod container;
mod devices;
mod environment;
mod identity;
mod join;
mod sandbox;

pub use capabilities::{
    CAPABILITIES_ALL, CAPABILITIES_DEFAULT, capability_mask, capability_number,
};
pub use compose::{PlanError, plan};
pub use identity::dynamic_id;
pub use join::{Entry, join};

use serde::{Deserialize, Serialize};

use crate::execution::{
    AddressFamilies, Credential, DirectoryPlace, EnvironmentFile, Input, Output, Rlimit,
    Scheduling, SystemCallFilter,
};
use crate::service::Argument;

/// One process, ready to be set up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// The unit's name: for the host name, credentials and messages.
    pub unit: Box<str>,
    /// What is executed at the end.
    pub command: PlanCommand,
    /// The variables that it gets.
    pub environment: PlanEnvironment,
    /// The files that it sees.
    pub root: Root,
    /// `CLONE_NEW…` bits: the name spaces made for it.
    pub namespaces: u32,
    /// Ids of its own, with a user name space.
    pub id_map: Option<IdMap>,
    /// It enters the name spaces of the unit's running main process instead of making any; the
    /// spawner hands over that process's descriptor.
    pub enters: bool,
    /// What is mounted, in order.
    pub mounts: Vec<Mount>,
    /// The root and what is not mounted separately turns read-only at the end.
    pub root_read_only: bool,
    /// A host name of its own (with a UTS name space).
    pub hostname: Option<Box<str>>,
    /// Bring the loopback interface of the new network name space up.
    pub loopback: bool,
    /// The devices that its group may use; `None`: all.
    pub device_access: Option<Vec<DeviceAccess>>,
    /// Its standard descriptors.
    pub stdio: PlanStdio,
    /// Who it runs as.
    pub identity: Identity,
    /// Directories made for it.
    pub directories: Vec<PlanDirectory>,
    /// Credentials laid out for it.
    pub credentials: Vec<Credential>,
    /// Resource limits and scheduling.
    pub limits: PlanLimits,
    /// What of root's power is left.
    pub privileges: Privileges,
    /// Which system calls it may make.
    pub seccomp: Seccomp,
    /// Where it starts; `~` is the user's home.
    pub working_directory: Box<str>,
    /// A working directory that lacks is no failure: it starts in `/`.
    pub working_directory_optional: bool,
    /// The working directory is made if it lacks (an image's own).
    pub makes_working_directory: bool,
    /// SIGPIPE is ignored.
    pub ignore_sigpipe: bool,
}

/// A command line whose variables are not replaced yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlanCommand {
    /// Absolute, or a name to be found.
    pub program: Box<str>,
    /// With `argv[0]` first.
    pub arguments: Vec<Argument>,
    /// Where a name is looked for, colon-separated; `None`: in the process's own `PATH`.
    pub search: Option<Box<str>>,
}

/// Variables in layers: later ones win.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlanEnvironment {
    /// The machine's, the image's and PID 1's own for this process.
    pub base: Vec<(Box<str>, Box<str>)>,
    /// `HOME`, `USER`, `LOGNAME` and `SHELL` from the user's record come after `base`.
    pub login: Login,
    /// The unit's.
    pub own: Vec<(Box<str>, Box<str>)>,
    /// Files read at the spawn, from the machine.
    pub files: Vec<EnvironmentFile>,
    /// Names or whole assignments taken away at last.
    pub unset: Vec<Box<str>>,
}

/// Which variables come from the user's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Login {
    /// None (systemd without `User=`).
    #[default]
    No,
    /// `HOME`, if nothing else sets it (containers).
    Home,
    /// `HOME`, `USER`, `LOGNAME`, `SHELL` (systemd with `User=`).
    Full,
}

/// The files that a process sees.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Root {
    /// The machine's own.
    #[default]
    Machine,
    /// A directory of the machine, as it is (`RootDirectory=`).
    Directory {
        /// Path on the machine.
        path: Box<str>,
    },
    /// Layers laid over each other, with a writable one on top.
    Overlay {
        /// Directories of the machine, lowest first.
        layers: Vec<Box<str>>,
        /// Where its own writes go: a directory of the machine that is kept, or memory if `None`.
        upper: Option<Box<str>>,
    },
}

/// Ids inside from 0, and outside from `base`; users and groups alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMap {
    /// The id outside of root inside.
    pub base: u32,
    /// How many ids follow.
    pub count: u32,
    /// Root inside is root outside as well (`PrivateUsers=`: everybody else is nobody).
    pub own: bool,
}

/// One mount or change of a mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where, absolute, inside.
    pub target: Box<str>,
    /// What.
    pub what: MountWhat,
    /// `MOUNT_…` bits.
    pub flags: u8,
}

/// Not writable.
pub const MOUNT_READ_ONLY: u8 = 1;
/// No programs.
pub const MOUNT_NO_EXEC: u8 = 1 << 1;
/// Set-user-id bits mean nothing.
pub const MOUNT_NO_SUID: u8 = 1 << 2;
/// Device nodes mean nothing.
pub const MOUNT_NO_DEVICES: u8 = 1 << 3;
/// The target, or for binds the source, may lack.
pub const MOUNT_OPTIONAL: u8 = 1 << 4;
/// With everything mounted below.
pub const MOUNT_RECURSIVE: u8 = 1 << 5;
/// No part of the target may be a symbolic link: images that make `/dev`, `/proc` or `/sys` one are refused.
pub const MOUNT_STRICT: u8 = 1 << 6;
/// The target is made if it lacks.
pub const MOUNT_CREATE: u8 = 1 << 7;

/// What a mount is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountWhat {
    /// Processes of the pid name space.
    Proc {
        /// The kernel's `hidepid`: 0, 1, 2, 4.
        hide: u8,
        /// Only processes, nothing of the kernel (`subset=pid`).
        processes_only: bool,
    },
    /// The kernel's objects.
    Sysfs,
    /// The tree of control groups, from the process's own on.
    Cgroup,
    /// POSIX message queues.
    MessageQueues,
    /// Terminals of its own.
    Terminals,
    /// A `/dev` of its own in memory, with the standard devices and links and these.
    Devices {
        /// More devices of the machine.
        nodes: Vec<DeviceNode>,
    },
    /// Memory.
    Memory {
        /// Size in bytes; 0: the kernel's default.
        bytes_max: u64,
        /// Permission bits.
        mode: u32,
        /// More options as `mount -o` has them, those of tmpfs only.
        options: Box<str>,
    },
    /// A file or directory of the machine.
    Bind {
        /// Path on the machine.
        source: Box<str>,
        /// Make a directory there if it lacks.
        create: bool,
    },
    /// A small file with this text.
    Text(Box<str>),
    /// Hidden as Docker does: files become `/dev/null`, directories empty. May always lack.
    Mask,
    /// Neither readable nor writable, not even for root.
    Inaccessible,
    /// What is there gets the flags (`MOUNT_READ_ONLY`, `MOUNT_NO_EXEC`), and all below it.
    Restrict,
    /// What is there loses the flags, and all below it.
    Relax,
}

/// A device in a `/dev` of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNode {
    /// Path on the machine.
    pub source: Box<str>,
    /// Path inside.
    pub target: Box<str>,
    /// What may be done with it, as in [`DeviceAccess::access`].
    pub access: u8,
}

/// A device that a group may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAccess {
    /// Block or character.
    pub kind: DeviceKind,
    /// `None`: any.
    pub major: Option<u32>,
    /// `None`: any.
    pub minor: Option<u32>,
    /// Bits: 1 make a node, 2 read, 4 write.
    pub access: u8,
}

/// The two kinds of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "they are their names")]
pub enum DeviceKind {
    Block,
    Character,
}

/// Standard descriptors: the spawner's, or opened by the stage.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlanStdio {
    /// Descriptor 0.
    pub input: Input,
    /// Descriptor 1.
    pub output: Output,
    /// Descriptor 2.
    pub error: Output,
    /// The terminal for those that want one.
    pub terminal: Box<str>,
    /// Descriptor 0 is a terminal that becomes the controlling one (`keelctl exec`).
    pub control_terminal: bool,
}

/// Who a process runs as; names are looked up in its root.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Identity {
    /// Name or number; `None`: root, as it is.
    pub user: Option<Box<str>>,
    /// Name or number; `None`: the user's own.
    pub group: Option<Box<str>>,
    /// Names or numbers of supplementary groups, besides those that the group file names.
    pub groups: Vec<Box<str>>,
    /// A number that belongs to no user of the machine (`DynamicUser=`), with the name in `user`.
    pub dynamic: Option<u32>,
}

/// A directory of the unit's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDirectory {
    /// Absolute path, on the machine; in a container of an image, inside.
    pub path: Box<str>,
    /// Which kind it is.
    pub place: DirectoryPlace,
    /// Permission bits.
    pub mode: u32,
    /// Absolute paths of symbolic links to it.
    pub links: Vec<Box<str>>,
}

/// Limits and scheduling of the process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlanLimits {
    /// `setrlimit`.
    pub rlimits: Vec<Rlimit>,
    /// File mode creation mask.
    pub umask: Option<u32>,
    /// Nice value.
    pub nice: Option<i8>,
    /// `oom_score_adj`.
    pub oom_score_adjust: Option<i16>,
    /// Processor scheduling.
    pub scheduling: Option<Scheduling>,
    /// Class and priority.
    pub io_priority: Option<(u8, u8)>,
    /// Processors.
    pub cpu_affinity: Vec<u16>,
    /// Linux's personality number.
    pub personality: Option<u32>,
}

/// What of root's power is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privileges {
    /// Capabilities that can ever be had.
    pub bounding: u64,
    /// Capabilities that survive the change of user.
    pub ambient: u64,
    /// `PR_SET_SECUREBITS`.
    pub secure_bits: u32,
    /// `PR_SET_NO_NEW_PRIVS`.
    pub no_new: bool,
}

impl Default for Privileges {
    fn default() -> Privileges {
        Privileges { bounding: u64::MAX, ambient: 0, secure_bits: 0, no_new: false }
    }
}

/// Which system calls a process may make.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seccomp {
    /// A container's profile.
    pub profile: Profile,
    /// What sandboxing directives add, if any.
    pub rules: Option<Box<SeccompRules>>,
}

/// A container's profile.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Profile {
    /// None.
    #[default]
    None,
    /// Docker's default for these capabilities.
    Default {
        /// Granted capabilities.
        capabilities: u64,
    },
    /// An OCI profile in a file of the machine.
    File(Box<str>),
}

/// Filters of systemd.exec(5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the directive of `Sandbox` with that name")]
pub struct SeccompRules {
    pub system_calls: Option<SystemCallFilter>,
    pub address_families: Option<AddressFamilies>,
    pub namespaces_allowed: Option<u32>,
    pub restrict_realtime: bool,
    pub restrict_suid_sgid: bool,
    pub lock_personality: bool,
    pub memory_deny_write_execute: bool,
    pub native_calls_only: bool,
    pub protect_clock: bool,
    pub protect_kernel_modules: bool,
    pub protect_kernel_logs: bool,
    pub protect_hostname: bool,
    pub private_devices: bool,
}

/// What the planner has to know of the machine.
#[derive(Debug, Clone, Copy)]
pub struct PlanFacts<'a> {
    /// Variables of every process of the machine (`PATH`, `LANG` …).
    pub environment: &'a [(Box<str>, Box<str>)],
    /// What preparing the unit's image brought, if it has one.
    pub image: Option<&'a ImageFacts>,
    /// Where `volumes/`, `containers/` and `layers/` are: the state partition, or memory.
    pub state: &'a str,
    /// PID 1's notification socket, path on the machine.
    pub notify_socket: &'a str,
}

/// What preparing an image brought.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageFacts {
    /// Unpacked layers, directories of the machine, lowest first.
    pub layers: Vec<Box<str>>,
    /// `Env`.
    pub environment: Vec<(Box<str>, Box<str>)>,
    /// `Entrypoint`.
    pub entrypoint: Vec<Box<str>>,
    /// `Cmd`.
    pub command: Vec<Box<str>>,
    /// `User`: user or user:group, names or numbers; empty: root.
    pub user: Box<str>,
    /// `WorkingDir`; empty: `/`.
    pub working_directory: Box<str>,
    /// `StopSignal` as a number.
    pub stop_signal: Option<u8>,
    /// `ExposedPorts`, TCP and UDP.
    pub ports: Vec<(u16, bool)>,
}

/// `CLONE_NEWNS`: mounts.
pub const NEW_MOUNTS: u32 = 0x0002_0000;
/// `CLONE_NEWCGROUP`.
pub const NEW_CGROUP: u32 = 0x0200_0000;
/// `CLONE_NEWUTS`: host name.
pub const NEW_HOSTNAME: u32 = 0x0400_0000;
/// `CLONE_NEWIPC`.
pub const NEW_IPC: u32 = 0x0800_0000;
/// `CLONE_NEWUSER`.
pub const NEW_USERS: u32 = 0x1000_0000;
/// `CLONE_NEWPID`.
pub const NEW_PIDS: u32 = 0x2000_0000;
/// `CLONE_NEWNET`.
pub const NEW_NETWORK: u32 = 0x4000_0000;

/// The search path of the machine's own programs (systemd's default).
pub const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where a container finds PID 1's notification socket.
pub const NOTIFY_SOCKET_INSIDE: &str = "/run/keelson/notify";
