//! Calls that last: watches. What they say goes out when there is room for it, and what their clients ask is
//! held back while these do not read.

use kv::etcd::message as etcd;
use kv::etcd::method::Method;
use kv::etcd::status::Status;

use super::keys::decode;
use super::node::Node;
use super::{Call, Moment, Order};
use crate::limits::WATCH_BYTES_PER_TURN_MAX;

impl Node {
    pub(super) fn open_watch(&mut self, call: Call) -> Result<(), Status> {
        let who = self.who(call, Moment::default())?;
        self.watching.open(call.0, who);
        Ok(())
    }

    pub(super) fn on_watch(
        &mut self,
        call: Call,
        message: Vec<u8>,
        _moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        let listening = self.watching.is_listening(call.0);
        let Some(open) = self.calls.get_mut(&call) else { return Ok(()) };
        if !listening || !open.held.is_empty() {
            open.held.push_back(message);
            out.push(Order::Pause { call, paused: true });
            return Ok(());
        }
        let asked: etcd::WatchRequest = decode(&message)?;
        let header = self.header();
        self.watching.on_request(call.0, asked, self.replica.machine_mut(), &header);
        Ok(())
    }

    /// Some stream could say something now.
    pub(super) fn wants_to_talk(&self) -> bool {
        self.watching.talking().any(|name| self.calls.get(&Call(name)).is_some_and(|c| !c.busy))
    }

    /// Lets each stream say what there is room for.
    pub(super) fn talk(&mut self, moment: Moment, out: &mut Vec<Order>) {
        let names: Vec<u64> = self.watching.talking().collect();
        for call in names.into_iter().map(Call) {
            self.talk_one(call, out);
            self.take_held(call, moment, out);
        }
    }

    fn talk_one(&mut self, call: Call, out: &mut Vec<Order>) {
        if self.calls.get(&call).is_none_or(|open| open.busy) {
            return;
        }
        let header = self.header();
        let mut bytes = 0;
        while bytes < WATCH_BYTES_PER_TURN_MAX {
            let store = self.replica.machine_mut();
            let said = self.watching.next(call.0, store, &header, WATCH_BYTES_PER_TURN_MAX);
            let Some(said) = said else { break };
            let message = kv::etcd::frame::wrap(&said);
            bytes += message.len();
            out.push(Order::Say { call, message });
        }
        if let Some(open) = self.calls.get_mut(&call) {
            open.busy = bytes > 0;
        }
    }

    /// Looks at what was held back, as far as the client listens again.
    fn take_held(&mut self, call: Call, moment: Moment, out: &mut Vec<Order>) {
        let Some(open) = self.calls.get_mut(&call) else { return };
        if open.held.is_empty() {
            return;
        }
        let mut held = std::mem::take(&mut open.held);
        while let Some(message) = held.pop_front() {
            if !self.watching.is_listening(call.0) {
                held.push_front(message);
                break;
            }
            if let Err(status) = self.on_watch(call, message, moment, out) {
                return self.end(call, Some(status), out);
            }
        }
        let paused = !held.is_empty();
        if let Some(open) = self.calls.get_mut(&call) {
            open.held = held;
        }
        out.push(Order::Pause { call, paused });
    }

    pub(super) fn on_sent(&mut self, call: Call, moment: Moment, out: &mut Vec<Order>) {
        let Some(open) = self.calls.get_mut(&call) else { return };
        open.busy = false;
        if open.saving.is_some() {
            self.save_on(call, out);
        } else if open.method == Method::Watch {
            self.talk_one(call, out);
            self.take_held(call, moment, out);
        }
    }

    /// The client has no more to say: of a call that lasts, that is its end.
    pub(super) fn on_finished(&mut self, call: Call, out: &mut Vec<Order>) {
        let Some(open) = self.calls.get_mut(&call) else { return };
        open.finished = true;
        if matches!(open.method, Method::Watch | Method::LeaseKeepAlive) {
            self.end(call, None, out);
        }
    }
}
