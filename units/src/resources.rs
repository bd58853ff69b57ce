//! What a unit may use: the values of its control group (cgroup v2).

use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

use crate::compact::{List, Usual};

/// Limits and shares; `None`: the kernel's default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// `memory.min` in bytes.
    pub memory_min: Option<Amount>,
    /// `memory.low` in bytes.
    pub memory_low: Option<Amount>,
    /// `memory.high` in bytes.
    pub memory_high: Option<Amount>,
    /// `memory.max` in bytes.
    pub memory_max: Option<Amount>,
    /// `memory.swap.max` in bytes.
    pub memory_swap_max: Option<Amount>,
    /// `memory.zswap.max` in bytes.
    pub memory_zswap_max: Option<Amount>,
    /// `memory.oom.group`: what kills one process for lack of memory kills all. Follows from the unit's
    /// policy.
    pub oom_group: bool,
    /// `cpu.weight`, 1 to 10000; `idle` is 0.
    pub cpu_weight: Option<u32>,
    /// `cpu.max`: microseconds of processor time per second (1,000,000: one processor).
    pub cpu_quota_us_per_s: Option<u64>,
    /// The period of `cpu.max` in microseconds.
    pub cpu_period_us: Option<u64>,
    /// `cpuset.cpus`.
    pub cpus: Option<Box<str>>,
    /// `cpuset.mems`.
    pub memory_nodes: Option<Box<str>>,
    /// `io.weight`, 1 to 10000.
    pub io_weight: Option<u32>,
    /// `io.weight` and `io.max` for single devices.
    pub io_devices: List<IoDevice>,
    /// `pids.max`.
    pub tasks_max: Option<Amount>,
    /// `Delegate=`: the unit rules its own subtree.
    pub delegate: bool,
}

impl Usual for Resources {
    fn usual() -> &'static Resources {
        static USUAL: LazyLock<Resources> = LazyLock::new(Resources::default);
        &USUAL
    }
}

/// A number, a share of the machine's total, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Amount {
    /// Bytes or tasks.
    Absolute(u64),
    /// Ten-thousandths of the machine's total.
    Share(u32),
    /// `infinity`.
    Unlimited,
}

/// Limits for one block device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoDevice {
    /// A device node, or any path on the file system of the device.
    pub path: Box<str>,
    /// 1 to 10000.
    pub weight: Option<u32>,
    /// Bytes per second.
    pub read_bytes_max: Option<u64>,
    /// Bytes per second.
    pub write_bytes_max: Option<u64>,
    /// Operations per second.
    pub read_ops_max: Option<u64>,
    /// Operations per second.
    pub write_ops_max: Option<u64>,
}
