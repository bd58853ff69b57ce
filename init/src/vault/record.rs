//! A unit's record in the vault: in the unit's cell, and the rest of a long one in a second cell.

use super::layout::{Section, TAIL_PAYLOAD_BYTES_MAX};
use super::store::{Full, Held, Vault};

/// A unit's record as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldRecord {
    /// Never written, or cleared.
    Nothing,
    /// The newest one that is whole.
    Whole(Vec<u8>),
    /// Something once; it is damaged.
    Lost,
}

impl Vault<'_> {
    /// Writes a unit's record as part of the open transaction; an empty one clears it.
    ///
    /// # Errors
    /// When there is no such unit, or the record is too large: nothing was written.
    pub fn put_record(&mut self, unit: usize, record: &[u8]) -> Result<(), Full> {
        let (head, rest) = record.split_at(record.len().min(self.room(Section::Units)));
        if head.len() < self.room(Section::Units) {
            self.clear(Section::Tails, unit);
        } else {
            let mut tail = [TAIL; TAIL_PAYLOAD_BYTES_MAX];
            tail.get_mut(1..=rest.len()).ok_or(Full)?.copy_from_slice(rest);
            self.put(Section::Tails, unit, &tail[..=rest.len()])?;
        }
        self.put(Section::Units, unit, head)
    }

    /// Reads a unit's record.
    #[must_use]
    pub fn record(&self, unit: usize) -> HeldRecord {
        let (head, tail) = (self.read(Section::Units, unit), self.read(Section::Tails, unit));
        match (head, tail) {
            (Held::Nothing, _) => HeldRecord::Nothing,
            (Held::Newest(head) | Held::Older(head), _)
                if head.len() < self.room(Section::Units) =>
            {
                HeldRecord::Whole(head.to_vec())
            }
            (Held::Newest(head), Held::Newest([TAIL, rest @ ..]))
            | (Held::Older(head), Held::Older([TAIL, rest @ ..])) => {
                HeldRecord::Whole([head, rest].concat())
            }
            // Halves of two ages are no record, nor is one of them alone.
            (Held::Lost | Held::Newest(_) | Held::Older(_), _) => HeldRecord::Lost,
        }
    }
}

/// Begins each tail: a full head always has one, so that a tail that is gone shows.
const TAIL: u8 = 1;

#[cfg(test)]
mod tests {
    use units::record::RECORD_BYTES_MAX;

    use super::*;
    use crate::vault::Front;
    use crate::vault::layout::{BODY_BYTES, UNIT_PAYLOAD_BYTES_MAX};

    #[test]
    fn short_and_long_records_come_back() {
        let front = Front::default();
        let mut body = vec![0; BODY_BYTES];
        let mut vault = Vault::create(&front, &mut body, [1, 2]);
        let long: Vec<u8> = (0..=250).cycle().take(RECORD_BYTES_MAX).collect();
        for record in [&b"short"[..], &long, &long[..UNIT_PAYLOAD_BYTES_MAX], b"short again"] {
            vault.put_record(7, record).unwrap();
            vault.commit();
            assert_eq!(vault.record(7), HeldRecord::Whole(record.to_vec()));
        }
        vault.put_record(7, &[]).unwrap();
        vault.commit();
        assert_eq!(vault.record(7), HeldRecord::Nothing);
        assert_eq!(vault.put_record(7, &[1; 512]), Err(Full));
    }

    #[test]
    fn a_long_record_counts_whole_or_not_at_all() {
        let front = Front::default();
        let mut body = vec![0; BODY_BYTES];
        let mut vault = Vault::create(&front, &mut body, [1, 2]);
        let (old, new) = ([1; 300], [2; 300]);
        vault.put_record(0, &old).unwrap();
        vault.commit();
        vault.put_record(0, &new).unwrap();
        assert_eq!(vault.record(0), HeldRecord::Whole(old.to_vec()), "before it is committed");
        vault.commit();
        assert_eq!(vault.record(0), HeldRecord::Whole(new.to_vec()));
    }
}
