//! Frames: how requests and responses lie on a byte stream.
//!
//! ```text
//!  0        4         5      6             7          8      12
//!  | length | version | kind | descriptors | reserved | id   | body: `length` bytes of JSON
//!  | u32 LE | u8      | u8   | u8          | 0        | u32 LE
//! ```
//!
//! `descriptors` file descriptors travel with the frame (`SCM_RIGHTS`, attached to its first bytes).
//! The client chooses the `id`; the response bears the same.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

use crate::limits::{FRAME_DESCRIPTORS_MAX, RESPONSE_BYTES_MAX};

/// The version that this program writes.
pub const VERSION: u8 = 1;
/// The oldest version that it understands.
pub const VERSION_MIN: u8 = 1;
/// Bytes before the body.
pub const HEADER_BYTES: usize = 12;

/// What a frame's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A [`super::Request`].
    Request,
    /// A [`super::Response`].
    Response,
}

impl FrameKind {
    fn byte(self) -> u8 {
        match self {
            FrameKind::Request => 1,
            FrameKind::Response => 2,
        }
    }

    fn from_byte(byte: u8) -> Option<FrameKind> {
        match byte {
            1 => Some(FrameKind::Request),
            2 => Some(FrameKind::Response),
            _ => None,
        }
    }
}

/// One whole frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The version that its writer speaks.
    pub version: u8,
    /// What the body is.
    pub kind: FrameKind,
    /// How many file descriptors belong to it.
    pub descriptors: u8,
    /// The number of the request.
    pub id: u32,
    /// JSON.
    pub body: Vec<u8>,
}

/// Why bytes are not a frame, or a body is not what the frame says. A connection on which this
/// happened is closed after one last refusal: the place of the next frame is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameError {
    /// A version that we do not speak.
    Version(u8),
    /// A kind that does not exist.
    Kind(u8),
    /// Reserved bits that are set.
    Reserved,
    /// A body longer than the limit.
    TooLong {
        /// As claimed.
        bytes: u32,
        /// As allowed.
        bytes_max: u32,
    },
    /// More descriptors than any request takes.
    Descriptors(u8),
    /// The body is not the JSON that it should be.
    Body(String),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Version(version) => write!(
                f,
                "wire version {version} is not spoken here (spoken: {VERSION_MIN} to {VERSION}); use the keelctl of this machine"
            ),
            FrameError::Kind(kind) => write!(f, "frame kind {kind} does not exist"),
            FrameError::Reserved => f.write_str("reserved byte of a frame is not zero"),
            FrameError::TooLong { bytes, bytes_max } => {
                write!(f, "frame of {bytes} bytes is longer than the limit of {bytes_max}")
            }
            FrameError::Descriptors(count) => write!(
                f,
                "frame claims {count} descriptors; at most {FRAME_DESCRIPTORS_MAX} are taken"
            ),
            FrameError::Body(reason) => write!(f, "malformed request: {reason}"),
        }
    }
}

/// The bytes of a frame with `message` as its body.
///
/// # Errors
/// When the body is longer than [`RESPONSE_BYTES_MAX`] or cannot be written as JSON.
pub fn encode<T: Serialize>(
    kind: FrameKind,
    id: u32,
    descriptors: u8,
    message: &T,
) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; HEADER_BYTES];
    serde_json::to_writer(&mut bytes, message).map_err(|e| FrameError::Body(e.to_string()))?;
    let length = bytes.len() - HEADER_BYTES;
    let length = match u32::try_from(length) {
        Ok(length) if length <= RESPONSE_BYTES_MAX => length,
        Ok(_) | Err(_) => {
            let bytes = u32::try_from(length).unwrap_or(u32::MAX);
            return Err(FrameError::TooLong { bytes, bytes_max: RESPONSE_BYTES_MAX });
        }
    };
    bytes[0..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..8].copy_from_slice(&[VERSION, kind.byte(), descriptors, 0]);
    bytes[8..12].copy_from_slice(&id.to_le_bytes());
    Ok(bytes)
}

/// The message in a frame's body.
///
/// # Errors
/// When the body is not such a message.
pub fn decode<T: DeserializeOwned>(frame: &Frame) -> Result<T, FrameError> {
    serde_json::from_slice(&frame.body).map_err(|e| FrameError::Body(e.to_string()))
}

