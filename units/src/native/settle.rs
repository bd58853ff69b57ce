//! Defaults of our own format, and what could only be decided when all keys were read.

use std::time::Duration;

use super::keys;
use super::reader::Reader;
use crate::compact::List;
use crate::container::{
    Container, MountSource, Network, RootSource, SeccompChoice, UserNamespace, Writable,
};
use crate::diagnostic::{Code, Severity};
use crate::draft::StartupWord;
use crate::execution::BindPath;
use crate::limits::{BACKOFF_MAX, CONTAINER_TASKS_MAX, RESTART_STEPS, SHM_BYTES, STOP_TIMEOUT};
use crate::name::UnitKind;
use crate::resources::Amount;
use crate::service::{KillMode, OomPolicy, RestartPolicy};
use crate::text::lines::Spot;
use crate::text::{BadValue, capability, command};

/// Before the first key.
pub(super) fn begin(r: &mut Reader<'_>, is_container: bool) {
    if r.kind() != UnitKind::Service {
        return;
    }
    r.notes.is_container = is_container;
    r.draft.spec.start_limit.interval = Duration::ZERO;
    r.draft.service.timeouts.stop = Some(STOP_TIMEOUT);
    r.draft.service.restart.steps = RESTART_STEPS;
    r.draft.restart_delay_max = Some(BACKOFF_MAX);
    if is_container {
        r.draft.container = Some(Box::new(empty_container()));
        r.draft.command_optional = true;
        r.draft.execution.no_new_privileges = true;
    }
}

fn empty_container() -> Container {
    Container {
        root: RootSource::Directory("".into()),
        entrypoint: None,
        arguments: None,
        network: Network::Private,
        user_namespace: UserNamespace::Host,
        read_only: false,
        mounts: List::new(),
        ports: List::new(),
        hostname: None,
        privileged: false,
        capabilities_add: List::new(),
        capabilities_drop: List::new(),
        devices: List::new(),
        writable: Writable::Ephemeral,
        seccomp: SeccompChoice::Default,
        shm_bytes: SHM_BYTES,
        host_pids: false,
        host_ipc: false,
    }
}

/// After the last key; `kinds` are those of all units of the file.
pub(super) fn end(r: &mut Reader<'_>, kinds: &[UnitKind]) {
    if r.kind() == UnitKind::Service {
        let has_trigger = kinds.contains(&UnitKind::Timer) || kinds.contains(&UnitKind::Socket);
        let timed = kinds.contains(&UnitKind::Timer);
        end_commands(r);
        end_life(r, timed);
        end_capabilities(r);
        end_mounts(r);
        end_container(r);
        end_install(r, if has_trigger { None } else { Some("multi-user.target") });
    } else {
        let target = match r.kind() {
            UnitKind::Timer => Some("timers.target"),
            UnitKind::Socket => Some("sockets.target"),
            UnitKind::Mount => Some("local-fs.target"),
            UnitKind::Target => Some("multi-user.target"),
            UnitKind::Service => None,
        };
        end_install(r, target);
    }
}

/// In a container the image may say what to run; elsewhere the unit must.
fn end_commands(r: &mut Reader<'_>) {
    let (words, arguments) = (r.notes.command.take(), r.notes.arguments.take());
    let boxed = |words: Vec<String>| words.into_iter().map(String::into_boxed_str).collect();
    if let Some(container) = r.draft.container.as_deref_mut() {
        container.entrypoint = words.map(boxed);
        container.arguments = arguments.map(boxed);
        return;
    }
    let commands = match (&r.notes.command_line, words) {
        (Some((text, _)), _) => command::parse(text, &mut |word| Ok(word.to_owned())),
        (None, Some(words)) => keys::command_of(&words).map(|command| vec![command]),
        (None, None) => return,
    };
    let spot = r.notes.command_line.as_ref().map_or(Spot::default(), |(_, spot)| *spot);
    match commands {
        Ok(mut commands) => {
            let more = arguments.unwrap_or_default();
            if let Some(last) = commands.last_mut() {
                last.arguments.extend(more.iter().map(|word| keys::argument(word)));
            }
            r.draft.service.commands.start = commands.into();
        }
        Err(bad) => r.say(spot, Severity::Error, Code::BadValue, bad),
    }
}

