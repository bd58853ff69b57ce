//! Questions that change something: from the proposal to the entry that comes back out of the log.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use prost::bytes::Bytes;

use super::{Action, Machine, Out, Outbox, Refusal, Replica, Ticket};
use crate::limits::ASKED_MAX;

/// What an entry's data are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A command for the machine.
    Command = 1,
    /// New attributes of a member.
    Update = 2,
    /// A change of members.
    Change = 3,
}

/// Who proposed an entry: so the answer finds its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) kind: Kind,
    pub(super) member: u64,
    pub(super) nonce: u64,
    pub(super) ticket: u64,
}

impl Origin {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = vec![self.kind as u8];
        for number in [self.member, self.nonce, self.ticket] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    pub(super) fn decode(bytes: &Bytes) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let kind = match kind {
            1 => Kind::Command,
            2 => Kind::Update,
            3 => Kind::Change,
            _ => return None,
        };
        let number = |at: usize| rest.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        Some(Self { kind, member: number(0)?, nonce: number(8)?, ticket: number(16)? })
    }
}

/// Questions without an answer yet. Each waits equally long, so the oldest expires first.
#[derive(Debug, Default)]
pub(super) struct Asks {
    open: BTreeMap<u64, Duration>,
    order: VecDeque<(Duration, u64)>,
}

impl Asks {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn open(&mut self, ticket: Ticket, until: Duration) {
        self.open.insert(ticket.0, until);
        self.order.push_back((until, ticket.0));
    }

    /// Whether this question was still open.
    pub(super) fn close(&mut self, ticket: u64) -> bool {
        let was_open = self.open.remove(&ticket).is_some();
        if self.open.is_empty() {
            self.order.clear();
        }
        was_open
    }

    pub(super) fn expire<R, H>(&mut self, now: Duration, out: &mut Outbox<R, H>) {
        while let Some((until, ticket)) = self.order.front().copied() {
            if self.open.get(&ticket) == Some(&until) {
                if until > now {
                    return;
                }
                self.open.remove(&ticket);
                let why = Refusal::Late;
                out.actions.push(Action::Refused { ticket: Ticket(ticket), why });
            }
            self.order.pop_front();
        }
    }

    pub(super) fn refuse_all<R, H>(&mut self, out: &mut Outbox<R, H>) {
        self.order.clear();
        for (ticket, _) in std::mem::take(&mut self.open) {
            let why = Refusal::Stopped;
            out.actions.push(Action::Refused { ticket: Ticket(ticket), why });
        }
    }
}

impl<M: Machine> Replica<M> {
    pub(super) fn on_asked(
        &mut self,
        ticket: Ticket,
        command: Vec<u8>,
        now: Duration,
        out: &mut Out<M>,
    ) {
        let refused = if let Some(why) = self.cannot_ask() {
            Some(why)
        } else if command.len() > self.config.entry_bytes_max {
            Some(Refusal::TooLarge)
        } else {
            let origin = self.origin(Kind::Command, ticket).encode();
            self.raft.propose(origin, command).err().map(|_| self.dropped())
        };
        match refused {
            None => self.asks.open(ticket, now + self.config.patience),
            Some(why) => out.actions.push(Action::Refused { ticket, why }),
        }
    }

    /// Why nothing can be asked now.
    pub(super) fn cannot_ask(&self) -> Option<Refusal> {
        if self.broken.is_some() {
            return Some(Refusal::Stopped);
        }
        if self.raft.raft.leader_id == 0 {
            return Some(Refusal::NoLeader);
        }
        (self.asks.len() >= ASKED_MAX).then_some(Refusal::Busy)
    }

    /// Why raft dropped a proposal that it did not forward.
    pub(super) fn dropped(&self) -> Refusal {
        let hands_over = self.raft.raft.lead_transferee.is_some();
        if self.leads() && !hands_over { Refusal::Busy } else { Refusal::NoLeader }
    }

    pub(super) fn origin(&self, kind: Kind, ticket: Ticket) -> Origin {
        let (member, nonce) = (self.config.id, self.config.nonce);
        Origin { kind, member, nonce, ticket: ticket.0 }
    }

    /// The question that this entry answers, if it is ours and still open.
    pub(super) fn answered(&mut self, origin: Option<Origin>) -> Option<Ticket> {
        let origin = origin?;
        let ours = origin.member == self.config.id && origin.nonce == self.config.nonce;
        (ours && self.asks.close(origin.ticket)).then_some(Ticket(origin.ticket))
    }
}
