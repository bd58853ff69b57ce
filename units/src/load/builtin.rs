//! The standard targets (systemd.special(7)) and the units whose work PID 1 does itself.

use crate::draft::{Draft, Origin};
use crate::name::UnitName;
use crate::spec::RelationKind::{self, After, Conflicts, Requires, Wants};

/// A target that exists without a file.
struct Builtin {
    name: &'static str,
    description: &'static str,
    /// Early or late in the machine's life: no default dependencies.
    bare: bool,
    relations: &'static [(RelationKind, &'static str)],
}

const fn target(
    name: &'static str,
    description: &'static str,
    relations: &'static [(RelationKind, &'static str)],
) -> Builtin {
    Builtin { name, description, bare: false, relations }
}

const fn bare(
    name: &'static str,
    description: &'static str,
    relations: &'static [(RelationKind, &'static str)],
) -> Builtin {
    Builtin { name, description, bare: true, relations }
}

#[rustfmt::skip]
const TARGETS: &[Builtin] = &[
    bare("sysinit.target", "System initialisation", &[
        (Wants, "local-fs.target"), (After, "local-fs.target"), (Wants, "swap.target"),
        (After, "swap.target"), (Conflicts, "shutdown.target"),
    ]),
    bare("basic.target", "Basic system", &[
        (Requires, "sysinit.target"), (After, "sysinit.target"), (Wants, "sockets.target"),
        (After, "sockets.target"), (Wants, "timers.target"), (Conflicts, "shutdown.target"),
    ]),
    target("multi-user.target", "All services", &[
        (Requires, "basic.target"), (After, "basic.target"),
        (Conflicts, "rescue.target"), (After, "rescue.target"),
    ]),
    target("graphical.target", "All services", &[
        (Requires, "multi-user.target"), (After, "multi-user.target"),
    ]),
    target("rescue.target", "Nothing but a shell", &[
        (Requires, "sysinit.target"), (After, "sysinit.target"),
    ]),
    bare("emergency.target", "Nothing at all", &[]),
    bare("local-fs-pre.target", "Before local file systems", &[]),
    bare("local-fs.target", "Local file systems", &[
        (After, "local-fs-pre.target"), (Conflicts, "shutdown.target"),
    ]),
    target("remote-fs-pre.target", "Before remote file systems", &[]),
    target("remote-fs.target", "Remote file systems", &[(After, "remote-fs-pre.target")]),
    bare("swap.target", "Swap", &[(Conflicts, "shutdown.target")]),
    target("network-pre.target", "Before the network", &[]),
    target("network.target", "Network", &[(After, "network-pre.target")]),
    target("network-online.target", "Network is online", &[(After, "network.target")]),
    target("nss-lookup.target", "Host names can be looked up", &[]),
    target("nss-user-lookup.target", "User names can be looked up", &[]),
    target("rpcbind.target", "Port mapper", &[]),
    bare("time-set.target", "The clock is roughly right", &[(Conflicts, "shutdown.target")]),
    bare("time-sync.target", "The clock is right", &[
        (Wants, "time-set.target"), (After, "time-set.target"), (Conflicts, "shutdown.target"),
    ]),
    bare("sockets.target", "Sockets", &[(Conflicts, "shutdown.target")]),
    bare("timers.target", "Timers", &[(Conflicts, "shutdown.target")]),
    target("paths.target", "Watched paths", &[]),
    target("slices.target", "Groups", &[]),
    target("getty.target", "Login prompts", &[]),
    target("getty-pre.target", "Before login prompts", &[]),
    target("sound.target", "Sound", &[]),
    target("bluetooth.target", "Bluetooth", &[]),
    target("printer.target", "Printers", &[]),
    target("smartcard.target", "Smart cards", &[]),
    target("usb-gadget.target", "USB gadgets", &[]),
    target("machines.target", "Containers", &[]),
    bare("first-boot-complete.target", "First boot is complete", &[]),
    bare("cryptsetup-pre.target", "Before encrypted volumes", &[]),
    bare("cryptsetup.target", "Encrypted volumes", &[]),
    bare("veritysetup-pre.target", "Before verified volumes", &[]),
    bare("veritysetup.target", "Verified volumes", &[]),
    bare("integritysetup.target", "Checked volumes", &[]),
    bare("remote-cryptsetup.target", "Remote encrypted volumes", &[]),
    bare("remote-veritysetup.target", "Remote verified volumes", &[]),
    bare("initrd.target", "Initial root", &[]),
    bare("shutdown.target", "The end", &[]),
    bare("umount.target", "File systems are unmounted", &[]),
    bare("final.target", "The very end", &[(After, "shutdown.target"), (After, "umount.target")]),
    bare("reboot.target", "Reboot", &[(Requires, "shutdown.target"), (After, "shutdown.target")]),
    bare("poweroff.target", "Power off", &[
        (Requires, "shutdown.target"), (After, "shutdown.target"),
    ]),
    bare("halt.target", "Halt", &[(Requires, "shutdown.target"), (After, "shutdown.target")]),
    bare("kexec.target", "Next kernel", &[
        (Requires, "shutdown.target"), (After, "shutdown.target"),
    ]),
    bare("exit.target", "Exit", &[(Requires, "shutdown.target"), (After, "shutdown.target")]),
    bare("soft-reboot.target", "Reboot of everything but the kernel", &[
        (Requires, "shutdown.target"), (After, "shutdown.target"),
    ]),
    bare("sleep.target", "Sleep", &[]),
    bare("suspend.target", "Suspend", &[]),
    bare("hibernate.target", "Hibernate", &[]),
    bare("hybrid-sleep.target", "Hybrid sleep", &[]),
    bare("suspend-then-hibernate.target", "Suspend, then hibernate", &[]),
];

