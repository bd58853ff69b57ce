//! The probes of one run: when to try which, and what the results add up to.

use std::time::Duration;

use crate::action::ProbeKind;
use crate::limits::PROBE_EAGER_PAUSE;
use crate::probe::{Probe, Probes};
use crate::run::Ticket;

/// All probes of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProbeWatch {
    began: Duration,
    startup: Option<Watch>,
    readiness: Option<Watch>,
    liveness: Option<Watch>,
}

/// One probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Watch {
    /// When to try next; `None`: not now.
    due: Option<Duration>,
    /// The try that is going on.
    asked: Option<Ticket>,
    /// Results in a row that speak against the present opinion; without one, the same results in a row.
    streak: u32,
    /// What those results said.
    streak_of: Option<bool>,
    /// What it says, once it made up its mind.
    healthy: Option<bool>,
    /// The pause before the next eager try, while it never made up its mind and somebody waits for it.
    eager: Option<Duration>,
}

impl ProbeWatch {
    /// A watch over a run that was started now; `None` if there is nothing to watch.
    pub(crate) fn new(probes: &Probes, now: Duration) -> Option<ProbeWatch> {
        let watch = |probe: &Option<Box<Probe>>| probe.as_ref().map(|_| Watch::default());
        let mut all = ProbeWatch {
            began: now,
            startup: watch(&probes.startup),
            readiness: watch(&probes.readiness),
            liveness: watch(&probes.liveness),
        };
        if all.startup.is_none() && all.readiness.is_none() && all.liveness.is_none() {
            return None;
        }
        match all.startup.is_some() {
            true => all.begin(ProbeKind::Startup, probes, now),
            false => all.begin_others(probes, now),
        }
        Some(all)
    }

    /// A watch taken over from an earlier life: what had passed has passed, the rest is asked again.
    pub(crate) fn restored(
        probes: &Probes,
        passed: (bool, bool),
        now: Duration,
    ) -> Option<ProbeWatch> {
        let mut all = ProbeWatch::new(probes, now)?;
        let (started, ready) = passed;
        if let Some(startup) = &mut all.startup
            && started
        {
            *startup = Watch { healthy: Some(true), ..Watch::default() };
            all.begin_others(probes, now);
        }
        if let Some(readiness) = &mut all.readiness {
            readiness.healthy = ready.then_some(true);
        }
        Some(all)
    }

    /// The startup probe passed (or there is none), and the unit is ready.
    pub(crate) fn passed(&self) -> (bool, bool) {
        (says_yes(self.startup), says_yes(self.readiness))
    }

    /// All that gates `Up` says yes.
    pub(crate) fn ready(&self) -> bool {
        says_yes(self.startup) && says_yes(self.readiness)
    }

    /// When the next try is due.
    pub(crate) fn due(&self) -> Option<Duration> {
        let all = [self.startup, self.readiness, self.liveness];
        all.into_iter().flatten().filter_map(|watch| watch.due).min()
    }

    /// A probe whose try is due now.
    pub(crate) fn next_due(&self, now: Duration) -> Option<ProbeKind> {
        let kinds = [ProbeKind::Startup, ProbeKind::Readiness, ProbeKind::Liveness];
        kinds.into_iter().find(|kind| {
            self.watch(*kind).and_then(|watch| watch.due).is_some_and(|due| due <= now)
        })
    }

    /// A try begins.
    pub(crate) fn asked(&mut self, kind: ProbeKind, ticket: Ticket) {
        if let Some(watch) = self.watch_mut(kind) {
            watch.due = None;
            watch.asked = Some(ticket);
        }
    }

    /// Whose try a ticket is.
    pub(crate) fn kind_of(&self, ticket: Ticket) -> Option<ProbeKind> {
        let kinds = [ProbeKind::Startup, ProbeKind::Readiness, ProbeKind::Liveness];
        kinds.into_iter().find(|kind| self.watch(*kind).is_some_and(|w| w.asked == Some(ticket)))
    }

    /// A try ended. Returns the probe's new opinion, if it changed its mind.
    pub(crate) fn tried(
        &mut self,
        kind: ProbeKind,
        well: bool,
        probes: &Probes,
        now: Duration,
    ) -> Option<bool> {
        let probe = of(probes, kind)?;
        let watch = self.watch_mut(kind)?;
        watch.asked = None;
        // With the first success the counting begins.
        let eager = watch.take_eager_pause(probe).filter(|_| !well);
        if let Some(pause) = eager {
            watch.eager = Some(pause.saturating_mul(2));
            watch.due = Some(now.saturating_add(pause));
            return None;
        }
        watch.due = Some(now.saturating_add(probe.period));
        let changed = watch.count(well, probe);
        if kind == ProbeKind::Startup && changed == Some(true) {
            self.startup = Some(Watch { healthy: Some(true), ..Watch::default() });
            self.begin_others(probes, now);
        }
        changed
    }

    fn begin_others(&mut self, probes: &Probes, now: Duration) {
        self.begin(ProbeKind::Readiness, probes, now);
        self.begin(ProbeKind::Liveness, probes, now);
    }

