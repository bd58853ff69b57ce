//! A block: records of one source behind a head that says when, from which record on, and how far.
//!
//! The end of a block moves with each append. It stands twice, in two *marks* that are written in turn,
//! each with a checksum over everything before that end: whoever looks, after a crash in the middle
//! of an append or from another process during one, finds at least one mark that is right.
//!
//! ```text
//!  0       4      6       7   8            16          24             32        40       48       56
//!  | magic | slot | flags | - | first      | first     | base         | checksum | mark 0 | mark 1 | records
//!  | u32   | u16  | u8    |   | record u64 | line u64  | unix µs i64  | u32      |        |        |
//!  mark:   | checksum u32 | end u16 | records u16 |
//!  record: | length u16 | flags u8 | delay u40 | text |
//! ```

use super::Stream;
use super::bytes::{i64_at, put, u16_at, u32_at, u64_at};
use super::layout::BLOCK_BYTES;

/// Bytes before the first record.
pub const BLOCK_HEAD_BYTES: usize = 56;
/// Bytes for records.
pub const BLOCK_ROOM: usize = BLOCK_BYTES - BLOCK_HEAD_BYTES;
/// Bytes before a record's text.
pub const RECORD_HEAD_BYTES: usize = 8;
/// Of a block in use.
pub const BLOCK_MAGIC: u32 = 0x314b_424b;

const AT_SLOT: usize = 4;
const AT_FLAGS: usize = 6;
const AT_FIRST_RECORD: usize = 8;
const AT_FIRST_LINE: usize = 16;
const AT_BASE: usize = 24;
const AT_CHECKSUM: usize = 32;
const AT_MARKS: usize = 40;
const FLAG_FRESH: u8 = 1;
const DELAY_MAX: u64 = (1 << 40) - 1;

const STREAM_MASK: u8 = 0b0000_0011;
const FLAG_CONTINUES: u8 = 0b0000_0100;
const FLAG_CUT: u8 = 0b0000_1000;
const PRIORITY_SHIFT: u8 = 4;
const FLAG_PRIORITY: u8 = 0b1000_0000;

/// What a block's head says and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHead {
    /// The slot of its source in the arena; 0 on the disk.
    pub slot: u16,
    /// Numbering began anew here: what lies between this and older blocks is not lost.
    pub fresh: bool,
    /// The number of its first record within its source.
    pub first_record: u64,
    /// The number of the line that its first record begins or goes on.
    pub first_line: u64,
    /// The time to which the records' delays are added: unix microseconds.
    pub base_unix_us: i64,
}

/// How far a block goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Bytes of records.
    pub end: u16,
    /// How many records.
    pub records: u16,
    /// Over the head and those bytes.
    pub running: u32,
}

/// One record: a line, or a piece of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number within its source.
    pub number: u64,
    /// When it was read: unix microseconds.
    pub unix_us: i64,
    /// Where it came from.
    pub stream: Stream,
    /// The line goes on in the next record of this stream.
    pub continues: bool,
    /// The line went on, and was cut here because it was too long.
    pub cut: bool,
    /// syslog(3)'s number, if the writer gave one.
    pub priority: Option<u8>,
    /// The text without the line's end; any bytes.
    pub text: &'a [u8],
}

/// A block that was looked at and found right.
#[derive(Debug, Clone, Copy)]
pub struct BlockView<'a> {
    /// Its head.
    pub head: BlockHead,
    /// How far it goes.
    pub mark: Mark,
    records: &'a [u8],
    /// Which of the two marks is the right one.
    pub(super) mark_index: usize,
}

