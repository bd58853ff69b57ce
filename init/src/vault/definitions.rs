//! The definitions in force, without a file: an append-only log of specs in two halves.
//!
//! A file may have changed, or its disk be gone, when the program comes back; what runs must be judged
//! by the definition that it runs under. Each record: kind `u8`, encoding `u8`, unit `u16`, generation
//! `u32`, payload bytes `u32`, CRC-32 of the payload `u32`, CRC-32 of the head `u32`, four zero bytes;
//! then the payload, padded to eight bytes. A set counts up to its last `Commit`. When a half is full, or
//! is to be written in another encoding, all is written to the other half under the next generation and
//! one store makes that half the one in force.

use std::collections::BTreeMap;
use std::sync::atomic::{Ordering, compiler_fence};

use super::front::{Front, place};
use super::store::Full;

/// Bytes of a record's head.
const HEAD_BYTES: usize = 24;

/// How a spec is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Encoding {
    /// Compact, for the same build of the program only.
    Postcard = 0,
    /// By field names, for another build of it.
    Json = 1,
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Spec,
    State,
    Image,
    Drop,
    Commit,
}

impl Kind {
    fn number(self) -> u8 {
        match self {
            Kind::Spec => 1,
            Kind::State => 2,
            Kind::Drop => 3,
            Kind::Commit => 4,
            Kind::Image => 5,
        }
    }

    fn from_number(number: u8) -> Option<Kind> {
        [Kind::Spec, Kind::State, Kind::Image, Kind::Drop, Kind::Commit]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
}

/// One definition as it is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition<'a> {
    /// The unit's number.
    pub unit: u16,
    /// How `spec` is written.
    pub encoding: Encoding,
    /// The spec.
    pub spec: &'a [u8],
    /// The unit's state, where it was written along because another build has to read it.
    pub state: Option<&'a [u8]>,
    /// What is known of the unit's image, as whoever looked wrote it.
    pub image: Option<&'a [u8]>,
}

/// What reading the log gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found<'a> {
    /// In order of their numbers.
    pub definitions: Vec<Definition<'a>>,
    /// Units of which the definition is damaged.
    pub lost: Vec<u16>,
    /// A record of which not even the unit can be told is damaged.
    pub damaged: bool,
}

/// The log, in either half.
#[derive(Debug)]
pub struct Definitions<'v> {
    front: &'v Front,
    bytes: &'v mut [u8],
    half_bytes: usize,
}

/// A batch of records that counts once it is committed.
#[derive(Debug)]
pub struct Batch<'v> {
    front: &'v Front,
    half: &'v mut [u8],
    /// Half in the lowest bit, generation above.
    word: u64,
    at: usize,
}

struct Record<'a> {
    kind: Kind,
    encoding: Encoding,
    unit: u16,
    payload: &'a [u8],
    whole: bool,
    at: usize,
    next: usize,
}

impl<'v> Definitions<'v> {
    pub(super) fn new(front: &'v Front, bytes: &'v mut [u8], half_bytes: usize) -> Definitions<'v> {
        Definitions { front, bytes, half_bytes }
    }

    /// What is in force. This allocates; it is for a new image and for tests.
    #[must_use]
    pub fn read(&self) -> Found<'_> {
        let log = self.in_force();
        let end = log.committed_end();
        let mut latest = BTreeMap::new();
        let (mut at, mut damaged) = (0, false);
        while let Some(record) = log.record_from(at) {
            if record.next > end {
                break;
            }
            damaged |= record.at != at;
            apply(&mut latest, &record);
            at = record.next;
        }
        collect(latest, damaged)
    }

    /// Begins to add to what is in force.
    #[must_use]
    pub fn append(self) -> Batch<'v> {
        let word = self.front.load(place::DEFINITIONS);
        let at = self.in_force().committed_end();
        let half = &mut self.bytes[split(word).0 * self.half_bytes..][..self.half_bytes];
        Batch { front: self.front, half, word, at }
    }

    /// Begins to write all anew in the other half. Until the commit the old half stays in force.
    #[must_use]
    pub fn rewrite(self) -> Batch<'v> {
        let word = self.front.load(place::DEFINITIONS);
        let (index, generation) = split(word);
        let other = 1 - index;
        let half = &mut self.bytes[other * self.half_bytes..][..self.half_bytes];
        let word = u64::from(generation.wrapping_add(1)) << 1 | other as u64;
        Batch { front: self.front, half, word, at: 0 }
    }

    /// Which half is in force: 0 or 1. The other one's memory may be given back.
    #[must_use]
    pub fn half_in_force(&self) -> usize {
        split(self.front.load(place::DEFINITIONS)).0
    }

    fn in_force(&self) -> Log<'_> {
        let (index, generation) = split(self.front.load(place::DEFINITIONS));
        let half = &self.bytes[index * self.half_bytes..][..self.half_bytes];
        let written = usize::try_from(self.front.load(place::DEFINITIONS_END + index));
        Log { half, generation, written: written.unwrap_or(0).min(half.len()) }
    }
}

