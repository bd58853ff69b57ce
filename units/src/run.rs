//! Numbers that name things: units, incarnations, orders.

use serde::{Deserialize, Serialize};

/// A unit's place in the supervisor's table; stable as long as the unit is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnitId(pub u16);

/// One incarnation of a unit. Facts about an older number die at one door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Run {
    /// Whose.
    pub unit: UnitId,
    /// Counts up from 1, and goes on over a replacement of PID 1.
    pub number: u32,
}

/// Names an order that can fail or wait; each gets exactly one `Done`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticket(pub u64);

/// Which process of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The one whose end is the end of the run.
    Main,
    /// One of the commands around it, one at a time.
    Control,
}

/// Which list of commands a process belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields of `Commands`")]
pub enum Phase {
    Condition,
    StartPre,
    Start,
    StartPost,
    Reload,
    Stop,
    StopPost,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It returned a code.
    Code(u8),
    /// A signal ended it.
    Signal {
        /// The signal's number.
        signal: crate::service::Signal,
        /// A core was written.
        core: bool,
    },
    /// It never became the program: the stage could not set it up.
    Stage(StageFault),
    /// It ended while nobody watched; how is not known.
    Lost,
}

/// Where setting up a process failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageFault {
    /// The step of the stage.
    pub step: StageStep,
    /// Linux's error number.
    pub errno: u16,
    /// Which item of a list failed (which mount, which path), counted from 0.
    pub item: u16,
}

/// The steps of the stage, in about their order; systemd.exec(5) numbers them as exit codes 200 and up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "named by what they do")]
pub enum StageStep {
    Clone,
    Plan,
    Group,
    Namespaces,
    UserMap,
    Image,
    Root,
    Mount,
    Device,
    Mask,
    Pivot,
    Network,
    Hostname,
    Directory,
    Credentials,
    EnvironmentFile,
    Stdin,
    Stdout,
    Stderr,
    Descriptors,
    Limits,
    Priority,
    Scheduling,
    Affinity,
    OomScore,
    Umask,
    User,
    Capabilities,
    SecureBits,
    NoNewPrivileges,
    Seccomp,
    WorkingDirectory,
    Terminal,
    Personality,
    Exec,
}

impl StageStep {
    /// What it does, for a person.
    #[must_use]
    pub fn doing(self) -> &'static str {
        match self {
            StageStep::Clone => "making the process",
            StageStep::Plan => "reading the plan",
            StageStep::Group => "taking on the groups",
            StageStep::Namespaces => "making the name spaces",
            StageStep::UserMap => "mapping users",
            StageStep::Image => "laying out the image",
            StageStep::Root => "making the root file system",
            StageStep::Mount => "mounting",
            StageStep::Device => "making devices",
            StageStep::Mask => "masking paths",
            StageStep::Pivot => "entering the root file system",
            StageStep::Network => "bringing up the loopback",
            StageStep::Hostname => "setting the host name",
            StageStep::Directory => "making its own directories",
            StageStep::Credentials => "laying out credentials",
            StageStep::EnvironmentFile => "reading the environment file",
            StageStep::Stdin => "opening standard input",
            StageStep::Stdout => "opening standard output",
            StageStep::Stderr => "opening standard error",
            StageStep::Descriptors => "passing descriptors",
            StageStep::Limits => "setting resource limits",
            StageStep::Priority => "setting the priority",
            StageStep::Scheduling => "setting the scheduling policy",
            StageStep::Affinity => "setting the processor affinity",
            StageStep::OomScore => "setting the out-of-memory score",
            StageStep::Umask => "setting the file mode mask",
            StageStep::User => "taking on the user",
            StageStep::Capabilities => "giving up capabilities",
            StageStep::SecureBits => "setting secure bits",
            StageStep::NoNewPrivileges => "forbidding new privileges",
            StageStep::Seccomp => "loading the system call filter",
            StageStep::WorkingDirectory => "entering the working directory",
            StageStep::Terminal => "taking the terminal",
            StageStep::Personality => "setting the personality",
            StageStep::Exec => "executing the program",
        }
    }

    /// The exit code by which systemd tells that this step failed (systemd.exec(5), "Process Exit Codes");
    /// steps that systemd does not know share its code for name spaces.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            StageStep::WorkingDirectory => 200,
            StageStep::Priority => 201,
            StageStep::Descriptors | StageStep::Plan => 202,
            StageStep::Exec => 203,
            StageStep::Limits => 205,
            StageStep::OomScore => 206,
            StageStep::Stdin | StageStep::Terminal => 208,
            StageStep::Stdout => 209,
            StageStep::Stderr => 222,
            StageStep::Affinity => 212,
            StageStep::Scheduling => 214,
            StageStep::User => 217,
            StageStep::Capabilities => 218,
            StageStep::Group => 219,
            StageStep::SecureBits => 213,
            StageStep::NoNewPrivileges => 227,
            StageStep::Seccomp => 228,
            StageStep::Personality => 230,
            StageStep::Directory => 233,
            StageStep::Credentials => 243,
            StageStep::EnvironmentFile | StageStep::Umask | StageStep::Clone => 202,
            StageStep::Namespaces
            | StageStep::UserMap
            | StageStep::Image
            | StageStep::Root
            | StageStep::Mount
            | StageStep::Device
            | StageStep::Mask
            | StageStep::Pivot
            | StageStep::Network
            | StageStep::Hostname => 226,
        }
    }
}

impl std::fmt::Display for StageFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reason = std::io::Error::from_raw_os_error(self.errno.into());
        write!(f, "{} failed", self.step.doing())?;
        if self.item > 0 {
            write!(f, " at entry {}", self.item)?;
        }
        write!(f, ": {reason}")
    }
}