impl<'a> BlockView<'a> {
    /// Looks at the bytes of a block, of which there may be fewer than [`BLOCK_BYTES`] on the disk;
    /// `None`: it is free, or damaged, or was written to meanwhile.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<BlockView<'a>> {
        let (head, seed) = read_head(bytes.get(..BLOCK_HEAD_BYTES)?)?;
        let room = &bytes[BLOCK_HEAD_BYTES..bytes.len().min(BLOCK_BYTES)];
        let mut marks = [read_mark(bytes, 0), read_mark(bytes, 1)];
        // The farther one first: it is the newer one if both are right.
        let later_second = marks[1].end > marks[0].end;
        let order = if later_second { [1, 0] } else { [0, 1] };
        for index in order {
            let mark = &mut marks[index];
            let Some(records) = room.get(..usize::from(mark.end)) else { continue };
            let running = checksum(seed, records);
            if mark.running == sealed(running, mark.end, mark.records) && is_whole(records, *mark) {
                mark.running = running;
                return Some(BlockView { head, mark: *mark, records, mark_index: index });
            }
        }
        None
    }

    /// The records, oldest first.
    pub fn records(&self) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let head = self.head;
        let mut rest = self.records;
        let mut number = head.first_record;
        std::iter::from_fn(move || {
            let (record, after) = read_record(rest, &head, number)?;
            rest = after;
            number += 1;
            Some(record)
        })
    }

    /// The number after its last record.
    #[must_use]
    pub fn end_record(&self) -> u64 {
        self.head.first_record + u64::from(self.mark.records)
    }

    /// Lines that end in it.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.records().filter(|record| !record.continues).count() as u64
    }

    /// Bytes of the block up to its end.
    #[must_use]
    pub fn bytes(&self) -> usize {
        BLOCK_HEAD_BYTES + usize::from(self.mark.end)
    }
}

/// Writes the head of a new block that has no records yet; gives its mark.
pub fn begin(block: &mut [u8], head: &BlockHead) -> Mark {
    let mut bytes = [0; BLOCK_HEAD_BYTES];
    put(&mut bytes, 0, BLOCK_MAGIC.to_le_bytes());
    put(&mut bytes, AT_SLOT, head.slot.to_le_bytes());
    bytes[AT_FLAGS] = if head.fresh { FLAG_FRESH } else { 0 };
    put(&mut bytes, AT_FIRST_RECORD, head.first_record.to_le_bytes());
    put(&mut bytes, AT_FIRST_LINE, head.first_line.to_le_bytes());
    put(&mut bytes, AT_BASE, head.base_unix_us.to_le_bytes());
    let seed = crc32fast::hash(&bytes[..AT_CHECKSUM]);
    put(&mut bytes, AT_CHECKSUM, seed.to_le_bytes());
    let mark = Mark { end: 0, records: 0, running: seed };
    write_mark(&mut bytes, 0, mark);
    // A mark that fits no records: zeroes would be right for an empty block of checksum zero.
    put(&mut bytes, AT_MARKS + 8, [0xff; 8]);
    block[..BLOCK_HEAD_BYTES].copy_from_slice(&bytes);
    mark
}

/// The part of a block from a record on, as a block of its own; the whole block's bytes if it begins there.
#[must_use]
pub fn tail(view: &BlockView<'_>, from_record: u64) -> Vec<u8> {
    let mut block = vec![0; BLOCK_BYTES];
    let skipped = view.records().take_while(|record| record.number < from_record);
    let (mut records, mut lines) = (0, 0);
    for record in skipped {
        records += 1;
        lines += u64::from(!record.continues);
    }
    let head = BlockHead {
        slot: 0,
        fresh: view.head.fresh && records == 0,
        first_record: view.head.first_record + records,
        first_line: view.head.first_line + lines,
        base_unix_us: view.head.base_unix_us,
    };
    let mut mark = begin(&mut block, &head);
    for record in view.records().filter(|record| record.number >= from_record) {
        let delay = delay(head.base_unix_us, record.unix_us).expect("it was in such a block");
        push(&mut block, &mut mark, RecordFlags::of(&record), delay, record.text);
    }
    write_mark(&mut block, 0, mark);
    block.truncate(BLOCK_HEAD_BYTES + usize::from(mark.end));
    block
}

/// Marks a block as free.
pub fn free(block: &mut [u8]) {
    put(block, 0, [0; 4]);
}

/// Whether a record at this time fits the block's base.
#[must_use]
pub fn delay(base_unix_us: i64, unix_us: i64) -> Option<u64> {
    let delay = u64::try_from(unix_us.checked_sub(base_unix_us)?).ok()?;
    (delay <= DELAY_MAX).then_some(delay)
}

/// Flags of a record to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordFlags {
    /// See [`Record::stream`].
    pub stream: Stream,
    /// See [`Record::continues`].
    pub continues: bool,
    /// See [`Record::cut`].
    pub cut: bool,
    /// See [`Record::priority`].
    pub priority: Option<u8>,
}

