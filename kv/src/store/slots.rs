//! Every key with its versions, in order. Keys live in numbered slots; the order is kept by chunks of slot
//! numbers, four bytes a key. A chunk knows how many of its keys are there now, so that counting
//! a range costs no more than walking over its chunks.

use super::span::{Span, Until};
use super::version::{Packed, Version, main_of};

/// Slot numbers in one chunk of the order.
const CHUNK_KEYS_MAX: usize = 256;
/// What a key costs beside its bytes and its versions: its slot, its place in the order, allocations.
const KEY_COST_BYTES: u64 = 64;
/// What a version costs beside its bytes: its place in the log of changes, its allocation.
const VERSION_COST_BYTES: u64 = 32;

/// A key with its versions.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) key: Box<[u8]>,
    /// The newest version; empty only while the slot is free.
    newest: Packed,
    /// The others, oldest first.
    #[expect(clippy::box_collection, reason = "most keys have none: 8 bytes instead of 24")]
    older: Option<Box<Vec<Packed>>>,
}

impl Slot {
    /// All versions, oldest first.
    pub(super) fn versions(&self) -> impl DoubleEndedIterator<Item = Version<'_>> {
        let newest = (!self.newest.is_empty()).then_some(&self.newest);
        self.older().iter().chain(newest).map(|packed| Version::unpack(packed))
    }

    fn older(&self) -> &[Packed] {
        self.older.as_ref().map_or(&[], |older| older.as_slice())
    }

    pub(super) fn newest(&self) -> Version<'_> {
        Version::unpack(&self.newest)
    }

    pub(super) fn is_live(&self) -> bool {
        !self.newest.is_empty() && !self.newest().is_deletion()
    }

    /// The version to be seen as of a revision, if the key was there.
    pub(super) fn at(&self, revision: i64) -> Option<Version<'_>> {
        let seen = self.latest_not_after(revision)?;
        (!seen.is_deletion()).then_some(seen)
    }

    /// The last version up to a revision, be it a deletion.
    pub(super) fn latest_not_after(&self, revision: i64) -> Option<Version<'_>> {
        if !self.newest.is_empty() && main_of(&self.newest) <= revision {
            return Some(self.newest());
        }
        let older = self.older();
        let after = older.partition_point(|packed| main_of(packed) <= revision);
        older[..after].last().map(|packed| Version::unpack(packed))
    }

    /// The version made by one change, and the one before it.
    pub(super) fn change(&self, main: i64, sub: u32) -> Option<(Version<'_>, Option<Version<'_>>)> {
        let older = self.older();
        let newest = self.newest();
        if (newest.main, newest.sub) == (main, sub) {
            return Some((newest, older.last().map(|packed| Version::unpack(packed))));
        }
        let place = |packed: &Packed| {
            let version = Version::unpack(packed);
            (version.main, version.sub)
        };
        let at = older.binary_search_by_key(&(main, sub), place).ok()?;
        let before = at.checked_sub(1).map(|before| Version::unpack(&older[before]));
        Some((Version::unpack(&older[at]), before))
    }
}

#[derive(Debug, Default)]
struct Chunk {
    slots: Vec<u32>,
    live: usize,
}

/// Where a key is, or would be, in the order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    chunk: usize,
    at: usize,
}

/// All keys.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
    chunks: Vec<Chunk>,
    bytes: u64,
}

impl Slots {
    pub(super) fn slot(&self, number: u32) -> &Slot {
        &self.slots[number as usize]
    }

