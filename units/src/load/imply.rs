//! Relations that a unit has without saying so (the manual pages' "automatic dependencies").

use crate::draft::{Draft, Origin};
use crate::execution::DirectoryPlace;
use crate::name::{UnitKind, UnitName};
use crate::spec::RelationKind::{self, After, Before, Conflicts, Requires, Wants};
use crate::text::path;
use crate::triggers::{Address, Elapse, Listen};

/// Adds what follows from the unit alone.
pub(super) fn imply(draft: &mut Draft) {
    match draft.spec.name.kind() {
        UnitKind::Service => imply_service(draft),
        UnitKind::Timer => imply_timer(draft),
        UnitKind::Socket => imply_socket(draft),
        UnitKind::Mount => imply_mount(draft),
        UnitKind::Target => imply_end(draft),
    }
}

fn add(draft: &mut Draft, kind: RelationKind, name: &str) {
    let unit = UnitName::new(name).expect("a standard target's name");
    add_unit(draft, kind, unit);
}

fn add_unit(draft: &mut Draft, kind: RelationKind, unit: UnitName) {
    if !draft.has_link(kind, &unit) {
        draft.link(kind, unit, Origin::RULE);
    }
}

/// Stopped in time before the machine ends.
fn imply_end(draft: &mut Draft) {
    if draft.default_dependencies && draft.spec.name.as_str() != "shutdown.target" {
        add(draft, Conflicts, "shutdown.target");
        add(draft, Before, "shutdown.target");
    }
}

fn imply_start(draft: &mut Draft) {
    if draft.default_dependencies {
        add(draft, Requires, "sysinit.target");
        add(draft, After, "sysinit.target");
    }
}

fn imply_service(draft: &mut Draft) {
    imply_start(draft);
    if draft.default_dependencies {
        add(draft, After, "basic.target");
    }
    imply_end(draft);
    for socket in draft.service.sockets.clone() {
        add_unit(draft, Wants, socket.clone());
        add_unit(draft, After, socket);
    }
    need_paths_of_execution(draft);
}

fn imply_timer(draft: &mut Draft) {
    let unit = draft.triggers.clone().unwrap_or(draft.timer.unit.clone());
    add_unit(draft, Before, unit);
    imply_start(draft);
    if draft.default_dependencies {
        add(draft, Before, "timers.target");
        if draft.timer.elapses.iter().any(|elapse| matches!(elapse, Elapse::Calendar(_))) {
            add(draft, After, "time-set.target");
            add(draft, After, "time-sync.target");
        }
    }
    imply_end(draft);
}

fn imply_socket(draft: &mut Draft) {
    if !draft.socket.accept {
        let unit = draft.triggers.clone().unwrap_or(draft.socket.unit.clone());
        add_unit(draft, Before, unit);
    }
    imply_start(draft);
    if draft.default_dependencies {
        add(draft, Before, "sockets.target");
    }
    imply_end(draft);
    for listen in &draft.socket.listens {
        let path = match listen {
            Listen::Stream(Address::Path(path))
            | Listen::Datagram(Address::Path(path))
            | Listen::SequentialPacket(Address::Path(path))
            | Listen::Fifo(path)
            | Listen::Special(path) => path,
            Listen::Stream(_)
            | Listen::Datagram(_)
            | Listen::SequentialPacket(_)
            | Listen::Netlink { .. }
            | Listen::MessageQueue(_) => continue,
        };
        draft.mounts_for.push(path.clone());
    }
}

/// File systems that need the network (systemd.mount(5)).
#[rustfmt::skip]
const NETWORK_TYPES: &[&str] = &[
    "afs", "ceph", "cifs", "smb3", "smbfs", "sshfs", "ncpfs", "ncp", "nfs", "nfs4", "gfs", "gfs2",
    "glusterfs", "pvfs2", "ocfs2", "lustre", "davfs",
];

fn imply_mount(draft: &mut Draft) {
    let mount = &draft.mount;
    let place = mount.place.clone();
    let what = mount.what.clone();
    let option = |wanted: &str| mount.options.split(',').any(|option| option == wanted);
    let fs_type = mount.fs_type.strip_prefix("fuse.").unwrap_or(&mount.fs_type);
    let network = option("_netdev") || NETWORK_TYPES.contains(&fs_type);
    let bound = option("bind") || option("rbind");
    if let Some((parent, _)) = place.rsplit_once('/') {
        draft.mounts_for.push(if parent.is_empty() { "/".into() } else { parent.into() });
    }
    if what.starts_with('/') && (bound || !what.starts_with("/dev/")) {
        draft.mounts_for.push(what);
    }
    if !draft.default_dependencies {
        return;
    }
    if network {
        add(draft, Wants, "network-online.target");
        for target in ["remote-fs-pre.target", "network.target", "network-online.target"] {
            add(draft, After, target);
        }
        add(draft, Before, "remote-fs.target");
    } else {
        add(draft, After, "local-fs-pre.target");
        add(draft, Before, "local-fs.target");
    }
    add(draft, Conflicts, "umount.target");
    add(draft, Before, "umount.target");
}

/// Everything that processes find at a path must be mounted.
fn need_paths_of_execution(draft: &mut Draft) {
    let execution = &draft.execution;
    let mut paths: Vec<Box<str>> = Vec::new();
    paths.extend(execution.root_directory.clone());
    let directory = execution.working_directory.clone();
    paths.extend(directory.filter(|path| path.starts_with('/')));
    for own in &execution.directories {
        let root = match own.place {
            DirectoryPlace::Runtime => "/run",
            DirectoryPlace::State => "/var/lib",
            DirectoryPlace::Cache => "/var/cache",
            DirectoryPlace::Logs => "/var/log",
            DirectoryPlace::Configuration => "/etc",
        };
        paths.push(format!("{root}/{}", own.path).into());
    }
    if draft.sandbox.private_tmp {
        paths.extend(["/tmp".into(), "/var/tmp".into()]);
    }
    draft.mounts_for.extend(paths);
}

/// The names of the mount units that a path may lie on, `-.mount` left out.
pub(super) fn mounts_above(path: &str) -> Vec<UnitName> {
    path::upwards(path)
        .filter(|above| *above != "/")
        .filter_map(crate::text::escape::escape_path)
        .filter_map(|stem| UnitName::new(&format!("{stem}.mount")).ok())
        .collect()
}
