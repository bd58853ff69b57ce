//! What happened, told: to the log, to the console, to whoever waits.

use std::time::Duration;

use units::note::{Note, NoteKind, StateName};
use units::run::ExitStatus;

use crate::node::Node;
use crate::node::action::{Action, Outbox};
use crate::node::power::Phase;

/// Kernel log levels.
const WARNING: u8 = 4;
const NOTICE: u8 = 5;

impl Node {
    /// The first line of every boot.
    pub(super) fn welcome(&mut self, now: Duration, out: &mut Outbox) {
        let text = format!(
            "keelson {} on {} (kernel {})",
            env!("CARGO_PKG_VERSION"),
            self.facts.units.hostname,
            self.facts.units.kernel_release,
        );
        self.announce(&text, now, out);
    }

    pub(super) fn on_note(&mut self, note: &Note, now: Duration, out: &mut Outbox) {
        let line = line(note);
        self.log_note(level(note), &line, now);
        if let NoteKind::State { to, .. } = note.what {
            self.on_state(note, to, now, out);
        }
        let level = level(note);
        let is_shown = self.phase == Phase::Booting || self.phase.is_final();
        if level <= WARNING || is_shown && !is_queueing(note) {
            out.push(Action::Say { line: stamped(now, &line), level });
        }
    }

    fn on_state(&mut self, note: &Note, to: StateName, now: Duration, out: &mut Outbox) {
        self.transitions.push(now, note);
        if to != StateName::Up {
            return;
        }
        if note.unit.as_str() == crate::shipped::STATE_UNIT {
            self.on_log_disk();
            // The administrator's units lie there, and the goal may want more now.
            let goal = self.goal();
            let then = vec![(crate::node::orders::Asker::Node, units::event::Request::Start(goal))];
            self.load(then, out);
        }
    }

    /// Whether the machine is what it is for: the goal is up, with the last definitions, and nothing is on
    /// its way any more.
    pub(super) fn look_whether_booted(&mut self, now: Duration, out: &mut Outbox) {
        let is_open = self.phase != Phase::Booting || self.loading.is_running();
        if is_open || !self.supervisor.is_quiet() || !self.is_goal_up() {
            return;
        }
        self.phase = Phase::Serving;
        self.booted_at = Some(now);
        let text = format!("{} reached", self.goal());
        self.announce(&text, now, out);
    }

    fn is_goal_up(&self) -> bool {
        let goal = self.goal();
        self.supervisor.view().units().any(|unit| *unit.name == goal && unit.state == StateName::Up)
    }

    /// Says something to everybody: console and log.
    pub(super) fn announce(&mut self, text: &str, now: Duration, out: &mut Outbox) {
        self.log_own(NOTICE, text, now);
        out.push(Action::Say { line: stamped(now, text), level: NOTICE });
    }

    /// Says that something is wrong with the node's own work.
    pub(super) fn warn(&mut self, text: &str, now: Duration, out: &mut Outbox) {
        self.log_own(WARNING, text, now);
        out.push(Action::Say { line: stamped(now, text), level: WARNING });
    }
}

/// `t=12.345 …`: seconds since boot before every line of ours.
fn stamped(now: Duration, text: &str) -> String {
    format!("t={}.{:03} {text}", now.as_secs(), now.subsec_millis())
}

/// One line: noun first, then `key=value`.
pub(crate) fn line(note: &Note) -> String {
    let unit = note.unit.short();
    let run = note.run;
    match &note.what {
        NoteKind::State { from, to, cause } => {
            let (from, to) = (word(*from), word(*to));
            format!("unit {unit} {to} from={from} run={run} cause=\"{cause}\"")
        }
        NoteKind::Exited { status } => format!("unit {unit} exited run={run} {}", ended(*status)),
        NoteKind::OutOfMemory { kills } => {
            format!("unit {unit} out-of-memory run={run} kills={kills}")
        }
        NoteKind::Probe { kind, healthy } => {
            let opinion = if *healthy { "healthy" } else { "unhealthy" };
            format!("unit {unit} {opinion} run={run} probe={kind:?}").to_lowercase()
        }
        NoteKind::Status(text) => format!("unit {unit} says run={run} \"{text}\""),
        NoteKind::Warning(text) => format!("unit {unit} warning run={run} \"{text}\""),
    }
}

/// Whether the unit only takes its place in the queue: on the console that is noise.
fn is_queueing(note: &Note) -> bool {
    matches!(note.what, NoteKind::State { to: StateName::Waiting, .. })
}

fn level(note: &Note) -> u8 {
    const INFO: u8 = 6;
    match &note.what {
        NoteKind::State { to: StateName::Failed, .. }
        | NoteKind::OutOfMemory { .. }
        | NoteKind::Warning(_) => WARNING,
        NoteKind::State { .. }
        | NoteKind::Exited { .. }
        | NoteKind::Probe { .. }
        | NoteKind::Status(_) => INFO,
    }
}

fn word(state: StateName) -> &'static str {
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

fn ended(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("code={code}"),
        ExitStatus::Signal { signal, core } => format!("signal={} core={core}", signal.0),
        ExitStatus::Stage(fault) => {
            format!("step={:?} errno={} item={}", fault.step, fault.errno, fault.item)
        }
        ExitStatus::Lost => "status=lost".to_owned(),
    }
}
