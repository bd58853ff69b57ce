//! The foreign trait that `raft` names. It asks for sizes and for the bytes of conf changes; the
//! rest of the trait belongs to another codec's streams, which nobody opens here.

use protobuf::reflect::MessageDescriptor;
use protobuf::{
    Clear, CodedInputStream, CodedOutputStream, ProtobufError, ProtobufResult, UnknownFields,
};

use crate::messages::{
    ConfChange, ConfChangeSingle, ConfChangeV2, ConfState, Entry, HardState, Message, Snapshot,
    SnapshotMetadata,
};

const NO_STREAM: &str = "this message is read and written by prost only";

fn refused() -> ProtobufError {
    ProtobufError::IoError(std::io::Error::new(std::io::ErrorKind::Unsupported, NO_STREAM))
}

/// Nothing is described at run time: no peer and no log asks for it.
fn undescribed() -> &'static MessageDescriptor {
    unreachable!("{NO_STREAM}")
}

macro_rules! foreign {
    ($($message:ty),*) => {$(
        impl Clear for $message {
            fn clear(&mut self) {
                *self = Self::default();
            }
        }

        impl protobuf::Message for $message {
            fn descriptor(&self) -> &'static MessageDescriptor {
                undescribed()
            }
            fn is_initialized(&self) -> bool {
                true
            }
            fn merge_from(&mut self, _: &mut CodedInputStream<'_>) -> ProtobufResult<()> {
                Err(refused())
            }
            fn write_to_with_cached_sizes(
                &self,
                _: &mut CodedOutputStream<'_>,
            ) -> ProtobufResult<()> {
                Err(refused())
            }
            fn compute_size(&self) -> u32 {
                u32::try_from(prost::Message::encoded_len(self)).unwrap_or(u32::MAX)
            }
            fn get_cached_size(&self) -> u32 {
                self.compute_size()
            }
            fn write_to_bytes(&self) -> ProtobufResult<Vec<u8>> {
                Ok(prost::Message::encode_to_vec(self))
            }
            fn merge_from_bytes(&mut self, bytes: &[u8]) -> ProtobufResult<()> {
                prost::Message::merge(self, bytes).map_err(|_| {
                    let kind = std::io::ErrorKind::InvalidData;
                    ProtobufError::IoError(std::io::Error::new(kind, "a conf change is cut off"))
                })
            }
            fn get_unknown_fields(&self) -> &UnknownFields {
                unreachable!("{NO_STREAM}")
            }
            fn mut_unknown_fields(&mut self) -> &mut UnknownFields {
                unreachable!("{NO_STREAM}")
            }
            fn as_any(&self) -> &dyn std::any::Any {
                self
            }
            fn new() -> Self {
                Self::default()
            }
            fn default_instance() -> &'static Self {
                unreachable!("{NO_STREAM}")
            }
        }
    )*};
}

foreign!(
    ConfChange,
    ConfChangeSingle,
    ConfChangeV2,
    ConfState,
    Entry,
    HardState,
    Message,
    Snapshot,
    SnapshotMetadata
);
