//! What the kernel itself is told: settings, limits, the control group tree.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Setting;
use super::mounts::make_directory;
use super::root::ignore;
use super::steps::Faults;
use crate::cmdline::Options;
use crate::sys::files::{read_text, write_setting};

/// Seconds between a kernel panic and the reboot, unless the command line says otherwise: without
/// this Debian's kernels hang for ever.
const PANIC_REBOOT_S: &str = "10";

/// Settings of `/proc/sys` that must hold before the first unit runs, and why.
const SETTINGS: [(&str, &str, &str); 6] = [
    // What the kernel finds missing while it runs (a file system, a protocol) we load ourselves.
    ("kernel/modprobe", "/sbin/modprobe", "modules are not loaded when they are needed"),
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
    let raised = setrlimit(Resource::Nofile, Rlimit { current: ceiling, maximum: ceiling })
        .or_else(|_| raise_soft(Resource::Nofile));
    faults.check(raised, "raising the number of descriptors", "fewer units can run");
    let unlimited = Rlimit { current: None, maximum: None };
    let raised = setrlimit(Resource::Core, unlimited).or_else(|_| raise_soft(Resource::Core));
    faults.check(raised, "raising the core size", "no core dumps");
    ChildLimits { descriptors, core: Limit { soft: core.current, hard: core.maximum } }
}

/// Without the right to go beyond the hard limit, as in many containers, the hard limit it is.
fn raise_soft(resource: Resource) -> rustix::io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(resource);
    setrlimit(resource, Rlimit { current: maximum, maximum })
}

/// Lets the kernel end its grace periods at once while the machine starts: several of the calls that
/// follow wait for one, a few milliseconds each. A worker takes it back after the start.
pub(super) fn hasten(faults: &mut Faults) {
    let written = write_setting("/sys/kernel/rcu_expedited", "1");
    faults.check(
        ignore(written, Errno::NOENT),
        "hastening grace periods",
        "the start takes longer",
    );
}

/// Where the group of PID 1 itself is, once a worker has moved it.
pub const OWN_GROUP: &str = "/sys/fs/cgroup/init";

/// Memory in bytes that PID 1 keeps under any pressure of the units.
const OWN_MEMORY_MIN: &str = "16777216";

/// What PID 1 comes before, when units want all processors and disks: the most there is. It takes
/// little, but a person waits for it.
const OWN_WEIGHT: &str = "10000";

/// Makes the leaf for PID 1 and moves a process there.
pub(in crate::sys) fn occupy_leaf(pid: u32) -> rustix::io::Result<()> {
    make_directory(OWN_GROUP, 0o755)?;
    let settings =
        [("memory.min", OWN_MEMORY_MIN), ("cpu.weight", OWN_WEIGHT), ("io.weight", OWN_WEIGHT)];
    for (file, value) in settings {
        // Absent where the controller is.
        let kept = write_setting(&format!("{OWN_GROUP}/{file}"), value);
        ignore(ignore(kept, Errno::NOENT), Errno::ACCESS)?;
    }
    write_setting(&format!("{OWN_GROUP}/cgroup.procs"), &pid.to_string())
}

/// Turns on all controllers below the root of the control group tree.
///
/// On a machine we ourselves stay in the root group, which may have processes all the same; a worker
/// moves us to a leaf later, because that costs milliseconds that nothing waits for. The root of a
/// container's tree may not.
pub(super) fn offer_controllers(setting: Setting, faults: &mut Faults) {
    if setting == Setting::Container {
        faults.check(occupy_leaf(1), OWN_GROUP, "the container's own limits are not handed on");
    }
    const THEN: &str = "units have no limits";
    const CONTROL: &str = "/sys/fs/cgroup/cgroup.subtree_control";
    let listed = read_text("/sys/fs/cgroup/cgroup.controllers");
    let Some(listed) = faults.check(listed, "the list of controllers", THEN) else { return };
    if listed.is_empty() {
        return faults.note("the kernel offers no controllers", THEN);
    }
    let wanted: Vec<String> = listed.split(' ').map(|name| format!("+{name}")).collect();
    if write_setting(CONTROL, &wanted.join(" ")).is_ok() {
        return;
    }
    // One that cannot be had must not take the others with it.
    for one in wanted {
        let enabled = write_setting(CONTROL, &one);
        faults.check(enabled, format_args!("enabling controller {one}"), "this limit is missing");
    }
}
