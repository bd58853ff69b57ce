//! A double-buffered cell: two copies, of which the newer one that is whole and committed counts.
//!
//! Copy: transaction `u64`, payload bytes `u32`, CRC-32 `u32` over place, transaction, length and
//! payload; then the payload. All little-endian. Transaction 0: never written. The place is part of the
//! sum, so that a copy that strayed to another cell is no copy at all.

use super::layout::CELL_HEAD_BYTES;

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// Never written, or cleared.
    Empty,
    /// The newest committed payload.
    Whole(&'a [u8]),
    /// An older payload: the newer copy was committed and is damaged.
    Stale(&'a [u8]),
    /// Both copies are damaged.
    Lost,
}

/// Where a cell is: section and entry. Part of each copy's sum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) section: u32,
    pub(super) entry: u32,
}

/// One copy as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copy<'a> {
    Blank,
    Whole { transaction: u64, payload: &'a [u8] },
    Damaged { transaction: u64 },
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

fn half_word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn check(place: Place, transaction: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&place.section.to_le_bytes());
    hasher.update(&place.entry.to_le_bytes());
    hasher.update(&transaction.to_le_bytes());
    hasher.update(&(payload.len() as u64).to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

fn read_copy(copy: &[u8], place: Place) -> Copy<'_> {
    let transaction = word(copy, 0);
    if copy[..CELL_HEAD_BYTES].iter().all(|byte| *byte == 0) {
        return Copy::Blank;
    }
    let length = half_word(copy, 8) as usize;
    match copy.get(CELL_HEAD_BYTES..CELL_HEAD_BYTES.saturating_add(length)) {
        Some(payload) if check(place, transaction, payload) == half_word(copy, 12) => {
            Copy::Whole { transaction, payload }
        }
        Some(_) | None => Copy::Damaged { transaction },
    }
}

/// Reads a cell of which transactions up to `committed` count.
pub(super) fn read(cell: &[u8], place: Place, committed: u64) -> Content<'_> {
    let (first, second) = cell.split_at(cell.len() / 2);
    let copies = [read_copy(first, place), read_copy(second, place)];
    let mut best: Option<(u64, &[u8])> = None;
    let mut damaged_newest = 0;
    let mut damaged = 0;
    for copy in copies {
        match copy {
            Copy::Whole { transaction, payload } if transaction <= committed => {
                if best.is_none_or(|(newest, _)| newest < transaction) {
                    best = Some((transaction, payload));
                }
            }
            Copy::Damaged { transaction } => {
                damaged += 1;
                // A copy of the open transaction was being written when the program died.
                if transaction <= committed {
                    damaged_newest = damaged_newest.max(transaction);
                }
            }
            Copy::Blank | Copy::Whole { .. } => {}
        }
    }
    match best {
        Some((transaction, payload)) if damaged_newest > transaction => Content::Stale(payload),
        Some((_, [])) => Content::Empty,
        Some((_, payload)) => Content::Whole(payload),
        None if damaged == 2 || damaged_newest > 0 => Content::Lost,
        None => Content::Empty,
    }
}

/// The newest transaction of which the cell holds a whole copy.
pub(super) fn newest(cell: &[u8], place: Place) -> Option<u64> {
    let (first, second) = cell.split_at(cell.len() / 2);
    let transactions =
        [first, second].into_iter().filter_map(|copy| match read_copy(copy, place) {
            Copy::Whole { transaction, .. } => Some(transaction),
            Copy::Blank | Copy::Damaged { .. } => None,
        });
    transactions.max()
}

/// Writes the payload as part of `transaction`, over the copy that counts less. Allocates nothing.
pub(super) fn write(cell: &mut [u8], place: Place, transaction: u64, payload: &[u8]) {
    let half = cell.len() / 2;
    let start = older_copy(half, transaction, word(cell, 0), word(cell, half));
    let copy = &mut cell[start..start + half];
    let sum = check(place, transaction, payload);
    copy[..8].copy_from_slice(&transaction.to_le_bytes());
    copy[8..12].copy_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    copy[12..16].copy_from_slice(&sum.to_le_bytes());
    copy[CELL_HEAD_BYTES..CELL_HEAD_BYTES + payload.len()].copy_from_slice(payload);
}

