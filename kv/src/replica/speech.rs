//! What replicas say to each other: one frame, checked and numbered.
//!
//! A frame that comes twice or out of order is dropped: raft bears loss, but a proposal or a question
//! for a read index must not arrive twice.

use std::collections::BTreeMap;

use prost::Message as _;
use prost::bytes::Bytes;
use raft::eraftpb::Message;

use crate::limits::FORMER_STARTS_MAX;

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 46;

/// One thing said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Speech {
    /// A message of raft.
    Raft(Message),
    /// A piece of a snapshot.
    Chunk(Chunk),
    /// How much of a snapshot was received.
    Received(Received),
}

/// A piece of a snapshot.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Chunk {
    /// The mark: where in the log it stands, its size and checksum.
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) mark: Bytes,
    /// Raft's message that announces it.
    #[prost(message, required, tag = "2")]
    pub(super) message: Message,
    /// Where in the snapshot this piece begins.
    #[prost(uint64, tag = "3")]
    pub(super) offset: u64,
    /// The piece.
    #[prost(bytes = "bytes", tag = "4")]
    pub(super) bytes: Bytes,
}

/// How much of a snapshot was received.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Received {
    /// The sender's file.
    #[prost(uint64, tag = "1")]
    pub(super) file: u64,
    /// So many bytes, in order.
    #[prost(uint64, tag = "2")]
    pub(super) bytes: u64,
    /// All of it is durable and in force, or was not needed.
    #[prost(bool, tag = "3")]
    pub(super) complete: bool,
}

/// Numbers what is said, and drops what is not to be heard.
#[derive(Debug)]
pub(super) struct Ear {
    id: u64,
    cluster: u64,
    nonce: u64,
    said: u64,
    heard: BTreeMap<u64, Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    nonce: u64,
    counter: u64,
    former: Vec<u64>,
}

impl Ear {
    /// The ear of a member.
    #[must_use]
    pub(super) fn new(id: u64, cluster: u64, nonce: u64) -> Self {
        Self { id, cluster, nonce, said: 0, heard: BTreeMap::new() }
    }

    /// The frame for a peer.
    #[must_use]
    pub(super) fn say(&mut self, to: u64, speech: &Speech) -> Vec<u8> {
        self.said += 1;
        let mut bytes = vec![0; 4];
        let kind = match speech {
            Speech::Raft(_) => 1,
            Speech::Chunk(_) => 2,
            Speech::Received(_) => 3,
        };
        bytes.extend_from_slice(&[VERSION, kind]);
        for number in [self.cluster, self.id, to, self.nonce, self.said] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        match speech {
            Speech::Raft(message) => message.encode_raw(&mut bytes),
            Speech::Chunk(chunk) => chunk.encode_raw(&mut bytes),
            Speech::Received(received) => received.encode_raw(&mut bytes),
        }
        let crc = crc32fast::hash(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// What a frame says and who says it; `None` if it is not for us, damaged, late or a repetition.
    #[must_use]
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Option<(u64, Speech)> {
        let (head, body) = bytes.split_at_checked(HEAD_BYTES)?;
        let crc = u32::from_le_bytes(head[..4].try_into().ok()?);
        if crc32fast::hash(&bytes[4..]) != crc || head[4] != VERSION {
            return None;
        }
        let number = |position: usize| {
            let at = 6 + 8 * position;
            head.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
        };
        let [cluster, from, to] = [number(0)?, number(1)?, number(2)?];
        if cluster != self.cluster || to != self.id || from == self.id || from == 0 {
            return None;
        }
        let speech = match head[5] {
            1 => Speech::Raft(Message::decode(body).ok()?),
            2 => Speech::Chunk(Chunk::decode(body).ok()?),
            3 => Speech::Received(Received::decode(body).ok()?),
            _ => return None,
        };
        self.is_next(from, number(3)?, number(4)?).then_some((from, speech))
    }

    fn is_next(&mut self, from: u64, nonce: u64, counter: u64) -> bool {
        let heard = self.heard.entry(from).or_default();
        if heard.former.contains(&nonce) {
            return false;
        }
        if heard.nonce != nonce {
            if heard.nonce != 0 {
                heard.former.push(heard.nonce);
            }
            if heard.former.len() > FORMER_STARTS_MAX {
                heard.former.remove(0);
            }
            (heard.nonce, heard.counter) = (nonce, 0);
        }
        let next = counter > heard.counter;
        heard.counter = heard.counter.max(counter);
        next
    }
}