    /// Roughly what all this occupies.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn find(&self, key: &[u8]) -> Option<u32> {
        let place = self.place(key).ok()?;
        Some(self.chunks[place.chunk].slots[place.at])
    }

    fn key_at(&self, number: u32) -> &[u8] {
        &self.slot(number).key
    }

    /// Where a key is, or else where it belongs.
    fn place(&self, key: &[u8]) -> Result<Place, Place> {
        let after = self.chunks.partition_point(|chunk| self.key_at(chunk.slots[0]) <= key);
        let Some(chunk) = after.checked_sub(1) else { return Err(Place { chunk: 0, at: 0 }) };
        let slots = &self.chunks[chunk].slots;
        match slots.binary_search_by(|number| self.key_at(*number).cmp(key)) {
            Ok(at) => Ok(Place { chunk, at }),
            Err(at) => Err(Place { chunk, at }),
        }
    }

    /// Adds a version to a key. Returns its slot.
    pub(super) fn push(&mut self, key: &[u8], version: &Version<'_>) -> u32 {
        let (place, number) = match self.place(key) {
            Ok(place) => (place, self.chunks[place.chunk].slots[place.at]),
            Err(place) => self.insert(key, place),
        };
        let packed = version.pack();
        self.bytes += packed.len() as u64 + VERSION_COST_BYTES;
        let slot = &mut self.slots[number as usize];
        let was_live = slot.is_live();
        let before = std::mem::replace(&mut slot.newest, packed);
        if !before.is_empty() {
            slot.older.get_or_insert_default().push(before);
        }
        let chunk = &mut self.chunks[place.chunk];
        match (was_live, !version.is_deletion()) {
            (false, true) => chunk.live += 1,
            (true, false) => chunk.live -= 1,
            (true, true) | (false, false) => {}
        }
        number
    }

    fn insert(&mut self, key: &[u8], place: Place) -> (Place, u32) {
        self.bytes += key.len() as u64 + KEY_COST_BYTES;
        let slot = Slot { key: key.into(), ..Slot::default() };
        let number = match self.free.pop() {
            Some(number) => {
                self.slots[number as usize] = slot;
                number
            }
            None => {
                self.slots.push(slot);
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let place = self.make_room(place);
        self.chunks[place.chunk].slots.insert(place.at, number);
        (place, number)
    }

    /// Splits a full chunk. One that is full at its end gets a neighbour: keys often come in order.
    fn make_room(&mut self, place: Place) -> Place {
        let Some(chunk) = self.chunks.get_mut(place.chunk) else {
            self.chunks.push(Chunk::default());
            return place;
        };
        if chunk.slots.len() < CHUNK_KEYS_MAX {
            return place;
        }
        let cut = if place.at == CHUNK_KEYS_MAX { place.at } else { CHUNK_KEYS_MAX / 2 };
        let slots = chunk.slots.split_off(cut);
        let live = slots.iter().filter(|number| self.slots[**number as usize].is_live()).count();
        chunk.live -= live;
        self.chunks.insert(place.chunk + 1, Chunk { slots, live });
        match place.at.checked_sub(cut) {
            Some(at) => Place { chunk: place.chunk + 1, at },
            None => place,
        }
    }

    /// Forgets what nobody can see any more once history begins at `compacted`.
    pub(super) fn forget(&mut self, number: u32, compacted: i64) {
        let slot = &mut self.slots[number as usize];
        let mut gone = 0;
        if let Some(older) = &mut slot.older {
            let newest = main_of(&slot.newest);
            let after = older.partition_point(|packed| main_of(packed) <= compacted);
            // The last of those not after the beginning is what is seen at the beginning.
            let is_seen = newest > compacted
                && after > 0
                && is_kept(&Version::unpack(&older[after - 1]), compacted);
            for packed in older.drain(..after - usize::from(is_seen)) {
                gone += packed.len() as u64 + VERSION_COST_BYTES;
            }
            if older.is_empty() {
                slot.older = None;
            }
        }
        self.bytes -= gone;
        let slot = &self.slots[number as usize];
        let newest = slot.newest();
        if !slot.newest.is_empty() && newest.main <= compacted && !is_kept(&newest, compacted) {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u32) {
        let slot = std::mem::take(&mut self.slots[number as usize]);
        self.bytes -= (slot.key.len() + slot.newest.len()) as u64;
        self.bytes -= KEY_COST_BYTES + VERSION_COST_BYTES;
        // The slot must be whole for the search.
        self.slots[number as usize].key = slot.key;
        let key = self.slots[number as usize].key.clone();
        if let Ok(place) = self.place(&key) {
            let chunk = &mut self.chunks[place.chunk];
            chunk.slots.remove(place.at);
            if chunk.slots.is_empty() {
                self.chunks.remove(place.chunk);
            }
        }
        self.slots[number as usize] = Slot::default();
        self.free.push(number);
    }

    /// The slots of a span in the order of keys, those of deleted keys too.
    pub(super) fn range<'a>(&'a self, span: Span<'a>) -> impl Iterator<Item = u32> + 'a {
        let (Ok(place) | Err(place)) = self.place(span.from);
        let chunks = self.chunks.get(place.chunk..).unwrap_or(&[]);
        chunks
            .iter()
            .flat_map(|chunk| chunk.slots.iter().copied())
            .skip(place.at)
            .take_while(move |number| !span.is_past(self.key_at(*number)))
    }

    /// How many keys of a span are there now.
    pub(super) fn count_live(&self, span: Span<'_>) -> usize {
        let (Ok(from) | Err(from)) = self.place(span.from);
        let to = match span.until {
            Until::One => {
                let live = |number| self.slot(number).is_live();
                return usize::from(self.find(span.from).is_some_and(live));
            }
            Until::Key(end) if end <= span.from => return 0,
            Until::Key(end) => match self.place(end) {
                Ok(place) | Err(place) => place,
            },
            Until::End => Place { chunk: self.chunks.len(), at: 0 },
        };
        let whole = self.chunks.get(from.chunk..to.chunk).unwrap_or(&[]);
        let live: usize = whole.iter().map(|chunk| chunk.live).sum();
        live + self.live_before(to) - self.live_before(from)
    }

    /// Live keys in the chunk of a place, before it.
    fn live_before(&self, place: Place) -> usize {
        let Some(chunk) = self.chunks.get(place.chunk) else { return 0 };
        let before = chunk.slots.iter().take(place.at);
        before.filter(|number| self.slot(**number).is_live()).count()
    }
}

/// Is the last version not after the beginning of history still to be seen? A deletion is at that very
/// revision, because a watch may begin there.
pub(super) fn is_kept(version: &Version<'_>, compacted: i64) -> bool {
    !version.is_deletion() || version.main == compacted
}