/// Where the copy to overwrite begins: the one of this same transaction, else the older one.
fn older_copy(half: usize, transaction: u64, first: u64, second: u64) -> usize {
    if first == transaction || (second != transaction && first <= second) { 0 } else { half }
}

/// Blanks every copy that must not count later: damaged ones, and whole ones of a transaction that was
/// never committed. Returns whether there was one.
pub(super) fn repair(cell: &mut [u8], place: Place, committed: u64) -> bool {
    let half = cell.len() / 2;
    let mut repaired = false;
    for copy in [0, half] {
        let copy = &mut cell[copy..copy + half];
        let bad = match read_copy(copy, place) {
            Copy::Blank => false,
            Copy::Whole { transaction, .. } => transaction > committed,
            Copy::Damaged { .. } => true,
        };
        if bad {
            copy.fill(0);
            repaired = true;
        }
    }
    repaired
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place = Place { section: 1, entry: 7 };

    #[test]
    fn only_what_was_committed_counts() {
        let mut cell = [0; 128];
        assert_eq!(read(&cell, HERE, 5), Content::Empty);
        write(&mut cell, HERE, 6, b"new");
        assert_eq!(read(&cell, HERE, 5), Content::Empty);
        assert_eq!(read(&cell, HERE, 6), Content::Whole(b"new"));
        write(&mut cell, HERE, 7, b"newer");
        assert_eq!(read(&cell, HERE, 6), Content::Whole(b"new"));
        write(&mut cell, HERE, 7, b"newest");
        assert_eq!(read(&cell, HERE, 6), Content::Whole(b"new"));
        assert_eq!(read(&cell, HERE, 7), Content::Whole(b"newest"));
    }

    #[test]
    fn a_torn_write_leaves_the_other_copy() {
        let mut whole = [0; 128];
        write(&mut whole, HERE, 1, b"first one");
        for torn_at in 0..32 {
            let mut after = whole;
            write(&mut after, HERE, 2, b"second two");
            let mut torn = whole;
            torn[64..64 + torn_at].copy_from_slice(&after[64..64 + torn_at]);
            assert_eq!(read(&torn, HERE, 1), Content::Whole(b"first one"), "torn at {torn_at}");
        }
    }

    #[test]
    fn damage_is_told_and_repaired() {
        let mut cell = [0; 128];
        write(&mut cell, HERE, 1, b"old");
        write(&mut cell, HERE, 2, b"new");
        cell[64 + 16] ^= 1;
        assert_eq!(read(&cell, HERE, 2), Content::Stale(b"old"));
        let mut lost = cell;
        lost[16] ^= 1;
        assert_eq!(read(&lost, HERE, 2), Content::Lost);
        assert!(repair(&mut cell, HERE, 2));
        assert_eq!(read(&cell, HERE, 2), Content::Whole(b"old"));
        write(&mut cell, HERE, 3, b"next");
        assert_eq!(read(&cell, HERE, 2), Content::Whole(b"old"));
    }

    #[test]
    fn what_was_never_committed_does_not_come_back() {
        let mut cell = [0; 128];
        write(&mut cell, HERE, 1, b"true");
        write(&mut cell, HERE, 2, b"never");
        assert!(repair(&mut cell, HERE, 1));
        assert_eq!(read(&cell, HERE, 9), Content::Whole(b"true"));
    }

    #[test]
    fn a_copy_in_a_strange_place_is_none() {
        let mut cell = [0; 128];
        write(&mut cell, HERE, 1, b"mine");
        assert_eq!(read(&cell, Place { section: 1, entry: 8 }, 1), Content::Lost);
    }

    #[test]
    fn an_empty_payload_clears() {
        let mut cell = [0; 128];
        write(&mut cell, HERE, 1, b"there");
        write(&mut cell, HERE, 2, b"");
        assert_eq!(read(&cell, HERE, 2), Content::Empty);
        assert_eq!(read(&cell, HERE, 1), Content::Whole(b"there"));
    }
}
