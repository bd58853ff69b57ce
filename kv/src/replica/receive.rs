//! Snapshots from the leader: chunk by chunk into a file and into a machine beside ours, which replaces
//! it when all is durable and the log says so.

use std::time::Duration;

use crc32fast::Hasher;
use raft::eraftpb::{Message, MessageType};

use super::speech::{Chunk, Received, Speech};
use super::{Action, Machine, Out, Replica, Ticket};
use crate::limits::SNAPSHOT_SILENCE_ELECTIONS;
use crate::wal::Mark;

/// A snapshot that is being received.
pub(super) struct Incoming<M> {
    from: u64,
    mark: Mark,
    message: Message,
    file: u64,
    machine: M,
    hasher: Hasher,
    received: u64,
    /// The last chunk's write.
    complete: Option<Ticket>,
    heard: Duration,
    /// Raft took it; its mark is on its way into the log.
    taken: bool,
}

impl<M> Incoming<M> {
    fn is(&self, from: u64, mark: &Mark) -> bool {
        (self.from, self.mark.file, self.mark.index) == (from, mark.file, mark.index)
    }
}

impl<M: Machine> Replica<M> {
    pub(super) fn on_chunk(&mut self, from: u64, chunk: &Chunk, now: Duration, out: &mut Out<M>) {
        let Some(mark) = Mark::decode(&chunk.mark) else { return };
        if !is_sound(from, self.config.id, &mark, &chunk.message) {
            return;
        }
        if chunk.message.term < self.raft.raft.term {
            return;
        }
        if mark.index <= self.raft.raft.raft_log.committed {
            return self.acknowledge(from, mark.file, mark.bytes, true, out);
        }
        if !self.incoming.as_ref().is_some_and(|incoming| incoming.is(from, &mark)) {
            self.begin_incoming(from, mark, chunk.message.clone(), now, out);
        }
        let Some(incoming) = &mut self.incoming else { return };
        if incoming.from != from || incoming.complete.is_some() {
            return;
        }
        incoming.heard = now;
        if chunk.offset == incoming.received {
            self.add_chunk(chunk, out);
        } else {
            let (file, received) = (incoming.mark.file, incoming.received);
            self.acknowledge(from, file, received, false, out);
        }
    }

    /// A newer leader's snapshot replaces one that was begun, unless raft took that already.
    fn begin_incoming(
        &mut self,
        from: u64,
        mark: Mark,
        message: Message,
        now: Duration,
        out: &mut Out<M>,
    ) {
        if let Some(incoming) = &self.incoming {
            let newer = message.term > incoming.message.term || from == incoming.from;
            if incoming.taken || !newer {
                return;
            }
            self.drop_incoming(out);
        }
        self.cancel_build(out);
        let file = self.take_file();
        self.incoming = Some(Incoming {
            from,
            mark,
            message,
            file,
            machine: (self.fresh)(),
            hasher: Hasher::new(),
            received: 0,
            complete: None,
            heard: now,
            taken: false,
        });
    }

    fn add_chunk(&mut self, chunk: &Chunk, out: &mut Out<M>) {
        let ticket = self.ticket();
        let Some(incoming) = &mut self.incoming else { return };
        let bytes = chunk.bytes.to_vec();
        let total = incoming.received + bytes.len() as u64;
        if total > incoming.mark.bytes || incoming.machine.restore_slice(&bytes).is_err() {
            return self.drop_incoming(out);
        }
        let (file, offset) = (incoming.file, incoming.received);
        incoming.hasher.update(&bytes);
        incoming.received = total;
        let last = total == incoming.mark.bytes;
        let (from, source) = (incoming.from, incoming.mark.file);
        if last {
            incoming.complete = Some(ticket);
        }
        out.actions.push(Action::SnapshotWrite { ticket, file, offset, bytes, last });
        if !last {
            self.acknowledge(from, source, total, false, out);
        }
    }

    fn acknowledge(&mut self, to: u64, file: u64, bytes: u64, complete: bool, out: &mut Out<M>) {
        self.say(to, &Speech::Received(Received { file, bytes, complete }), out);
    }

