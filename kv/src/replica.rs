//! The replica: raft, its log, and the machine that it replicates, behind `step`.
//!
//! Raft panics on what it holds to be impossible, and in PID 1 a panic ends the process. Three lines of
//! defence, in this order: [`guard`] keeps from raft every message that could bring it there;
//! [`crate::wal::recover`] hands it no log that does not fit together; and PID 1 survives its own death
//! by re-executing itself: the shore is to find in its vault that it died within a step of the replica, and to start it
//! again after a back-off from the disk, where everything is that was ever promised. Meanwhile the
//! shore answers for the store that it is unavailable.

mod asks;
mod build;
mod config;
mod event;
mod guard;
mod machine;
pub mod members;
mod membership;
mod reads;
mod receive;
mod send;
mod speech;
mod start;
mod storage;
mod turn;

use std::collections::BTreeMap;
use std::time::Duration;

use raft::eraftpb::MessageType;
use raft::{RawNode, StateRole};

use self::asks::Asks;
use self::members::Members;
use self::reads::Reads;
use self::speech::{Ear, Speech};
use self::storage::Memory;
use self::turn::Batch;
use crate::wal::Log;

pub use config::Config;
#[cfg(feature = "planted")]
pub use config::Plant;
pub use event::{Action, Event, Outbox, Refusal, Step, Ticket};
pub use machine::Machine;
pub use start::{Files, Start};

/// What a machine's replica hands out.
pub type Out<M> = Outbox<<M as Machine>::Reply, <M as Machine>::Happened>;

/// One member's replica.
pub struct Replica<M: Machine> {
    config: Config,
    raft: RawNode<Memory>,
    log: Log,
    machine: M,
    fresh: fn() -> M,
    applied: u64,
    applied_term: u64,
    members: Members,
    ear: Ear,
    asks: Asks,
    reads: Reads,
    next_ticket: u64,
    next_tick: Duration,
    /// What waits for the frame that is not yet written, and for the one that is being written.
    gathering: Batch,
    flying: Option<Batch>,
    flying_since: Duration,
    build: Option<build::Build>,
    sending: BTreeMap<u64, send::Sending>,
    incoming: Option<receive::Incoming<M>>,
    next_file: u64,
    /// Superseded snapshots that are still being sent.
    retired: Vec<u64>,
    log_bytes: u64,
    wanted_since: Duration,
    leader: (u64, u64),
    broken: Option<String>,
}

impl<M: Machine> std::fmt::Debug for Replica<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}

/// What can be said of a replica.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Its number.
    pub id: u64,
    /// Its term.
    pub term: u64,
    /// Whom it follows; zero is nobody.
    pub leader: u64,
    /// Whether it leads.
    pub leads: bool,
    /// The last index in force.
    pub applied: u64,
    /// The last index known to be agreed upon.
    pub committed: u64,
    /// The last index.
    pub last: u64,
    /// The members.
    pub members: Members,
    /// The last index that each peer is known to have; only the leader knows.
    pub matched: BTreeMap<u64, u64>,
    /// Why it serves no more.
    pub broken: Option<String>,
}

impl<M: Machine> Replica<M> {
    /// Takes in one fact. Its orders are to be carried out before the next.
    pub fn step(&mut self, event: Event, now: Duration, out: &mut Out<M>) {
        self.on_event(event, now, out);
        self.on_time(now, out);
        self.turn(now, out);
        self.note_leader(out);
    }

    fn on_event(&mut self, event: Event, now: Duration, out: &mut Out<M>) {
        match event {
            Event::Asked { ticket, command } => self.on_asked(ticket, command, now, out),
            Event::ReadAsked { ticket } => self.on_read_asked(ticket, now, out),
            Event::ChangeAsked { ticket, steps } => self.on_change_asked(ticket, steps, now, out),
            Event::TransferAsked { to } => self.on_transfer_asked(to),
            Event::PeerSaid { bytes } => self.on_peer_said(&bytes, now, out),
            Event::PeerLost { peer } => self.on_peer_lost(peer),
            Event::Done { ticket } => self.on_done(ticket, now, out),
            Event::Failed { ticket, why } => self.on_failed(ticket, &why, out),
            Event::DiskRead { ticket, bytes } => self.on_disk_read(ticket, bytes, now, out),
            Event::Tick => {}
        }
    }

