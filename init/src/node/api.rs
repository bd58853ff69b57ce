//! What people ask, and what they are told. (First slice.)

use std::time::Duration;

use units::action::Answer;
use units::event::Request as UnitRequest;
use units::run::{ExitStatus, Ticket, UnitId};

use crate::node::Node;
use crate::node::action::{Action, Outbox};
use crate::node::event::{ClientId, Fault, Peer, Stream, WorkerFault};
use crate::node::orders::{Asker, Order};
use crate::wire::{Request, Response};

impl Node {
    pub(super) fn on_connected(&mut self, _client: ClientId, _peer: Peer) {}
    pub(super) fn on_left(&mut self, _client: ClientId, _out: &mut Outbox) {}
    pub(super) fn on_asked(&mut self, _c: ClientId, _id: u32, _r: Request, _d: &[u32], _now: Duration, _o: &mut Outbox) {}
    pub(super) fn on_exec_spawned(&mut self, _c: ClientId, _id: u32, _r: Result<u32, Fault>, _o: &mut Outbox) {}
    pub(super) fn on_guest_exited(&mut self, _t: Ticket, _s: ExitStatus, _o: &mut Outbox) {}
    pub(super) fn on_wrote(&mut self, _u: UnitId, _s: Stream, _b: &[u8], _now: Duration) {}
    pub(super) fn on_kernel_wrote(&mut self, _r: &[u8], _now: Duration) {}
    pub(super) fn on_flushed(&mut self, _r: Result<&[u8], WorkerFault>, _now: Duration) {}
    pub(super) fn log_own(&mut self, _line: &str, _now: Duration) {}
    fn reply(&self, client: ClientId, id: u32, response: Response, out: &mut Outbox) {
        out.push(Action::Reply { client, id, response: Box::new(response) });
    }
    pub(super) fn answer_client(&self, client: ClientId, id: u32, answer: Answer, out: &mut Outbox) {
        self.reply(client, id, Response::Done(answer), out);
    }
}