    fn begin(&mut self, kind: ProbeKind, probes: &Probes, now: Duration) {
        let began = self.began;
        if let (Some(probe), Some(watch)) = (of(probes, kind), self.watch_mut(kind)) {
            watch.due = Some(began.saturating_add(probe.initial_delay).max(now));
            watch.eager = (kind != ProbeKind::Liveness).then_some(PROBE_EAGER_PAUSE);
        }
    }

    fn watch(&self, kind: ProbeKind) -> Option<&Watch> {
        match kind {
            ProbeKind::Startup => self.startup.as_ref(),
            ProbeKind::Readiness => self.readiness.as_ref(),
            ProbeKind::Liveness => self.liveness.as_ref(),
        }
    }

    fn watch_mut(&mut self, kind: ProbeKind) -> Option<&mut Watch> {
        match kind {
            ProbeKind::Startup => self.startup.as_mut(),
            ProbeKind::Readiness => self.readiness.as_mut(),
            ProbeKind::Liveness => self.liveness.as_mut(),
        }
    }
}

impl Watch {
    /// The pause after a failed try that does not count: most programs need far less than a period to come
    /// up, and others wait for them. The pauses double until the period is reached; from then on tries count.
    fn take_eager_pause(&mut self, probe: &Probe) -> Option<Duration> {
        self.eager.take().filter(|pause| *pause < probe.period)
    }

    /// Counts a result; the opinion changes when enough of them in a row say so.
    fn count(&mut self, well: bool, probe: &Probe) -> Option<bool> {
        if self.healthy == Some(well) {
            (self.streak, self.streak_of) = (0, None);
            return None;
        }
        let goes_on = self.streak_of == Some(well);
        self.streak = if goes_on { self.streak.saturating_add(1) } else { 1 };
        self.streak_of = Some(well);
        let threshold = if well { probe.success_threshold } else { probe.failure_threshold };
        if self.streak < threshold {
            return None;
        }
        self.healthy = Some(well);
        (self.streak, self.streak_of) = (0, None);
        Some(well)
    }
}

fn says_yes(watch: Option<Watch>) -> bool {
    watch.is_none_or(|watch| watch.healthy == Some(true))
}

fn of(probes: &Probes, kind: ProbeKind) -> Option<&Probe> {
    match kind {
        ProbeKind::Startup => probes.startup.as_deref(),
        ProbeKind::Readiness => probes.readiness.as_deref(),
        ProbeKind::Liveness => probes.liveness.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::ProbeAction;

    fn probe(success_threshold: u32, failure_threshold: u32) -> Option<Box<Probe>> {
        Some(Box::new(Probe {
            action: ProbeAction::File { path: "/ready".into() },
            initial_delay: Duration::from_secs(1),
            period: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            success_threshold,
            failure_threshold,
        }))
    }

    #[test]
    fn thresholds_count_results_in_a_row() {
        let probes = Probes { readiness: probe(2, 3), ..Probes::default() };
        let mut watch = ProbeWatch::new(&probes, Duration::ZERO).unwrap();
        let mut tried = |well| watch.tried(ProbeKind::Readiness, well, &probes, Duration::ZERO);
        let results =
            [true, false, true, true, false, false, true, false, false, false, true, true];
        let changes: Vec<Option<bool>> = results.into_iter().map(&mut tried).collect();
        let (yes, no) = (Some(true), Some(false));
        let expected = [None, None, None, yes, None, None, None, None, None, no, None, yes];
        assert_eq!(changes, expected);
    }

    #[test]
    fn who_is_waited_for_is_asked_soon_and_often_at_first() {
        let probes = Probes { readiness: probe(1, 1), ..Probes::default() };
        let mut watch = ProbeWatch::new(&probes, Duration::ZERO).unwrap();
        let mut failed = |now| {
            let changed = watch.tried(ProbeKind::Readiness, false, &probes, now);
            (changed, watch.due().unwrap() - now)
        };
        let pauses: Vec<_> = (0..6).map(|second| failed(Duration::from_secs(second))).collect();
        let pause = |ms| (None, Duration::from_millis(ms));
        let eager = [pause(100), pause(200), pause(400), pause(800), pause(1600)];
        assert_eq!(pauses[..5], eager);
        // From here on they count: one failure is enough for this probe.
        assert_eq!(pauses[5], (Some(false), Duration::from_secs(2)));
    }

    #[test]
    fn nothing_runs_before_the_startup_probe_passed() {
        let probes = Probes { startup: probe(1, 3), readiness: probe(1, 1), liveness: probe(1, 1) };
        let mut watch = ProbeWatch::new(&probes, Duration::ZERO).unwrap();
        assert_eq!(watch.next_due(Duration::from_secs(9)), Some(ProbeKind::Startup));
        watch.asked(ProbeKind::Startup, Ticket(1));
        assert_eq!(watch.due(), None);
        let now = Duration::from_secs(9);
        assert_eq!(watch.tried(ProbeKind::Startup, true, &probes, now), Some(true));
        assert_eq!(watch.due(), Some(now));
        assert!(!watch.ready());
        watch.tried(ProbeKind::Readiness, true, &probes, now);
        assert!(watch.ready());
    }
}
