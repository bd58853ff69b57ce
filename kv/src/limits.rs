//! Every limit of this island, by name.

/// Bytes of an ordinary segment of the write-ahead log. A frame that is larger gets its own.
pub const SEGMENT_BYTES: u64 = 1024 * 1024;
/// Largest frame of the log: one batch of entries with its header.
pub const FRAME_BYTES_MAX: usize = 128 * 1024 * 1024;
/// How many free segments are kept for reuse rather than removed.
pub const SPARE_SEGMENTS_MAX: usize = 1;
/// How deep transactions nest. Each level costs one of the 128 parts that a request may have.
pub const TXN_DEPTH_MAX: usize = 128;
/// Bytes of log kept in memory for members that lag.
pub const CATCH_UP_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of log kept at most while a snapshot is being sent that they follow upon.
pub const CATCH_UP_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of log after which a snapshot is taken, if the state is not larger.
pub const SNAPSHOT_LOG_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of a snapshot's slice and chunk.
pub const CHUNK_BYTES: usize = 128 * 1024;
/// Largest command (etcd: 1.5 MiB and 512 KiB for what surrounds it).
pub const ENTRY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most learners (etcd: 1).
pub const LEARNERS_MAX: usize = 1;
/// Most questions that wait for an answer at once.
pub const ASKED_MAX: usize = 16 * 1024;
/// Elections' time without a word from the receiver after which sending a snapshot is given up.
pub const SNAPSHOT_SILENCE_ELECTIONS: u32 = 5;
/// Former starts of a peer that are remembered, so that its late frames are dropped.
pub const FORMER_STARTS_MAX: usize = 8;
/// A learner may be promoted when it has this share of the leader's log (etcd: 90 %).
pub const LEARNER_READY_PERCENT: u64 = 90;
/// Parts of a transaction: the most of comparisons and of either side, over all nested levels.
pub const TXN_OPS_MAX: usize = 128;
/// Longest lease, in seconds.
pub const LEASE_TTL_S_MAX: i64 = 9_000_000_000;
/// Changes that a watch looks at before others get their turn.
pub const WATCH_SCAN_MAX: usize = 4096;
/// Events of version 2 keys that are remembered.
pub const V2_EVENTS_MAX: usize = 1000;
/// Names in a path of version 2 keys.
pub const V2_DEPTH_MAX: usize = 64;
/// Leases whose end or time left is told in one command.
pub const LEASES_PER_CHANGE_MAX: usize = 1000;
/// How often the time left to a long lease is told to all replicas.
pub const LEASE_CHECKPOINT_MS: u64 = 5 * 60 * 1000;
/// Share of the quota below which the alarm is cleared, and above which history is forgotten early.
pub const QUOTA_CLEAR_PERCENT: u64 = 90;
/// Bytes of a password that bcrypt looks at.
pub const PASSWORD_BYTES_MAX: usize = 72;
/// Answers to a watch stream's requests that wait to be read, before its next request is (etcd: 128).
pub const WATCH_WORDS_MAX: usize = 128;
/// How deep an answer nests that is to be shown as JSON: transactions nest by two messages for each level.
pub const GATEWAY_DEPTH_MAX: usize = 2 * TXN_DEPTH_MAX + 4;
