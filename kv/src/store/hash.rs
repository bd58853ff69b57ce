//! Checksums over what can be read: replicas compare them. They do not depend on what was freed already.

use super::Store;
use super::snapshot::visible;
use super::span::Span;
use crate::error::Error;

/// A checksum over all that can be read, in the making: of many keys it takes more than one turn.
#[derive(Debug)]
pub struct Hashing {
    revision: i64,
    compacted: i64,
    next_key: Vec<u8>,
    hasher: crc32fast::Hasher,
}

impl Store {
    /// Begins a checksum over the history up to a revision; zero is the last one.
    ///
    /// # Errors
    ///
    /// That revision is not known.
    pub fn hash_begin(&self, revision: i64) -> Result<Hashing, Error> {
        let revision = self.history.readable(revision, self.history.revision)?;
        let compacted = self.history.compacted;
        Ok(Hashing { revision, compacted, next_key: Vec::new(), hasher: crc32fast::Hasher::new() })
    }

    /// Goes on, with at most `keys_max` keys. Tells the checksum when it is complete.
    ///
    /// # Errors
    ///
    /// History was compacted meanwhile: begin again.
    pub fn hash_next(&self, hashing: &mut Hashing, keys_max: usize) -> Result<Option<u32>, Error> {
        if self.history.compacted != hashing.compacted {
            return Err(Error::Compacted);
        }
        let from = std::mem::take(&mut hashing.next_key);
        for (count, number) in self.history.slots.range(Span::new(&from, &[0])).enumerate() {
            let slot = self.history.slots.slot(number);
            if count == keys_max {
                hashing.next_key = slot.key.to_vec();
                return Ok(None);
            }
            let versions = visible(&self.history, number, hashing.revision, hashing.compacted);
            for version in versions {
                let packed = version.pack();
                hashing.hasher.update(&(slot.key.len() as u64).to_le_bytes());
                hashing.hasher.update(&slot.key);
                hashing.hasher.update(&(packed.len() as u64).to_le_bytes());
                hashing.hasher.update(&packed);
            }
        }
        Ok(Some(hashing.hasher.clone().finalize()))
    }

    /// The whole checksum at once.
    ///
    /// # Errors
    ///
    /// That revision is not known.
    pub fn hash_kv(&self, revision: i64) -> Result<u32, Error> {
        let mut hashing = self.hash_begin(revision)?;
        Ok(self.hash_next(&mut hashing, usize::MAX)?.unwrap_or_default())
    }
}