impl Batch<'_> {
    /// Sets a unit's definition, which `write` writes into the room it is given; it returns how many
    /// bytes it took, or `None` when they did not suffice.
    ///
    /// # Errors
    /// When the half is full. What is in force stays as it was; rewrite instead.
    pub fn put_spec(
        &mut self,
        unit: u16,
        encoding: Encoding,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Result<(), Full> {
        self.put(Kind::Spec, unit, encoding, write)
    }

    /// Adds a unit's state to its definition, for another build to read.
    ///
    /// # Errors
    /// As [`Batch::put_spec`].
    pub fn put_state(&mut self, unit: u16, state: &[u8]) -> Result<(), Full> {
        self.put_bytes(Kind::State, unit, state)
    }

    /// Adds what is known of a unit's image to its definition; with no bytes, forgets it.
    ///
    /// # Errors
    /// As [`Batch::put_spec`].
    pub fn put_image(&mut self, unit: u16, image: &[u8]) -> Result<(), Full> {
        self.put_bytes(Kind::Image, unit, image)
    }

    fn put_bytes(&mut self, kind: Kind, unit: u16, bytes: &[u8]) -> Result<(), Full> {
        self.put(kind, unit, Encoding::Json, |room| {
            room.get_mut(..bytes.len())?.copy_from_slice(bytes);
            Some(bytes.len())
        })
    }

    /// Forgets a unit's definition.
    ///
    /// # Errors
    /// As [`Batch::put_spec`].
    pub fn drop_spec(&mut self, unit: u16) -> Result<(), Full> {
        self.put(Kind::Drop, unit, Encoding::Postcard, |_| Some(0))
    }

    /// Makes the batch count.
    ///
    /// # Errors
    /// As [`Batch::put_spec`].
    pub fn commit(mut self) -> Result<(), Full> {
        self.put(Kind::Commit, 0, Encoding::Postcard, |_| Some(0))?;
        // An old record may lie behind: end the log here, so that no reader walks into it.
        if let Some(rest) = self.half.get_mut(self.at..self.at + HEAD_BYTES) {
            rest.fill(0);
        }
        self.front.store(place::DEFINITIONS_END + split(self.word).0, self.at as u64);
        self.front.store(place::DEFINITIONS, self.word);
        Ok(())
    }

    fn put(
        &mut self,
        kind: Kind,
        unit: u16,
        encoding: Encoding,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Result<(), Full> {
        let room = self.half.get_mut(self.at..).ok_or(Full)?;
        let (head, room) = room.split_at_mut_checked(HEAD_BYTES).ok_or(Full)?;
        let length = write(room).filter(|length| *length <= room.len()).ok_or(Full)?;
        let generation = split(self.word).1;
        head.fill(0);
        head[0] = kind.number();
        head[1] = encoding as u8;
        head[2..4].copy_from_slice(&unit.to_le_bytes());
        head[4..8].copy_from_slice(&generation.to_le_bytes());
        head[8..12].copy_from_slice(&u32::try_from(length).map_err(|_| Full)?.to_le_bytes());
        head[12..16].copy_from_slice(&crc32fast::hash(&room[..length]).to_le_bytes());
        let sum = crc32fast::hash(&head[..16]);
        head[16..20].copy_from_slice(&sum.to_le_bytes());
        compiler_fence(Ordering::SeqCst);
        self.at += HEAD_BYTES + length.next_multiple_of(8);
        Ok(())
    }
}

fn split(word: u64) -> (usize, u32) {
    (usize::from(word & 1 == 1), u32::try_from(word >> 1 & 0xffff_ffff).unwrap_or(0))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

/// The record at `at`, if its head is whole and of this generation.
fn record(half: &[u8], at: usize, generation: u32) -> Option<Record<'_>> {
    let head = half.get(at..at.checked_add(HEAD_BYTES)?)?;
    if crc32fast::hash(&head[..16]) != u32_at(head, 16) || u32_at(head, 4) != generation {
        return None;
    }
    let length = u32_at(head, 8) as usize;
    let start = at + HEAD_BYTES;
    let payload = half.get(start..start.checked_add(length)?)?;
    Some(Record {
        kind: Kind::from_number(head[0])?,
        encoding: if head[1] == 0 { Encoding::Postcard } else { Encoding::Json },
        unit: u16::from_le_bytes([head[2], head[3]]),
        payload,
        whole: crc32fast::hash(payload) == u32_at(head, 12),
        at,
        next: start + length.next_multiple_of(8),
    })
}

/// One half as a reader sees it.
struct Log<'a> {
    half: &'a [u8],
    generation: u32,
    /// Up to where its author said that it wrote: how far to look for a record behind a damaged one.
    written: usize,
}

