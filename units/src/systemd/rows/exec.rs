//! The surroundings of processes (systemd.exec(5)), part one: who, where, with what.

use crate::diagnostic::{Code, Severity};
use crate::draft::Draft;
use crate::execution::{Credential, DirectoryPlace, EnvironmentFile, OwnDirectory, Scheduling};
use crate::limits::PROCESSORS_MAX;
use crate::systemd::setting::{Setting, fill, put};
use crate::systemd::{Directive, Place, Treatment, lists, passive, row};
use crate::text::{BadValue, capability, number, path, rlimit};

type Set = fn(&mut Draft, &mut Setting<'_>) -> Result<(), BadValue>;

const fn exec(name: &'static str, set: Set) -> Directive {
    row(Place::Process, name, set)
}

pub(super) const ROWS: &[Directive] = &[
    exec("ExecSearchPath", |d, s| {
        let path = s.text()?;
        d.execution.environment.retain(|(name, _)| &**name != "PATH");
        d.execution.environment.insert(0, ("PATH".into(), path));
        Ok(())
    })
    .translated("Environment=PATH=…"),
    exec("WorkingDirectory", set_working_directory),
    exec("RootDirectory", |d, s| fill(&mut d.execution.root_directory, s.path())),
    passive(Place::Process, "RootImage", NO_IMAGE),
    passive(Place::Process, "RootImageOptions", NO_IMAGE),
    passive(Place::Process, "RootHash", NO_IMAGE),
    passive(Place::Process, "RootHashSignature", NO_IMAGE),
    passive(Place::Process, "RootVerity", NO_IMAGE),
    passive(Place::Process, "RootEphemeral", NO_IMAGE),
    passive(Place::Process, "MountImages", NO_IMAGE),
    passive(Place::Process, "ExtensionImages", NO_IMAGE),
    passive(Place::Process, "ExtensionDirectories", NO_IMAGE),
    exec("User", |d, s| fill(&mut d.execution.user, account(s))),
    exec("Group", |d, s| fill(&mut d.execution.group, account(s))),
    exec("SupplementaryGroups", |d, s| {
        s.each(account_name).map(|groups| d.execution.groups.extend(groups))
    }),
    exec("DynamicUser", |d, s| put(&mut d.execution.dynamic_user, s.boolean())),
    exec("SetLoginEnvironment", |_, s| s.boolean().map(drop)),
    passive(
        Place::Process,
        "PAMName",
        Treatment::NotHonoured(
            "there is no PAM here: its modules set no limits, groups or environment",
            "set them with Limit…=, SupplementaryGroups= and Environment=",
        ),
    ),
    exec("CapabilityBoundingSet", |d, s| {
        let before = d.execution.capabilities_bounding;
        fill(&mut d.execution.capabilities_bounding, capability::merge(before, s.value))
    })
    .empty_is_value(),
    exec("AmbientCapabilities", |d, s| {
        let before = Some(d.execution.capabilities_ambient);
        put(&mut d.execution.capabilities_ambient, capability::merge(before, s.value))
    }),
    exec("SecureBits", |d, s| {
        let bits = s.each(secure_bit)?;
        bits.into_iter().for_each(|bit| d.execution.secure_bits |= bit);
        Ok(())
    }),
    exec("NoNewPrivileges", |d, s| put(&mut d.execution.no_new_privileges, s.boolean())),
    passive(Place::Process, "SELinuxContext", NO_MODULE),
    passive(Place::Process, "AppArmorProfile", NO_MODULE),
    passive(Place::Process, "SmackProcessLabel", NO_MODULE),
    exec("LimitCPU", |d, s| limit(d, "CPU", s)),
    exec("LimitFSIZE", |d, s| limit(d, "FSIZE", s)),
    exec("LimitDATA", |d, s| limit(d, "DATA", s)),
    exec("LimitSTACK", |d, s| limit(d, "STACK", s)),
    exec("LimitCORE", |d, s| limit(d, "CORE", s)),
    exec("LimitRSS", |d, s| limit(d, "RSS", s)),
    exec("LimitNOFILE", |d, s| limit(d, "NOFILE", s)),
    exec("LimitAS", |d, s| limit(d, "AS", s)),
    exec("LimitNPROC", |d, s| limit(d, "NPROC", s)),
    exec("LimitMEMLOCK", |d, s| limit(d, "MEMLOCK", s)),
    exec("LimitLOCKS", |d, s| limit(d, "LOCKS", s)),
    exec("LimitSIGPENDING", |d, s| limit(d, "SIGPENDING", s)),
    exec("LimitMSGQUEUE", |d, s| limit(d, "MSGQUEUE", s)),
    exec("LimitNICE", |d, s| limit(d, "NICE", s)),
    exec("LimitRTPRIO", |d, s| limit(d, "RTPRIO", s)),
    exec("LimitRTTIME", |d, s| limit(d, "RTTIME", s)),
    exec("UMask", |d, s| fill(&mut d.execution.umask, s.mode())),
    passive(
        Place::Process,
        "CoredumpFilter",
        Treatment::NotHonoured("the kernel's own choice of what goes into a core stays", ""),
    ),
    passive(Place::Process, "KeyringMode", Treatment::Ignored("sessions have no keyrings here")),
    exec("OOMScoreAdjust", |d, s| fill(&mut d.execution.oom_score_adjust, s.integer(-1000, 1000))),
    passive(
        Place::Process,
        "TimerSlackNSec",
        Treatment::Ignored("a hint to the kernel's timers only"),
    ),
    exec("Personality", |d, s| fill(&mut d.execution.personality, s.text())),
    exec("IgnoreSIGPIPE", |d, s| fill(&mut d.execution.ignore_sigpipe, s.boolean())),
    exec("Nice", |d, s| fill(&mut d.execution.nice, s.integer(-20, 19))),
    exec("CPUSchedulingPolicy", |d, s| put(&mut scheduling(d).policy, s.one_of(POLICIES))),
    exec("CPUSchedulingPriority", |d, s| put(&mut scheduling(d).priority, s.integer(0, 99))),
    exec("CPUSchedulingResetOnFork", |d, s| put(&mut scheduling(d).reset_on_fork, s.boolean())),
    exec("CPUAffinity", set_affinity),
    passive(Place::Process, "NUMAPolicy", NO_NUMA),
    passive(Place::Process, "NUMAMask", NO_NUMA),
    exec("IOSchedulingClass", |d, s| {
        let (_, priority) = d.execution.io_priority.unwrap_or((2, 4));
        fill(&mut d.execution.io_priority, s.one_of(IO_CLASSES).map(|class| (class, priority)))
    }),
    exec("IOSchedulingPriority", |d, s| {
        let (class, _) = d.execution.io_priority.unwrap_or((2, 4));
        fill(&mut d.execution.io_priority, s.integer(0, 7).map(|priority| (class, priority)))
    }),
    exec("Environment", set_environment),
    exec("EnvironmentFile", |d, s| {
        let text = s.text()?;
        let (optional, text) = lists::optional(&text);
        let path = path::absolute(text)?;
        d.execution.environment_files.push(EnvironmentFile { path, optional });
        Ok(())
    }),
    exec("PassEnvironment", |d, s| {
        s.each(variable_name).map(|names| d.execution.pass_environment.extend(names))
    }),
    exec("UnsetEnvironment", |d, s| {
        s.each(|text| Ok(text.into())).map(|names| d.execution.unset_environment.extend(names))
    }),
    exec("RuntimeDirectory", |d, s| own(d, s, DirectoryPlace::Runtime)),
    exec("StateDirectory", |d, s| own(d, s, DirectoryPlace::State)),
    exec("CacheDirectory", |d, s| own(d, s, DirectoryPlace::Cache)),
    exec("LogsDirectory", |d, s| own(d, s, DirectoryPlace::Logs)),
    exec("ConfigurationDirectory", |d, s| own(d, s, DirectoryPlace::Configuration)),
    exec("RuntimeDirectoryMode", |d, s| put(&mut d.directory_modes[0], s.mode())),
    exec("StateDirectoryMode", |d, s| put(&mut d.directory_modes[1], s.mode())),
    exec("CacheDirectoryMode", |d, s| put(&mut d.directory_modes[2], s.mode())),
    exec("LogsDirectoryMode", |d, s| put(&mut d.directory_modes[3], s.mode())),
    exec("ConfigurationDirectoryMode", |d, s| put(&mut d.directory_modes[4], s.mode())),
    exec("RuntimeDirectoryPreserve", |d, s| {
        put(&mut d.execution.runtime_directory_preserve, super::service::preserve(s.value))
    }),
    passive(
        Place::Process,
        "TimeoutCleanSec",
        Treatment::Ignored("directories are removed by a person"),
    ),
    exec("LoadCredential", |d, s| {
        let text = s.text()?;
        let (name, path) = text.split_once(':').unwrap_or((&text, &text));
        let path =
            if path.starts_with('/') { path.into() } else { format!("/etc/credstore/{path}") };
        let credential = Credential::File { name: name.into(), path: path::absolute(&path)? };
        d.execution.credentials.push(credential);
        Ok(())
    }),
    exec("SetCredential", |d, s| {
        let text = s.text()?;
        let (name, value) = text.split_once(':').ok_or_else(|| {
            BadValue::new("the credential has no value").advise("write `name:value`")
        })?;
        let value = lists::unescaped(value)?;
        d.execution.credentials.push(Credential::Literal { name: name.into(), value });
        Ok(())
    }),
    passive(Place::Process, "LoadCredentialEncrypted", NO_KEY),
    passive(Place::Process, "SetCredentialEncrypted", NO_KEY),
    passive(
        Place::Process,
        "ImportCredential",
        Treatment::NotHonoured(
            "nothing is imported by pattern",
            "name each one with LoadCredential=",
        ),
    ),
    passive(Place::Process, "UtmpIdentifier", Treatment::Ignored("there is no utmp here")),
    passive(Place::Process, "UtmpMode", Treatment::Ignored("there is no utmp here")),
];

const NO_IMAGE: Treatment = Treatment::Refused(
    "disk images are not attached",
    "make it a container: `image = …` in our own format takes an OCI image",
);
const NO_MODULE: Treatment = Treatment::NotHonoured(
    "labels of this security module are not set",
    "use the sandboxing directives and CapabilityBoundingSet=",
);
const NO_NUMA: Treatment = Treatment::NotHonoured(
    "memory policies are not set",
    "use AllowedMemoryNodes= with AllowedCPUs=",
);
const NO_KEY: Treatment = Treatment::Refused(
    "PID 1 holds no key to decrypt it with",
    "use LoadCredential= with a file on the state partition",
);

/// Linux's numbers of scheduling policies.
const POLICIES: &[(&str, u8)] = &[("other", 0), ("fifo", 1), ("rr", 2), ("batch", 3), ("idle", 5)];
const IO_CLASSES: &[(&str, u8)] = &[
    ("none", 0),
    ("0", 0),
    ("realtime", 1),
    ("1", 1),
    ("best-effort", 2),
    ("2", 2),
    ("idle", 3),
    ("3", 3),
];

fn scheduling(d: &mut Draft) -> &mut Scheduling {
    let other = Scheduling { policy: 0, priority: 0, reset_on_fork: false };
    d.execution.scheduling.get_or_insert(other)
}

fn account(s: &mut Setting<'_>) -> Result<Box<str>, BadValue> {
    let text = s.text()?;
    account_name(&text)
}

/// A name or number of a user or group, as strict as systemd's relaxed rules.
pub(crate) fn account_name(text: &str) -> Result<Box<str>, BadValue> {
    let bad = |c: char| c.is_control() || matches!(c, ':' | '/' | ' ');
    let numeric = text.bytes().all(|b| b.is_ascii_digit());
    let too_large = numeric && text.parse::<u32>().is_err();
    if text.is_empty()
        || text.len() > 255
        || text.contains(bad)
        || text.starts_with('-')
        || too_large
    {
        return Err(BadValue::new(format!("`{text}` is no name of a user or group")));
    }
    Ok(text.into())
}

fn set_working_directory(d: &mut Draft, s: &mut Setting<'_>) -> Result<(), BadValue> {
    let text = s.text()?;
    let (optional, text) = lists::optional(&text);
    let directory = if text == "~" { "~".into() } else { path::absolute(text)? };
    d.execution.working_directory = Some(directory);
    d.execution.working_directory_optional = optional;
    Ok(())
}

fn secure_bit(word: &str) -> Result<u32, BadValue> {
    let known = [
        ("noroot", 0),
        ("noroot-locked", 1),
        ("no-setuid-fixup", 2),
        ("no-setuid-fixup-locked", 3),
        ("keep-caps", 4),
        ("keep-caps-locked", 5),
    ];
    let found = known.iter().find(|(name, _)| *name == word);
    found
        .map(|(_, bit)| 1 << bit)
        .ok_or_else(|| BadValue::new(format!("`{word}` is no secure bit")))
}

fn limit(d: &mut Draft, name: &'static str, s: &mut Setting<'_>) -> Result<(), BadValue> {
    let value = s.value;
    add_limit(d, name, value)
}

/// Sets one resource limit in place of an earlier one.
pub(crate) fn add_limit(d: &mut Draft, name: &str, value: &str) -> Result<(), BadValue> {
    let limit = rlimit::parse(name, value)?;
    d.execution.rlimits.retain(|old| old.resource != limit.resource);
    d.execution.rlimits.push(limit);
    Ok(())
}

fn set_affinity(d: &mut Draft, s: &mut Setting<'_>) -> Result<(), BadValue> {
    if s.value == "numa" {
        let bad = BadValue::new("`CPUAffinity=numa` is not honoured").advise("name the processors");
        s.remark(Severity::Warning, Code::NotHonoured, bad);
        return Ok(());
    }
    let more = number::ranges(s.value, PROCESSORS_MAX)?;
    d.execution.cpu_affinity.extend(more);
    d.execution.cpu_affinity.sort_unstable();
    d.execution.cpu_affinity.dedup();
    Ok(())
}

fn set_environment(d: &mut Draft, s: &mut Setting<'_>) -> Result<(), BadValue> {
    for (name, value) in s.each(assignment)? {
        lists::assign(&mut d.execution.environment, name, value);
    }
    Ok(())
}

fn assignment(text: &str) -> Result<(Box<str>, Box<str>), BadValue> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        BadValue::new(format!("`{text}` is no assignment"))
            .advise("write `NAME=value`, in quotes when it has blanks: `\"NAME=a b\"`")
    })?;
    Ok((variable_name(name)?, value.into()))
}

/// A name of an environment variable.
pub(crate) fn variable_name(text: &str) -> Result<Box<str>, BadValue> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty() || !text.chars().all(good) || text.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(BadValue::new(format!("`{text}` is no name of an environment variable"))
            .advise("use letters, digits and `_`, and no digit first"));
    }
    Ok(text.into())
}

/// `name` or `name:link`, all relative.
fn own(d: &mut Draft, s: &mut Setting<'_>, place: DirectoryPlace) -> Result<(), BadValue> {
    let pairs = s.each(|word| {
        let (path, link) = word.split_once(':').map_or((word, None), |(p, l)| (p, Some(l)));
        let link = link.filter(|link| !link.is_empty()).map(path::relative).transpose()?;
        Ok((path::relative(path)?, link))
    })?;
    for (path, link) in pairs {
        let directories = &mut d.execution.directories;
        let known = directories.iter_mut().find(|own| own.place == place && own.path == path);
        match known {
            Some(own) => own.links.extend(link),
            None => {
                let links = link.into_iter().collect();
                directories.push(OwnDirectory { place, path, links, mode: 0 });
            }
        }
    }
    Ok(())
}
