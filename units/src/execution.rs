//! How a unit's processes are set up (systemd.exec(5)).

use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

use crate::compact::{List, Usual};

/// The surroundings of a process. Everything defaults to "as systemd without the directive".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// `User=`: a name or a number, found in the root in which the process runs.
    pub user: Option<Box<str>>,
    /// `Group=`.
    pub group: Option<Box<str>>,
    /// `SupplementaryGroups=`.
    pub groups: List<Box<str>>,
    /// `DynamicUser=`.
    pub dynamic_user: bool,
    /// `WorkingDirectory=`; `~` is the user's home.
    pub working_directory: Option<Box<str>>,
    /// A working directory that lacks is no failure.
    pub working_directory_optional: bool,
    /// `RootDirectory=`.
    pub root_directory: Option<Box<str>>,
    /// `Environment=`, in order, later wins.
    pub environment: List<(Box<str>, Box<str>)>,
    /// `EnvironmentFile=`, in order; read at each spawn.
    pub environment_files: List<EnvironmentFile>,
    /// `PassEnvironment=`.
    pub pass_environment: List<Box<str>>,
    /// `UnsetEnvironment=`: names or whole assignments.
    pub unset_environment: List<Box<str>>,
    /// `StandardInput=`.
    pub stdin: Input,
    /// `StandardOutput=`.
    pub stdout: Output,
    /// `StandardError=`.
    pub stderr: Output,
    /// `TTYPath=`.
    pub tty_path: Option<Box<str>>,
    /// `SyslogIdentifier=`: the name in the log.
    pub log_name: Option<Box<str>>,
    /// `UMask=`.
    pub umask: Option<u32>,
    /// `Nice=`.
    pub nice: Option<i8>,
    /// `OOMScoreAdjust=`.
    pub oom_score_adjust: Option<i16>,
    /// `CPUSchedulingPolicy=`, `CPUSchedulingPriority=`, `CPUSchedulingResetOnFork=`.
    pub scheduling: Option<Scheduling>,
    /// `IOSchedulingClass=` (0 none, 1 realtime, 2 best-effort, 3 idle) and `IOSchedulingPriority=`.
    pub io_priority: Option<(u8, u8)>,
    /// `CPUAffinity=`: processor numbers.
    pub cpu_affinity: List<u16>,
    /// `LimitXXX=`: resource, soft, hard; `u64::MAX` is infinity.
    pub rlimits: List<Rlimit>,
    /// `CapabilityBoundingSet=` as a bit mask; `None`: all.
    pub capabilities_bounding: Option<u64>,
    /// `AmbientCapabilities=` as a bit mask.
    pub capabilities_ambient: u64,
    /// `SecureBits=`.
    pub secure_bits: u32,
    /// `NoNewPrivileges=`.
    pub no_new_privileges: bool,
    /// `RuntimeDirectory=` and its kin.
    pub directories: List<OwnDirectory>,
    /// `RuntimeDirectoryPreserve=`.
    pub runtime_directory_preserve: crate::service::PreserveMode,
    /// The sandboxing directives; `None`: none was given.
    pub sandbox: Option<Box<Sandbox>>,
    /// `PAMName=`, `KeyringMode=` and the like have no counterpart here; `LoadCredential=`, `SetCredential=`:
    /// name and source (a path) or literal value.
    pub credentials: List<Credential>,
    /// `Personality=`.
    pub personality: Option<Box<str>>,
    /// `IgnoreSIGPIPE=`, true by default in systemd.
    pub ignore_sigpipe: Option<bool>,
}

impl Default for Execution {
    /// As systemd without any directive: standard error goes where standard output goes.
    fn default() -> Execution {
        Execution {
            user: None,
            group: None,
            groups: List::new(),
            dynamic_user: false,
            working_directory: None,
            working_directory_optional: false,
            root_directory: None,
            environment: List::new(),
            environment_files: List::new(),
            pass_environment: List::new(),
            unset_environment: List::new(),
            stdin: Input::default(),
            stdout: Output::default(),
            stderr: Output::Inherit,
            tty_path: None,
            log_name: None,
            umask: None,
            nice: None,
            oom_score_adjust: None,
            scheduling: None,
            io_priority: None,
            cpu_affinity: List::new(),
            rlimits: List::new(),
            capabilities_bounding: None,
            capabilities_ambient: 0,
            secure_bits: 0,
            no_new_privileges: false,
            directories: List::new(),
            runtime_directory_preserve: crate::service::PreserveMode::default(),
            sandbox: None,
            credentials: List::new(),
            personality: None,
            ignore_sigpipe: None,
        }
    }
}