impl RecordFlags {
    fn of(record: &Record<'_>) -> RecordFlags {
        let Record { stream, continues, cut, priority, .. } = *record;
        RecordFlags { stream, continues, cut, priority }
    }

    fn byte(self) -> u8 {
        let mut byte = self.stream.number();
        if self.continues {
            byte |= FLAG_CONTINUES;
        }
        if self.cut {
            byte |= FLAG_CUT;
        }
        if let Some(priority) = self.priority {
            byte |= FLAG_PRIORITY | (priority & 7) << PRIORITY_SHIFT;
        }
        byte
    }
}

/// Writes a record after `mark`; the caller knows that there is room. The record counts once the
/// new mark is written with [`write_mark`].
pub fn push(block: &mut [u8], mark: &mut Mark, flags: RecordFlags, delay: u64, text: &[u8]) {
    let start = BLOCK_HEAD_BYTES + usize::from(mark.end);
    let end = start + RECORD_HEAD_BYTES + text.len();
    let length = u16::try_from(text.len()).expect("a text fits the block");
    let mut head = (delay << 24).to_le_bytes();
    put(&mut head, 0, length.to_le_bytes());
    head[2] = flags.byte();
    put(block, start, head);
    block[start + RECORD_HEAD_BYTES..end].copy_from_slice(text);
    mark.running = checksum(mark.running, &block[start..end]);
    mark.end = u16::try_from(end - BLOCK_HEAD_BYTES).expect("a text fits the block");
    mark.records += 1;
}

/// Writes one of the two marks.
pub fn write_mark(block: &mut [u8], index: usize, mark: Mark) {
    let mut bytes = [0; 8];
    put(&mut bytes, 0, sealed(mark.running, mark.end, mark.records).to_le_bytes());
    put(&mut bytes, 4, mark.end.to_le_bytes());
    put(&mut bytes, 6, mark.records.to_le_bytes());
    put(block, AT_MARKS + 8 * index, bytes);
}

fn read_head(bytes: &[u8]) -> Option<(BlockHead, u32)> {
    let seed = u32_at(bytes, AT_CHECKSUM);
    if u32_at(bytes, 0) != BLOCK_MAGIC || seed != crc32fast::hash(&bytes[..AT_CHECKSUM]) {
        return None;
    }
    let head = BlockHead {
        slot: u16_at(bytes, AT_SLOT),
        fresh: bytes[AT_FLAGS] & FLAG_FRESH != 0,
        first_record: u64_at(bytes, AT_FIRST_RECORD),
        first_line: u64_at(bytes, AT_FIRST_LINE),
        base_unix_us: i64_at(bytes, AT_BASE),
    };
    Some((head, seed))
}

/// A mark as it stands; `running` still holds the sealed checksum.
fn read_mark(bytes: &[u8], index: usize) -> Mark {
    let at = AT_MARKS + 8 * index;
    Mark { running: u32_at(bytes, at), end: u16_at(bytes, at + 4), records: u16_at(bytes, at + 6) }
}

/// How many bytes the head claims for the block and its records, at most; to read from a disk.
#[must_use]
pub fn claimed_bytes(head: &[u8]) -> Option<usize> {
    read_head(head.get(..BLOCK_HEAD_BYTES)?)?;
    let farther = read_mark(head, 0).end.max(read_mark(head, 1).end % 0xffff);
    let claimed = BLOCK_HEAD_BYTES + usize::from(farther);
    (claimed <= BLOCK_BYTES).then_some(claimed)
}

fn read_record<'a>(
    bytes: &'a [u8],
    head: &BlockHead,
    number: u64,
) -> Option<(Record<'a>, &'a [u8])> {
    let (start, rest) = bytes.split_at_checked(RECORD_HEAD_BYTES)?;
    let (text, after) = rest.split_at_checked(usize::from(u16_at(start, 0)))?;
    let flags = start[2];
    let delay = i64::try_from(u64_at(start, 0) >> 24).ok()?;
    let record = Record {
        number,
        unix_us: head.base_unix_us.saturating_add(delay),
        stream: Stream::from_number(flags & STREAM_MASK)?,
        continues: flags & FLAG_CONTINUES != 0,
        cut: flags & FLAG_CUT != 0,
        priority: (flags & FLAG_PRIORITY != 0).then_some(flags >> PRIORITY_SHIFT & 7),
        text,
    };
    Some((record, after))
}

