//! Where things are on the machine.

/// The state partition, or memory where there is none.
pub const STATE: &str = "/state";
/// PID 1's own place in memory.
pub const RUN: &str = "/run/keelson";
/// Where programs send notifications.
pub const NOTIFY_SOCKET: &str = "/run/keelson/notify";
/// The administrator's units on the state partition.
pub const STATE_UNITS: &str = "/state/units";
/// Logs on the state partition.
pub const STATE_LOGS: &str = "/state/logs";
/// Where people ask.
pub const CONTROL_SOCKET: &str = "/run/keelson/control.sock";
/// Where control groups are mounted.
pub const GROUP_ROOT: &str = "/sys/fs/cgroup";
/// How [`STATE_UNITS`] was before the last change.
pub const STATE_UNITS_BEFORE: &str = "/state/units.before";
/// The administrator's units where there is no state partition.
pub const RUN_UNITS: &str = "/run/keelson/units";
/// How [`RUN_UNITS`] was before the last change.
pub const RUN_UNITS_BEFORE: &str = "/run/keelson/units.before";
/// Where tests order faults of PID 1; only there when the machine was booted for it.
pub const FAULTS: &str = "/run/keelson/faults";
