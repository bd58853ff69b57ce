//! One line per order: what a person reads of a run.

use std::fmt::Write;
use std::time::Duration;

use units::action::Action;
use units::event::{KillTarget, Request};
use units::note::{Note, NoteKind, StateName};
use units::run::{ExitStatus, Phase, Run, UnitId};
use units::spec::{RelationKind, Spec};
use units::supervisor::Supervisor;
use units::text::signal;

use crate::world::Entry;

/// An order in fixed columns; `None` for what only a machine reads.
#[must_use]
pub fn line(supervisor: &Supervisor, at: Duration, entry: &Entry) -> Option<String> {
    let text = match entry {
        Entry::Asked(ticket, request) => {
            format!("> {} [{}]", asked(request), ticket.0 & u64::from(u32::MAX))
        }
        Entry::Order(Action::Answer { ticket, answer }) => {
            format!("= {answer:?} [{}]", ticket.0 & u64::from(u32::MAX))
        }
        Entry::Death => "PID 1 dies and comes back".to_owned(),
        Entry::Order(action) => words(supervisor, action)?,
    };
    Some(format!("{:>8}.{:03} {text}", at.as_secs(), at.subsec_millis()))
}

/// An order in words.
#[must_use]
pub fn words(supervisor: &Supervisor, action: &Action) -> Option<String> {
    let named = |id: UnitId| name(supervisor, id);
    let run_of = |run: &Run| format!("{}#{}", named(run.unit), run.number);
    let text = match action {
        Action::Note(note) => self::note(note),
        Action::Prepare { run, conditions, image, .. } => {
            let what = match (conditions, image) {
                (true, true) => "conditions and image",
                (true, false) => "conditions",
                (false, _) => "image",
            };
            format!("  prepare {} {what}", run_of(run))
        }
        Action::Spawn { run, errand, connection, .. } => {
            let mut text =
                format!("  spawn {} {}[{}]", run_of(run), phase(errand.phase), errand.index);
            if let Some(connection) = connection {
                let _ = write!(text, " connection {connection}"); // writing to a string cannot fail
            }
            text
        }
        Action::Signal { run, target, signal } => {
            let whom = match target {
                KillTarget::Main => "main",
                KillTarget::Control => "control",
                KillTarget::All => "all",
            };
            format!("  signal {} {whom} {}", run_of(run), signal::name(*signal))
        }
        Action::KillGroup { run } => format!("  kill {}", run_of(run)),
        Action::Release { run, restarting, .. } => {
            let why = if *restarting { " to start again" } else { "" };
            format!("  release {}{why}", run_of(run))
        }
        Action::FindMain { run, .. } => format!("  find main process of {}", run_of(run)),
        Action::AdoptMain { run, pid } => {
            format!("  adopt {pid} as main process of {}", run_of(run))
        }
        Action::Probe { .. } | Action::Record { .. } | Action::Answer { .. } => return None,
        Action::SetLimits { run } => format!("  set limits of {}", run_of(run)),
        Action::Mount { unit, .. } => format!("  mount {}", named(*unit)),
        Action::Unmount { unit, .. } => format!("  unmount {}", named(*unit)),
        Action::Listen { unit, .. } => format!("  listen {}", named(*unit)),
        Action::Watch { unit, on: true } => format!("  watch {}", named(*unit)),
        Action::Watch { unit, on: false } => format!("  stop watching {}", named(*unit)),
        Action::Close { unit } => format!("  close {}", named(*unit)),
        Action::Hang { connection } => format!("  hang up connection {connection}"),
        Action::Keep { unit, number, name, .. } => {
            format!("  keep {number} {name} for {}", named(*unit))
        }
        Action::Drop { unit, number } => format!("  drop {number} of {}", named(*unit)),
        Action::Stamp { unit, .. } => format!("  stamp {}", named(*unit)),
        Action::Instantiate { unit, then } => format!("  instantiate {unit} to {}", request(then)),
        Action::Forgotten { name, .. } => format!("{} is forgotten", name.short()),
        Action::Power { unit, action } => format!("  power {action:?} because of {}", named(*unit)),
    };
    Some(text)
}

