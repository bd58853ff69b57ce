//! The files and name spaces of a container.

use crate::container::{
    Container, ContainerDevice, ContainerMount, MountSource, Network, RootSource, UserNamespace,
    Writable,
};
use crate::plan::{
    DeviceNode, IdMap, MOUNT_CREATE, MOUNT_NO_DEVICES, MOUNT_NO_EXEC, MOUNT_NO_SUID,
    MOUNT_OPTIONAL, MOUNT_READ_ONLY, MOUNT_RECURSIVE, MOUNT_STRICT, Mount, MountWhat, NEW_CGROUP,
    NEW_HOSTNAME, NEW_IPC, NEW_MOUNTS, NEW_NETWORK, NEW_PIDS, NEW_USERS, NOTIFY_SOCKET_INSIDE,
    Plan, PlanError, PlanFacts, Root, environment, identity,
};
use crate::service::Service;
use crate::spec::Spec;

/// Paths that Docker hides.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
/// Paths that Docker makes read-only.
const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// Trees in which nothing else may be mounted.
const KERNEL_TREES: [&str; 2] = ["/proc", "/sys"];
/// Ids of a user name space.
const MAPPED_IDS: u32 = 65_536;
/// First id outside of the first block; blocks follow each other.
const MAPPED_FIRST: u32 = 1 << 24;
/// How many blocks there are.
const MAPPED_BLOCKS: u64 = 1 << 14;

const SAFE: u8 = MOUNT_NO_SUID | MOUNT_NO_EXEC | MOUNT_NO_DEVICES;
const PLACE: u8 = MOUNT_STRICT | MOUNT_CREATE;

/// The `CLONE_NEW…` bits of a container.
pub(super) fn namespaces(own: &Container) -> u32 {
    let choose = |wanted: bool, bit: u32| if wanted { bit } else { 0 };
    NEW_MOUNTS
        | NEW_HOSTNAME
        | NEW_CGROUP
        | choose(!own.host_pids, NEW_PIDS)
        | choose(!own.host_ipc, NEW_IPC)
        | choose(own.network != Network::Host, NEW_NETWORK)
        | choose(matches!(own.user_namespace, UserNamespace::Mapped { .. }), NEW_USERS)
}

/// Root, name spaces and mounts.
pub(super) fn furnish(
    plan: &mut Plan,
    own: &Container,
    spec: &Spec,
    service: &Service,
    facts: &PlanFacts<'_>,
) -> Result<(), PlanError> {
    plan.root = root(own, spec, facts)?;
    plan.namespaces = namespaces(own);
    plan.id_map = id_map(own, spec);
    plan.root_read_only = own.read_only;
    plan.hostname = Some(own.hostname.clone().unwrap_or_else(|| spec.name.stem().into()));
    plan.loopback = own.network == Network::Private;
    kernel_mounts(plan, own, service.resources.delegate);
    name_files(plan, own);
    if environment::wants_notifications(service) {
        let source = facts.notify_socket.into();
        let what = MountWhat::Bind { source, create: false };
        add(plan, NOTIFY_SOCKET_INSIDE, what, MOUNT_CREATE);
    }
    for mount in &own.mounts {
        plan.mounts.push(own_mount(mount, facts)?);
    }
    if !own.privileged {
        for path in MASKED {
            add(plan, path, MountWhat::Mask, MOUNT_OPTIONAL);
        }
        for path in READ_ONLY {
            add(plan, path, MountWhat::Restrict, MOUNT_OPTIONAL | MOUNT_READ_ONLY);
        }
    }
    Ok(())
}

fn root(own: &Container, spec: &Spec, facts: &PlanFacts<'_>) -> Result<Root, PlanError> {
    let layers = match &own.root {
        RootSource::Directory(path) => vec![path.clone()],
        RootSource::Image(_) => facts.image.ok_or(PlanError::NoImage)?.layers.clone(),
    };
    let upper = match own.writable {
        Writable::Ephemeral => None,
        Writable::Persistent => {
            Some(format!("{}/containers/{}", facts.state, spec.name.as_str()).into())
        }
    };
    Ok(Root::Overlay { layers, upper })
}

fn id_map(own: &Container, spec: &Spec) -> Option<IdMap> {
    match own.user_namespace {
        UserNamespace::Host => None,
        UserNamespace::Mapped { base: 0 } => {
            let block = identity::hash(spec.name.as_str().as_bytes()) % MAPPED_BLOCKS;
            let block = u32::try_from(block).expect("less than MAPPED_BLOCKS");
            Some(IdMap { base: MAPPED_FIRST + block * MAPPED_IDS, count: MAPPED_IDS, own: false })
        }
        UserNamespace::Mapped { base } => Some(IdMap { base, count: MAPPED_IDS, own: false }),
    }
}

