//! What frames contain: the records of one batch, one after another.

use prost::Message as _;
use prost::bytes::Bytes;
use raft::eraftpb::{ConfState, Entry, HardState};

use crate::replica::members::Members;

/// A fact that the replica must not forget.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// Term, vote, commit index. The latest counts.
    State(HardState),
    /// An entry of the log. It replaces the entry of the same index and all that follow it.
    Entry(Entry),
    /// The first record of a segment: the last index before it.
    Head(u64),
    /// The state machine up to here is kept in a snapshot.
    Mark(Mark),
}

/// Where a snapshot stands in the log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mark {
    /// The last index it contains.
    pub index: u64,
    /// That entry's term.
    pub term: u64,
    /// Who the members were.
    pub voters: ConfState,
    /// What is known of them.
    pub members: Members,
    /// The file with the state; zero for the empty state at the beginning of a cluster.
    pub file: u64,
    /// That file's size.
    pub bytes: u64,
    /// That file's checksum.
    pub crc: u32,
    /// Whether this came from the leader: then the log before it counts for nothing.
    pub received: bool,
}

const STATE: u8 = 1;
const ENTRY: u8 = 2;
const MARK: u8 = 3;
const HEAD: u8 = 4;

/// Appends a record.
pub fn put(record: &Record, out: &mut Vec<u8>) {
    let (kind, body) = match record {
        Record::State(state) => (STATE, state.encode_to_vec()),
        Record::Entry(entry) => return put_entry(entry, out),
        Record::Mark(mark) => (MARK, mark.encode()),
        Record::Head(last) => (HEAD, last.to_le_bytes().to_vec()),
    };
    put_head(kind, body.len(), out);
    out.extend_from_slice(&body);
}

/// Appends an entry without copying it twice.
pub fn put_entry(entry: &Entry, out: &mut Vec<u8>) {
    put_head(ENTRY, entry.encoded_len(), out);
    entry.encode_raw(out);
}

fn put_head(kind: u8, length: usize, out: &mut Vec<u8>) {
    out.push(kind);
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
}

/// Reads the records of a frame; `None` if they are not what a replica wrote.
#[must_use]
pub fn read_all(content: &[u8]) -> Option<Vec<Record>> {
    let mut rest = content;
    let mut records = Vec::new();
    while let Some((kind, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let body = after.get(..length)?;
        records.push(read(*kind, body)?);
        rest = &after[length..];
    }
    Some(records)
}

fn read(kind: u8, body: &[u8]) -> Option<Record> {
    match kind {
        STATE => HardState::decode(body).ok().map(Record::State),
        ENTRY => Entry::decode(body).ok().map(Record::Entry),
        MARK => Mark::decode(body).map(Record::Mark),
        HEAD => body.try_into().ok().map(|last| Record::Head(u64::from_le_bytes(last))),
        _ => None,
    }
}

/// A mark's form on the disk and between peers.
#[derive(Clone, PartialEq, prost::Message)]
struct MarkForm {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(uint64, tag = "2")]
    term: u64,
    #[prost(message, required, tag = "3")]
    voters: ConfState,
    #[prost(bytes = "bytes", tag = "4")]
    members: Bytes,
    #[prost(uint64, tag = "5")]
    file: u64,
    #[prost(uint64, tag = "6")]
    bytes: u64,
    #[prost(uint32, tag = "7")]
    crc: u32,
    #[prost(bool, tag = "8")]
    received: bool,
}

impl Mark {
    /// The bytes of a mark.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let form = MarkForm {
            index: self.index,
            term: self.term,
            voters: self.voters.clone(),
            members: self.members.encode().into(),
            file: self.file,
            bytes: self.bytes,
            crc: self.crc,
            received: self.received,
        };
        form.encode_to_vec()
    }

    /// The mark that these bytes are, if they are one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let form = MarkForm::decode(bytes).ok()?;
        Some(Self {
            index: form.index,
            term: form.term,
            voters: form.voters,
            members: Members::decode(&form.members)?,
            file: form.file,
            bytes: form.bytes,
            crc: form.crc,
            received: form.received,
        })
    }
}
