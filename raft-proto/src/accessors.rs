//! The accessors by which `raft` reaches fields, the same for each codec.

use std::sync::LazyLock;

use prost::bytes::Bytes;

use crate::enums::{ConfChangeTransition, ConfChangeType, EntryType, MessageType};
use crate::messages::{
    ConfChange, ConfChangeSingle, ConfChangeV2, ConfState, Entry, HardState, Message, Snapshot,
    SnapshotMetadata,
};

macro_rules! plain {
    ($message:ty: $($field:ident $get:ident $set:ident $kind:ty),*) => {
        impl $message {$(
            #[doc = concat!("The field `", stringify!($field), "`.")]
            pub fn $get(&self) -> $kind {
                self.$field
            }
            #[doc = concat!("Sets the field `", stringify!($field), "`.")]
            pub fn $set(&mut self, value: $kind) {
                self.$field = value;
            }
        )*}
    };
}

macro_rules! owned {
    ($message:ty: $($field:ident $get:ident $set:ident $change:ident $take:ident $kind:ty, $seen:ty);*) => {
        impl $message {$(
            #[doc = concat!("The field `", stringify!($field), "`.")]
            pub fn $get(&self) -> &$seen {
                &self.$field
            }
            #[doc = concat!("Sets the field `", stringify!($field), "`.")]
            pub fn $set(&mut self, value: $kind) {
                self.$field = value;
            }
            #[doc = concat!("The field `", stringify!($field), "`, to be changed.")]
            pub fn $change(&mut self) -> &mut $kind {
                &mut self.$field
            }
            #[doc = concat!("Takes the field `", stringify!($field), "`.")]
            pub fn $take(&mut self) -> $kind {
                std::mem::take(&mut self.$field)
            }
        )*}
    };
}

macro_rules! nested {
    ($message:ty: $field:ident $get:ident $set:ident $change:ident $take:ident $kind:ty, $none:ident) => {
        static $none: LazyLock<$kind> = LazyLock::new(<$kind>::default);

        impl $message {
            #[doc = concat!("The field `", stringify!($field), "`, empty when absent.")]
            pub fn $get(&self) -> &$kind {
                self.$field.as_ref().unwrap_or(&$none)
            }
            #[doc = concat!("Sets the field `", stringify!($field), "`.")]
            pub fn $set(&mut self, value: $kind) {
                self.$field = Some(value);
            }
            #[doc = concat!("The field `", stringify!($field), "`, to be changed.")]
            pub fn $change(&mut self) -> &mut $kind {
                self.$field.get_or_insert_with(Default::default)
            }
            #[doc = concat!("Takes the field `", stringify!($field), "`.")]
            pub fn $take(&mut self) -> $kind {
                self.$field.take().unwrap_or_default()
            }
        }
    };
}

macro_rules! kinds {
    ($($message:ty: $get:ident $field:ident $kind:ty),*) => {$(
        impl $message {
            #[doc = concat!("The field `", stringify!($field), "`; unknown numbers are the first.")]
            pub fn $get(&self) -> $kind {
                self.$field()
            }
        }
    )*};
}

plain!(Entry: term get_term set_term u64, index get_index set_index u64);
plain!(SnapshotMetadata: term get_term set_term u64, index get_index set_index u64);
plain!(Message: index get_index set_index u64, term get_term set_term u64,
    commit get_commit set_commit u64);
plain!(HardState: term get_term set_term u64, vote get_vote set_vote u64,
    commit get_commit set_commit u64);

owned!(Entry: data get_data set_data mut_data take_data Bytes, [u8];
    context get_context set_context mut_context take_context Bytes, [u8]);
owned!(Message: entries get_entries set_entries mut_entries take_entries Vec<Entry>, [Entry];
    context get_context set_context mut_context take_context Bytes, [u8]);
owned!(ConfState: voters get_voters set_voters mut_voters take_voters Vec<u64>, [u64];
    learners get_learners set_learners mut_learners take_learners Vec<u64>, [u64];
    voters_outgoing get_voters_outgoing set_voters_outgoing mut_voters_outgoing
        take_voters_outgoing Vec<u64>, [u64];
    learners_next get_learners_next set_learners_next mut_learners_next
        take_learners_next Vec<u64>, [u64]);
owned!(ConfChange: context get_context set_context mut_context take_context Bytes, [u8]);
owned!(ConfChangeV2: context get_context set_context mut_context take_context Bytes, [u8];
    changes get_changes set_changes mut_changes take_changes
        Vec<ConfChangeSingle>, [ConfChangeSingle]);

nested!(Message: snapshot get_snapshot set_snapshot mut_snapshot take_snapshot Snapshot, NO_SNAPSHOT);
nested!(Snapshot: metadata get_metadata set_metadata mut_metadata take_metadata
    SnapshotMetadata, NO_METADATA);
nested!(SnapshotMetadata: conf_state get_conf_state set_conf_state mut_conf_state take_conf_state
    ConfState, NO_MEMBERS);

kinds!(Entry: get_entry_type entry_type EntryType,
    Message: get_msg_type msg_type MessageType,
    ConfChange: get_change_type change_type ConfChangeType,
    ConfChangeSingle: get_change_type change_type ConfChangeType,
    ConfChangeV2: get_transition transition ConfChangeTransition);

impl Snapshot {
    /// Whether it stands at no place of the log.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.get_metadata().index == 0
    }
}

impl<Voters, Learners> From<(Voters, Learners)> for ConfState
where
    Voters: IntoIterator<Item = u64>,
    Learners: IntoIterator<Item = u64>,
{
    fn from((voters, learners): (Voters, Learners)) -> Self {
        Self {
            voters: voters.into_iter().collect(),
            learners: learners.into_iter().collect(),
            ..Self::default()
        }
    }
}
