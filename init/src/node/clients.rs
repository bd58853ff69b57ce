//! Who is connected, and who waits for what.

use std::collections::BTreeMap;
use std::time::Duration;

use units::run::Ticket;

use crate::node::Node;
use crate::node::action::{Action, Outbox};
use crate::node::api::{Question, reply};
use crate::node::event::{ClientId, Peer};
use crate::wire::Response;
use units::service::Signal;

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    peers: BTreeMap<ClientId, Peer>,
    /// Who waits for log records beyond a number.
    pub(super) log_waiters: Vec<(Question, u64)>,
    /// Guests whose client went away, and when they are killed.
    pub(super) abandoned: Vec<(Ticket, Duration)>,
}

/// How long a guest may live on after its client is gone.
const ABANDONED_FOR: Duration = Duration::from_secs(5);

impl Clients {
    /// Who that is.
    pub(super) fn peer(&self, client: ClientId) -> Option<&Peer> {
        self.peers.get(&client)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.abandoned.iter().map(|(_, at)| *at).min()
    }
}

impl Node {
    pub(super) fn on_connected(&mut self, client: ClientId, peer: Peer) {
        self.clients.peers.insert(client, peer);
    }

    /// Nobody is told any more, and guests are asked to go.
    pub(super) fn on_left(&mut self, client: ClientId, now: Duration, out: &mut Outbox) {
        self.clients.peers.remove(&client);
        self.clients.log_waiters.retain(|(question, _)| question.client != client);
        for ticket in self.orders.guests_of(client) {
            out.push(Action::SignalGuest { ticket, signal: Signal::HUP });
            self.clients.abandoned.push((ticket, now + ABANDONED_FOR));
        }
    }

    pub(super) fn on_clients_tick(&mut self, now: Duration, out: &mut Outbox) {
        self.clients.abandoned.retain(|(ticket, at)| {
            let due = *at <= now;
            if due {
                out.push(Action::SignalGuest { ticket: *ticket, signal: Signal::KILL });
            }
            !due
        });
    }

    pub(super) fn on_logs_wait(&mut self, question: Question, appended: u64, out: &mut Outbox) {
        let so_far = self.logs_appended();
        if so_far > appended {
            return reply(question, Response::LogsGrown { appended: so_far }, out);
        }
        self.clients.log_waiters.push((question, appended));
    }

    /// Tells those who waited that the log has grown.
    pub(super) fn wake_log_waiters(&mut self, out: &mut Outbox) {
        if self.clients.log_waiters.is_empty() {
            return;
        }
        let appended = self.logs_appended();
        self.clients.log_waiters.retain(|(question, seen)| {
            let grown = appended > *seen;
            if grown {
                reply(*question, Response::LogsGrown { appended }, out);
            }
            !grown
        });
    }
}
