//! What a replica is told once.

use std::time::Duration;

use crate::limits::{
    CATCH_UP_BYTES, CHUNK_BYTES, ENTRY_BYTES_MAX, LEARNERS_MAX, SEGMENT_BYTES, SNAPSHOT_LOG_BYTES,
};

/// A replica's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its number among the members.
    pub id: u64,
    /// The cluster's number: frames of other clusters are dropped.
    pub cluster: u64,
    /// Drawn at each start of the process, never the same twice.
    pub nonce: u64,
    /// One tick of raft's clock.
    pub tick: Duration,
    /// Ticks between heartbeats.
    pub heartbeat_ticks: usize,
    /// Ticks without a leader until an election; the exact number is drawn between this and twice this.
    pub election_ticks: usize,
    /// How long a question may wait.
    pub patience: Duration,
    /// Bytes of an ordinary segment.
    pub segment_bytes: u64,
    /// Bytes of log kept in memory for members that lag.
    pub catch_up_bytes: usize,
    /// Bytes of log after which a snapshot is taken, if the state is not larger.
    pub snapshot_log_bytes: u64,
    /// Bytes of a snapshot's slice and chunk.
    pub chunk_bytes: usize,
    /// Largest command.
    pub entry_bytes_max: usize,
    /// Most learners.
    pub learners_max: usize,
    /// The fault to have, to see whether the checkers find it.
    #[cfg(feature = "planted")]
    pub plant: Option<Plant>,
}

/// Faults that are planted to prove the checkers.
#[cfg(feature = "planted")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// A frame counts as durable as soon as it is written.
    AckEarly,
    /// Reads are answered without asking whether this is still the leader.
    StaleReads,
    /// Term and vote are not written.
    ForgetVotes,
    /// A damaged log is cut at the damage.
    CutDamage,
    /// Each question for a read index has the same bytes.
    SameQuestion,
}

impl Config {
    /// The usual settings: 100 ms ticks, elections after 1 s.
    #[must_use]
    pub fn new(id: u64, cluster: u64, nonce: u64) -> Self {
        Self {
            id,
            cluster,
            nonce,
            tick: Duration::from_millis(100),
            heartbeat_ticks: 1,
            election_ticks: 10,
            patience: Duration::from_secs(7),
            segment_bytes: SEGMENT_BYTES,
            catch_up_bytes: CATCH_UP_BYTES,
            snapshot_log_bytes: SNAPSHOT_LOG_BYTES,
            chunk_bytes: CHUNK_BYTES,
            entry_bytes_max: ENTRY_BYTES_MAX,
            learners_max: LEARNERS_MAX,
            #[cfg(feature = "planted")]
            plant: None,
        }
    }

    /// How long an election takes at least.
    #[must_use]
    pub fn election(&self) -> Duration {
        self.tick * u32::try_from(self.election_ticks).unwrap_or(u32::MAX)
    }

    /// What raft is told.
    #[must_use]
    pub fn raft(&self, applied: u64) -> raft::Config {
        raft::Config {
            id: self.id,
            applied,
            election_tick: self.election_ticks,
            heartbeat_tick: self.heartbeat_ticks,
            max_size_per_msg: 512 * 1024,
            max_inflight_msgs: 128,
            check_quorum: true,
            pre_vote: true,
            batch_append: true,
            max_uncommitted_size: 64 * 1024 * 1024,
            ..raft::Config::default()
        }
    }

    /// The ticks until an election. A function of who and when, so that a run can be repeated: raft
    /// itself draws from the process's random numbers.
    #[must_use]
    pub fn election_draw(&self, term: u64, role: u8) -> usize {
        let mut mixed = self.nonce ^ self.id.rotate_left(32) ^ (term << 8) ^ u64::from(role);
        for _ in 0..3 {
            mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        let drawn = (mixed >> 33) % self.election_ticks.max(1) as u64;
        self.election_ticks + usize::try_from(drawn).unwrap_or(0)
    }
}
