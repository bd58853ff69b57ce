//! How a replica begins: new, as a newcomer, or from what the disk says.

use std::collections::BTreeMap;
use std::time::Duration;

use raft::RawNode;
use raft::eraftpb::{ConfState, HardState};

use super::asks::Asks;
use super::members::Members;
use super::reads::Reads;
use super::speech::Ear;
use super::storage::Memory;
use super::turn::Batch;
use super::{Action, Config, Machine, Out, Replica};
use crate::wal::{Bad, Log, Mark, Recovered, Segment, recover};

/// What the disk has, read by the shore.
#[derive(Debug, Default)]
pub struct Files<'a> {
    /// The log's segments, in the order of their numbers.
    pub segments: &'a [Segment<'a>],
    /// Snapshot files.
    pub snapshots: &'a [(u64, &'a [u8])],
}

/// How to begin if the disk has nothing.
#[derive(Debug, Clone)]
pub enum Start {
    /// As a first member of a cluster; each of them is told the same members.
    New {
        /// The log's number, drawn.
        log: u64,
        /// All first members.
        members: Members,
    },
    /// As one that was added to a cluster: the leader will send what there is.
    Join {
        /// The log's number, drawn.
        log: u64,
    },
}

/// The first members are decided upon outside of the log: as if by an entry of this index and term. A
/// newcomer's log begins at zero, so it cannot but get a snapshot, and with it the members.
const GENESIS: (u64, u64) = (1, 1);

impl<M: Machine> Replica<M> {
    /// Begins. `fresh` makes an empty machine.
    ///
    /// # Errors
    /// When the disk has something that cannot be trusted: then this replica must not vote.
    pub fn start(
        config: Config,
        fresh: fn() -> M,
        files: &Files<'_>,
        start: Start,
        now: Duration,
        out: &mut Out<M>,
    ) -> Result<Self, Bad> {
        let found = read_log(&config, files)?;
        let highest = files.segments.last().map_or(0, |segment| segment.number);
        let (mut log, mark, state) = match &found {
            Some(found) => {
                let bytes = size_of_tail(found, files);
                let log = Log::resume(found, bytes, highest, config.segment_bytes);
                (log, found.mark.clone(), found.state.clone())
            }
            None => begin(start, highest, config.segment_bytes),
        };
        let machine = restore(fresh, &mark, files)?;
        for (file, _) in files.snapshots.iter().filter(|(file, _)| *file != mark.file) {
            out.actions.push(Action::SnapshotRemove { file: *file });
        }
        let sync = if found.is_some() { log.sync() } else { None };
        let entries = found.map(|found| found.entries).unwrap_or_default();
        let memory = Memory::new(state, &mark, entries);
        let bad = Bad::Record { segment: highest, offset: 0 };
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let raft = RawNode::new(&config.raft(mark.index), memory, &logger).map_err(|_| bad)?;
        let highest_file = files.snapshots.iter().map(|(file, _)| *file).max().unwrap_or(0);
        let next_file = highest_file.max(mark.file) + 1;
        let mut replica = Self::new(config, raft, log, machine, fresh, &mark, next_file, now);
        replica.order(sync.into_iter().collect(), now, out);
        out.actions.push(Action::Members(replica.members.clone()));
        replica.campaign_alone();
        replica.step(super::Event::Tick, now, out);
        Ok(replica)
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where a replica is put together")]
    fn new(
        config: Config,
        raft: RawNode<Memory>,
        log: Log,
        machine: M,
        fresh: fn() -> M,
        mark: &Mark,
        next_file: u64,
        now: Duration,
    ) -> Self {
        let ear = Ear::new(config.id, config.cluster, config.nonce);
        Self {
            next_tick: now + config.tick,
            config,
            raft,
            log,
            machine,
            fresh,
            applied: mark.index,
            applied_term: mark.term,
            members: mark.members.clone(),
            ear,
            asks: Asks::default(),
            reads: Reads::default(),
            next_ticket: 0,
            gathering: Batch::default(),
            flying: None,
            flying_since: now,
            build: None,
            sending: BTreeMap::new(),
            incoming: None,
            next_file,
            retired: Vec::new(),
            log_bytes: 0,
            wanted_since: now,
            leader: (0, 0),
            broken: None,
        }
    }

    /// A lone voter need not wait whether another one leads.
    fn campaign_alone(&mut self) {
        if self.raft.raft.promotable() && self.raft.raft.prs().is_singleton() {
            // It can only refuse while a change of members waits to be applied; time will tell then.
            drop(self.raft.campaign());
        }
    }
}

#[cfg(not(feature = "planted"))]
fn read_log(_: &Config, files: &Files<'_>) -> Result<Option<Recovered>, Bad> {
    recover(files.segments)
}

#[cfg(feature = "planted")]
fn read_log(config: &Config, files: &Files<'_>) -> Result<Option<Recovered>, Bad> {
    let result = recover(files.segments);
    let Err(Bad::Frame { segment, offset, .. }) = &result else { return result };
    if config.plant != Some(super::Plant::CutDamage) {
        return result;
    }
    let until = files.segments.iter().filter(|found| found.number <= *segment);
    let mut kept: Vec<(u64, Vec<u8>)> =
        until.map(|found| (found.number, found.bytes.to_vec())).collect();
    if let Some((_, bytes)) = kept.last_mut() {
        bytes[usize::try_from(*offset).unwrap_or(0)..].fill(0);
    }
    let segments: Vec<Segment<'_>> =
        kept.iter().map(|(number, bytes)| Segment { number: *number, bytes }).collect();
    recover(&segments)
}

fn begin(start: Start, highest: u64, segment_bytes: u64) -> (Log, Mark, HardState) {
    let (log, mark, state) = match start {
        Start::Join { log } => (log, Mark::default(), HardState::default()),
        Start::New { log, members } => {
            let (index, term) = GENESIS;
            let voters = ConfState::from((members.voters(), members.learners()));
            let mark = Mark { index, term, voters, members, ..Mark::default() };
            (log, mark, HardState { term, vote: 0, commit: index })
        }
    };
    let mut log = Log::after(log, highest, segment_bytes);
    log.put_state(&state, true);
    log.put_mark(&mark);
    (log, mark, state)
}

fn size_of_tail(found: &Recovered, files: &Files<'_>) -> u64 {
    let tail = found.tail.map(|(segment, _)| segment);
    let segment = files.segments.iter().find(|segment| Some(segment.number) == tail);
    segment.map_or(0, |segment| segment.bytes.len() as u64)
}

fn restore<M: Machine>(fresh: fn() -> M, mark: &Mark, files: &Files<'_>) -> Result<M, Bad> {
    let mut machine = fresh();
    if mark.file == 0 {
        return Ok(machine);
    }
    let bad = Bad::Snapshot { file: mark.file };
    let file = files.snapshots.iter().find(|(file, _)| *file == mark.file);
    let bytes = file.map(|(_, bytes)| *bytes).ok_or_else(|| bad.clone())?;
    if bytes.len() as u64 != mark.bytes || crc32fast::hash(bytes) != mark.crc {
        return Err(bad);
    }
    machine.restore_slice(bytes).map_err(|_| bad.clone())?;
    machine.restore_end().map_err(|_| bad)?;
    Ok(machine)
}
