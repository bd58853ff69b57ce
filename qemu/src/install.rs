//! The programs of the host that nothing here can do without, installed when they are missing.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use boot::tool;

use crate::Fault;
use crate::options::QEMU;

/// A program and the package that has it, in Debian and in Ubuntu.
const NEEDED: [(&str, &str); 6] = [
    (QEMU, "qemu-system-x86"),
    ("mkfs.ext4", "e2fsprogs"),
    ("zstd", "zstd"),
    ("xz", "xz-utils"),
    ("systemd-analyze", "systemd"),
    ("etcdctl", "etcd-client"),
];

/// Makes sure that every program is there; asks no question, and installs only what is missing.
///
/// # Errors
/// When something is missing and this user may not install it: names what to install.
pub fn programs(progress: &mut dyn FnMut(&str)) -> Result<(), Fault> {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| !tool::exists(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let refused = || boot::Fault::Install { packages: missing.join(" ") };
    let right = Right::find().ok_or_else(refused)?;
    progress(&format!("installing {}", missing.join(" ")));
    if right.install(&missing).is_err() {
        // A machine that was never asked to install anything has no package lists yet.
        right.update()?;
        right.install(&missing)?;
    }
    match NEEDED.iter().find(|(program, _)| !tool::exists(program)) {
        None => Ok(()),
        Some(_) => Err(refused().into()),
    }
}

/// By which right apt may be told to install.
#[derive(Debug, Clone, Copy)]
enum Right {
    /// We are root.
    Root,
    /// `sudo` lets us without a password.
    Sudo,
}

impl Right {
    fn find() -> Option<Right> {
        if !tool::exists("apt-get") {
            return None;
        }
        // The owner of /proc/self is the effective user.
        if std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
            return Some(Right::Root);
        }
        let mut sudo = tool::command("sudo");
        sudo.args(["-n", "true"]);
        tool::output(&mut sudo).is_ok().then_some(Right::Sudo)
    }

    fn update(self) -> Result<(), boot::Fault> {
        tool::output(self.apt().arg("update")).map(drop)
    }

    fn install(self, packages: &[&str]) -> Result<(), boot::Fault> {
        let mut command = self.apt();
        command.args(["install", "--yes", "--no-install-recommends"]).args(packages);
        tool::output(&mut command).map(drop)
    }

    fn apt(self) -> Command {
        let mut command = match self {
            Right::Root => tool::command("env"),
            Right::Sudo => {
                let mut command = tool::command("sudo");
                command.args(["-n", "env"]);
                command
            }
        };
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"]);
        command
    }
}