/// `/proc`, `/dev`, `/sys` and what belongs into them.
fn kernel_mounts(plan: &mut Plan, own: &Container, delegate: bool) {
    let guard = if own.privileged { 0 } else { MOUNT_READ_ONLY };
    let group_guard = if delegate { 0 } else { guard };
    add(plan, "/proc", MountWhat::Proc { hide: 0, processes_only: false }, SAFE | PLACE);
    match own.privileged {
        true => {
            let what = MountWhat::Bind { source: "/dev".into(), create: false };
            add(plan, "/dev", what, PLACE | MOUNT_RECURSIVE);
        }
        false => {
            add(plan, "/dev", MountWhat::Devices { nodes: devices(own) }, MOUNT_NO_SUID | PLACE);
        }
    }
    let quiet = MOUNT_NO_SUID | MOUNT_NO_EXEC;
    add(plan, "/dev/pts", MountWhat::Terminals, quiet | PLACE);
    match own.host_ipc {
        true => {
            let what = MountWhat::Bind { source: "/dev/shm".into(), create: false };
            add(plan, "/dev/shm", what, SAFE | PLACE);
        }
        false => add(plan, "/dev/shm", memory(own.shm_bytes, 0o1777), SAFE | PLACE),
    }
    add(plan, "/dev/mqueue", MountWhat::MessageQueues, SAFE | PLACE | MOUNT_OPTIONAL);
    add(plan, "/sys", MountWhat::Sysfs, SAFE | PLACE | guard);
    let group = SAFE | MOUNT_STRICT | MOUNT_OPTIONAL | group_guard;
    add(plan, "/sys/fs/cgroup", MountWhat::Cgroup, group);
}

fn devices(own: &Container) -> Vec<DeviceNode> {
    let named = own.devices.iter();
    let node = |named: &ContainerDevice| DeviceNode {
        source: named.path.clone(),
        target: named.target.clone(),
        access: super::devices::access(&named.access),
    };
    named.map(node).collect()
}

/// `/etc/hostname`, `/etc/hosts`, `/etc/resolv.conf`: the machine's with its network, else our own.
fn name_files(plan: &mut Plan, own: &Container) {
    let name = plan.hostname.as_deref().unwrap_or_default();
    let hostname = MountWhat::Text(format!("{name}\n").into());
    let hosts = format!("127.0.0.1\tlocalhost {name}\n::1\tlocalhost ip6-localhost {name}\n");
    add(plan, "/etc/hostname", hostname, MOUNT_CREATE);
    if own.network == Network::Host {
        for path in ["/etc/hosts", "/etc/resolv.conf"] {
            let what = MountWhat::Bind { source: path.into(), create: false };
            add(plan, path, what, MOUNT_CREATE | MOUNT_OPTIONAL | MOUNT_READ_ONLY);
        }
    } else {
        add(plan, "/etc/hosts", MountWhat::Text(hosts.into()), MOUNT_CREATE);
    }
}

fn own_mount(mount: &ContainerMount, facts: &PlanFacts<'_>) -> Result<Mount, PlanError> {
    let below = |tree: &str| {
        mount.target.strip_prefix(tree).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let root = mount.target.trim_end_matches('/').is_empty();
    if root || KERNEL_TREES.into_iter().any(below) {
        return Err(PlanError::ForbiddenTarget(mount.target.clone()));
    }
    let what = match &mount.source {
        MountSource::Bind { path, create } => {
            MountWhat::Bind { source: path.clone(), create: *create }
        }
        MountSource::Volume(name) => MountWhat::Bind {
            source: format!("{}/volumes/{name}", facts.state).into(),
            create: true,
        },
        MountSource::Tmpfs { bytes_max, mode } => memory(*bytes_max, *mode),
    };
    let mut flags = MOUNT_CREATE | MOUNT_NO_SUID | MOUNT_NO_DEVICES;
    flags |= if mount.read_only { MOUNT_READ_ONLY } else { 0 };
    flags |= if mount.no_exec { MOUNT_NO_EXEC } else { 0 };
    flags |= if mount.recursive { MOUNT_RECURSIVE } else { 0 };
    Ok(Mount { target: mount.target.clone(), what, flags })
}

fn memory(bytes_max: u64, mode: u32) -> MountWhat {
    MountWhat::Memory { bytes_max, mode, options: "".into() }
}

fn add(plan: &mut Plan, target: &str, what: MountWhat, flags: u8) {
    plan.mounts.push(Mount { target: target.into(), what, flags });
}
