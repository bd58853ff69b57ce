//! The wait before a restart grows as it was written, is capped, and begins anew after a healthy run.

use std::collections::BTreeMap;
use std::time::Duration;

use units::action::Action;
use units::event::{Event, Request};
use units::note::{Note, NoteKind, StateName};
use units::run::UnitId;
use units::service::Restart;

use super::{Checker, Seen, Violation};

/// What is shorter than a millisecond is rounding.
const TOLERANCE: Duration = Duration::from_millis(1);
/// How much later a unit comes back that only its upholders bring back.
const UPHELD: Duration = Duration::from_millis(100);

/// Each unit's place on its curve, counted by what happened.
#[derive(Debug, Default)]
pub struct Backoff {
    units: BTreeMap<UnitId, Count>,
}

#[derive(Debug)]
struct Count {
    /// Unknown after a death: what the last step changed may be lost or not.
    tries: Option<u32>,
    restarts: u32,
    up_since: Option<Duration>,
}

impl Default for Count {
    fn default() -> Count {
        Count { tries: Some(0), restarts: 0, up_since: None }
    }
}

impl Checker for Backoff {
    fn on_fact(&mut self, seen: &Seen<'_>, event: &Event) -> Result<(), Violation> {
        if let Event::Asked { request: Request::ResetFailed(name), .. } = event {
            for id in seen.supervisor.ids() {
                let spec = seen.supervisor.spec(id);
                if name.is_none() || spec.is_some_and(|spec| Some(&spec.name) == name.as_ref()) {
                    self.units.entry(id).or_default().tries = Some(0);
                }
            }
        }
        Ok(())
    }

    fn on_order(&mut self, seen: &Seen<'_>, order: &Action) -> Result<(), Violation> {
        let Action::Note(Note { unit, what: NoteKind::State { from, to, .. }, .. }) = order else {
            return Ok(());
        };
        let Some(id) = seen.supervisor.id(unit) else { return Ok(()) };
        let Some(restart) = seen.spec(id).and_then(|spec| spec.service()).map(|s| &s.restart)
        else {
            return Ok(());
        };
        let count = self.units.entry(id).or_default();
        let was_up = matches!(from, StateName::Up | StateName::Reloading);
        if *to == StateName::Up && !was_up {
            count.up_since = Some(seen.now);
        } else if was_up && !matches!(to, StateName::Up | StateName::Reloading) {
            let since = count.up_since.take().unwrap_or(seen.now);
            if seen.now - since >= restart.reset_after {
                count.tries = Some(0);
            }
        }
        if *to == StateName::Backoff {
            return check(seen, id, restart, count.tries);
        }
        Ok(())
    }

    fn on_settled(&mut self, seen: &Seen<'_>) -> Result<(), Violation> {
        for unit in seen.supervisor.view().units() {
            let count = self.units.entry(unit.id).or_default();
            if unit.restarts > count.restarts {
                count.tries = count.tries.map(|tries| tries + 1);
            }
            count.restarts = unit.restarts;
        }
        Ok(())
    }

    fn on_death(&mut self, _seen: &Seen<'_>) -> Result<(), Violation> {
        self.units.values_mut().for_each(|count| count.tries = None);
        Ok(())
    }
}

fn check(
    seen: &Seen<'_>,
    id: UnitId,
    restart: &Restart,
    tries: Option<u32>,
) -> Result<(), Violation> {
    let Some(unit) = seen.supervisor.view().unit(id) else { return Ok(()) };
    let (StateName::Backoff, Some(until)) = (unit.state, unit.next_elapse) else { return Ok(()) };
    let wait = until.saturating_sub(seen.now);
    let longest = curve(restart, tries.unwrap_or(u32::MAX)).max(restart.delay).max(UPHELD);
    let shortest = curve(restart, tries.unwrap_or(0)) * 7 / 8;
    if wait > longest + TOLERANCE || wait + TOLERANCE < shortest {
        let text = format!(
            "{} waits {wait:?} before try {tries:?}, not {shortest:?} to {longest:?}",
            unit.name
        );
        return Err(Violation { checker: "backoff", text });
    }
    Ok(())
}

/// r(i) = r0 · (rmax / r0)^(i / n), as systemd.service(5) says for `RestartSteps=`.
fn curve(restart: &Restart, tries: u32) -> Duration {
    if restart.delay_max <= restart.delay || tries == 0 {
        return restart.delay;
    }
    if tries >= restart.steps {
        return restart.delay_max;
    }
    let first = restart.delay.max(Duration::from_millis(10)).as_secs_f64();
    let share = f64::from(tries) / f64::from(restart.steps);
    Duration::from_secs_f64(first * (restart.delay_max.as_secs_f64() / first).powf(share))
}
