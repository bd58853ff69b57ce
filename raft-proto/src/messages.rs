//! The messages of the schema. Bytes are reference counted: an entry is cloned for each peer.

use prost::bytes::Bytes;

/// An entry of the log.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    /// What the data mean.
    #[prost(enumeration = "super::enums::EntryType", tag = "1")]
    pub entry_type: i32,
    /// The term in which it was proposed.
    #[prost(uint64, tag = "2")]
    pub term: u64,
    /// Its place in the log.
    #[prost(uint64, tag = "3")]
    pub index: u64,
    /// The change itself.
    #[prost(bytes = "bytes", tag = "4")]
    pub data: Bytes,
    /// What the proposer attached.
    #[prost(bytes = "bytes", tag = "6")]
    pub context: Bytes,
    /// Deprecated in the schema.
    #[prost(bool, tag = "5")]
    pub sync_log: bool,
}

/// Where in the log a snapshot stands.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotMetadata {
    /// The members at that place.
    #[prost(message, optional, tag = "1")]
    pub conf_state: Option<ConfState>,
    /// The last index contained.
    #[prost(uint64, tag = "2")]
    pub index: u64,
    /// Its term.
    #[prost(uint64, tag = "3")]
    pub term: u64,
}

/// A snapshot, or what names one.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Snapshot {
    /// The state, or what names it.
    #[prost(bytes = "bytes", tag = "1")]
    pub data: Bytes,
    /// Its place in the log.
    #[prost(message, optional, tag = "2")]
    pub metadata: Option<SnapshotMetadata>,
}

/// What replicas say to each other.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Message {
    /// What is wanted.
    #[prost(enumeration = "super::enums::MessageType", tag = "1")]
    pub msg_type: i32,
    /// The receiver.
    #[prost(uint64, tag = "2")]
    pub to: u64,
    /// The sender.
    #[prost(uint64, tag = "3")]
    pub from: u64,
    /// The sender's term.
    #[prost(uint64, tag = "4")]
    pub term: u64,
    /// The term of the entry before these.
    #[prost(uint64, tag = "5")]
    pub log_term: u64,
    /// The index of the entry before these.
    #[prost(uint64, tag = "6")]
    pub index: u64,
    /// Entries to append.
    #[prost(message, repeated, tag = "7")]
    pub entries: Vec<Entry>,
    /// The sender's commit index.
    #[prost(uint64, tag = "8")]
    pub commit: u64,
    /// The term of the commit index.
    #[prost(uint64, tag = "15")]
    pub commit_term: u64,
    /// A snapshot to restore.
    #[prost(message, optional, tag = "9")]
    pub snapshot: Option<Snapshot>,
    /// The least index of a wanted snapshot.
    #[prost(uint64, tag = "13")]
    pub request_snapshot: u64,
    /// A refusal.
    #[prost(bool, tag = "10")]
    pub reject: bool,
    /// Where to try next.
    #[prost(uint64, tag = "11")]
    pub reject_hint: u64,
    /// What the receiver sends back.
    #[prost(bytes = "bytes", tag = "12")]
    pub context: Bytes,
    /// Deprecated in the schema.
    #[prost(uint64, tag = "14")]
    pub deprecated_priority: u64,
    /// The candidate's priority.
    #[prost(int64, tag = "16")]
    pub priority: i64,
}

/// What a replica must not forget.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HardState {
    /// The term.
    #[prost(uint64, tag = "1")]
    pub term: u64,
    /// Who has its vote in that term.
    #[prost(uint64, tag = "2")]
    pub vote: u64,
    /// The commit index.
    #[prost(uint64, tag = "3")]
    pub commit: u64,
}

/// The members.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfState {
    /// Who votes.
    #[prost(uint64, repeated, tag = "1")]
    pub voters: Vec<u64>,
    /// Who only listens.
    #[prost(uint64, repeated, tag = "2")]
    pub learners: Vec<u64>,
    /// Who votes too until the joint configuration is left.
    #[prost(uint64, repeated, tag = "3")]
    pub voters_outgoing: Vec<u64>,
    /// Who becomes a learner when it is left.
    #[prost(uint64, repeated, tag = "4")]
    pub learners_next: Vec<u64>,
    /// Whether it is left without being asked.
    #[prost(bool, tag = "5")]
    pub auto_leave: bool,
}

/// A change of one member, in the old form.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfChange {
    /// What happens to it.
    #[prost(enumeration = "super::enums::ConfChangeType", tag = "2")]
    pub change_type: i32,
    /// Which member.
    #[prost(uint64, tag = "3")]
    pub node_id: u64,
    /// What the proposer attached.
    #[prost(bytes = "bytes", tag = "4")]
    pub context: Bytes,
    /// The change's own number.
    #[prost(uint64, tag = "1")]
    pub id: u64,
}

/// One step of a change.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfChangeSingle {
    /// What happens to it.
    #[prost(enumeration = "super::enums::ConfChangeType", tag = "1")]
    pub change_type: i32,
    /// Which member.
    #[prost(uint64, tag = "2")]
    pub node_id: u64,
}

/// A change of members.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfChangeV2 {
    /// How it is carried out.
    #[prost(enumeration = "super::enums::ConfChangeTransition", tag = "1")]
    pub transition: i32,
    /// Its steps, carried out together.
    #[prost(message, repeated, tag = "2")]
    pub changes: Vec<ConfChangeSingle>,
    /// What the proposer attached.
    #[prost(bytes = "bytes", tag = "3")]
    pub context: Bytes,
}
