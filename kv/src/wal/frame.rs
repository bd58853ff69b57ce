//! A frame: what one write puts on the disk, whole or not at all.
//!
//! The next frame is written only after the disk said that this one is durable. So a valid frame
//! proves that every frame with a smaller number was durable once: what is missing before it is
//! damage, and only what has nothing after it can be the torn end of the log.

use crate::limits::FRAME_BYTES_MAX;

/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 40;
/// Frames begin at multiples of this.
pub const ALIGNMENT: usize = 8;
/// What the disk writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

const MAGIC: u32 = 0x4b57_414c;
/// No frame ends in a blank, so that a sector with nothing but its end is not taken for unwritten.
const LAST_BYTE: u8 = 0xa5;

/// Whose log it is, and where in it a frame stands. All of it is part of the checksums, so that no
/// frame is ever taken for another: not one of an earlier use of the segment, not one that the disk
/// put in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Drawn when the log was made.
    pub log: u64,
    /// The number of the segment.
    pub segment: u64,
    /// The frame's own number, without gaps over the whole log.
    pub number: u64,
}

/// A header that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Where it stands.
    pub place: Place,
    /// Bytes of the content.
    pub bytes: usize,
    /// The content's checksum.
    content_crc: u32,
}

/// What is found at an offset of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// A whole frame: header and content.
    Frame(Header, &'a [u8]),
    /// Nothing but zeros where a header would be.
    Blank,
    /// A frame of which a whole sector is missing: a write that did not finish looks like this.
    Torn,
    /// Neither a frame nor the remains of an unfinished write.
    Damaged,
}

/// The bytes of a frame, padded.
#[must_use]
pub fn encode(place: Place, content: &[u8]) -> Vec<u8> {
    let padded = size(content.len());
    let mut bytes = Vec::with_capacity(padded);
    bytes.extend_from_slice(&MAGIC.to_le_bytes());
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&place.log.to_le_bytes());
    bytes.extend_from_slice(&place.segment.to_le_bytes());
    bytes.extend_from_slice(&place.number.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(content).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes.extend_from_slice(content);
    bytes.resize(padded, 0);
    bytes[padded - 1] = LAST_BYTE;
    bytes
}

/// The size on the disk of a frame with so much content.
#[must_use]
pub fn size(content: usize) -> usize {
    (HEADER_BYTES + content + 1).next_multiple_of(ALIGNMENT)
}

/// Looks at `offset` of a segment.
#[must_use]
pub fn look(segment: &[u8], offset: usize) -> Found<'_> {
    let rest = segment.get(offset..).unwrap_or(&[]);
    if rest.iter().take(HEADER_BYTES).all(|byte| *byte == 0) {
        return Found::Blank;
    }
    let Some(header) = header(rest) else {
        let end = offset + HEADER_BYTES.min(rest.len());
        return unfinished(segment, offset, end);
    };
    let end = offset + size(header.bytes);
    let Some(frame) = segment.get(offset..end) else {
        return Found::Damaged;
    };
    let content = &frame[HEADER_BYTES..HEADER_BYTES + header.bytes];
    if crc32fast::hash(content) == header.content_crc && frame.last() == Some(&LAST_BYTE) {
        return Found::Frame(header, content);
    }
    unfinished(segment, offset, end)
}

/// The segment was filled with zeros before its use. So of a write that did not finish each sector is
/// either as it should be or still blank, and one at least is blank.
fn unfinished(segment: &[u8], start: usize, end: usize) -> Found<'_> {
    let mut at = start;
    while at < end {
        let sector_end = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
        let part = &segment[at..sector_end.min(end)];
        if part.iter().all(|byte| *byte == 0) {
            return Found::Torn;
        }
        at = sector_end;
    }
    Found::Damaged
}

fn header(bytes: &[u8]) -> Option<Header> {
    let bytes = bytes.get(..HEADER_BYTES)?;
    let crc = crc32fast::hash(&bytes[..HEADER_BYTES - 4]);
    if number32(bytes, 0)? != MAGIC || number32(bytes, HEADER_BYTES - 4)? != crc {
        return None;
    }
    let length = usize::try_from(number32(bytes, 4)?).ok()?;
    let place = Place {
        log: number64(bytes, 8)?,
        segment: number64(bytes, 16)?,
        number: number64(bytes, 24)?,
    };
    let content_crc = number32(bytes, 32)?;
    (length <= FRAME_BYTES_MAX).then_some(Header { place, bytes: length, content_crc })
}

fn number32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn number64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
