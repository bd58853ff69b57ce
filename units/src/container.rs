//! A root file system of a unit's own, and the isolation that goes with it.

use serde::{Deserialize, Serialize};

use crate::compact::List;

/// What makes a unit a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Where its files come from.
    pub root: RootSource,
    /// The image's entry point replaced; the commands' `start` gives the arguments (Kubernetes' `command`).
    pub entrypoint: Option<Vec<Box<str>>>,
    /// Arguments after the entry point (Kubernetes' `args`, Docker's command).
    pub arguments: Option<Vec<Box<str>>>,
    /// Its network.
    pub network: Network,
    /// Root inside is nobody outside.
    pub user_namespace: UserNamespace,
    /// Nothing in the root can be written.
    pub read_only: bool,
    /// What is mounted into it, in order.
    pub mounts: List<ContainerMount>,
    /// Ports it offers; with the host's network they are documentation and probe defaults.
    pub ports: List<Port>,
    /// Its host name; the unit's stem by default.
    pub hostname: Option<Box<str>>,
    /// Everything closed by default is open: all capabilities and devices, no filter, no masks.
    pub privileged: bool,
    /// Capabilities added to the default set, by name without `CAP_`.
    pub capabilities_add: List<Box<str>>,
    /// Capabilities taken from the default set; `ALL` empties it.
    pub capabilities_drop: List<Box<str>>,
    /// Devices it sees, besides null, zero, full, random, urandom and tty.
    pub devices: List<ContainerDevice>,
    /// What is kept of the files it wrote when it is started anew.
    pub writable: Writable,
    /// `seccomp`: the default profile, none, or a profile file.
    pub seccomp: SeccompChoice,
    /// Size of `/dev/shm` in bytes.
    pub shm_bytes: u64,
    /// Share the machine's process ids.
    pub host_pids: bool,
    /// Share the machine's System V IPC and message queues.
    pub host_ipc: bool,
}

/// Where a container's files come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RootSource {
    /// An OCI image layout: a name in the machine's image directory, or an absolute path, with `:tag` or `@sha256:…`.
    Image(Box<str>),
    /// A directory of the machine.
    Directory(Box<str>),
}

/// A container's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The machine's own.
    Host,
    /// A name space without any interface but a loopback that is down.
    None,
    /// A name space with its own loopback, up.
    #[default]
    Private,
}

/// Whether a container has user ids of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum UserNamespace {
    /// The machine's ids.
    #[default]
    Host,
    /// 65,536 ids from `base`.
    Mapped {
        /// First id outside; 0: chosen from the unit's name.
        base: u32,
    },
}

/// What is kept of a container's own files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Writable {
    /// In memory; gone when the run ends.
    #[default]
    Ephemeral,
    /// On the state partition; kept until the unit is removed.
    Persistent,
}

/// The system-call filter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SeccompChoice {
    /// Equal in effect to Docker's default profile for the granted capabilities.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// An OCI profile (JSON) in a file of the machine.
    File(Box<str>),
}

/// One mount into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerMount {
    /// What.
    pub source: MountSource,
    /// Where, absolute, in the container.
    pub target: Box<str>,
    /// Not writable.
    pub read_only: bool,
    /// No programs are executed from it.
    pub no_exec: bool,
    /// With everything mounted below the source.
    pub recursive: bool,
}

/// What is mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// A file or directory of the machine; made as a directory when it lacks and `create` is set.
    Bind {
        /// Path on the machine.
        path: Box<str>,
        /// Make a directory if there is none.
        create: bool,
    },
    /// A named directory under the state partition's `volumes/`, made on first use.
    Volume(Box<str>),
    /// Memory.
    Tmpfs {
        /// Size in bytes; 0: half of the machine's memory.
        bytes_max: u64,
        /// Permission bits.
        mode: u32,
    },
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// A name for people and probes.
    pub name: Option<Box<str>>,
    /// Outside.
    pub host: u16,
    /// Inside.
    pub container: u16,
    /// `tcp` or `udp`.
    pub udp: bool,
}

/// One device of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerDevice {
    /// Path on the machine.
    pub path: Box<str>,
    /// Path inside.
    pub target: Box<str>,
    /// Some of `r`, `w`, `m`.
    pub access: Box<str>,
}
