//! What the kernel itself is told: settings, limits, the control group tree.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::root::ignore;
use super::steps::Faults;
use crate::cmdline::Options;
use crate::sys::files::{read_text, write_setting};

/// Seconds between a kernel panic and the reboot, unless the command line says otherwise: without
/// this Debian's kernels hang for ever.
const PANIC_REBOOT_S: &str = "10";

/// Settings of `/proc/sys` that must hold before the first unit runs, and why.
const SETTINGS: [(&str, &str, &str); 5] = [
    // Our own notes come in bursts at boot. (The kernel demands the new line here.)
    ("kernel/printk_devkmsg", "on\n", "the kernel may drop our notes"),
    // Sixteen waiting datagrams, the default, make bursts of sd_notify block.
    ("net/unix/max_dgram_qlen", "512", "bursts of notifications may block units"),
    // No core file lands on the read-only root or in a container's directory.
    ("kernel/core_pattern", "|/bin/false", "core files may be written anywhere"),
    // Descriptors are bounded by each process' own limit and by memory.
    ("fs/file-max", "9223372036854775807", "many descriptors may be refused"),
    // A kernel that went on after an oops could neither be trusted nor rolled back.
    ("kernel/panic_on_oops", "1", "a broken kernel may go on"),
];

/// Writes the settings.
pub(super) fn set(options: &Options, faults: &mut Faults) {
    for (name, value, then) in SETTINGS {
        let written = write_setting(&format!("/proc/sys/{name}"), value);
        faults.check(written, format_args!("sysctl {name}={}", value.trim()), then);
    }
    if !options.panic_given {
        let written = write_setting("/proc/sys/kernel/panic", PANIC_REBOOT_S);
        faults.check(written, "sysctl kernel/panic", "a kernel panic may hang for ever");
    }
}

/// The limits that children get, whatever ours are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildLimits {
    /// `RLIMIT_NOFILE`: soft 1,024, so that programs that use `select` are safe; hard 524,288.
    pub descriptors: Limit,
    /// `RLIMIT_CORE`: as the kernel gave it to us.
    pub core: Limit,
}

/// A soft and a hard limit; `None`: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What holds.
    pub soft: Option<u64>,
    /// What the process itself may raise it to.
    pub hard: Option<u64>,
}

/// Raises our own number of descriptors to what the kernel allows, and says what children get.
pub(super) fn raise_limits(faults: &mut Faults) -> ChildLimits {
    let core = getrlimit(Resource::Core);
    let descriptors = Limit { soft: Some(1024), hard: Some(524_288) };
    let ceiling = read_text("/proc/sys/fs/nr_open").ok().and_then(|text| text.parse().ok());
    let ceiling = Some(ceiling.unwrap_or(1_048_576));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: ceiling, maximum: ceiling });
    faults.check(raised, "raising the number of descriptors", "fewer units can run");
    let unlimited = Rlimit { current: None, maximum: None };
    faults.check(setrlimit(Resource::Core, unlimited), "raising the core size", "no core dumps");
    ChildLimits { descriptors, core: Limit { soft: core.current, hard: core.maximum } }
}

/// Where the group of PID 1 itself is.
pub const OWN_GROUP: &str = "/sys/fs/cgroup/init";

/// Memory that PID 1 keeps under any pressure of the units.
const OWN_MEMORY_MIN: &str = "16777216";

/// Moves us into a leaf of the control group tree and turns on all controllers below the root: a
/// group with processes of its own cannot hand out controllers.
pub(super) fn prepare_groups(faults: &mut Faults) {
    const ROOT: &str = "/sys/fs/cgroup";
    const THEN: &str = "units have no limits";
    let made = rustix::fs::mkdir(OWN_GROUP, rustix::fs::Mode::from_raw_mode(0o755));
    faults.check(ignore(made, Errno::EXIST), "mkdir /sys/fs/cgroup/init", THEN);
    let moved = write_setting("/sys/fs/cgroup/init/cgroup.procs", "0");
    faults.check(moved, "moving to /sys/fs/cgroup/init", THEN);
    let listed = read_text(&format!("{ROOT}/cgroup.controllers"));
    let Some(listed) = faults.check(listed, "reading the list of controllers", THEN) else {
        return;
    };
    if listed.is_empty() {
        return faults.note("the kernel offers no controllers", THEN);
    }
    let wanted: Vec<String> = listed.split(' ').map(|name| format!("+{name}")).collect();
    let control = format!("{ROOT}/cgroup.subtree_control");
    if write_setting(&control, &wanted.join(" ")).is_err() {
        // One that cannot be had must not take the others with it.
        for one in wanted {
            let enabled = write_setting(&control, &one);
            faults.check(
                enabled,
                format_args!("enabling controller {one}"),
                "this limit is missing",
            );
        }
    }
    let kept = write_setting("/sys/fs/cgroup/init/memory.min", OWN_MEMORY_MIN);
    faults.check(ignore(kept, Errno::NOENT), "reserving memory", "PID 1 may starve");
}
