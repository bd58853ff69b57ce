//! Snapshots of our own: taken slice by slice, each when the disk has the one before.

use crc32fast::Hasher;

use std::time::Duration;

use super::send::Sending;
use super::{Action, Machine, Out, Replica, Ticket};
use crate::wal::Mark;

/// A snapshot that is being made.
#[derive(Debug)]
pub(super) struct Build {
    mark: Mark,
    hasher: Hasher,
    ticket: Ticket,
    /// The file is complete; its mark is on its way into the log.
    last: bool,
}

impl Build {
    /// Where in the log it will stand.
    pub(super) fn index(&self) -> u64 {
        self.mark.index
    }
}

impl<M: Machine> Replica<M> {
    /// Begins a snapshot if the log grew by more than the state is large, or if raft wants one for a
    /// member that lags.
    pub(super) fn start_build(&mut self, out: &mut Out<M>) {
        let due = self.log_bytes >= self.config.snapshot_log_bytes.max(self.machine.bytes());
        let memory = self.raft.store();
        let latest = memory.snapshot.as_ref().map_or(0, |mark| mark.index);
        let wanted = memory.wanted.get() && !memory.has_usable_snapshot();
        let busy = self.build.is_some() || self.incoming.is_some() || self.broken.is_some();
        if busy || !(due || wanted) || self.applied <= latest {
            return;
        }
        let mark = Mark {
            index: self.applied,
            term: self.applied_term,
            voters: memory.voters.clone(),
            members: self.members.clone(),
            file: self.take_file(),
            ..Mark::default()
        };
        self.log_bytes = 0;
        self.machine.snapshot_start();
        let build = Build { mark, hasher: Hasher::new(), ticket: Ticket(0), last: false };
        self.next_slice(build, out);
    }

    pub(super) fn take_file(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file - 1
    }

    fn next_slice(&mut self, mut build: Build, out: &mut Out<M>) {
        let slice = self.machine.snapshot_slice(self.config.chunk_bytes);
        build.ticket = self.ticket();
        build.last = slice.is_none();
        let bytes = slice.unwrap_or_default();
        build.hasher.update(&bytes);
        let (file, offset) = (build.mark.file, build.mark.bytes);
        build.mark.bytes += bytes.len() as u64;
        let (ticket, last) = (build.ticket, build.last);
        out.actions.push(Action::SnapshotWrite { ticket, file, offset, bytes, last });
        self.build = Some(build);
    }

    pub(super) fn on_snapshot_done(&mut self, ticket: Ticket, now: Duration, out: &mut Out<M>) {
        let Some(build) = self.build.take_if(|build| build.ticket == ticket) else {
            return self.on_chunk_written(ticket, now, out);
        };
        if !build.last {
            return self.next_slice(build, out);
        }
        let mark = Mark { crc: build.hasher.clone().finalize(), ..build.mark.clone() };
        self.mark_built(mark);
        self.build = Some(build);
    }

    /// A snapshot can be made again: the log still has everything.
    pub(super) fn on_snapshot_failed(&mut self, ticket: Ticket, out: &mut Out<M>) {
        if self.build.as_ref().is_some_and(|build| build.ticket == ticket) {
            self.cancel_build(out);
        } else if !self.on_read_failed(ticket) {
            self.on_chunk_failed(ticket, out);
        }
    }

    pub(super) fn cancel_build(&mut self, out: &mut Out<M>) {
        let Some(build) = self.build.take() else { return };
        self.machine.snapshot_stop();
        if !build.last {
            out.actions.push(Action::SnapshotRemove { file: build.mark.file });
        }
    }

    /// Our snapshot's mark is durable: what it makes superfluous can go.
    pub(super) fn adopt(&mut self, mark: Mark, now: Duration, out: &mut Out<M>) {
        self.build = None;
        let orders = self.log.drop_through(mark.index);
        let former = self.raft.mut_store().snapshot.replace(mark);
        self.order(orders, now, out);
        if let Some(former) = former {
            self.retire(former.file, out);
        }
        self.shrink();
    }

    /// A file that is superseded goes when nobody is being sent it any more: whoever is would begin
    /// anew, and under load never end.
    pub(super) fn retire(&mut self, file: u64, out: &mut Out<M>) {
        self.retired.push(file);
        self.sweep(out);
    }

    pub(super) fn sweep(&mut self, out: &mut Out<M>) {
        let sent: Vec<u64> = self.sending.values().map(Sending::file).collect();
        self.retired.retain(|file| {
            let kept = sent.contains(file);
            if !kept {
                out.actions.push(Action::SnapshotRemove { file: *file });
            }
            kept
        });
    }
}
