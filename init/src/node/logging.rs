//! tmp until the log store is here
use crate::node::Node;
use crate::node::action::Outbox;
use crate::node::api::{Question, reply};
use crate::node::event::{Stream, WorkerFault};
use crate::wire::response::{LogArena, RefusalKind};
use crate::wire::{ApplyRequest, Limits, Response};
use std::time::Duration;
use units::UnitName;
use units::run::UnitId;

impl Node {
    pub(super) fn on_wrote(&mut self, _u: UnitId, _s: Stream, _b: &[u8], _now: Duration) {}
    pub(super) fn on_kernel_wrote(&mut self, _r: &[u8], _now: Duration) {}
    pub(super) fn on_flushed(&mut self, _r: Result<&[u8], WorkerFault>, _now: Duration) {}
    pub(super) fn log_own(&mut self, _line: &str, _now: Duration) {}
    pub(super) fn logs_appended(&self) -> u64 {
        0
    }
    pub(super) fn log_arena(&self, now: Duration) -> LogArena {
        LogArena { bytes: 0, clock: self.clock(now), boot_id: String::new(), disk: None }
    }
    pub(super) fn on_cat_read(
        &mut self,
        _q: Question,
        _r: Result<&[u8], WorkerFault>,
        _o: &mut Outbox,
    ) {
    }
    pub(super) fn on_set_limits(
        &mut self,
        _q: Question,
        _u: &UnitName,
        _l: &Limits,
        _o: &mut Outbox,
    ) {
    }
    pub(super) fn on_apply(&mut self, q: Question, _r: ApplyRequest, o: &mut Outbox) {
        reply(q, Response::refused(RefusalKind::NotApplicable, "tmp"), o);
    }
    pub(super) fn on_confirm(&mut self, _q: Question, _o: &mut Outbox) {}
    pub(super) fn on_revert(&mut self, _q: Option<Question>, _o: &mut Outbox) {}
}
#[derive(Debug, Default)]
pub(crate) struct Applying;
impl Applying {
    pub(super) fn revert_at(&self) -> Option<Duration> {
        None
    }
}