/// Names of standard targets that mean others unless a file says otherwise.
const ALIASES: &[(&str, &str)] = &[
    ("default.target", "multi-user.target"),
    ("ctrl-alt-del.target", "reboot.target"),
    ("runlevel0.target", "poweroff.target"),
    ("runlevel1.target", "rescue.target"),
    ("runlevel2.target", "multi-user.target"),
    ("runlevel3.target", "multi-user.target"),
    ("runlevel4.target", "multi-user.target"),
    ("runlevel5.target", "graphical.target"),
    ("runlevel6.target", "reboot.target"),
];

/// Targets that are there even when nothing refers to them.
pub(super) const ALWAYS: &[&str] =
    &["multi-user.target", "shutdown.target", "reboot.target", "poweroff.target", "halt.target"];

/// Units of a systemd machine whose work PID 1 does before any unit starts: whoever requires or
/// follows one has it already.
#[rustfmt::skip]
const PROVIDED: &[&str] = &[
    "-.mount", "tmp.mount", "dev-hugepages.mount", "dev-mqueue.mount",
    "proc-sys-fs-binfmt_misc.mount", "proc-sys-fs-binfmt_misc.automount",
    "sys-fs-fuse-connections.mount", "sys-kernel-config.mount",
    "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
    "systemd-binfmt.service", "systemd-firstboot.service", "systemd-fsck-root.service",
    "systemd-hostnamed.service", "systemd-hwdb-update.service",
    "systemd-journal-flush.service", "systemd-journald-audit.socket",
    "systemd-journald-dev-log.socket", "systemd-journald.service", "systemd-journald.socket",
    "systemd-logind.service", "systemd-machine-id-commit.service",
    "systemd-modules-load.service", "systemd-network-generator.service",
    "systemd-networkd-wait-online.service", "systemd-networkd.service",
    "systemd-networkd.socket", "systemd-pstore.service", "systemd-random-seed.service",
    "systemd-remount-fs.service", "systemd-resolved.service", "systemd-rfkill.service",
    "systemd-sysctl.service", "systemd-sysusers.service", "systemd-time-wait-sync.service",
    "systemd-timesyncd.service", "systemd-tmpfiles-clean.service",
    "systemd-tmpfiles-setup-dev-early.service", "systemd-tmpfiles-setup-dev.service",
    "systemd-tmpfiles-setup.service", "systemd-udev-settle.service",
    "systemd-udev-trigger.service", "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket", "systemd-udevd.service", "systemd-update-done.service",
    "systemd-update-utmp.service", "systemd-user-sessions.service",
    "systemd-vconsole-setup.service", "modprobe@.service", "modprobe@configfs.service",
    "modprobe@dm_mod.service", "modprobe@drm.service", "modprobe@efi_pstore.service",
    "modprobe@fuse.service", "modprobe@loop.service",
];

/// Whether a unit's work is done by PID 1 itself.
pub(super) fn is_provided(name: &UnitName) -> bool {
    PROVIDED.contains(&name.as_str())
}

/// What a standard name means.
pub(super) fn alias(name: &UnitName) -> Option<UnitName> {
    let (_, target) = ALIASES.iter().find(|(alias, _)| *alias == name.as_str())?;
    UnitName::new(target).ok()
}

/// Whether a target is one of ours.
#[cfg(test)]
fn is_builtin(name: &UnitName) -> bool {
    TARGETS.iter().any(|builtin| builtin.name == name.as_str())
}

/// A standard target.
pub(super) fn draft(name: &UnitName) -> Option<Draft> {
    let builtin = TARGETS.iter().find(|builtin| builtin.name == name.as_str())?;
    let mut draft = Draft::new(name);
    draft.spec.description = builtin.description.into();
    draft.default_dependencies = !builtin.bare;
    draft.spec.allow_isolate =
        matches!(builtin.name, "multi-user.target" | "graphical.target" | "rescue.target");
    for (kind, other) in builtin.relations {
        let other = UnitName::new(other).expect("the table has only good names");
        draft.link(*kind, other, Origin::RULE);
    }
    Some(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_have_only_good_names_that_exist() {
        for builtin in TARGETS {
            let name = UnitName::new(builtin.name).unwrap();
            let draft = draft(&name).unwrap();
            for link in draft.links {
                assert!(is_builtin(&link.unit), "{name} names {}", link.unit);
            }
        }
        for (alias, target) in ALIASES {
            assert!(UnitName::new(alias).is_ok());
            assert!(is_builtin(&UnitName::new(target).unwrap()));
        }
        for name in ALWAYS {
            assert!(is_builtin(&UnitName::new(name).unwrap()));
        }
    }
}
