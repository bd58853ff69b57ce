//! Reads of what is certainly the latest.
//!
//! Raft keys questions for a read index by their bytes alone, and an answer to an old question frees a
//! new one of the same bytes: stale reads (etcd #20418). So no question is ever asked twice: each try,
//! of each start of each member, has bytes of its own.

use std::time::Duration;

use super::{Action, Machine, Out, Outbox, Refusal, Replica, Ticket};
use crate::limits::ASKED_MAX;

/// Reads that wait.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// Not yet asked for.
    waiting: Vec<(Ticket, Duration)>,
    round: Option<Round>,
    /// Allowed from this index on.
    allowed: Vec<(u64, Vec<(Ticket, Duration)>)>,
    tries: u64,
}

#[derive(Debug)]
struct Round {
    question: Vec<u8>,
    since: Duration,
    tickets: Vec<(Ticket, Duration)>,
}

impl Reads {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.round.is_none() && self.allowed.is_empty()
    }

    pub(super) fn refuse_all<R, H>(&mut self, why: Refusal, out: &mut Outbox<R, H>) {
        let round = self.round.take().into_iter().flat_map(|round| round.tickets);
        let allowed = std::mem::take(&mut self.allowed).into_iter().flat_map(|(_, all)| all);
        let waiting = std::mem::take(&mut self.waiting);
        for (ticket, _) in waiting.into_iter().chain(round).chain(allowed) {
            out.actions.push(Action::Refused { ticket, why });
        }
    }

    /// Refuses those of a list that waited too long.
    fn expire<R, H>(tickets: &mut Vec<(Ticket, Duration)>, now: Duration, out: &mut Outbox<R, H>) {
        tickets.retain(|(ticket, until)| {
            let late = *until <= now;
            if late {
                out.actions.push(Action::Refused { ticket: *ticket, why: Refusal::Late });
            }
            !late
        });
    }
}

impl<M: Machine> Replica<M> {
    pub(super) fn on_read_asked(&mut self, ticket: Ticket, now: Duration, out: &mut Out<M>) {
        #[cfg(feature = "planted")]
        if self.has(super::Plant::StaleReads) {
            out.actions.push(Action::ReadReady { ticket });
            return;
        }
        if self.broken.is_some() {
            out.actions.push(Action::Refused { ticket, why: Refusal::Stopped });
        } else if self.reads.waiting.len() >= ASKED_MAX {
            out.actions.push(Action::Refused { ticket, why: Refusal::Busy });
        } else {
            self.reads.waiting.push((ticket, now + self.config.patience));
        }
    }

    /// Asks for all that wait, unless a question is under way. Without a leader they go on waiting.
    pub(super) fn ask_read_index(&mut self, now: Duration) {
        let idle = self.reads.round.is_none() && !self.reads.waiting.is_empty();
        if !idle || self.raft.raft.leader_id == 0 {
            return;
        }
        self.reads.tries += 1;
        let mut question = Vec::with_capacity(24);
        for number in [self.config.id, self.config.nonce, self.reads.tries] {
            question.extend_from_slice(&number.to_le_bytes());
        }
        #[cfg(feature = "planted")]
        if self.has(super::Plant::SameQuestion) {
            question.truncate(16);
        }
        self.raft.read_index(question.clone());
        let tickets = std::mem::take(&mut self.reads.waiting);
        self.reads.round = Some(Round { question, since: now, tickets });
    }

    pub(super) fn on_read_index(&mut self, question: &[u8], index: u64) {
        if let Some(round) = self.reads.round.take_if(|round| round.question == question) {
            self.reads.allowed.push((index, round.tickets));
        }
    }

    /// Lets those read whose index is in force.
    pub(super) fn release_reads(&mut self, out: &mut Out<M>) {
        let applied = self.applied;
        self.reads.allowed.retain_mut(|(index, tickets)| {
            let ready = *index <= applied;
            if ready {
                let ready = tickets.drain(..).map(|(ticket, _)| Action::ReadReady { ticket });
                out.actions.extend(ready);
            }
            !ready
        });
    }

    /// Questions get lost: those that waited are asked anew, in other words.
    pub(super) fn reads_on_tick(&mut self, now: Duration, out: &mut Out<M>) {
        let patience = self.config.election() / 2;
        if let Some(round) = self.reads.round.take_if(|round| now >= round.since + patience) {
            self.reads.waiting.extend(round.tickets);
        }
        Reads::expire(&mut self.reads.waiting, now, out);
        for (_, tickets) in &mut self.reads.allowed {
            Reads::expire(tickets, now, out);
        }
        self.reads.allowed.retain(|(_, tickets)| !tickets.is_empty());
    }
}