/// A note in words.
#[must_use]
pub fn note(note: &Note) -> String {
    let unit = note.unit.short();
    match &note.what {
        NoteKind::State { from, to, cause } => {
            format!("{unit} {} -> {} ({cause})", state(*from), state(*to))
        }
        NoteKind::Exited { status } => format!("{unit} {}", ended(*status)),
        NoteKind::OutOfMemory { kills } => format!("{unit} out of memory, {kills} killed"),
        NoteKind::Probe { kind, healthy } => {
            let kind = format!("{kind:?}").to_lowercase();
            format!("{unit} {kind} probe {}", if *healthy { "passes" } else { "fails" })
        }
        NoteKind::Status(text) => format!("{unit} says \"{text}\""),
        NoteKind::Warning(text) => format!("{unit} warning: {text}"),
    }
}

/// A definition in one line.
#[must_use]
pub fn describe(spec: &Spec) -> String {
    let mut text = spec.name.to_string();
    for relation in &spec.relations {
        let kind = match relation.kind {
            RelationKind::After => "after",
            other => &format!("{other:?}").to_lowercase(),
        };
        let _ = write!(text, " {kind}:{}", relation.unit.short()); // writing to a string cannot fail
    }
    if let Some(service) = spec.service() {
        let (startup, restart) = (&service.startup, service.restart.policy);
        let _ = write!(text, " {startup:?} restart:{restart:?} kill:{:?}", service.stopping.mode);
    }
    text
}

fn name(supervisor: &Supervisor, id: UnitId) -> String {
    supervisor.spec(id).map_or_else(|| format!("unit{}", id.0), |spec| spec.name.short().to_owned())
}

/// A state's word.
#[must_use]
pub fn state(state: StateName) -> &'static str {
    match state {
        StateName::Down => "down",
        StateName::Waiting => "waiting",
        StateName::Starting => "starting",
        StateName::Up => "up",
        StateName::Reloading => "reloading",
        StateName::Stopping => "stopping",
        StateName::Backoff => "backoff",
        StateName::Failed => "failed",
        StateName::Skipped => "skipped",
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Condition => "condition",
        Phase::StartPre => "start-pre",
        Phase::Start => "start",
        Phase::StartPost => "start-post",
        Phase::Reload => "reload",
        Phase::Stop => "stop",
        Phase::StopPost => "stop-post",
    }
}

fn ended(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("exited with code {code}"),
        ExitStatus::Signal { signal, core: false } => format!("killed by {}", signal::name(signal)),
        ExitStatus::Signal { signal, core: true } => {
            format!("dumped core on {}", signal::name(signal))
        }
        ExitStatus::Stage(fault) => fault.to_string(),
        ExitStatus::Lost => "ended while nobody watched".to_owned(),
    }
}

/// A request in words.
#[must_use]
pub fn asked(request: &Request) -> String {
    let unit = match request {
        Request::Start(unit)
        | Request::Stop(unit)
        | Request::Restart(unit)
        | Request::TryRestart(unit)
        | Request::Reload(unit)
        | Request::ReloadOrRestart(unit)
        | Request::Isolate(unit)
        | Request::Kill { unit, .. }
        | Request::ResetFailed(Some(unit)) => unit.short(),
        Request::ResetFailed(None) | Request::ShutDown => "",
    };
    format!("{} {unit}", self::request(request)).trim_end().to_owned()
}

fn request(request: &Request) -> &'static str {
    match request {
        Request::Start(_) => "start",
        Request::Stop(_) => "stop",
        Request::Restart(_) => "restart",
        Request::TryRestart(_) => "try-restart",
        Request::Reload(_) => "reload",
        Request::ReloadOrRestart(_) => "reload-or-restart",
        Request::Kill { .. } => "kill",
        Request::ResetFailed(_) => "reset-failed",
        Request::Isolate(_) => "isolate",
        Request::ShutDown => "shut-down",
    }
}