impl Usual for Execution {
    fn usual() -> &'static Execution {
        static USUAL: LazyLock<Execution> = LazyLock::new(Execution::default);
        &USUAL
    }
}

/// One `EnvironmentFile=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentFile {
    /// Path, may be a glob.
    pub path: Box<str>,
    /// `-`: may lack.
    pub optional: bool,
}

/// One credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credential {
    /// From a file.
    File {
        /// Name in `$CREDENTIALS_DIRECTORY`.
        name: Box<str>,
        /// Path on the machine.
        path: Box<str>,
    },
    /// As written.
    Literal {
        /// Name in `$CREDENTIALS_DIRECTORY`.
        name: Box<str>,
        /// Its bytes.
        value: Box<str>,
    },
}

/// `StandardInput=`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Input {
    /// `/dev/null`.
    #[default]
    Null,
    /// The terminal `tty_path`, as controlling terminal.
    Tty {
        /// `tty-force`: take it from others.
        force: bool,
        /// `tty-fail`: fail when it is taken.
        fail: bool,
    },
    /// The connection or the single socket.
    Socket,
    /// A file, read.
    File(Box<str>),
    /// Bytes from the unit file.
    Bytes(Box<str>),
    /// A stored or socket descriptor by name.
    Descriptor(Box<str>),
}

/// `StandardOutput=`, `StandardError=`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Output {
    /// Our log store.
    #[default]
    Log,
    /// As standard input, or as standard output for standard error.
    Inherit,
    /// Thrown away.
    Null,
    /// The log store and the console.
    LogAndConsole,
    /// The kernel's ring.
    Kmsg,
    /// The terminal `tty_path`.
    Tty,
    /// The connection or the single socket.
    Socket,
    /// A file, written from the start.
    File(Box<str>),
    /// A file, appended to.
    Append(Box<str>),
    /// A file, emptied first.
    Truncate(Box<str>),
    /// A stored or socket descriptor by name.
    Descriptor(Box<str>),
}

/// Processor scheduling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduling {
    /// Linux's number: 0 other, 1 fifo, 2 rr, 3 batch, 5 idle.
    pub policy: u8,
    /// 1 to 99 for fifo and rr.
    pub priority: u8,
    /// Children start with the default.
    pub reset_on_fork: bool,
}

/// One resource limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Linux's number of the resource (`RLIMIT_…`).
    pub resource: u8,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

/// A directory that is made for the unit and belongs to its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnDirectory {
    /// Below which root.
    pub place: DirectoryPlace,
    /// Relative path.
    pub path: Box<str>,
    /// Symbolic links to it, relative to the same root.
    pub links: List<Box<str>>,
    /// Permission bits.
    pub mode: u32,
}

/// Where own directories live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DirectoryPlace {
    /// `/run`
    Runtime,
    /// `/var/lib`
    State,
    /// `/var/cache`
    Cache,
    /// `/var/log`
    Logs,
    /// `/etc`
    Configuration,
}