/// Whether the records fill the bytes exactly and are as many as the mark says.
fn is_whole(mut bytes: &[u8], mark: Mark) -> bool {
    let mut count = 0_u16;
    while let Some((start, rest)) = bytes.split_at_checked(RECORD_HEAD_BYTES) {
        let length = usize::from(u16_at(start, 0));
        let (Some(after), Some(_)) =
            (rest.get(length..), Stream::from_number(start[2] & STREAM_MASK))
        else {
            return false;
        };
        bytes = after;
        count += 1;
    }
    bytes.is_empty() && count == mark.records
}

fn checksum(running: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(running);
    hasher.update(bytes);
    hasher.finalize()
}

/// The checksum as it stands in a mark: bound to the mark's own numbers.
fn sealed(running: u32, end: u16, records: u16) -> u32 {
    running ^ (u32::from(records) << 16 | u32::from(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: BlockHead = BlockHead {
        slot: 7,
        fresh: true,
        first_record: 100,
        first_line: 90,
        base_unix_us: 1_700_000_000_000_000,
    };

    fn flags(stream: Stream, continues: bool) -> RecordFlags {
        RecordFlags { stream, continues, cut: false, priority: Some(3) }
    }

    fn sample() -> Vec<u8> {
        let mut block = vec![0xaa; BLOCK_BYTES];
        let mut mark = begin(&mut block, &HEAD);
        push(&mut block, &mut mark, flags(Stream::Stdout, true), 5, b"half a ");
        push(&mut block, &mut mark, flags(Stream::Stdout, false), DELAY_MAX, b"line");
        push(&mut block, &mut mark, flags(Stream::Note, false), 6, b"");
        write_mark(&mut block, 1, mark);
        block
    }

    #[test]
    fn records_come_back() {
        let bytes = sample();
        let view = BlockView::parse(&bytes).unwrap();
        assert_eq!(view.head, HEAD);
        let records: Vec<Record<'_>> = view.records().collect();
        assert_eq!(records.len(), 3);
        assert_eq!(records[0].text, b"half a ");
        assert!(records[0].continues && !records[1].continues);
        assert_eq!(records[1].unix_us, HEAD.base_unix_us + (1 << 40) - 1);
        assert_eq!(records[2].stream, Stream::Note);
        assert_eq!(records[2].priority, Some(3));
        assert_eq!((records[0].number, records[2].number, view.end_record()), (100, 102, 103));
        assert_eq!(view.lines(), 2);
        assert_eq!(claimed_bytes(&bytes), Some(view.bytes()));
    }

    #[test]
    fn a_tail_is_a_block_of_its_own() {
        let bytes = sample();
        let view = BlockView::parse(&bytes).unwrap();
        let whole = tail(&view, 0);
        let whole = BlockView::parse(&whole).unwrap();
        assert!(whole.records().eq(view.records()));
        assert!(whole.head.fresh);
        let rest = tail(&view, 102);
        let rest = BlockView::parse(&rest).unwrap();
        assert!(rest.records().eq(view.records().skip(2)));
        assert_eq!((rest.head.first_line, rest.head.fresh), (91, false));
    }

    #[test]
    fn records_without_a_mark_do_not_count() {
        let mut bytes = sample();
        let view = BlockView::parse(&bytes).unwrap();
        let (mut mark, end) = (view.mark, view.bytes());
        push(&mut bytes, &mut mark, flags(Stream::Stderr, false), 9, b"unfinished");
        assert_eq!(BlockView::parse(&bytes).unwrap().bytes(), end);
        write_mark(&mut bytes, 0, mark);
        assert_eq!(BlockView::parse(&bytes).unwrap().mark.records, 4);
        // A torn newer mark leaves the older one in force.
        bytes[AT_MARKS] ^= 1;
        assert_eq!(BlockView::parse(&bytes).unwrap().bytes(), end);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = sample();
        let end = BlockView::parse(&good).unwrap().bytes();
        for bit in 0..end * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Some(view) = BlockView::parse(&bytes) else { continue };
            // Only the mark that is not in force, and the unused bytes, may change unseen.
            let empty = view.mark.records == 0;
            let unused =
                (36..40).contains(&(bit / 8)) || (AT_MARKS..AT_MARKS + 8).contains(&(bit / 8));
            assert!(empty || unused, "bit {bit} of byte {}", bit / 8);
        }
    }
}
