//! A stop ends within the sum of its deadlines.

use std::collections::BTreeMap;
use std::time::Duration;

use units::action::Action;
use units::event::{Event, Notification};
use units::note::{Note, NoteKind, StateName};
use units::run::UnitId;
use units::spec::{Body, Spec};

use super::{Checker, Seen, Violation};

/// How much later than its deadlines a stop may be over.
const TOLERANCE: Duration = Duration::from_secs(1);
/// How much longer than its own deadline the answer about a mount may take.
const ORDER_GRACE: Duration = Duration::from_secs(10);

/// Since when units stop.
#[derive(Debug, Default)]
pub struct Stops {
    since: BTreeMap<UnitId, Duration>,
    extended: BTreeMap<UnitId, Duration>,
    /// PID 1 just came back; what it said in its last step may have been lost.
    reborn: bool,
}

impl Checker for Stops {
    fn on_fact(&mut self, _seen: &Seen<'_>, event: &Event) -> Result<(), Violation> {
        if let Event::Notified { run, notification: Notification::ExtendTimeoutUs(us), .. } = event
        {
            *self.extended.entry(run.unit).or_default() += Duration::from_micros(*us);
        }
        Ok(())
    }

    fn on_order(&mut self, seen: &Seen<'_>, order: &Action) -> Result<(), Violation> {
        if let Action::Note(Note { unit, what: NoteKind::State { to, .. }, .. }) = order
            && let Some(id) = seen.supervisor.id(unit)
        {
            self.since.remove(&id);
            if *to == StateName::Stopping {
                self.since.insert(id, seen.now);
            } else {
                self.extended.remove(&id);
            }
        }
        Ok(())
    }

    fn on_settled(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        if std::mem::take(&mut self.reborn) {
            let view = seen.supervisor.view();
            let stops = |id| view.unit(id).is_some_and(|unit| unit.state == StateName::Stopping);
            self.since.retain(|id, _| stops(*id));
        }
        Ok(())
    }

    fn on_death(&mut self, _seen: &Seen<'_>) -> Result<(), Violation> {
        self.reborn = true;
        Ok(())
    }

    fn on_turn_end(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        for (id, since) in &self.since {
            let Some(bound) = seen.spec(*id).and_then(bound) else { continue };
            let extended = self.extended.get(id).copied().unwrap_or_default();
            let spent = seen.now.saturating_sub(*since);
            if spent > bound + extended + TOLERANCE {
                let name = seen.spec(*id).map(|spec| &spec.name);
                let text = format!("{name:?} is stopping for {spent:?}, longer than {bound:?}");
                return Err(Violation { checker: "stops", text });
            }
        }
        Ok(())
    }
}

/// The longest that stopping may take: each command, the signal, the kill, the kill after the last command.
fn bound(spec: &Spec) -> Option<Duration> {
    match &spec.body {
        Body::Service(service) => {
            let commands = service.commands.stop.len() + service.commands.stop_post.len();
            let steps = u32::try_from(commands + 3).expect("few");
            let abort = service.timeouts.abort.unwrap_or_default();
            Some(service.timeouts.stop? * steps + abort)
        }
        Body::Mount(mount) => Some(mount.timeout + ORDER_GRACE),
        Body::Timer(_) | Body::Socket(_) | Body::Target => Some(Duration::ZERO),
    }
}