/// The sandboxing directives of systemd.exec(5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sandbox {
    /// `ProtectSystem=`.
    pub protect_system: ProtectSystem,
    /// `ProtectHome=`.
    pub protect_home: ProtectHome,
    /// `PrivateTmp=`.
    pub private_tmp: bool,
    /// `PrivateDevices=`.
    pub private_devices: bool,
    /// `PrivateNetwork=`.
    pub private_network: bool,
    /// `PrivateIPC=`.
    pub private_ipc: bool,
    /// `PrivateUsers=`.
    pub private_users: bool,
    /// `PrivateMounts=`.
    pub private_mounts: bool,
    /// `ProtectHostname=`.
    pub protect_hostname: bool,
    /// `ProtectClock=`.
    pub protect_clock: bool,
    /// `ProtectKernelTunables=`.
    pub protect_kernel_tunables: bool,
    /// `ProtectKernelModules=`.
    pub protect_kernel_modules: bool,
    /// `ProtectKernelLogs=`.
    pub protect_kernel_logs: bool,
    /// `ProtectControlGroups=`.
    pub protect_control_groups: bool,
    /// `ProtectProc=`: 0 default, 1 noaccess, 2 invisible, 4 ptraceable (the kernel's `hidepid`).
    pub protect_proc: u8,
    /// `ProcSubset=pid`.
    pub proc_subset_pid: bool,
    /// `ReadWritePaths=`, `ReadOnlyPaths=`, `InaccessiblePaths=`, `ExecPaths=`, `NoExecPaths=`.
    pub paths: List<PathRule>,
    /// `BindPaths=`, `BindReadOnlyPaths=`.
    pub binds: List<BindPath>,
    /// `TemporaryFileSystem=`: path and mount options.
    pub temporary: List<(Box<str>, Box<str>)>,
    /// `RestrictAddressFamilies=`.
    pub address_families: Option<AddressFamilies>,
    /// `RestrictNamespaces=`: a mask of `CLONE_NEW…` that stay allowed.
    pub namespaces_allowed: Option<u32>,
    /// `RestrictRealtime=`.
    pub restrict_realtime: bool,
    /// `RestrictSUIDSGID=`.
    pub restrict_suid_sgid: bool,
    /// `LockPersonality=`.
    pub lock_personality: bool,
    /// `MemoryDenyWriteExecute=`.
    pub memory_deny_write_execute: bool,
    /// `RemoveIPC=`.
    pub remove_ipc: bool,
    /// `SystemCallFilter=`.
    pub system_calls: Option<SystemCallFilter>,
    /// `SystemCallArchitectures=native`: only x86-64 calls.
    pub native_calls_only: bool,
    /// `DevicePolicy=`.
    pub device_policy: DevicePolicy,
    /// `DeviceAllow=`.
    pub devices: List<DeviceRule>,
    /// `MountFlags=`, `MountAPIVFS=`.
    pub mount_api_vfs: bool,
}

/// `ProtectSystem=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ProtectSystem {
    /// Nothing.
    #[default]
    No,
    /// `/usr`, `/boot`, `/efi` read-only.
    Yes,
    /// And `/etc`.
    Full,
    /// Everything but `/dev`, `/proc`, `/sys`.
    Strict,
}

/// `ProtectHome=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ProtectHome {
    /// Nothing.
    #[default]
    No,
    /// `/home`, `/root`, `/run/user` inaccessible.
    Yes,
    /// Read-only.
    ReadOnly,
    /// Empty.
    Tmpfs,
}

/// One path directive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRule {
    /// Path.
    pub path: Box<str>,
    /// What becomes of it.
    pub access: PathAccess,
    /// `-`: may lack.
    pub optional: bool,
    /// `+`: below the unit's own root.
    pub in_root: bool,
}

/// What a path directive does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "systemd.exec(5) names them")]
pub enum PathAccess {
    ReadWrite,
    ReadOnly,
    Inaccessible,
    Exec,
    NoExec,
}

/// One `BindPaths=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindPath {
    /// On the machine.
    pub source: Box<str>,
    /// In the unit.
    pub target: Box<str>,
    /// Not writable.
    pub read_only: bool,
    /// With everything mounted below.
    pub recursive: bool,
    /// `-`: may lack.
    pub optional: bool,
}

/// `RestrictAddressFamilies=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressFamilies {
    /// The list is what is allowed, not what is refused.
    pub allow: bool,
    /// `AF_…` numbers.
    pub families: Vec<u16>,
}

/// `SystemCallFilter=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemCallFilter {
    /// The list is what is allowed, not what is refused.
    pub allow: bool,
    /// Names and `@groups`, later entries win; a leading `~` takes away. An `:errno` may follow.
    pub entries: Vec<Box<str>>,
    /// `SystemCallErrorNumber=`; `None`: the process is killed.
    pub errno: Option<u16>,
}

/// `DevicePolicy=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DevicePolicy {
    /// All, unless there are rules.
    #[default]
    Auto,
    /// The standard pseudo devices and the rules.
    Closed,
    /// Only the rules.
    Strict,
}

/// One `DeviceAllow=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRule {
    /// A device node, or `char-NAME`, `block-NAME` of `/proc/devices`.
    pub device: Box<str>,
    /// Some of `r`, `w`, `m`.
    pub access: Box<str>,
}
