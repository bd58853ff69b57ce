//! What follows from a fact: raft's orders, the log's frames, commands in force.

use std::time::Duration;

use raft::eraftpb::{Entry, EntryType, Message, MessageType};
use raft::{Ready, StateRole};

use super::asks::{Kind, Origin};
use super::build::Build;
use super::send::Sending;
use super::speech::Speech;
use super::{Action, Machine, Out, Replica, Ticket};
use crate::limits::CATCH_UP_BYTES_MAX;
use crate::wal::Mark;
use crate::wal::log::Order;

/// What waits for one frame to be durable.
#[derive(Debug, Default)]
pub(super) struct Batch {
    ticket: Option<Ticket>,
    /// Raft's number of what it contains.
    ready: u64,
    /// What may be said then.
    messages: Vec<Message>,
    /// A snapshot of ours counts then.
    built: Option<Mark>,
    /// A snapshot of the leader's is in force then.
    received: Option<Mark>,
}

impl<M: Machine> Replica<M> {
    pub(super) fn turn(&mut self, now: Duration, out: &mut Out<M>) {
        while self.broken.is_none() {
            self.draw_election();
            self.ask_read_index(now);
            if !self.raft.has_ready() {
                break;
            }
            let ready = self.raft.ready();
            self.on_ready(ready, now, out);
        }
        self.release_reads(out);
        self.start_build(out);
        self.flush(now, out);
    }

    /// Raft drew from the process's random numbers; we draw again from ours.
    fn draw_election(&mut self) {
        let role = match self.raft.raft.state {
            StateRole::Follower => 0,
            StateRole::PreCandidate => 1,
            StateRole::Candidate => 2,
            StateRole::Leader => 3,
        };
        let drawn = self.config.election_draw(self.raft.raft.term, role);
        self.raft.raft.set_randomized_election_timeout(drawn);
    }

    fn on_ready(&mut self, mut ready: Ready, now: Duration, out: &mut Out<M>) {
        for message in ready.take_messages() {
            self.send(message, now, out);
        }
        if !ready.snapshot().is_empty() {
            self.on_snapshot(out);
        }
        let entries = ready.take_entries();
        self.log.put_entries(&entries);
        self.raft.mut_store().append(&entries);
        if let Some(state) = ready.hs() {
            self.keep_state(state, ready.must_sync());
        }
        for read in ready.take_read_states() {
            self.on_read_index(&read.request_ctx, read.index);
        }
        let committed = ready.take_committed_entries();
        let (number, messages) = (ready.number(), ready.take_persisted_messages());
        self.raft.advance_append_async(ready);
        self.await_disk(number, messages, now, out);
        self.apply_all(committed, out);
    }

    fn keep_state(&mut self, state: &raft::eraftpb::HardState, urgent: bool) {
        #[cfg(feature = "planted")]
        if self.has(super::Plant::ForgetVotes) {
            return;
        }
        self.log.put_state(state, urgent);
    }

    /// What depends on the disk waits for the frame that is to be written, or else for the one that is
    /// being written; or for nothing.
    fn await_disk(&mut self, number: u64, messages: Vec<Message>, now: Duration, out: &mut Out<M>) {
        let batch = if self.log.is_waiting() {
            &mut self.gathering
        } else if let Some(flying) = &mut self.flying {
            flying
        } else {
            return self.on_durable(
                Batch { ready: number, messages, ..Batch::default() },
                now,
                out,
            );
        };
        batch.ready = number;
        batch.messages.extend(messages);
    }

    /// Writes what waits, if the disk is free.
    fn flush(&mut self, now: Duration, out: &mut Out<M>) {
        if self.broken.is_some() {
            return;
        }
        let orders = self.log.flush();
        self.order(orders, now, out);
    }

    pub(super) fn order(&mut self, orders: Vec<Order>, now: Duration, out: &mut Out<M>) {
        for order in orders {
            let Order::Write { segment, offset, bytes } = order else {
                out.actions.push(Action::Segment(order));
                continue;
            };
            let ticket = self.ticket();
            out.actions.push(Action::Write { ticket, segment, offset, bytes });
            let batch = std::mem::take(&mut self.gathering);
            self.flying = Some(Batch { ticket: Some(ticket), ..batch });
            self.flying_since = now;
        }
        #[cfg(feature = "planted")]
        if self.has(super::Plant::AckEarly)
            && let Some(batch) = &mut self.flying
        {
            let ready = Batch { ready: std::mem::take(&mut batch.ready), ..Batch::default() };
            self.on_durable(ready, now, out);
        }
    }