    /// When to be called again at the latest, if nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let alone = self.members.present.len() <= 1 && self.raft.raft.state == StateRole::Leader;
        let idle = self.asks.is_empty() && self.reads.is_empty();
        (self.broken.is_none() && !(alone && idle)).then_some(self.next_tick)
    }

    /// What can be said of it.
    #[must_use]
    pub fn view(&self) -> View {
        let raft = &self.raft.raft;
        let matched = raft.prs().iter().map(|(id, progress)| (*id, progress.matched));
        View {
            id: self.config.id,
            term: raft.term,
            leader: self.leader.0,
            leads: raft.state == StateRole::Leader && self.broken.is_none(),
            applied: self.applied,
            committed: raft.raft_log.committed,
            last: raft.raft_log.last_index(),
            members: self.members.clone(),
            matched: matched.filter(|_| raft.state == StateRole::Leader).collect(),
            broken: self.broken.clone(),
        }
    }

    /// The machine, as of the last index in force.
    #[must_use]
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine, for what is not replicated: watches and their queues.
    pub fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Its term.
    #[must_use]
    pub fn term(&self) -> u64 {
        self.raft.raft.term
    }

    /// Whom it follows; zero is nobody.
    #[must_use]
    pub fn leader(&self) -> u64 {
        self.leader.0
    }

    /// The members, as of the last index in force.
    #[must_use]
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// The last index in force.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Whether it leads now. Asked right before the leader's own proposals (expired leases), so that a
    /// deposed leader never makes them.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.raft.raft.state == StateRole::Leader && self.broken.is_none()
    }

    fn on_time(&mut self, now: Duration, out: &mut Out<M>) {
        if self.broken.is_some() || now < self.next_tick {
            return;
        }
        // Missed ticks are not made up for: a machine that slept has heard nobody meanwhile.
        self.next_tick = now + self.config.tick;
        if !self.is_disk_stuck(now) {
            self.raft.tick();
        }
        self.asks.expire(now, out);
        self.reads_on_tick(now, out);
        self.sending_on_tick(now, out);
        self.receiving_on_tick(now, out);
        self.members_on_tick();
    }

    /// A leader whose disk does not answer falls silent, so that another is elected; a lone voter must
    /// not campaign over frames that are still being written.
    fn is_disk_stuck(&self, now: Duration) -> bool {
        if self.is_installing() {
            return true;
        }
        let waited = now.saturating_sub(self.flying_since);
        let stuck = self.flying.is_some() && waited > self.config.election();
        let lone = self.raft.raft.prs().is_singleton() && self.flying.is_some();
        match self.raft.raft.state {
            StateRole::Leader => stuck,
            StateRole::Follower | StateRole::Candidate | StateRole::PreCandidate => lone,
        }
    }

    fn on_peer_said(&mut self, bytes: &[u8], now: Duration, out: &mut Out<M>) {
        if self.broken.is_some() {
            return;
        }
        let Some((from, speech)) = self.ear.hear(bytes) else { return };
        let counts = self.raft.raft.prs().get(from).is_some();
        if self.members.removed.contains(&from) && !counts {
            return;
        }
        match speech {
            // Raft panics if it campaigns between a snapshot and its being in force.
            Speech::Raft(message)
                if self.is_installing() && message.get_msg_type() == MessageType::MsgTimeoutNow => {
            }
            Speech::Raft(message) => match guard::judge(&self.raft, from, &message) {
                // What raft refuses, it refuses for good reason; the sender will ask again.
                guard::Verdict::Pass => drop(self.raft.step(message)),
                guard::Verdict::Drop => {}
                guard::Verdict::Lost(why) => self.break_down(why, out),
            },
            Speech::Chunk(chunk) => self.on_chunk(from, &chunk, now, out),
            Speech::Received(received) => self.on_received(from, &received, now, out),
        }
    }

    fn on_peer_lost(&mut self, peer: u64) {
        if self.broken.is_none() {
            self.raft.report_unreachable(peer);
        }
    }

    fn on_transfer_asked(&mut self, to: u64) {
        if self.leads() && self.raft.raft.prs().conf().voters().contains(to) {
            self.raft.transfer_leader(to);
        }
    }

    /// No vote, no answer, no second try: what the disk holds is unknown until it is read again.
    fn break_down(&mut self, why: String, out: &mut Out<M>) {
        if self.broken.is_some() {
            return;
        }
        self.asks.refuse_all(out);
        self.reads.refuse_all(Refusal::Stopped, out);
        self.sending.clear();
        self.incoming = None;
        out.actions.push(Action::Broken { why: why.clone() });
        self.broken = Some(why);
    }

    fn say(&mut self, to: u64, speech: &Speech, out: &mut Out<M>) {
        let bytes = self.ear.say(to, speech);
        out.actions.push(Action::Send { peer: to, bytes });
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    fn note_leader(&mut self, out: &mut Out<M>) {
        let raft = &self.raft.raft;
        let leader = if self.broken.is_some() { 0 } else { raft.leader_id };
        let now = (leader, raft.term);
        if now != self.leader {
            self.leader = now;
            out.actions.push(Action::Leader { leader, term: now.1 });
        }
    }

    #[cfg(feature = "planted")]
    fn has(&self, plant: Plant) -> bool {
        self.config.plant == Some(plant)
    }
}

#[cfg(test)]
mod tests;
