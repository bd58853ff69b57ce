//! From a cause to the verbs that carry it out.

use super::Supervisor;
use crate::next::{Cause, Move, next};
use crate::run::UnitId;
use crate::state::State;

impl Supervisor {
    /// Tells the transition function of a cause, and goes where it says.
    pub(super) fn apply(&mut self, id: UnitId, cause: Cause) {
        match next(self.unit(id).state, cause) {
            Move::Stay => {}
            Move::Wait => self.wait(id),
            Move::Begin => self.begin(id),
            Move::Climb => self.climb(id),
            Move::Arrive => self.arrive(id),
            Move::Seek => self.seek(id),
            Move::Retire => self.retire(id),
            Move::Fall => self.fall(id),
            Move::Yield => self.yield_to_itself(id),
            Move::Abort => self.abort(id),
            Move::Overrun => self.overrun(id),
            Move::Descend => self.descend(id),
            Move::Check => self.check(id),
            Move::Kill => self.kill(id),
            Move::Resend => self.resend(id),
            Move::Escalate => self.escalate(id),
            Move::Rest => self.rest(id),
            Move::Abandon => self.abandon(id),
            Move::Reload => self.reload(id),
            Move::ReloadSaid => self.reload_said(id),
            Move::ReloadOn => self.reload_on(id),
            Move::ReloadOk => self.reload_ok(id),
            Move::ReloadFailed => self.reload_failed(id),
            Move::ReloadKill => self.reload_kill(id),
        }
    }

    fn wait(&mut self, id: UnitId) {
        let (now, from) = (self.now, self.unit(id).state);
        let unit = self.change(id);
        if from.at_rest() {
            unit.history.woke = Some(now);
            unit.job_until = unit.spec.job_timeout.map(|timeout| now + timeout);
        }
        let cause = if from.at_rest() { "wanted" } else { "its wait is over" };
        self.set_state(id, State::Waiting, cause);
        self.enqueue(id);
    }
}
