//! The messages of the `raft` crate, as prost structures written by hand.
//!
//! Field numbers and types are those of `eraftpb.proto` 0.7, so peers and logs stay readable by any
//! other build of it. The registry's crate generates the same from the schema, and needs protoc.
#![forbid(unsafe_code)]

mod accessors;
mod change;
mod codec;
mod enums;
mod messages;

pub use crate::change::{ConfChangeI, conf_state_eq, new_conf_change_single};

/// The messages under the name of their schema.
pub mod eraftpb {
    pub use crate::enums::{ConfChangeTransition, ConfChangeType, EntryType, MessageType};
    pub use crate::messages::{
        ConfChange, ConfChangeSingle, ConfChangeV2, ConfState, Entry, HardState, Message, Snapshot,
        SnapshotMetadata,
    };
}

/// What users of `raft` import together.
pub mod prelude {
    pub use crate::eraftpb::*;
}
