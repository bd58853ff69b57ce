//! A source's slot in the arena: its name, written once, and its counters.

use super::bytes::{put, u16_at, u32_at, u64_at};
use super::layout::SLOT_BYTES;
use crate::limits::LOG_NAME_BYTES_MAX;

const AT_LENGTH: usize = 0;
const AT_NAME: usize = 2;
const AT_CHECKSUM: usize = AT_NAME + LOG_NAME_BYTES_MAX + 3;
const AT_COUNTERS: usize = AT_CHECKSUM + 4;

const _: () = assert!(AT_COUNTERS == 264 && AT_COUNTERS + 5 * 8 <= SLOT_BYTES);

/// What is counted per source. The numbers never go back within a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// The number of the next record.
    pub records: u64,
    /// The number of the next line.
    pub lines: u64,
    /// Records below this number are on the disk.
    pub flushed: u64,
    /// Lines that gave way in memory before they were on the disk.
    pub lost_lines: u64,
    /// Bytes of text ever appended.
    pub bytes: u64,
}

/// The name of a slot in use.
#[must_use]
pub(super) fn name(slot: &[u8]) -> Option<&str> {
    let length = usize::from(u16_at(slot, AT_LENGTH));
    if length == 0 || length > LOG_NAME_BYTES_MAX {
        return None;
    }
    if u32_at(slot, AT_CHECKSUM) != crc32fast::hash(&slot[..AT_CHECKSUM]) {
        return None;
    }
    std::str::from_utf8(&slot[AT_NAME..AT_NAME + length]).ok()
}

/// Gives the slot to a source.
pub(super) fn claim(slot: &mut [u8], name: &str) {
    release(slot);
    let length = u16::try_from(name.len()).expect("names are checked at the door");
    put(slot, AT_LENGTH, length.to_le_bytes());
    slot[AT_NAME..AT_NAME + name.len()].copy_from_slice(name.as_bytes());
    let checksum = crc32fast::hash(&slot[..AT_CHECKSUM]);
    put(slot, AT_CHECKSUM, checksum.to_le_bytes());
}

/// Takes the slot away from its source.
pub(super) fn release(slot: &mut [u8]) {
    slot[..SLOT_BYTES].fill(0);
}

pub(super) fn counters(slot: &[u8]) -> Counters {
    let at = |index: usize| u64_at(slot, AT_COUNTERS + 8 * index);
    Counters { records: at(0), lines: at(1), flushed: at(2), lost_lines: at(3), bytes: at(4) }
}

pub(super) fn set_counters(slot: &mut [u8], counters: &Counters) {
    let Counters { records, lines, flushed, lost_lines, bytes } = *counters;
    for (index, value) in [records, lines, flushed, lost_lines, bytes].into_iter().enumerate() {
        put(slot, AT_COUNTERS + 8 * index, value.to_le_bytes());
    }
}
