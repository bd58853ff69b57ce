//! Logs on the disk: one directory per source, in it numbered segments, in those the same blocks as in memory.
//!
//! ```text
//! /state/logs/web.service/00000007.log
//! segment: | head, 320 bytes: whose, which boot, from when | block | block | …
//! ```
//!
//! A segment is of one boot, and appended to only by its end. A block that was torn by a power cut fails its
//! checksum; readers go on behind it. A time is found by looking at the heads of a source's
//! segments, by halves, and then walking over the blocks of one.

use super::block::{BLOCK_HEAD_BYTES, BLOCK_MAGIC, BlockView, claimed_bytes};
use super::bytes::{i64_at, put, u16_at, u32_at};
use crate::limits::LOG_NAME_BYTES_MAX;

/// Bytes of a segment's head.
pub const SEGMENT_HEAD_BYTES: usize = 320;
const MAGIC: [u8; 8] = *b"KEELSEG1";
const AT_BOOT_ID: usize = 8;
const AT_CREATED: usize = 40;
const AT_LENGTH: usize = 48;
const AT_NAME: usize = 50;
const AT_CHECKSUM: usize = SEGMENT_HEAD_BYTES - 4;

/// What a segment says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHead {
    /// The boot during which it was written, 32 hexadecimal digits.
    pub boot_id: [u8; 32],
    /// The time of its first record, unix microseconds.
    pub first_unix_us: i64,
    /// Whose it is.
    pub source: String,
}

impl SegmentHead {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; SEGMENT_HEAD_BYTES] {
        assert!(self.source.len() <= LOG_NAME_BYTES_MAX, "a name was checked");
        let mut bytes = [0; SEGMENT_HEAD_BYTES];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, AT_BOOT_ID, self.boot_id);
        put(&mut bytes, AT_CREATED, self.first_unix_us.to_le_bytes());
        let length = u16::try_from(self.source.len()).expect("a name was checked");
        put(&mut bytes, AT_LENGTH, length.to_le_bytes());
        bytes[AT_NAME..AT_NAME + self.source.len()].copy_from_slice(self.source.as_bytes());
        let checksum = crc32fast::hash(&bytes[..AT_CHECKSUM]);
        put(&mut bytes, AT_CHECKSUM, checksum.to_le_bytes());
        bytes
    }

    /// From the first bytes of a segment.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<SegmentHead> {
        let bytes = bytes.get(..SEGMENT_HEAD_BYTES)?;
        let right = bytes.starts_with(&MAGIC)
            && u32_at(bytes, AT_CHECKSUM) == crc32fast::hash(&bytes[..AT_CHECKSUM]);
        let length = usize::from(u16_at(bytes, AT_LENGTH));
        if !right || length > LOG_NAME_BYTES_MAX {
            return None;
        }
        let mut boot_id = [0; 32];
        boot_id.copy_from_slice(&bytes[AT_BOOT_ID..AT_BOOT_ID + 32]);
        let source = std::str::from_utf8(&bytes[AT_NAME..AT_NAME + length]).ok()?.to_owned();
        Some(SegmentHead { boot_id, first_unix_us: i64_at(bytes, AT_CREATED), source })
    }
}

/// The blocks of a segment with the places where they begin; damaged ones are passed over.
pub fn blocks(segment: &[u8]) -> impl Iterator<Item = (usize, BlockView<'_>)> {
    let mut at = SEGMENT_HEAD_BYTES;
    std::iter::from_fn(move || {
        loop {
            let bytes = segment.get(at..).filter(|bytes| bytes.len() >= BLOCK_HEAD_BYTES)?;
            let view = claimed_bytes(bytes)
                .and_then(|claimed| BlockView::parse(&bytes[..claimed.min(bytes.len())]));
            let start = at;
            match view {
                Some(view) => {
                    at += view.bytes();
                    return Some((start, view));
                }
                None => at += 1 + next_magic(&bytes[1..])?,
            }
        }
    })
}

/// Where a segment's whole blocks end, and the number after its last record: where to append.
#[must_use]
pub fn end(segment: &[u8]) -> (usize, Option<u64>) {
    let last = blocks(segment).last();
    match last {
        Some((at, view)) => (at + view.bytes(), Some(view.end_record())),
        None => (SEGMENT_HEAD_BYTES, None),
    }
}

/// The number in a segment's file name.
#[must_use]
pub fn number(file_name: &str) -> Option<u64> {
    let digits = file_name.strip_suffix(".log")?;
    (digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}

/// The file name of a segment.
#[must_use]
pub fn file_name(number: u64) -> String {
    format!("{number:08}.log")
}

fn next_magic(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, &BLOCK_MAGIC.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::block::tail;
    use crate::logs::{LogStore, Stream};

    fn sample() -> (Vec<u8>, usize) {
        let mut store = LogStore::new(64 << 10, &[b'0'; 32]);
        for n in 0..100 {
            store.append(
                "web.service",
                Stream::Stdout,
                n,
                format!("line {n} of a hundred\n").as_bytes(),
            );
        }
        let head =
            SegmentHead { boot_id: [b'0'; 32], first_unix_us: 0, source: "web.service".into() };
        let mut segment = head.encode().to_vec();
        assert_eq!(SegmentHead::parse(&segment), Some(head));
        let mut count = 0;
        for view in store.blocks("web.service") {
            segment.extend(tail(&view, 0));
            count += 1;
        }
        (segment, count)
    }

    #[test]
    fn blocks_come_back_and_the_end_is_known() {
        let (segment, count) = sample();
        assert!(count > 2);
        let lines: u64 = blocks(&segment).map(|(_, view)| view.lines()).sum();
        assert_eq!((blocks(&segment).count(), lines), (count, 100));
        assert_eq!(end(&segment), (segment.len(), Some(100)));
        assert_eq!(
            end(&segment[..segment.len() - 1]).1,
            blocks(&segment).nth(count - 2).map(|(_, v)| v.end_record())
        );
    }

    #[test]
    fn a_damaged_block_hides_no_other() {
        let (good, count) = sample();
        for at in (SEGMENT_HEAD_BYTES..good.len()).step_by(3) {
            let mut segment = good.clone();
            segment[at] ^= 0x55;
            let found = blocks(&segment).count();
            assert!(found + 1 >= count, "byte {at} hides {} blocks", count - found);
        }
    }

    #[test]
    fn names_of_files() {
        assert_eq!(number(&file_name(7)), Some(7));
        assert_eq!(number("00000007.log~"), None);
        assert_eq!(number("7.log"), None);
    }
}
