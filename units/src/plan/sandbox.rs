//! The sandboxing directives of systemd.exec(5), as mounts, name spaces, capabilities and filters.

use crate::execution::{
    BindPath, PathAccess, PathRule, ProtectHome, ProtectSystem, Sandbox, SystemCallFilter,
};
use crate::plan::capabilities::bit;
use crate::plan::{
    IdMap, MOUNT_CREATE, MOUNT_NO_DEVICES, MOUNT_NO_EXEC, MOUNT_NO_SUID, MOUNT_OPTIONAL,
    MOUNT_READ_ONLY, MOUNT_RECURSIVE, Mount, MountWhat, NEW_HOSTNAME, NEW_IPC, NEW_MOUNTS,
    NEW_NETWORK, NEW_USERS, Plan, Root, SeccompRules,
};
use crate::spec::Spec;

/// `ProtectSystem=yes`.
const SYSTEM: [&str; 3] = ["/usr", "/boot", "/efi"];
/// `ProtectSystem=strict` leaves these alone.
const SYSTEM_LEFT: [&str; 3] = ["/dev", "/proc", "/sys"];
/// `ProtectHome=`.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];
/// `ProtectKernelTunables=`: read-only.
const TUNABLES: [&str; 9] = [
    "/proc/acpi",
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/latency_stats",
    "/proc/mtrr",
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/sys",
];
/// `ProtectKernelTunables=`: hidden.
const TUNABLES_HIDDEN: [&str; 3] = ["/proc/apm", "/proc/kallsyms", "/proc/kcore"];
/// `ProtectKernelLogs=`.
const KERNEL_LOGS: [&str; 2] = ["/proc/kmsg", "/dev/kmsg"];
/// What stays of the machine's `/dev` with `PrivateDevices=`.
const DEVICES_LEFT: [&str; 3] = ["/dev/mqueue", "/dev/pts", "/dev/shm"];

/// Adds a unit's sandbox to its plan.
pub(super) fn apply(plan: &mut Plan, sandbox: &Sandbox, spec: &Spec) {
    let mut mounts = Vec::new();
    if !plan.enters {
        protect(&mut mounts, sandbox);
        private(&mut mounts, sandbox);
        explicit(&mut mounts, sandbox);
        own_directories(&mut mounts, plan, sandbox);
        // Parents before children; the sort is stable, so that of two rules for one path the
        // later (explicit) one is applied last and wins.
        mounts.sort_by(|a: &Mount, b: &Mount| components(&a.target).cmp(components(&b.target)));
        namespaces(plan, sandbox, !mounts.is_empty());
    }
    plan.mounts.append(&mut mounts);
    plan.privileges.bounding &= !capabilities_lost(sandbox);
    plan.seccomp.rules = rules(sandbox, spec).map(Box::new);
}

fn namespaces(plan: &mut Plan, sandbox: &Sandbox, mounts: bool) {
    let contained = matches!(plan.root, Root::Overlay { .. });
    let mut want = |wanted: bool, bit: u32| plan.namespaces |= if wanted { bit } else { 0 };
    want(mounts || sandbox.private_mounts || sandbox.mount_api_vfs, NEW_MOUNTS);
    want(sandbox.private_network, NEW_NETWORK);
    want(sandbox.private_ipc, NEW_IPC);
    want(sandbox.protect_hostname && !contained, NEW_HOSTNAME);
    if sandbox.private_users && plan.id_map.is_none() {
        plan.namespaces |= NEW_USERS;
        plan.id_map = Some(IdMap { base: 0, count: 1, own: true });
    }
    plan.loopback |= sandbox.private_network;
}

/// `Protect…=`.
fn protect(mounts: &mut Vec<Mount>, sandbox: &Sandbox) {
    let mut rule = |paths: &[&str], what: MountWhat, flags: u8| {
        mounts.extend(paths.iter().map(|p| mount(p, what.clone(), flags | MOUNT_OPTIONAL)));
    };
    match sandbox.protect_system {
        ProtectSystem::No => {}
        ProtectSystem::Yes => rule(&SYSTEM, MountWhat::Restrict, MOUNT_READ_ONLY),
        ProtectSystem::Full => {
            rule(&SYSTEM, MountWhat::Restrict, MOUNT_READ_ONLY);
            rule(&["/etc"], MountWhat::Restrict, MOUNT_READ_ONLY);
        }
        ProtectSystem::Strict => {
            rule(&["/"], MountWhat::Restrict, MOUNT_READ_ONLY);
            rule(&SYSTEM_LEFT, MountWhat::Relax, MOUNT_READ_ONLY);
        }
    }
    match sandbox.protect_home {
        ProtectHome::No => {}
        ProtectHome::Yes => rule(&HOMES, MountWhat::Inaccessible, 0),
        ProtectHome::ReadOnly => rule(&HOMES, MountWhat::Restrict, MOUNT_READ_ONLY),
        ProtectHome::Tmpfs => rule(&HOMES, memory("", 0o755), MOUNT_READ_ONLY),
    }
    if sandbox.protect_proc != 0 || sandbox.proc_subset_pid {
        let what =
            MountWhat::Proc { hide: sandbox.protect_proc, processes_only: sandbox.proc_subset_pid };
        rule(&["/proc"], what, MOUNT_NO_SUID | MOUNT_NO_EXEC | MOUNT_NO_DEVICES);
    }
    if sandbox.protect_kernel_tunables {
        rule(&TUNABLES, MountWhat::Restrict, MOUNT_READ_ONLY);
        rule(&TUNABLES_HIDDEN, MountWhat::Inaccessible, 0);
    }
    if sandbox.protect_kernel_modules {
        rule(&["/usr/lib/modules", "/lib/modules"], MountWhat::Inaccessible, 0);
    }
    if sandbox.protect_kernel_logs {
        rule(&KERNEL_LOGS, MountWhat::Inaccessible, 0);
    }
    if sandbox.protect_control_groups {
        rule(&["/sys/fs/cgroup"], MountWhat::Restrict, MOUNT_READ_ONLY);
    }
}

