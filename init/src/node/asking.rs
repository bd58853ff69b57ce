//! The supervisor is asked, and answers.

use std::time::Duration;

use units::UnitId;
use units::action::Answer;
use units::event::{Notification, Request, Sender};
use units::run::{Run, Ticket};

use crate::node::Node;
use crate::node::action::Outbox;
use crate::node::orders::{Asker, Order};

impl Node {
    /// Asks the supervisor for somebody.
    pub(crate) fn ask(&mut self, asker: Asker, request: Request) {
        let ticket = self.orders.issue(Order::Ask(asker));
        self.inbox.push_back(units::Event::Asked { ticket, request });
    }

    pub(super) fn on_answer(
        &mut self,
        ticket: Ticket,
        answer: Answer,
        now: Duration,
        out: &mut Outbox,
    ) {
        match self.orders.settle(ticket) {
            Some(Order::Ask(Asker::ShutDown)) => self.flush_and_end(now, out),
            Some(Order::Ask(Asker::Client(question))) => self.answer_client(question, answer, out),
            Some(Order::Ask(Asker::Nobody)) => {}
            Some(Order::Ask(Asker::Node)) => self.on_own_answer(&answer, now, out),
            Some(
                Order::Prepare { .. }
                | Order::Probe { .. }
                | Order::Mount { .. }
                | Order::Spawn { .. }
                | Order::Exec { .. }
                | Order::Load { .. }
                | Order::Errand { .. }
                | Order::Cat(_)
                | Order::Apply(_)
                | Order::Flush,
            )
            | None => {}
        }
    }

    fn on_own_answer(&mut self, answer: &Answer, now: Duration, out: &mut Outbox) {
        match answer {
            Answer::Ok | Answer::Already | Answer::Skipped(_) | Answer::Cancelled => {}
            Answer::Failed(why) | Answer::Refused(why) => {
                self.warn(&format!("boot: {why}"), now, out)
            }
            Answer::Unknown => self.warn("boot: there is no such target", now, out),
        }
    }

    pub(super) fn on_descriptor_gone(&mut self, unit: UnitId, number: u32) {
        let Some(view) = self.supervisor.view().unit(unit) else { return };
        let run = Run { unit, number: view.run };
        let notification = Notification::DescriptorGone { number };
        self.inbox.push_back(units::Event::Notified { run, sender: Sender::Main, notification });
    }
}