/// Takes bytes in any portions and gives frames. Holds at most one frame's bytes more than the
/// largest portion; memory grows with what arrived, never with what a header claims.
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    body_bytes_max: u32,
}

impl FrameDecoder {
    /// For bodies up to `body_bytes_max`.
    #[must_use]
    pub fn new(body_bytes_max: u32) -> FrameDecoder {
        FrameDecoder { buffer: Vec::new(), body_bytes_max }
    }

    /// Appends bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that wait for the rest of their frame.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole frame, or `None` while it is not complete.
    ///
    /// # Errors
    /// When the header is impossible; it stays, so every later call gives the same error.
    pub fn take(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let (mut frame, length) = read_header(header, self.body_bytes_max)?;
        let end = HEADER_BYTES + length;
        if self.buffer.len() < end {
            return Ok(None);
        }
        frame.body = self.buffer[HEADER_BYTES..end].to_vec();
        self.buffer.drain(..end);
        if self.buffer.is_empty() {
            self.buffer = Vec::new(); // an idle connection holds no memory
        }
        Ok(Some(frame))
    }
}

/// Checks a header; gives the frame without its body, and the body's length.
fn read_header(
    header: &[u8; HEADER_BYTES],
    body_bytes_max: u32,
) -> Result<(Frame, usize), FrameError> {
    let [l0, l1, l2, l3, version, kind, descriptors, reserved, i0, i1, i2, i3] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    if !(VERSION_MIN..=VERSION).contains(&version) {
        return Err(FrameError::Version(version));
    }
    let kind = FrameKind::from_byte(kind).ok_or(FrameError::Kind(kind))?;
    if usize::from(descriptors) > FRAME_DESCRIPTORS_MAX {
        return Err(FrameError::Descriptors(descriptors));
    }
    if reserved != 0 {
        return Err(FrameError::Reserved);
    }
    if length > body_bytes_max {
        return Err(FrameError::TooLong { bytes: length, bytes_max: body_bytes_max });
    }
    let id = u32::from_le_bytes([i0, i1, i2, i3]);
    let frame = Frame { version, kind, descriptors, id, body: Vec::new() };
    Ok((frame, length as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(id: u32, text: &str) -> Vec<u8> {
        encode(FrameKind::Request, id, 0, &text).unwrap()
    }

    #[test]
    fn frames_come_back_whatever_the_portions() {
        let mut stream = sample(1, "first");
        stream.extend(sample(2, ""));
        stream.extend(sample(3, &"x".repeat(1000)));
        for portion in [1, 2, 3, 7, 11, 12, 13, 64, 5000] {
            let mut decoder = FrameDecoder::new(4096);
            let mut ids = Vec::new();
            for bytes in stream.chunks(portion) {
                decoder.push(bytes);
                while let Some(frame) = decoder.take().unwrap() {
                    ids.push(frame.id);
                    let _text: String = decode(&frame).unwrap();
                }
            }
            assert_eq!(ids, [1, 2, 3], "portions of {portion}");
            assert_eq!(decoder.pending_bytes(), 0);
        }
    }

    #[test]
    fn the_header_is_as_documented() {
        let bytes = encode(FrameKind::Response, 0x0102_0304, 2, &7).unwrap();
        assert_eq!(bytes, [1, 0, 0, 0, 1, 2, 2, 0, 4, 3, 2, 1, b'7']);
    }

    #[test]
    fn impossible_headers_are_refused_before_any_body_is_awaited() {
        let refuse = |header: [u8; 12]| {
            let mut decoder = FrameDecoder::new(100);
            decoder.push(&header);
            decoder.take().unwrap_err()
        };
        assert_eq!(refuse([1, 0, 0, 0, 9, 1, 0, 0, 0, 0, 0, 0]), FrameError::Version(9));
        assert_eq!(refuse([1, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0]), FrameError::Kind(7));
        assert_eq!(refuse([1, 0, 0, 0, 1, 1, 200, 0, 0, 0, 0, 0]), FrameError::Descriptors(200));
        assert_eq!(refuse([1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0]), FrameError::Reserved);
        let long = refuse([101, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(long, FrameError::TooLong { bytes: 101, bytes_max: 100 });
    }
}