/// A job that a timer starts ends; everything else is kept running.
fn end_life(r: &mut Reader<'_>, timed: bool) {
    let usual = if timed { StartupWord::Oneshot } else { StartupWord::Exec };
    let startup = *r.draft.startup.get_or_insert(usual);
    if !r.notes.restart && startup != StartupWord::Oneshot {
        r.draft.service.restart.policy = RestartPolicy::Always;
    }
    if r.notes.is_container {
        if !r.notes.stop_mode {
            r.draft.stopping.mode = KillMode::Mixed;
        }
        r.draft.oom_policy.get_or_insert(OomPolicy::Kill);
        let tasks = Amount::Absolute(CONTAINER_TASKS_MAX);
        r.draft.resources.tasks_max.get_or_insert(tasks);
    }
}

/// Containers have a small set to add to; other units have all and drop.
fn end_capabilities(r: &mut Reader<'_>) {
    let Some((add, drop)) = r.notes.capabilities.take() else { return };
    if let Some(container) = r.draft.container.as_deref_mut() {
        container.capabilities_add = add.into();
        container.capabilities_drop = drop.into();
        return;
    }
    let mask = |names: &[Box<str>]| {
        names.iter().fold(0, |mask, name| match capability::parse(name) {
            Ok(number) => mask | 1u64 << number,
            Err(_) => capability::ALL,
        })
    };
    let (add, drop) = (mask(&add), mask(&drop));
    let before = r.draft.execution.capabilities_bounding.unwrap_or(capability::ALL);
    r.draft.execution.capabilities_bounding = Some(before & !drop | add);
    r.draft.execution.capabilities_ambient |= add;
}

fn end_mounts(r: &mut Reader<'_>) {
    for (mount, spot) in std::mem::take(&mut r.notes.mounts) {
        if let Some(container) = r.draft.container.as_deref_mut() {
            container.mounts.push(mount);
            continue;
        }
        match mount.source {
            MountSource::Bind { path, .. } => r.draft.sandbox.binds.push(BindPath {
                source: path,
                target: mount.target,
                read_only: mount.read_only,
                recursive: mount.recursive,
                optional: false,
            }),
            MountSource::Tmpfs { bytes_max, mode } => {
                let size = if bytes_max > 0 { format!("size={bytes_max},") } else { String::new() };
                let options = format!("{size}mode={mode:o}");
                r.draft.sandbox.temporary.push((mount.target, options.into()));
            }
            MountSource::Volume(name) => {
                let text = format!("only containers have volumes such as `{name}`");
                let bad = BadValue::new(text).advise("use `directories = { state = \"…\" }`");
                r.say(spot, Severity::Error, Code::Contradiction, bad);
            }
        }
    }
}

fn end_container(r: &mut Reader<'_>) {
    let Some(container) = r.draft.container.as_deref_mut() else { return };
    container.mounts.shrink_to_fit();
    container.ports.shrink_to_fit();
    container.devices.shrink_to_fit();
    if container.privileged && !r.notes.no_new_privileges {
        r.draft.execution.no_new_privileges = false;
    }
    let unreachable = !container.ports.is_empty() && container.network != Network::Host;
    if let Some(spot) = r.notes.ports_at.filter(|_| unreachable) {
        let bad = BadValue::new("ports of a network of its own are not forwarded")
            .advise("set `network = \"host\"`, or take `ports` out");
        r.say(spot, Severity::Warning, Code::NotHonoured, bad);
    }
}

/// What a file defines is part of the boot, unless the file says otherwise.
fn end_install(r: &mut Reader<'_>, target: Option<&str>) {
    if r.notes.disabled {
        r.draft.spec.install.wanted_by.clear();
        r.draft.spec.install.required_by.clear();
    } else if let Some(target) = target.filter(|_| !r.notes.wanted_by) {
        keys::default_wanted_by(r, target);
    }
}
