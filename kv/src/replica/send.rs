//! Snapshots for members that lag: in chunks, each when the one before was received.

use std::time::Duration;

use raft::SnapshotStatus;
use raft::eraftpb::Message;

use super::speech::{Chunk, Received, Speech};
use super::{Action, Machine, Out, Replica, Ticket};
use crate::limits::SNAPSHOT_SILENCE_ELECTIONS;
use crate::wal::Mark;

/// A snapshot on its way to one member.
#[derive(Debug)]
pub(super) struct Sending {
    mark: Mark,
    message: Message,
    received: u64,
    reading: Option<Ticket>,
    said: Duration,
    heard: Duration,
}

impl Sending {
    pub(super) fn index(&self) -> u64 {
        self.mark.index
    }

    pub(super) fn file(&self) -> u64 {
        self.mark.file
    }
}

impl<M: Machine> Replica<M> {
    /// Raft decided that a member needs a snapshot.
    pub(super) fn start_sending(&mut self, message: Message, now: Duration, out: &mut Out<M>) {
        let (peer, index) = (message.to, message.get_snapshot().get_metadata().index);
        let memory = self.raft.mut_store();
        memory.wanted.set(false);
        let mark = memory.snapshot.clone().filter(|mark| mark.index == index);
        let Some(mark) = mark else {
            return self.raft.report_snapshot(peer, SnapshotStatus::Failure);
        };
        if self.sending.get(&peer).is_some_and(|sending| sending.mark.file == mark.file) {
            return;
        }
        let sending = Sending { mark, message, received: 0, reading: None, said: now, heard: now };
        self.sending.insert(peer, sending);
        self.read_chunk(peer, now, out);
    }

    fn read_chunk(&mut self, peer: u64, now: Duration, out: &mut Out<M>) {
        let ticket = self.ticket();
        let bytes = self.config.chunk_bytes;
        let Some(sending) = self.sending.get_mut(&peer) else { return };
        sending.reading = Some(ticket);
        sending.said = now;
        let (file, offset) = (sending.mark.file, sending.received);
        out.actions.push(Action::SnapshotRead { ticket, file, offset, bytes });
    }

    pub(super) fn on_disk_read(
        &mut self,
        ticket: Ticket,
        bytes: Vec<u8>,
        now: Duration,
        out: &mut Out<M>,
    ) {
        let mut all = self.sending.iter_mut();
        let Some((peer, sending)) = all.find(|(_, sending)| sending.reading == Some(ticket)) else {
            return;
        };
        let peer = *peer;
        sending.reading = None;
        sending.said = now;
        if bytes.is_empty() && sending.received < sending.mark.bytes {
            return self.give_up(peer);
        }
        let chunk = Chunk {
            mark: sending.mark.encode().into(),
            message: sending.message.clone(),
            offset: sending.received,
            bytes: bytes.into(),
        };
        self.say(peer, &Speech::Chunk(chunk), out);
    }

    pub(super) fn on_read_failed(&mut self, ticket: Ticket) -> bool {
        let mut all = self.sending.iter();
        let found = all.find(|(_, sending)| sending.reading == Some(ticket));
        let Some(peer) = found.map(|(peer, _)| *peer) else { return false };
        self.give_up(peer);
        true
    }

    fn give_up(&mut self, peer: u64) {
        self.sending.remove(&peer);
        self.raft.report_snapshot(peer, SnapshotStatus::Failure);
    }

    pub(super) fn on_received(
        &mut self,
        from: u64,
        received: &Received,
        now: Duration,
        out: &mut Out<M>,
    ) {
        let Some(sending) = self.sending.get_mut(&from) else { return };
        if sending.mark.file != received.file {
            return;
        }
        sending.heard = now;
        if received.complete {
            self.sending.remove(&from);
            self.raft.report_snapshot(from, SnapshotStatus::Finish);
            return;
        }
        sending.received = received.bytes.min(sending.mark.bytes);
        if sending.received < sending.mark.bytes || sending.mark.bytes == 0 {
            self.read_chunk(from, now, out);
        }
    }

    /// Chunks get lost: what was not received is sent again, until nobody answers for long.
    pub(super) fn sending_on_tick(&mut self, now: Duration, out: &mut Out<M>) {
        if !self.leads() {
            self.sending.clear();
        }
        if !self.raft.store().wanted.get() {
            self.wanted_since = now;
        } else if now > self.wanted_since + 4 * self.config.election() {
            self.raft.store().wanted.set(false);
        }
        self.sweep(out);
        let silence = self.config.election() * SNAPSHOT_SILENCE_ELECTIONS;
        let late = self.config.election() / 2;
        let due: Vec<(u64, bool)> = self
            .sending
            .iter()
            .filter(|(_, sending)| sending.reading.is_none() && now > sending.said + late)
            .map(|(peer, sending)| (*peer, now > sending.heard + silence))
            .collect();
        for (peer, silent) in due {
            if silent {
                self.give_up(peer);
            } else {
                self.read_chunk(peer, now, out);
            }
        }
    }
}
