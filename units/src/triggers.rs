//! Units that start others, and mounts.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::calendar::Calendar;
use crate::compact::Rare;
use crate::execution::Execution;
use crate::limits::PHASE_TIMEOUT;
use crate::name::UnitName;

/// `.timer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// What it starts.
    pub unit: UnitName,
    /// When, any of them.
    pub elapses: Vec<Elapse>,
    /// `AccuracySec=`: how late it may be, so that wakeups fall together.
    pub accuracy: Duration,
    /// `RandomizedDelaySec=`: spread by a hash of machine, unit and run.
    pub randomized_delay: Duration,
    /// `FixedRandomDelay=`: the same spread each time.
    pub fixed_random_delay: bool,
    /// `Persistent=`: a time missed while the machine was off counts.
    pub persistent: bool,
    /// `RemainAfterElapse=`.
    pub remain_after_elapse: bool,
    /// `OnClockChange=`.
    pub on_clock_change: bool,
    /// `OnTimezoneChange=`.
    pub on_timezone_change: bool,
}

impl Timer {
    /// A timer that starts `unit`, at no time yet.
    #[must_use]
    pub fn new(unit: UnitName) -> Timer {
        Timer {
            unit,
            elapses: Vec::new(),
            accuracy: Duration::from_secs(60),
            randomized_delay: Duration::ZERO,
            fixed_random_delay: false,
            persistent: false,
            remain_after_elapse: true,
            on_clock_change: false,
            on_timezone_change: false,
        }
    }
}

/// One time of a timer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Elapse {
    /// `OnActiveSec=`: after the timer itself came up.
    Active(Duration),
    /// `OnBootSec=`: after the machine booted.
    Boot(Duration),
    /// `OnStartupSec=`: after PID 1 started; here the same as the boot.
    Startup(Duration),
    /// `OnUnitActiveSec=`: after the unit last came up.
    UnitActive(Duration),
    /// `OnUnitInactiveSec=`: after the unit last went down.
    UnitInactive(Duration),
    /// `OnCalendar=`.
    Calendar(Box<Calendar>),
}

/// `.socket`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Socket {
    /// What it starts; with `accept`, the template.
    pub unit: UnitName,
    /// What it listens on, in order; that is the order of the descriptors.
    pub listens: Vec<Listen>,
    /// `Accept=yes`: an instance per connection.
    pub accept: bool,
    /// `MaxConnections=`.
    pub connections_max: u32,
    /// `MaxConnectionsPerSource=`.
    pub connections_per_source_max: u32,
    /// `Backlog=`.
    pub backlog: u32,
    /// `SocketUser=`.
    pub user: Option<Box<str>>,
    /// `SocketGroup=`.
    pub group: Option<Box<str>>,
    /// `SocketMode=`.
    pub mode: u32,
    /// `DirectoryMode=`.
    pub directory_mode: u32,
    /// `FileDescriptorName=`; the socket's name by default.
    pub descriptor_name: Option<Box<str>>,
    /// `Symlinks=`.
    pub links: Vec<Box<str>>,
    /// `RemoveOnStop=`.
    pub remove_on_stop: bool,
    /// `Writable=`, `FlushPending=`, `ExecStartPre=` and the like: not part of this type.
    /// Socket options by value.
    pub options: Box<SocketOptions>,
    /// `TriggerLimitIntervalSec=`, `TriggerLimitBurst=`.
    pub trigger_interval: Duration,
    /// See `trigger_interval`.
    pub trigger_burst: u32,
}

impl Socket {
    /// A socket that starts `unit` and listens on nothing yet.
    #[must_use]
    pub fn new(unit: UnitName) -> Socket {
        Socket {
            unit,
            listens: Vec::new(),
            accept: false,
            connections_max: 64,
            connections_per_source_max: 64,
            backlog: 4096,
            user: None,
            group: None,
            mode: 0o666,
            directory_mode: 0o755,
            descriptor_name: None,
            links: Vec::new(),
            remove_on_stop: false,
            options: Box::default(),
            trigger_interval: Duration::from_secs(2),
            trigger_burst: 20,
        }
    }
}

/// Options of a socket (socket(7), tcp(7), ip(7)).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is named as its directive in systemd.socket(5)")]
pub struct SocketOptions {
    pub bind_ipv6_only: Option<bool>,
    pub bind_to_device: Option<Box<str>>,
    pub free_bind: bool,
    pub transparent: bool,
    pub broadcast: bool,
    pub reuse_port: bool,
    pub keep_alive: bool,
    pub keep_alive_time: Option<Duration>,
    pub keep_alive_interval: Option<Duration>,
    pub keep_alive_probes: Option<u32>,
    pub no_delay: bool,
    pub defer_accept: Option<Duration>,
    pub priority: Option<i32>,
    pub mark: Option<u32>,
    pub receive_buffer_bytes: Option<u64>,
    pub send_buffer_bytes: Option<u64>,
    pub pass_credentials: bool,
    pub pass_security: bool,
    pub pass_packet_info: bool,
    pub ip_tos: Option<i32>,
    pub ip_ttl: Option<i32>,
    pub pipe_bytes: Option<u64>,
    pub message_queue_max_messages: Option<i64>,
    pub message_queue_message_bytes: Option<i64>,
}

/// One thing that a socket unit listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listen {
    /// `ListenStream=`.
    Stream(Address),
    /// `ListenDatagram=`.
    Datagram(Address),
    /// `ListenSequentialPacket=`.
    SequentialPacket(Address),
    /// `ListenFIFO=`.
    Fifo(Box<str>),
    /// `ListenSpecial=`.
    Special(Box<str>),
    /// `ListenNetlink=`: family name and multicast group.
    Netlink {
        /// Such as `kobject-uevent`, `route`, `audit`.
        family: Box<str>,
        /// Multicast group mask.
        group: u32,
    },
    /// `ListenMessageQueue=`.
    MessageQueue(Box<str>),
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Address {
    /// Internet, v4 or v6.
    Internet(std::net::SocketAddr),
    /// A path of the file system.
    Path(Box<str>),
    /// A name in Linux's abstract space (without the leading NUL).
    Abstract(Box<str>),
    /// `AF_VSOCK`: context id and port.
    Vsock(u32, u32),
}

/// `.mount`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What is mounted: a device, `LABEL=`, `UUID=`, `PARTLABEL=`, `PARTUUID=`, or a word.
    pub what: Box<str>,
    /// Where.
    pub place: Box<str>,
    /// File system type; empty: found out.
    pub fs_type: Box<str>,
    /// Mount options, comma separated.
    pub options: Box<str>,
    /// `DirectoryMode=`.
    pub directory_mode: u32,
    /// `TimeoutSec=`.
    pub timeout: Duration,
    /// `LazyUnmount=`.
    pub lazy_unmount: bool,
    /// `ForceUnmount=`.
    pub force_unmount: bool,
    /// `ReadWriteOnly=`.
    pub read_write_only: bool,
    /// Surroundings of the child that mounts.
    pub execution: Rare<Execution>,
}

impl Mount {
    /// A mount at `place` of nothing yet.
    #[must_use]
    pub fn new(place: &str) -> Mount {
        Mount {
            what: "".into(),
            place: place.into(),
            fs_type: "".into(),
            options: "".into(),
            directory_mode: 0o755,
            timeout: PHASE_TIMEOUT,
            lazy_unmount: false,
            force_unmount: false,
            read_write_only: false,
            execution: Rare::default(),
        }
    }
}