impl<'a> Log<'a> {
    /// The next record at `from` or, if what is there is damaged, behind it.
    fn record_from(&self, from: usize) -> Option<Record<'a>> {
        let candidates = (from..self.written.max(from + 1)).step_by(8);
        candidates.into_iter().find_map(|at| record(self.half, at, self.generation))
    }

    /// Where the last committed batch ends.
    fn committed_end(&self) -> usize {
        let (mut at, mut end) = (0, 0);
        while let Some(record) = self.record_from(at) {
            at = record.next;
            if record.kind == Kind::Commit {
                end = at;
            }
        }
        end
    }
}

type Latest<'a> = BTreeMap<u16, Result<Definition<'a>, ()>>;

fn apply<'a>(found: &mut Latest<'a>, record: &Record<'a>) {
    match (record.kind, record.whole) {
        (Kind::Commit, _) => {}
        (Kind::Drop, _) => {
            found.remove(&record.unit);
        }
        (Kind::Spec, true) => {
            // Whoever changes a definition so that another image is meant says so.
            let image = found.get(&record.unit).and_then(|known| known.ok()?.image);
            let definition = Definition {
                unit: record.unit,
                encoding: record.encoding,
                spec: record.payload,
                state: None,
                image,
            };
            found.insert(record.unit, Ok(definition));
        }
        (Kind::State, true) => {
            if let Some(Ok(definition)) = found.get_mut(&record.unit) {
                definition.state = Some(record.payload);
            }
        }
        (Kind::Image, whole) => {
            if let Some(Ok(definition)) = found.get_mut(&record.unit) {
                let known = whole && !record.payload.is_empty();
                definition.image = known.then_some(record.payload);
            }
        }
        (Kind::Spec, false) => {
            found.insert(record.unit, Err(()));
        }
        (Kind::State, false) => {}
    }
}

