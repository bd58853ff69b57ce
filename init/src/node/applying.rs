//! Changing what should run: files first, then the units that they are about; back again by itself
//! unless somebody confirms.

use std::time::Duration;

use units::action::Answer;
use units::event::Request as UnitRequest;

use crate::node::Node;
use crate::node::action::Outbox;
use crate::node::answers::us;
use crate::node::api::{Question, reply};
use crate::node::event::WorkerFault;
use crate::node::orders::{Asker, Order};
use crate::node::work;
use crate::wire::response::RefusalKind;
use crate::wire::{ApplyReport, ApplyRequest, Effect, Response};
use crate::work::{ApplyOrder, ApplyWish, decode};

/// A change that waits for its confirmation.
#[derive(Debug, Default)]
pub(crate) struct Applying {
    revert_at: Option<Duration>,
}

impl Applying {
    /// When the last change goes back by itself.
    pub(super) fn revert_at(&self) -> Option<Duration> {
        self.revert_at
    }
}

/// What a worker changes for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApplyErrand {
    /// Who asked; `None`: the time to confirm was over.
    question: Option<Question>,
    /// How long may pass until somebody confirms.
    confirm_within: Option<Duration>,
}

impl Node {
    /// The last life's change still waits for its confirmation.
    pub(super) fn recall_revert(&mut self, at: Option<Duration>) {
        self.applying.revert_at = at;
    }

    pub(super) fn on_apply(&mut self, question: Question, request: ApplyRequest, out: &mut Outbox) {
        let confirm_within = request.confirm_within_ms.map(Duration::from_millis);
        let errand = ApplyErrand { question: Some(question), confirm_within };
        // While a change waits for its confirmation, "before" means before that one.
        let keep_before = self.applying.revert_at.is_some();
        let request = serde_json::to_string(&request).expect("a request came as JSON");
        self.send_apply(ApplyWish::Apply { request, keep_before }, errand, out);
    }

    pub(super) fn on_confirm(&mut self, question: Question, out: &mut Outbox) {
        let answer = match self.applying.revert_at.take() {
            Some(_) => Answer::Ok,
            None => Answer::Already,
        };
        let errand = ApplyErrand { question: None, confirm_within: None };
        self.send_apply(ApplyWish::Confirm, errand, out);
        reply(question, Response::Done(answer), out);
    }

    pub(super) fn on_revert(&mut self, question: Option<Question>, out: &mut Outbox) {
        self.applying.revert_at = None;
        let errand = ApplyErrand { question, confirm_within: None };
        self.send_apply(ApplyWish::Revert, errand, out);
    }

    pub(super) fn on_applying_tick(&mut self, now: Duration, out: &mut Outbox) {
        if self.applying.revert_at.is_some_and(|at| at <= now) {
            self.announce("apply: nobody confirmed; going back", now, out);
            self.on_revert(None, out);
        }
    }

    fn send_apply(&mut self, wish: ApplyWish, errand: ApplyErrand, out: &mut Outbox) {
        let order = ApplyOrder { wish, options: self.load_options() };
        let ticket = self.orders.issue(Order::Apply(errand));
        out.push(work::order_with(ticket, &["apply"], &order, None));
    }

    pub(super) fn on_applied(
        &mut self,
        errand: &ApplyErrand,
        result: Result<&[u8], WorkerFault>,
        now: Duration,
        out: &mut Outbox,
    ) {
        let report = result.map_err(|fault| work::describe(&fault)).and_then(|bytes| {
            let text: String = decode(bytes).map_err(|error| error.to_string())?;
            serde_json::from_str::<ApplyReport>(&text).map_err(|error| error.to_string())
        });
        let response = match report {
            Ok(mut report) => {
                if report.done {
                    self.applying.revert_at = errand.confirm_within.map(|within| now + within);
                    report.revert_at_us = self.applying.revert_at.map(us);
                    self.carry_out(&report, out);
                }
                Response::Applied(Box::new(report))
            }
            Err(why) => Response::refused(RefusalKind::Failed, why),
        };
        if let Some(question) = errand.question {
            reply(question, response, out);
        }
    }

    /// The files are in place: reads them, and then lets the units follow.
    fn carry_out(&mut self, report: &ApplyReport, out: &mut Outbox) {
        let mut then = Vec::new();
        for change in &report.changes {
            let unit = change.unit.clone();
            let request = match change.effect {
                Effect::Added => UnitRequest::Start(unit),
                Effect::Removed => UnitRequest::Stop(unit),
                Effect::Restarted => UnitRequest::TryRestart(unit),
                // The supervisor itself writes changed limits when it gets the definitions.
                Effect::Defined | Effect::Adjusted | Effect::Updated => continue,
            };
            then.push((Asker::Nobody, request));
        }
        self.load(then, out);
    }
}
