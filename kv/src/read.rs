//! What can be asked of the store without changing it, and what is told. Numbers are signed as on etcd's
//! wire: zero, and often anything below, means *not given*.

use serde::{Deserialize, Serialize};

/// A key with all that the store knows of one version of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyValue {
    /// The key.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// Revision in which the key came into being.
    pub create_revision: i64,
    /// Revision of this version.
    pub mod_revision: i64,
    /// How many puts since it came into being; zero in the event of its deletion.
    pub version: i64,
    /// The value.
    #[serde(with = "serde_bytes")]
    pub value: Vec<u8>,
    /// The lease it hangs on, or zero.
    pub lease: i64,
}

/// Keys from `key` up to but without `end`. An empty `end` means the one key, `\0` everything from `key` on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RangeRequest {
    /// First key.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// First key after the range.
    #[serde(with = "serde_bytes")]
    pub end: Vec<u8>,
    /// At most so many keys.
    pub limit: i64,
    /// As of this revision.
    pub revision: i64,
    /// In what order.
    pub order: SortOrder,
    /// Ordered by what.
    pub target: SortTarget,
    /// Without values.
    pub keys_only: bool,
    /// Only how many.
    pub count_only: bool,
    /// Not older than this.
    pub mod_revision_min: i64,
    /// Not younger than this.
    pub mod_revision_max: i64,
    /// Not created before this.
    pub create_revision_min: i64,
    /// Not created after this.
    pub create_revision_max: i64,
}

/// The direction of a sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SortOrder {
    /// As stored: by key.
    #[default]
    None,
    /// Smallest first.
    Ascend,
    /// Largest first.
    Descend,
}

/// What a sort compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SortTarget {
    /// Keys.
    #[default]
    Key,
    /// Versions.
    Version,
    /// Revisions of creation.
    Create,
    /// Revisions of change.
    Mod,
    /// Values.
    Value,
}

/// The answer to a range.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RangeReply {
    /// The store's revision when it was read (for the header).
    pub revision: i64,
    /// What was found.
    pub kvs: Vec<KeyValue>,
    /// The limit cut something off.
    pub more: bool,
    /// How many keys the range holds, regardless of limit and filters.
    pub count: i64,
}

/// Names one watch of this replica. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WatchId(pub u64);

/// A wish to hear of changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WatchRequest {
    /// First key; empty with an end of `\0` is everything.
    pub key: Vec<u8>,
    /// First key after the range, as in [`RangeRequest`].
    pub end: Vec<u8>,
    /// First revision to tell of; zero: from now on.
    pub start_revision: i64,
    /// With what was there before.
    pub prev_kv: bool,
    /// Do not tell of puts.
    pub no_put: bool,
    /// Do not tell of deletions.
    pub no_delete: bool,
    /// One revision may be told in several parts.
    pub fragment: bool,
}

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It was put.
    Put,
    /// It was deleted.
    Delete,
}

/// One change. Of a deletion, `kv` holds only the key and the revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// To what.
    pub kv: KeyValue,
    /// What was there before, when asked for and not compacted away.
    pub prev_kv: Option<KeyValue>,
}

/// What a watch has to tell now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drained {
    /// Changes in order. One revision is never split over two answers, unless `fragment` was asked for.
    pub events: Vec<Event>,
    /// For the header: everything up to here has been told.
    pub revision: i64,
    /// More parts of the last revision follow.
    pub fragment: bool,
    /// There is more to drain at once.
    pub more: bool,
    /// The watch is over, because what it wanted next is compacted up to this revision.
    pub compact_revision: Option<i64>,
}
