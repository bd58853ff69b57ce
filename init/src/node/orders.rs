//! Orders on their way: which ticket waits for what.

use std::collections::BTreeMap;

use units::action::ProbeKind;
use units::event::Request;
use units::run::{Run, Ticket, UnitId};

use crate::node::api::Question;
use crate::node::applying::ApplyErrand;
use crate::node::event::ClientId;

/// What an outstanding order is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// The supervisor's own `Prepare`, given to a worker under the same ticket.
    Prepare {
        /// For whom.
        run: Run,
    },
    /// The supervisor's own `Probe`.
    Probe {
        /// Of whom.
        run: Run,
        /// Which.
        kind: ProbeKind,
    },
    /// The supervisor's own `Mount` or `Unmount`.
    Mount {
        /// Which unit.
        unit: UnitId,
    },
    /// A process of a run, ordered by the supervisor.
    Spawn {
        /// Whose.
        run: Run,
    },
    /// A process that a client wants in a run's surroundings.
    Exec {
        /// Whose.
        run: Run,
        /// Who is told how it ends.
        question: Question,
    },
    /// Definitions are being read.
    Load {
        /// What to ask of the supervisor once they are in force.
        then: Vec<(Asker, Request)>,
    },
    /// Something without consequences: log flush, module, stamp.
    Errand {
        /// What, for the log.
        name: &'static str,
    },
    /// The files of a unit are being read for somebody.
    Cat(Question),
    /// Unit files are being changed.
    Apply(ApplyErrand),
    /// Log blocks are being written to disk.
    Flush,
    /// The supervisor was asked something.
    Ask(Asker),
}

/// Who asked the supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The node itself.
    Node,
    /// The node, which shuts down.
    ShutDown,
    /// A client.
    Client(Question),
    /// Nobody who waits for an answer.
    Nobody,
}

/// All outstanding orders.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    next: u64,
    waiting: BTreeMap<Ticket, Order>,
}

/// The node's own tickets have this bit; the supervisor's count from below.
const NODE_BIT: u64 = 1 << 63;

impl Orders {
    /// A new ticket for an order of the node's own.
    pub(crate) fn issue(&mut self, order: Order) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next | NODE_BIT);
        self.waiting.insert(ticket, order);
        ticket
    }

    /// Remembers what one of the supervisor's tickets is for.
    pub(crate) fn follow(&mut self, ticket: Ticket, order: Order) {
        assert!(ticket.0 & NODE_BIT == 0, "the supervisor's tickets count from below");
        self.waiting.insert(ticket, order);
    }

    /// A guest runs: its order stays until it ends.
    pub(crate) fn follow_guest(&mut self, ticket: Ticket, order: Order) {
        self.waiting.insert(ticket, order);
    }

    /// The order of a ticket that was answered.
    pub(crate) fn settle(&mut self, ticket: Ticket) -> Option<Order> {
        self.waiting.remove(&ticket)
    }

    /// The guests of a client.
    pub(crate) fn guests_of(&self, client: ClientId) -> Vec<Ticket> {
        self.guests().filter(|(_, asked)| asked.client == client).map(|(t, _)| t).collect()
    }

    /// The guest that a question started.
    pub(crate) fn guest(&self, wanted: Question) -> Option<Ticket> {
        self.guests().find(|(_, asked)| *asked == wanted).map(|(ticket, _)| ticket)
    }

    fn guests(&self) -> impl Iterator<Item = (Ticket, Question)> {
        self.waiting.iter().filter_map(|(ticket, order)| {
            if let Order::Exec { question, .. } = order { Some((*ticket, *question)) } else { None }
        })
    }

    /// How many are outstanding.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}