    /// All of it is durable: raft decides whether it is wanted.
    pub(super) fn on_chunk_written(&mut self, ticket: Ticket, _: Duration, out: &mut Out<M>) {
        let Some(incoming) = &mut self.incoming else { return };
        if incoming.complete != Some(ticket) {
            return;
        }
        let crc = incoming.hasher.clone().finalize();
        if crc != incoming.mark.crc || incoming.machine.restore_end().is_err() {
            return self.drop_incoming(out);
        }
        let (index, message) = (incoming.mark.index, incoming.message.clone());
        let (from, file, bytes) = (incoming.from, incoming.mark.file, incoming.mark.bytes);
        // What raft does not want it ignores; that is seen from what it has then.
        drop(self.raft.step(message));
        let taken = self.raft.snap().is_some_and(|taken| taken.get_metadata().index == index);
        if !taken {
            self.drop_incoming(out);
            self.acknowledge(from, file, bytes, true, out);
        }
    }

    pub(super) fn on_chunk_failed(&mut self, _: Ticket, out: &mut Out<M>) {
        if self.incoming.as_ref().is_some_and(|incoming| !incoming.taken) {
            self.drop_incoming(out);
        }
    }

    /// Raft took the snapshot: its mark goes into the log.
    pub(super) fn on_snapshot(&mut self, out: &mut Out<M>) {
        self.cancel_build(out);
        let Some(incoming) = &mut self.incoming else { return };
        incoming.taken = true;
        let mark = Mark { file: incoming.file, received: true, ..incoming.mark.clone() };
        self.raft.mut_store().install(&mark);
        self.mark_received(mark);
    }

    /// The mark is durable: the leader's state is ours.
    pub(super) fn install(&mut self, mark: &Mark, now: Duration, out: &mut Out<M>) {
        let Some(incoming) = self.incoming.take() else { return };
        let mut former = std::mem::replace(&mut self.machine, incoming.machine);
        self.machine.take_over(&mut former, &mut out.happened);
        (self.applied, self.applied_term) = (mark.index, mark.term);
        self.members = mark.members.clone();
        self.raft.advance_apply_to(mark.index);
        self.log_bytes = 0;
        let former = self.raft.mut_store().snapshot.replace(mark.clone());
        let orders = self.log.drop_through(mark.index);
        self.order(orders, now, out);
        if let Some(former) = former {
            self.retire(former.file, out);
        }
        out.actions.push(Action::Members(self.members.clone()));
        self.acknowledge(incoming.from, incoming.mark.file, mark.bytes, true, out);
    }

    /// Whether raft has a snapshot that is not yet in force.
    pub(super) fn is_installing(&self) -> bool {
        self.incoming.as_ref().is_some_and(|incoming| incoming.taken)
    }

    fn drop_incoming(&mut self, out: &mut Out<M>) {
        if let Some(incoming) = self.incoming.take() {
            out.actions.push(Action::SnapshotRemove { file: incoming.file });
        }
    }

    pub(super) fn receiving_on_tick(&mut self, now: Duration, out: &mut Out<M>) {
        let silence = self.config.election() * SNAPSHOT_SILENCE_ELECTIONS;
        let given_up = self
            .incoming
            .as_ref()
            .is_some_and(|incoming| incoming.complete.is_none() && now > incoming.heard + silence);
        if given_up {
            self.drop_incoming(out);
        }
    }
}

/// Whether chunk and message speak of the same snapshot, and to us.
fn is_sound(from: u64, to: u64, mark: &Mark, message: &Message) -> bool {
    let metadata = message.get_snapshot().get_metadata();
    let same = (metadata.index, metadata.term) == (mark.index, mark.term);
    let members = metadata.get_conf_state() == &mark.voters && !mark.voters.voters.is_empty();
    let ours = message.from == from && message.to == to && message.term > 0 && mark.index > 0;
    ours && same && members && message.get_msg_type() == MessageType::MsgSnapshot
}