fn collect(latest: Latest<'_>, damaged: bool) -> Found<'_> {
    let mut found = Found { damaged, ..Found::default() };
    for (unit, definition) in latest {
        match definition {
            Ok(definition) => found.definitions.push(definition),
            Err(()) => found.lost.push(unit),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::layout::BODY_BYTES;
    use crate::vault::store::Vault;

    fn put(batch: &mut Batch<'_>, unit: u16, text: &str) -> Result<(), Full> {
        batch.put_spec(unit, Encoding::Postcard, |room| {
            room.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
            Some(text.len())
        })
    }

    fn texts(vault: &mut Vault<'_>) -> Vec<(u16, String)> {
        let definitions = vault.definitions();
        let found = definitions.read();
        let text = |d: &Definition<'_>| (d.unit, String::from_utf8(d.spec.to_vec()).unwrap());
        found.definitions.iter().map(text).collect()
    }

    fn with_vault(test: impl FnOnce(&mut Vault<'_>)) {
        let front = Front::default();
        let mut body = vec![0; BODY_BYTES];
        test(&mut Vault::create(&front, &mut body, [1, 2]));
    }

    #[test]
    fn a_set_counts_once_committed() {
        with_vault(|vault| {
            let mut batch = vault.definitions().append();
            put(&mut batch, 1, "one").unwrap();
            put(&mut batch, 2, "two, a longer one").unwrap();
            batch.commit().unwrap();
            let mut batch = vault.definitions().append();
            put(&mut batch, 1, "changed").unwrap();
            assert_eq!(texts(vault), [(1, "one".into()), (2, "two, a longer one".into())]);
            let mut batch = vault.definitions().append();
            batch.drop_spec(2).unwrap();
            put(&mut batch, 3, "three").unwrap();
            batch.commit().unwrap();
            assert_eq!(texts(vault), [(1, "one".into()), (3, "three".into())]);
        });
    }

    #[test]
    fn the_halves_take_turns() {
        with_vault(|vault| {
            for round in 0..5_u16 {
                let mut batch = vault.definitions().rewrite();
                put(&mut batch, round, "same length").unwrap();
                put(&mut batch, 100 + round, "same length").unwrap();
                let before = texts(vault);
                assert!(before.iter().all(|(unit, _)| *unit != round), "not yet");
                let mut batch = vault.definitions().rewrite();
                put(&mut batch, round, "same length").unwrap();
                batch.commit().unwrap();
                assert_eq!(texts(vault), [(round, "same length".into())]);
            }
        });
    }

    #[test]
    fn damage_costs_one_definition_and_is_told() {
        let front = Front::default();
        let mut body = vec![0; BODY_BYTES];
        let mut vault = Vault::create(&front, &mut body, [1, 2]);
        let mut batch = vault.definitions().append();
        for unit in 0..3 {
            put(&mut batch, unit, "a definition").unwrap();
        }
        batch.commit().unwrap();
        let (offset, _) = vault.definition_halves()[0];
        let record_bytes = HEAD_BYTES + 16;
        let mut in_payload = body.clone();
        in_payload[offset + record_bytes + HEAD_BYTES] ^= 1;
        let mut vault = Vault::open(&front, &mut in_payload).unwrap();
        assert_eq!(vault.definitions().read().lost, [1]);
        assert_eq!(texts(&mut vault).len(), 2);
        body[offset + record_bytes] ^= 1;
        let mut vault = Vault::open(&front, &mut body).unwrap();
        assert!(vault.definitions().read().damaged);
        assert_eq!(texts(&mut vault).len(), 2);
    }

    #[test]
    fn a_full_half_is_said() {
        with_vault(|vault| {
            let mut batch = vault.definitions().append();
            put(&mut batch, 1, "kept").unwrap();
            batch.commit().unwrap();
            let mut batch = vault.definitions().append();
            let full = batch.put_spec(2, Encoding::Postcard, |room| Some(room.len() + 1));
            assert_eq!(full, Err(Full));
            assert_eq!(batch.put_spec(2, Encoding::Postcard, |room| Some(room.len())), Ok(()));
            assert_eq!(batch.commit(), Err(Full));
            assert_eq!(texts(vault), [(1, "kept".into())]);
        });
    }
}
