//! When a service comes back, and how it is ended.

use std::time::Duration;

use crate::draft::Draft;
use crate::native::reader::{Fault, Key, Reader, count, expected, integer, key, one_of};
use crate::native::tree::{Item, Node};
use crate::service::{ExitSet, KillMode, RestartPolicy};
use crate::text::status;

/// systemd's policies, and Compose's word for "always".
const POLICIES: &[(&str, RestartPolicy)] = &[
    ("always", RestartPolicy::Always),
    ("on-failure", RestartPolicy::OnFailure),
    ("no", RestartPolicy::No),
    ("never", RestartPolicy::No),
    ("unless-stopped", RestartPolicy::Always),
    ("on-success", RestartPolicy::OnSuccess),
    ("on-abnormal", RestartPolicy::OnAbnormal),
    ("on-abort", RestartPolicy::OnAbort),
    ("on-watchdog", RestartPolicy::OnWatchdog),
];

pub(super) const RESTART: &[Key] = &[
    key("policy", policy),
    key("delay", |r, v| {
        r.draft.restart_delay = r.span(&v.value)?;
        Ok(())
    }),
    key("delay-max", |r, v| {
        r.draft.restart_delay_max = Some(r.span(&v.value)?);
        Ok(())
    }),
    key("steps", |r, v| {
        r.draft.service.restart.steps = count(&v.value, 0, 1000)?;
        Ok(())
    }),
    key("reset-after", |r, v| {
        r.draft.service.restart.reset_after = r.span(&v.value)?;
        Ok(())
    }),
    key("prevent-status", |r, v| statuses(r, v, |d| &mut d.service.restart.prevent)),
    key("force-status", |r, v| statuses(r, v, |d| &mut d.service.restart.force)),
    key("direct", |r, v| {
        r.draft.service.restart.direct = crate::native::reader::boolean(&v.value)?;
        Ok(())
    }),
];

/// A policy alone, or a table.
pub(super) fn restart(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    match &item.value.node {
        Node::Table(_) => r.descend(item, &[RESTART]),
        Node::Text(_) => policy(r, item),
        other => Err(expected(&item.value, "a policy such as `\"always\"` or a table", other)),
    }
}

fn policy(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.notes.restart = true;
    r.draft.service.restart.policy = one_of(&item.value, POLICIES)?;
    Ok(())
}

pub(super) const START_LIMIT: &[Key] = &[
    key("burst", |r, v| {
        r.draft.spec.start_limit.burst = count(&v.value, 1, i64::from(u32::MAX))?;
        Ok(())
    }),
    key("interval", |r, v| {
        r.draft.spec.start_limit.interval = r.span(&v.value)?;
        Ok(())
    }),
    key("action", |r, v| r.set("Unit", "StartLimitAction", v)),
];

pub(super) fn start_limit(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.notes.start_limit = true;
    r.descend(item, &[START_LIMIT])
}

const MODES: &[(&str, KillMode)] = &[
    ("group", KillMode::Group),
    ("mixed", KillMode::Mixed),
    ("process", KillMode::Process),
    ("none", KillMode::None),
];

pub(super) const STOP: &[Key] = &[
    key("timeout", stop_timeout),
    key("signal", |r, v| r.set("Service", "KillSignal", v)),
    key("mode", |r, v| {
        r.notes.stop_mode = true;
        r.draft.stopping.mode = one_of(&v.value, MODES)?;
        Ok(())
    }),
    key("restart-signal", |r, v| r.set("Service", "RestartKillSignal", v)),
    key("final-signal", |r, v| r.set("Service", "FinalKillSignal", v)),
    key("send-hangup", |r, v| r.set("Service", "SendSIGHUP", v)),
    key("send-kill", |r, v| r.set("Service", "SendSIGKILL", v)),
];

/// A time alone, or a table.
pub(super) fn stop(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    match &item.value.node {
        Node::Table(_) => r.descend(item, &[STOP]),
        _ => stop_timeout(r, item),
    }
}

fn stop_timeout(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.notes.stop_timeout = true;
    let timeout: Option<Duration> = r.span_or_never(&item.value)?;
    r.draft.service.timeouts.stop = timeout;
    Ok(())
}

pub(super) fn success_status(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    statuses(r, item, |d| &mut d.service.success)
}

/// Codes and names of signals.
fn statuses(
    r: &mut Reader<'_>,
    item: &Item,
    slot: fn(&mut Draft) -> &mut ExitSet,
) -> Result<(), Fault> {
    let values = match &item.value.node {
        Node::List(list) => list.as_slice(),
        _ => std::slice::from_ref(&item.value),
    };
    for value in values {
        let text = match &value.node {
            Node::Integer(_) => integer(value, 0, 255)?.to_string(),
            _ => r.text(value)?,
        };
        status::add(slot(r.draft), &text).map_err(|bad| (value.spot, bad))?;
    }
    Ok(())
}
