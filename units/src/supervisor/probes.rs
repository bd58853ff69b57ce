//! Probes: asked when due, believed when their thresholds are reached.

use super::Supervisor;
use crate::action::{Action, ProbeKind};
use crate::event::Outcome;
use crate::fault::Fault;
use crate::next::Cause;
use crate::note::NoteKind;
use crate::run::{Ticket, UnitId};
use crate::state::State;

impl Supervisor {
    pub(super) fn on_probes_due(&mut self, id: UnitId) {
        let now = self.now;
        while let Some(kind) = self.next_probe(id, now) {
            let ticket = self.ticket(id);
            let unit = self.change(id);
            let run = unit.run_of(id);
            if let Some(probes) = &mut unit.evidence().probes {
                probes.asked(kind, ticket);
            }
            self.order(Action::Probe { ticket, run, kind });
        }
    }

    fn next_probe(&self, id: UnitId, now: std::time::Duration) -> Option<ProbeKind> {
        self.get(id)?.now.as_ref()?.probes.as_ref()?.next_due(now)
    }

    pub(super) fn on_probed(&mut self, id: UnitId, ticket: Ticket, outcome: &Outcome) {
        let now = self.now;
        let unit = self.change(id);
        let spec = unit.spec.clone();
        let Some(service) = spec.service() else { return };
        let Some(watch) = unit.now.as_mut().and_then(|now| now.probes.as_mut()) else { return };
        let Some(kind) = watch.kind_of(ticket) else { return };
        let well = *outcome == Outcome::Ok;
        let Some(healthy) = watch.tried(kind, well, &service.probes, now) else { return };
        self.note(id, NoteKind::Probe { kind, healthy });
        self.on_opinion(id, kind, healthy);
    }

    fn on_opinion(&mut self, id: UnitId, kind: ProbeKind, healthy: bool) {
        match (kind, healthy) {
            (ProbeKind::Startup | ProbeKind::Liveness, false) => {
                self.change(id).evidence().blame(Fault::Probe(kind));
                self.apply(id, Cause::Unhealthy);
            }
            (ProbeKind::Startup | ProbeKind::Readiness, _) => {
                let gated = self.unit(id).now.as_ref().is_some_and(|now| now.gated());
                if matches!(self.unit(id).state, State::Probing { .. }) {
                    if !gated {
                        self.apply(id, Cause::Healthy);
                    }
                } else {
                    // Who starts after it waits for it to be ready.
                    self.stir(id);
                }
            }
            (ProbeKind::Liveness, true) => {}
        }
    }
}