/// `Private…=`.
fn private(mounts: &mut Vec<Mount>, sandbox: &Sandbox) {
    if sandbox.private_tmp {
        for path in ["/tmp", "/var/tmp"] {
            let flags = MOUNT_NO_SUID | MOUNT_NO_DEVICES | MOUNT_OPTIONAL;
            mounts.push(mount(path, memory("", 0o1777), flags));
        }
    }
    if sandbox.private_devices {
        let flags = MOUNT_NO_SUID | MOUNT_NO_EXEC;
        mounts.push(mount("/dev", MountWhat::Devices { nodes: Vec::new() }, flags));
        for path in DEVICES_LEFT {
            let what = MountWhat::Bind { source: path.into(), create: false };
            mounts.push(mount(path, what, MOUNT_OPTIONAL | MOUNT_CREATE));
        }
    }
}

/// What the unit says path by path.
fn explicit(mounts: &mut Vec<Mount>, sandbox: &Sandbox) {
    mounts.extend(sandbox.temporary.iter().map(|(path, options)| {
        let flags = MOUNT_NO_SUID | MOUNT_NO_DEVICES | MOUNT_CREATE;
        mount(path, memory(options, 0o755), flags)
    }));
    mounts.extend(sandbox.binds.iter().map(bind));
    mounts.extend(sandbox.paths.iter().map(path_rule));
}

/// A unit can write to its own directories, however strict the rest is.
fn own_directories(mounts: &mut Vec<Mount>, plan: &Plan, sandbox: &Sandbox) {
    if sandbox.protect_system != ProtectSystem::Strict {
        return;
    }
    for directory in &plan.directories {
        mounts.push(mount(&directory.path, MountWhat::Relax, MOUNT_READ_ONLY | MOUNT_OPTIONAL));
    }
}

fn bind(bind: &BindPath) -> Mount {
    let mut flags = MOUNT_CREATE;
    flags |= if bind.read_only { MOUNT_READ_ONLY } else { 0 };
    flags |= if bind.recursive { MOUNT_RECURSIVE } else { 0 };
    flags |= if bind.optional { MOUNT_OPTIONAL } else { 0 };
    mount(&bind.target, MountWhat::Bind { source: bind.source.clone(), create: false }, flags)
}

fn path_rule(rule: &PathRule) -> Mount {
    let (what, flags) = match rule.access {
        PathAccess::ReadWrite => (MountWhat::Relax, MOUNT_READ_ONLY),
        PathAccess::ReadOnly => (MountWhat::Restrict, MOUNT_READ_ONLY),
        PathAccess::Inaccessible => (MountWhat::Inaccessible, 0),
        PathAccess::Exec => (MountWhat::Relax, MOUNT_NO_EXEC),
        PathAccess::NoExec => (MountWhat::Restrict, MOUNT_NO_EXEC),
    };
    mount(&rule.path, what, if rule.optional { flags | MOUNT_OPTIONAL } else { flags })
}

/// Capabilities that a sandbox takes away, as systemd does.
fn capabilities_lost(sandbox: &Sandbox) -> u64 {
    let mut lost = 0;
    let mut lose = |when: bool, mask: u64| lost |= if when { mask } else { 0 };
    lose(sandbox.private_devices, bit("MKNOD") | bit("SYS_RAWIO"));
    lose(sandbox.protect_kernel_modules, bit("SYS_MODULE"));
    lose(sandbox.protect_kernel_logs, bit("SYSLOG"));
    lose(sandbox.protect_clock, bit("SYS_TIME") | bit("WAKE_ALARM"));
    lost
}

/// The filters, if there are any.
fn rules(sandbox: &Sandbox, spec: &Spec) -> Option<SeccompRules> {
    let system_calls = sandbox.system_calls.as_ref().map(|filter| SystemCallFilter {
        allow: filter.allow,
        entries: filter.entries.clone(),
        errno: filter.errno,
    });
    let rules = SeccompRules {
        system_calls,
        address_families: sandbox.address_families.clone(),
        namespaces_allowed: sandbox.namespaces_allowed,
        restrict_realtime: sandbox.restrict_realtime,
        restrict_suid_sgid: sandbox.restrict_suid_sgid,
        lock_personality: sandbox.lock_personality,
        memory_deny_write_execute: sandbox.memory_deny_write_execute,
        native_calls_only: sandbox.native_calls_only,
        protect_clock: sandbox.protect_clock,
        protect_kernel_modules: sandbox.protect_kernel_modules,
        protect_kernel_logs: sandbox.protect_kernel_logs,
        // In a container the host name is its own to change, if it may at all.
        protect_hostname: sandbox.protect_hostname
            && spec.service().is_some_and(|service| service.container.is_none()),
        private_devices: sandbox.private_devices,
    };
    (rules != SeccompRules::default()).then_some(rules)
}

fn memory(options: &str, mode: u32) -> MountWhat {
    MountWhat::Memory { bytes_max: 0, mode, options: options.into() }
}

fn mount(target: &str, what: MountWhat, flags: u8) -> Mount {
    Mount { target: target.into(), what, flags }
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}
