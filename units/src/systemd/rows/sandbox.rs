//! Sandboxing (systemd.exec(5)).

use crate::diagnostic::{Code, Severity};
use crate::draft::Draft;
use crate::execution::{
    AddressFamilies, BindPath, PathAccess, PathRule, ProtectHome, ProtectSystem, SystemCallFilter,
};
use crate::systemd::setting::{Setting, at_word, put};
use crate::systemd::{Directive, Place, Treatment, lists, passive, row};
use crate::text::{BadValue, errno, family, number, path, words};

type Set = fn(&mut Draft, &mut Setting<'_>) -> Result<(), BadValue>;

const fn sandbox(name: &'static str, set: Set) -> Directive {
    row(Place::Process, name, set)
}

pub(super) const ROWS: &[Directive] = &[
    sandbox("ProtectSystem", |d, s| put(&mut d.sandbox.protect_system, protect_system(s.value))),
    sandbox("ProtectHome", |d, s| put(&mut d.sandbox.protect_home, protect_home(s.value))),
    sandbox("PrivateTmp", |d, s| put(&mut d.sandbox.private_tmp, yes_or(s, &["disconnected"]))),
    sandbox("PrivateDevices", |d, s| put(&mut d.sandbox.private_devices, s.boolean())),
    sandbox("PrivateNetwork", |d, s| put(&mut d.sandbox.private_network, s.boolean())),
    sandbox("PrivateIPC", |d, s| put(&mut d.sandbox.private_ipc, s.boolean())),
    sandbox("PrivateUsers", |d, s| put(&mut d.sandbox.private_users, yes_or(s, &["self"]))),
    sandbox("PrivateMounts", |d, s| put(&mut d.sandbox.private_mounts, s.boolean())),
    sandbox("ProtectHostname", |d, s| {
        put(&mut d.sandbox.protect_hostname, yes_or(s, &["private"]))
    }),
    sandbox("ProtectClock", |d, s| put(&mut d.sandbox.protect_clock, s.boolean())),
    sandbox("ProtectKernelTunables", |d, s| {
        put(&mut d.sandbox.protect_kernel_tunables, s.boolean())
    }),
    sandbox("ProtectKernelModules", |d, s| put(&mut d.sandbox.protect_kernel_modules, s.boolean())),
    sandbox("ProtectKernelLogs", |d, s| put(&mut d.sandbox.protect_kernel_logs, s.boolean())),
    sandbox("ProtectControlGroups", |d, s| {
        put(&mut d.sandbox.protect_control_groups, yes_or(s, &["private", "strict"]))
    }),
    sandbox("ProtectProc", |d, s| put(&mut d.sandbox.protect_proc, s.one_of(PROC))),
    sandbox("ProcSubset", |d, s| put(&mut d.sandbox.proc_subset_pid, s.one_of(SUBSETS))),
    sandbox("ReadWritePaths", |d, s| rules(d, s, PathAccess::ReadWrite)),
    sandbox("ReadOnlyPaths", |d, s| rules(d, s, PathAccess::ReadOnly)),
    sandbox("InaccessiblePaths", |d, s| rules(d, s, PathAccess::Inaccessible)),
    sandbox("ExecPaths", |d, s| rules(d, s, PathAccess::Exec)),
    sandbox("NoExecPaths", |d, s| rules(d, s, PathAccess::NoExec)),
    sandbox("ReadWriteDirectories", |d, s| rules(d, s, PathAccess::ReadWrite))
        .group("ReadWritePaths")
        .translated("ReadWritePaths="),
    sandbox("ReadOnlyDirectories", |d, s| rules(d, s, PathAccess::ReadOnly))
        .group("ReadOnlyPaths")
        .translated("ReadOnlyPaths="),
    sandbox("InaccessibleDirectories", |d, s| rules(d, s, PathAccess::Inaccessible))
        .group("InaccessiblePaths")
        .translated("InaccessiblePaths="),
    sandbox("BindPaths", |d, s| binds(d, s, false)),
    sandbox("BindReadOnlyPaths", |d, s| binds(d, s, true)),
    sandbox("TemporaryFileSystem", |d, s| {
        let pairs = s.each(|word| {
            let (path, options) = word.split_once(':').unwrap_or((word, ""));
            Ok((path::absolute(path)?, options.into()))
        })?;
        d.sandbox.temporary.extend(pairs);
        Ok(())
    }),
    sandbox("MountFlags", |d, s| {
        // A propagation of its own needs a name space of its own; ours is always a slave.
        let private = s.one_of(&[("shared", false), ("slave", true), ("private", true)])?;
        d.sandbox.private_mounts |= private;
        Ok(())
    })
    .translated("PrivateMounts="),
    sandbox("MountAPIVFS", |d, s| put(&mut d.sandbox.mount_api_vfs, s.boolean())),
    sandbox("BindLogSockets", |_, s| s.boolean().map(drop)),
    passive(Place::Process, "NetworkNamespacePath", NO_FOREIGN),
    passive(Place::Process, "IPCNamespacePath", NO_FOREIGN),
    passive(
        Place::Process,
        "PrivatePIDs",
        Treatment::NotHonoured("processes see each other's ids", "make it a container"),
    ),
    sandbox("RestrictAddressFamilies", set_families),
    sandbox("RestrictNamespaces", set_namespaces),
    sandbox("RestrictRealtime", |d, s| put(&mut d.sandbox.restrict_realtime, s.boolean())),
    sandbox("RestrictSUIDSGID", |d, s| put(&mut d.sandbox.restrict_suid_sgid, s.boolean())),
    sandbox("LockPersonality", |d, s| put(&mut d.sandbox.lock_personality, s.boolean())),
    sandbox("MemoryDenyWriteExecute", |d, s| {
        put(&mut d.sandbox.memory_deny_write_execute, s.boolean())
    }),
    sandbox("RemoveIPC", |d, s| put(&mut d.sandbox.remove_ipc, s.boolean())),
    passive(
        Place::Process,
        "RestrictFileSystems",
        Treatment::NotHonoured(
            "it would need a BPF program",
            "use PrivateMounts= and SystemCallFilter=~@mount",
        ),
    ),
    sandbox("SystemCallFilter", set_filter),
    sandbox("SystemCallErrorNumber", |d, s| put(&mut d.system_call_errno, errno_of(s.value))),
    sandbox("SystemCallArchitectures", |d, s| {
        let names = s.each(|word| Ok(word.to_owned()))?;
        let native = names.iter().all(|name| matches!(name.as_str(), "native" | "x86-64"));
        d.sandbox.native_calls_only = native;
        Ok(())
    }),
    passive(Place::Process, "SystemCallLog", Treatment::Ignored("there is no audit log")),
];

/// What our own format calls the sandbox, as far as it is honoured.
#[rustfmt::skip]
pub(crate) const NAMES: &[&str] = &[
    "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateNetwork",
    "PrivateIPC", "PrivateUsers", "PrivateMounts", "ProtectHostname", "ProtectClock",
    "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs",
    "ProtectControlGroups", "ProtectProc", "ProcSubset", "ReadWritePaths", "ReadOnlyPaths",
    "InaccessiblePaths", "ExecPaths", "NoExecPaths", "RestrictAddressFamilies",
    "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality",
    "MemoryDenyWriteExecute", "RemoveIPC", "SystemCallFilter", "SystemCallErrorNumber",
    "SystemCallArchitectures", "DynamicUser", "SecureBits", "DevicePolicy", "DeviceAllow",
];

const NO_FOREIGN: Treatment = Treatment::Refused(
    "name spaces of others are not joined by path",
    "use JoinsNamespaceOf=, or a container with a network of its own",
);
const PROC: &[(&str, u8)] = &[("default", 0), ("noaccess", 1), ("invisible", 2), ("ptraceable", 4)];
const SUBSETS: &[(&str, bool)] = &[("all", false), ("pid", true)];

/// Truth, or a word of later versions that means a stricter yes.
fn yes_or(s: &Setting<'_>, also: &[&str]) -> Result<bool, BadValue> {
    if also.contains(&s.value) { Ok(true) } else { s.boolean() }
}

pub(crate) fn protect_system(text: &str) -> Result<ProtectSystem, BadValue> {
    match text {
        "full" => Ok(ProtectSystem::Full),
        "strict" => Ok(ProtectSystem::Strict),
        text => number::boolean(text)
            .map(|yes| if yes { ProtectSystem::Yes } else { ProtectSystem::No })
            .map_err(|bad| bad.advise("write yes, no, full or strict")),
    }
}

pub(crate) fn protect_home(text: &str) -> Result<ProtectHome, BadValue> {
    match text {
        "read-only" => Ok(ProtectHome::ReadOnly),
        "tmpfs" => Ok(ProtectHome::Tmpfs),
        text => number::boolean(text)
            .map(|yes| if yes { ProtectHome::Yes } else { ProtectHome::No })
            .map_err(|bad| bad.advise("write yes, no, read-only or tmpfs")),
    }
}

fn rules(d: &mut Draft, s: &mut Setting<'_>, access: PathAccess) -> Result<(), BadValue> {
    let rules = s.each(|word| {
        let (optional, rest) = lists::optional(word);
        let in_root = rest.starts_with('+');
        let path = path::absolute(rest.strip_prefix('+').unwrap_or(rest))?;
        Ok(PathRule { path, access, optional, in_root })
    })?;
    d.sandbox.paths.extend(rules);
    Ok(())
}

fn binds(d: &mut Draft, s: &mut Setting<'_>, read_only: bool) -> Result<(), BadValue> {
    let binds = s.each(|word| bind(word, read_only))?;
    d.sandbox.binds.extend(binds);
    Ok(())
}

/// `[-]source[:target[:rbind|norbind]]`.
fn bind(word: &str, read_only: bool) -> Result<BindPath, BadValue> {
    let (optional, rest) = lists::optional(word);
    let parts = lists::split_colons(rest);
    let source = path::absolute(&parts[0])?;
    let target = match parts.get(1).filter(|target| !target.is_empty()) {
        Some(target) => path::absolute(target)?,
        None => source.clone(),
    };
    let recursive = match parts.get(2).map(String::as_str) {
        None | Some("" | "rbind") => true,
        Some("norbind") => false,
        Some(other) => {
            return Err(BadValue::new(format!("`{other}` is no option of a bind mount")));
        }
    };
    Ok(BindPath { source, target, read_only, recursive, optional })
}

/// The list adds or takes away, depending on what the first assignment said.
fn set_families(d: &mut Draft, s: &mut Setting<'_>) -> Result<(), BadValue> {
    if s.value == "none" {
        d.sandbox.address_families = Some(AddressFamilies { allow: true, families: Vec::new() });
        return Ok(());
    }
    let (inverted, list) = inverted(s.value);
    let fresh = AddressFamilies { allow: !inverted, families: Vec::new() };
    let set = d.sandbox.address_families.get_or_insert(fresh);
    for (offset, word) in words::plain(list) {
        let skipped = s.value.len() - list.len();
        let found = family::parse(word).map_err(|bad| bad.at(offset + skipped, word.len()))?;
        set.families.retain(|known| *known != found);
        if set.allow != inverted {
            set.families.push(found);
        }
    }
    set.families.sort_unstable();
    Ok(())
}

fn inverted(text: &str) -> (bool, &str) {
    match text.strip_prefix('~') {
        Some(list) => (true, list),
        None => (false, text),
    }
}

/// Linux's `CLONE_NEW…` bits.
const NAMESPACES: &[(&str, u32)] = &[
    ("cgroup", 0x0200_0000),
    ("ipc", 0x0800_0000),
    ("net", 0x4000_0000),
    ("mnt", 0x0002_0000),
    ("pid", 0x2000_0000),
    ("user", 0x1000_0000),
    ("uts", 0x0400_0000),
    ("time", 0x0000_0080),
];

fn set_namespaces(d: &mut Draft, s: &mut Setting<'_>) -> Result<(), BadValue> {
    if let Ok(restrict) = s.boolean() {
        d.sandbox.namespaces_allowed = restrict.then_some(0);
        return Ok(());
    }
    let (inverted, list) = inverted(s.value);
    let all = NAMESPACES.iter().fold(0, |mask, (_, bit)| mask | bit);
    let mut mask = 0;
    for (offset, word) in words::plain(list) {
        let found = NAMESPACES.iter().find(|(name, _)| *name == word);
        let (_, bit) = found.ok_or_else(|| {
            BadValue::new(format!("`{word}` is no kind of name space"))
                .advise("write yes, no, or a list of cgroup, ipc, net, mnt, pid, user, uts")
                .at(offset + s.value.len() - list.len(), word.len())
        })?;
        mask |= bit;
    }
    let allowed = &mut d.sandbox.namespaces_allowed;
    *allowed = Some(match (*allowed, inverted) {
        (None, false) => mask,
        (None, true) => all & !mask,
        (Some(before), false) => before | mask,
        (Some(before), true) => before & !mask,
    });
    Ok(())
}

/// The sets of systemd.exec(5).
#[rustfmt::skip]
const GROUPS: &[&str] = &[
    "@aio", "@basic-io", "@chown", "@clock", "@cpu-emulation", "@debug", "@default",
    "@file-system", "@io-event", "@ipc", "@keyring", "@known", "@memlock", "@module", "@mount",
    "@network-io", "@obsolete", "@pkey", "@privileged", "@process", "@raw-io", "@reboot",
    "@resources", "@sandbox", "@setuid", "@signal", "@swap", "@sync", "@system-service", "@timer",
];

fn set_filter(d: &mut Draft, s: &mut Setting<'_>) -> Result<(), BadValue> {
    let (inverted, list) = inverted(s.value);
    let skipped = s.value.len() - list.len();
    let fresh = SystemCallFilter { allow: !inverted, entries: Vec::new(), errno: None };
    let filter = d.sandbox.system_calls.get_or_insert(fresh);
    let words = lists::split(list).map_err(|bad| bad.shifted(skipped))?;
    for word in words {
        let (name, number) = word.text.split_once(':').unwrap_or((&word.text, ""));
        if name.starts_with('@') && !GROUPS.contains(&name) {
            let text = format!("the set of system calls `{name}` is not known and left out");
            let bad = at_word(BadValue::new(text), &word).shifted(skipped);
            s.remarks.push((Severity::Warning, Code::BadValue, bad));
            continue;
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.starts_with('@') && (name.is_empty() || !name.chars().all(plain)) {
            let bad = BadValue::new(format!("`{name}` is no name of a system call"));
            return Err(at_word(bad, &word).shifted(skipped));
        }
        if !number.is_empty() {
            errno_of(number).map_err(|bad| at_word(bad, &word).shifted(skipped))?;
        }
        let takes_away = if filter.allow == inverted { "~" } else { "" };
        filter.entries.push(format!("{takes_away}{}", word.text).into());
    }
    Ok(())
}

/// A number, a name, or `kill` (`None`).
fn errno_of(text: &str) -> Result<Option<u16>, BadValue> {
    if text == "kill" {
        return Ok(None);
    }
    let number = text.parse::<u16>().ok().filter(|number| (1..4096).contains(number));
    number.or_else(|| errno::find(text)).map(Some).ok_or_else(|| {
        BadValue::new(format!("`{text}` is no error number"))
            .advise("write a name such as EPERM, a number from 1 to 4095, or kill")
    })
}
