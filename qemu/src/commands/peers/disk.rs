//! The disk from which the peers boot: Debian packages unpacked, and a few files of ours.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use boot::apt::Apt;
use boot::cache::{Cache, part_of};
use boot::debian::closure;
use boot::{Fault, tool};

use super::setup;

/// What the peers are made of; the libraries they need come along.
const PACKAGES: &[&str] = &[
    "base-files",
    "base-passwd",
    "busybox-static",
    "containerd",
    "coreutils",
    "crun",
    "dash",
    "dbus",
    "dbus-bin",
    "dbus-daemon",
    "dbus-system-bus-common",
    "docker.io",
    "etcd-server",
    "execline",
    "iptables",
    "kmod",
    "mount",
    "netbase",
    "runc",
    "runit",
    "s6",
    "sed",
    "systemd",
    "systemd-resolved",
    "systemd-timesyncd",
    "tini",
    "udev",
    "util-linux",
];

/// On a merged system these are links into `/usr`.
const MERGED: [&str; 5] = ["bin", "sbin", "lib", "lib32", "lib64"];

/// `dpkg-deb --extract` would put folders where the links of a merged system are.
const UNPACK: &str = r#"dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2""#;

const SIZE_MIB: u32 = 1536;

/// Makes the disk and says where it is.
///
/// # Errors
/// When a package cannot be fetched, or the disk cannot be made.
pub(super) fn make(cache: &Cache, gauge: &Path, busybox: &Path) -> Result<PathBuf, Fault> {
    let packages = Apt::new(cache).fetch("peers", |apt| closure(apt, PACKAGES))?;
    let tree = unpacked(cache, &packages)?;
    let own = tree.join("peers");
    if own.is_dir() {
        fs::remove_dir_all(&own).map_err(Fault::file("remove", &own))?;
    }
    for (path, mode, text) in setup::files() {
        write(&tree.join(path), mode, text.as_bytes())?;
    }
    for (path, target) in setup::links() {
        link(&tree.join(path), &target)?;
    }
    for name in ["proc", "sys", "dev"] {
        make_folder(&own.join("box").join(name))?;
    }
    for (from, name) in [(gauge, "gauge"), (busybox, "busybox"), (busybox, "box/bin/true")] {
        let bytes = fs::read(from).map_err(Fault::file("read", from))?;
        write(&own.join(name), 0o755, &bytes)?;
    }
    let image = cache.path("disks/peers.ext4")?;
    let part = part_of(&image);
    let mut command = tool::command("mkfs.ext4");
    command.args(["-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-d"]);
    tool::output(command.arg(&tree).arg(&part).arg(format!("{SIZE_MIB}M")))?;
    fs::rename(&part, &image).map_err(Fault::file("put in place", &image))?;
    Ok(image)
}

/// The packages' files as a folder, made once for these packages.
fn unpacked(cache: &Cache, packages: &[PathBuf]) -> Result<PathBuf, Fault> {
    let names: Vec<_> = packages.iter().filter_map(|package| package.file_name()).collect();
    let names: String = names.iter().map(|name| name.to_string_lossy()).collect();
    let key = boot::oci::digest((UNPACK.to_owned() + &names).as_bytes());
    let key = key.trim_start_matches("sha256:").get(..16).unwrap_or_default();
    let tree = cache.path(&format!("peers/{key}"))?;
    if tree.is_dir() {
        return Ok(tree);
    }
    let part = part_of(&tree);
    for name in MERGED {
        let folder = part.join("usr").join(name);
        fs::create_dir_all(&folder).map_err(Fault::file("create", &folder))?;
        link(&part.join(name), &format!("usr/{name}"))?;
    }
    for name in ["proc", "sys", "dev", "run", "tmp", "root", "mnt", "var/lib", "var/log", "etc"] {
        let folder = part.join(name);
        fs::create_dir_all(&folder).map_err(Fault::file("create", &folder))?;
    }
    for package in packages {
        let mut command = tool::command("sh");
        tool::output(command.args(["-e", "-c", UNPACK, "unpack"]).arg(package).arg(&part))?;
    }
    // What only people read would be two thirds of the disk's files.
    for folder in ["usr/share/doc", "usr/share/man", "usr/share/locale"] {
        let _ = fs::remove_dir_all(part.join(folder));
    }
    fs::rename(&part, &tree).map_err(Fault::file("put in place", &tree))?;
    Ok(tree)
}

fn write(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), Fault> {
    make_parent(path)?;
    let _ = fs::remove_file(path);
    fs::write(path, bytes).map_err(Fault::file("write", path))?;
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, mode).map_err(Fault::file("set the mode of", path))
}

fn link(path: &Path, target: &str) -> Result<(), Fault> {
    make_parent(path)?;
    let _ = fs::remove_file(path);
    symlink(target, path).map_err(Fault::file("link", path))
}

fn make_parent(path: &Path) -> Result<(), Fault> {
    make_folder(path.parent().unwrap_or(path))
}

fn make_folder(parent: &Path) -> Result<(), Fault> {
    fs::create_dir_all(parent).map_err(Fault::file("create", parent))
}