    pub(super) fn on_done(&mut self, ticket: Ticket, now: Duration, out: &mut Out<M>) {
        if self.broken.is_some() {
            return;
        }
        if let Some(batch) = self.flying.take_if(|batch| batch.ticket == Some(ticket)) {
            self.log.on_written();
            self.on_durable(batch, now, out);
        } else {
            self.on_snapshot_done(ticket, now, out);
        }
    }

    pub(super) fn on_failed(&mut self, ticket: Ticket, why: &str, out: &mut Out<M>) {
        if self.flying.as_ref().is_some_and(|batch| batch.ticket == Some(ticket)) {
            self.break_down(format!("the log could not be written: {why}"), out);
        } else {
            self.on_snapshot_failed(ticket, out);
        }
    }

    fn on_durable(&mut self, batch: Batch, now: Duration, out: &mut Out<M>) {
        if batch.ready > 0 {
            self.raft.on_persist_ready(batch.ready);
        }
        if let Some(mark) = batch.received {
            self.install(&mark, now, out);
        }
        if let Some(mark) = batch.built {
            self.adopt(mark, now, out);
        }
        for message in batch.messages {
            self.send(message, now, out);
        }
    }

    /// Puts a mark of our own snapshot into the log.
    pub(super) fn mark_built(&mut self, mark: Mark) {
        self.log.put_mark(&mark);
        self.gathering.built = Some(mark);
    }

    /// Puts the mark of a received snapshot into the log.
    pub(super) fn mark_received(&mut self, mark: Mark) {
        self.log.put_mark(&mark);
        self.gathering.received = Some(mark);
    }

    fn send(&mut self, message: Message, now: Duration, out: &mut Out<M>) {
        if message.get_msg_type() == MessageType::MsgSnapshot {
            self.start_sending(message, now, out);
        } else {
            self.say(message.to, &Speech::Raft(message), out);
        }
    }

    fn apply_all(&mut self, entries: Vec<Entry>, out: &mut Out<M>) {
        for entry in entries {
            let (index, term) = (entry.index, entry.term);
            self.log_bytes += entry.data.len() as u64 + 64;
            self.apply(&entry, out);
            (self.applied, self.applied_term) = (index, term);
            if self.broken.is_some() {
                return;
            }
        }
        if self.applied > self.raft.raft.raft_log.applied() {
            self.raft.advance_apply_to(self.applied);
        }
        self.shrink();
    }

    fn apply(&mut self, entry: &Entry, out: &mut Out<M>) {
        let origin = Origin::decode(&entry.context);
        match entry.get_entry_type() {
            EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => {
                self.apply_change(entry, origin, out);
            }
            // A leader begins its term with an entry of nobody.
            EntryType::EntryNormal if origin.is_none() => {}
            EntryType::EntryNormal => match origin.map(|origin| origin.kind) {
                Some(Kind::Update) => self.apply_update(entry, origin, out),
                Some(Kind::Command | Kind::Change) | None => {
                    let reply = self.machine.apply(entry.index, &entry.data, &mut out.happened);
                    if let Some(ticket) = self.answered(origin) {
                        out.actions.push(Action::Applied { ticket, index: entry.index, reply });
                    }
                }
            },
        }
    }

    /// Forgets entries that only members would need which get a snapshot then, unless they follow upon
    /// a snapshot that is being made or sent.
    pub(super) fn shrink(&mut self) {
        let sent = self.sending.values().map(Sending::index).min();
        let built = self.build.as_ref().map(Build::index);
        let memory = self.raft.mut_store();
        let wanted = memory.snapshot.as_ref().filter(|_| memory.wanted.get()).map(|m| m.index);
        let through = [sent, built, wanted, Some(self.applied)].into_iter().flatten().min();
        memory.shrink(self.config.catch_up_bytes, through.unwrap_or(0));
        memory.shrink(CATCH_UP_BYTES_MAX, self.applied);
    }
}
