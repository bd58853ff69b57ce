//! Every limit of this island, by name.

/// Bytes of an ordinary segment of the write-ahead log. A frame that is larger gets its own.
pub const SEGMENT_BYTES: u64 = 1024 * 1024;
/// Largest frame of the log: one batch of entries with its header.
pub const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many free segments are kept for reuse rather than removed.
pub const SPARE_SEGMENTS_MAX: usize = 1;
/// How deep transactions nest. Each level costs one of the 128 parts that a request may have.
pub const TXN_DEPTH_MAX: usize = 128;
