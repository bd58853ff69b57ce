//! A draft that all files have written into → a spec: defaults, implied settings, contradictions.

mod service;
mod trigger;

use crate::diagnostic::{Code, Severity};
use crate::draft::Draft;
use crate::execution::{Execution, Input, Sandbox};
use crate::name::UnitKind;
use crate::service::Signal;
use crate::spec::{Body, Spec};
use crate::text::BadValue;

/// Hears what is to be said about the unit as a whole.
pub(crate) type HearWhole<'a> = dyn FnMut(Severity, Code, BadValue) + 'a;

/// Makes the spec; its relations are still empty.
pub(crate) fn finish(draft: Draft, hear: &mut HearWhole<'_>) -> Spec {
    let kind = draft.spec.name.kind();
    let mut spec = draft.spec.clone();
    spec.body = match kind {
        UnitKind::Service => Body::Service(Box::new(service::finish(draft, hear))),
        UnitKind::Timer => Body::Timer(Box::new(trigger::finish_timer(draft, hear))),
        UnitKind::Socket => Body::Socket(Box::new(trigger::finish_socket(draft, hear))),
        UnitKind::Mount => Body::Mount(Box::new(trigger::finish_mount(draft, hear))),
        UnitKind::Target => Body::Target,
    };
    spec.documentation.shrink_to_fit();
    spec.conditions.shrink_to_fit();
    spec
}

fn error(hear: &mut HearWhole<'_>, code: Code, message: &str, advice: &str) {
    hear(Severity::Error, code, BadValue::new(message).advise(advice));
}

/// What the surroundings of a process imply for each other.
fn finish_execution(draft: &mut Draft) -> Execution {
    let mut execution = std::mem::take(&mut draft.execution);
    let mut sandbox = std::mem::take(&mut draft.sandbox);
    if let Some(input) = draft.input.take()
        && (!draft.stdin_given || execution.stdin == Input::Bytes("".into()))
    {
        execution.stdin = Input::Bytes(input.into());
    }
    for own in &mut execution.directories {
        own.mode = draft.directory_modes[own.place as usize];
    }
    if let Some(filter) = &mut sandbox.system_calls {
        filter.errno = draft.system_call_errno;
        filter.entries.shrink_to_fit();
    }
    if execution.dynamic_user {
        imply_dynamic_user(&mut execution, &mut sandbox, draft);
    }
    drop_capabilities(&mut execution, &sandbox);
    if sandbox.private_devices && sandbox.device_policy == crate::execution::DevicePolicy::Auto {
        sandbox.device_policy = crate::execution::DevicePolicy::Closed;
    }
    shrink(&mut execution);
    execution.sandbox = (sandbox != Sandbox::default()).then(|| Box::new(sandbox));
    execution
}

/// A user who comes and goes must not leave files behind nor gain rights (systemd.exec(5)).
fn imply_dynamic_user(execution: &mut Execution, sandbox: &mut Sandbox, draft: &Draft) {
    use crate::execution::{ProtectHome, ProtectSystem};
    let name = execution.user.get_or_insert_with(|| draft.spec.name.prefix().into()).clone();
    execution.group.get_or_insert(name);
    execution.no_new_privileges = true;
    sandbox.private_tmp = true;
    sandbox.remove_ipc = true;
    sandbox.restrict_suid_sgid = true;
    sandbox.protect_system = ProtectSystem::Strict;
    if sandbox.protect_home == ProtectHome::No {
        sandbox.protect_home = ProtectHome::ReadOnly;
    }
}

/// Capabilities that would undo a sandboxing directive (systemd.exec(5), under each of them).
fn drop_capabilities(execution: &mut Execution, sandbox: &Sandbox) {
    const MKNOD: u64 = 1 << 27;
    const SYS_RAWIO: u64 = 1 << 17;
    const SYS_MODULE: u64 = 1 << 16;
    const SYSLOG: u64 = 1 << 34;
    const SYS_TIME: u64 = 1 << 25;
    const WAKE_ALARM: u64 = 1 << 35;
    let mut dropped = 0;
    for (applies, capabilities) in [
        (sandbox.private_devices, MKNOD | SYS_RAWIO),
        (sandbox.protect_kernel_modules, SYS_MODULE),
        (sandbox.protect_kernel_logs, SYSLOG),
        (sandbox.protect_clock, SYS_TIME | WAKE_ALARM),
    ] {
        dropped |= if applies { capabilities } else { 0 };
    }
    if dropped != 0 {
        let before = execution.capabilities_bounding.unwrap_or(crate::text::capability::ALL);
        execution.capabilities_bounding = Some(before & !dropped);
    }
}

fn shrink(execution: &mut Execution) {
    execution.groups.shrink_to_fit();
    execution.environment.shrink_to_fit();
    execution.environment_files.shrink_to_fit();
    execution.pass_environment.shrink_to_fit();
    execution.unset_environment.shrink_to_fit();
    execution.cpu_affinity.shrink_to_fit();
    execution.rlimits.shrink_to_fit();
    execution.directories.shrink_to_fit();
    execution.credentials.shrink_to_fit();
}

/// The signal of a restart is that of a stop unless it was given.
fn finish_stopping(draft: &Draft) -> crate::service::Stopping {
    let restart: Signal = draft.restart_signal.unwrap_or(draft.stopping.signal);
    crate::service::Stopping { restart_signal: restart, ..draft.stopping }
}
