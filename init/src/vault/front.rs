//! The first page of the vault: words, each changed by one store.
//!
//! A fault handler may not take a lock or trust the heap; it can store a word. So everything that is
//! written in a hurry, or by the kernel itself (the number of a newborn child), is a word here. Each
//! word makes sense alone, or has a partner that proves it.

use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use super::layout::{
    Extent, FRONT_BYTES, GEOMETRY, LAYOUT, LAYOUT_OLDEST, MAGIC, SECTIONS, Section,
};
use super::operation::Operation;
use super::store::VaultError;

/// How many words the front has.
pub const WORDS: usize = FRONT_BYTES / 8;

/// The places of the words. A place is never given a second meaning within one layout version.
pub(super) mod place {
    use super::super::layout::SECTIONS;

    pub(in super::super) const MAGIC: usize = 0;
    pub(in super::super) const LAYOUT: usize = 1;
    pub(in super::super) const BOOT_ID: usize = 2; // and 3
    pub(in super::super) const GEOMETRY: usize = 4; // three words for each section
    pub(in super::super) const PREAMBLE_END: usize = GEOMETRY + 3 * SECTIONS;
    pub(in super::super) const PREAMBLE_CHECK: usize = 63;
    pub(in super::super) const COMMITTED: usize = 64;
    pub(in super::super) const COMMITTED_INVERSE: usize = 65;
    pub(in super::super) const OPERATION: usize = 66;
    pub(in super::super) const PHASE: usize = 67;
    pub(in super::super) const GENERATION: usize = 68;
    pub(in super::super) const REEXECS: usize = 69;
    pub(in super::super) const FAULTS: usize = 70;
    pub(in super::super) const FAULTS_MAX: usize = 71;
    pub(in super::super) const DEGRADED_SINCE_NS: usize = 72;
    pub(in super::super) const DEFINITIONS: usize = 73;
    pub(in super::super) const DEFINITIONS_END: usize = 90; // and 91
    pub(in super::super) const CRITICAL: usize = 74;
    pub(in super::super) const DEFERRED: usize = 75;
    pub(in super::super) const FOR_OTHERS: usize = 79;
    pub(in super::super) const EXECUTED_NS: usize = 77;
    pub(in super::super) const INBOX: usize = 80; // to 83
    pub(in super::super) const BOOTED: usize = 92;
    pub(in super::super) const ASKER: usize = 93;
    pub(in super::super) const SPAWN_INTENT: usize = 84; // and 85
    pub(in super::super) const SPAWN_BORN: usize = 86;
    pub(in super::super) const MARKS: usize = 96; // one for each section
    pub(in super::super) const CAMPAIGN: usize = 108; // to 110
    pub(in super::super) const QUARANTINE: usize = 128; // QUARANTINE_MAX words
    pub(in super::super) const FAULT_RING: usize = 192; // FAULTS_KEPT_MAX entries of 8 words
}

/// What the image that wrote the vault was doing with itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Phase {
    /// It ran.
    Running = 1,
    /// It replaced itself on purpose.
    Replacing = 2,
    /// It failed and executed itself again.
    Failing = 3,
}

/// The front page. Shared with fault handlers, hence words of its own and no `&mut`.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Front {
    pub(super) words: [AtomicU64; WORDS],
}

impl Default for Front {
    fn default() -> Front {
        Front { words: [const { AtomicU64::new(0) }; WORDS] }
    }
}

impl Front {
    pub(super) fn load(&self, place: usize) -> u64 {
        self.words[place].load(Ordering::Relaxed)
    }

    /// Stores a word; nothing that comes later in the program is done before.
    pub(super) fn store(&self, place: usize, word: u64) {
        compiler_fence(Ordering::SeqCst);
        self.words[place].store(word, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
    }

    /// Writes the preamble of a new vault; every other word is zero.
    pub(super) fn begin(&self, boot_id: [u64; 2]) {
        for word in &self.words {
            word.store(0, Ordering::Relaxed);
        }
        self.store(place::LAYOUT, u64::from(LAYOUT));
        self.store(place::BOOT_ID, boot_id[0]);
        self.store(place::BOOT_ID + 1, boot_id[1]);
        for (index, extent) in GEOMETRY.iter().enumerate() {
            let at = place::GEOMETRY + 3 * index;
            self.store(at, extent.offset as u64);
            self.store(at + 1, extent.entry_bytes as u64);
            self.store(at + 2, extent.entries as u64);
        }
        self.store(place::PHASE, Phase::Running as u64);
        self.store(place::GENERATION, 1);
        self.set_committed(1);
        self.store(place::MAGIC, MAGIC);
        self.store(place::PREAMBLE_CHECK, self.preamble_check());
    }

    pub(super) fn preamble_check(&self) -> u64 {
        // Words that later programs use for more sections are part of the sum: here they are zero.
        (place::MAGIC..place::PREAMBLE_CHECK).fold(0, |sum, at| mix(sum ^ self.load(at)))
    }

    /// Whether this is a vault at all, and one that this program can read.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn validate(&self, body_bytes: usize) -> Result<[Extent; SECTIONS], VaultError> {
        if self.load(place::MAGIC) != MAGIC {
            return Err(VaultError::NotAVault);
        }
        let layout = u32::try_from(self.load(place::LAYOUT)).unwrap_or(u32::MAX);
        if !(LAYOUT_OLDEST..=LAYOUT).contains(&layout) {
            return Err(VaultError::Layout { found: layout });
        }
        if self.load(place::PREAMBLE_CHECK) != self.preamble_check() {
            return Err(VaultError::Preamble);
        }
        let mut geometry = GEOMETRY;
        for (index, extent) in geometry.iter_mut().enumerate() {
            *extent = self.extent(index, body_bytes).ok_or(VaultError::Geometry)?;
        }
        Ok(geometry)
    }

    /// A section as the vault's author laid it out, if it lies within the body.
    fn extent(&self, index: usize, body_bytes: usize) -> Option<Extent> {
        let word = |nth: usize| usize::try_from(self.load(place::GEOMETRY + 3 * index + nth)).ok();
        let extent = Extent { offset: word(0)?, entry_bytes: word(1)?, entries: word(2)? };
        if extent == Extent::NONE {
            return Some(extent);
        }
        let bytes = extent.entry_bytes.checked_mul(extent.entries)?;
        let aligned = extent.offset.is_multiple_of(8) && extent.entry_bytes.is_multiple_of(16);
        let end = extent.offset.checked_add(bytes)?;
        (aligned && extent.entry_bytes >= 64 && end <= body_bytes).then_some(extent)
    }

    /// The boot that the vault belongs to; a vault of another boot is no one's memory.
    #[must_use]
    pub fn boot_id(&self) -> [u64; 2] {
        [self.load(place::BOOT_ID), self.load(place::BOOT_ID + 1)]
    }

    /// The last transaction that counts, and whether the word can be trusted.
    pub(super) fn committed(&self) -> (u64, bool) {
        let word = self.load(place::COMMITTED);
        let partner = !self.load(place::COMMITTED_INVERSE);
        // One apart: the program died between the two stores. Both are true; the later one is later.
        (word.max(partner), word.abs_diff(partner) <= 1 && word != 0)
    }

    pub(super) fn set_committed(&self, transaction: u64) {
        self.store(place::COMMITTED, transaction);
        self.store(place::COMMITTED_INVERSE, !transaction);
    }

    /// Says what is being done now. If the program dies, this is what it died of.
    pub fn enter(&self, operation: Operation) {
        self.store(place::OPERATION, operation.to_word());
    }

    /// What was being done.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::from_word(self.load(place::OPERATION))
    }

    /// What the last image did with itself.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.load(place::PHASE) {
            2 => Phase::Replacing,
            3 => Phase::Failing,
            _ => Phase::Running,
        }
    }

    /// Says it.
    pub fn set_phase(&self, phase: Phase) {
        self.store(place::PHASE, phase as u64);
    }

    /// Which image of the program this is, counted from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.load(place::GENERATION)
    }

    /// A new image has taken over.
    pub fn succeed(&self) {
        self.store(place::GENERATION, self.generation().wrapping_add(1));
    }

    /// Replacements on purpose since boot.
    #[must_use]
    pub fn reexecs(&self) -> u64 {
        self.load(place::REEXECS)
    }

    /// One more of them.
    pub fn count_reexec(&self) {
        self.store(place::REEXECS, self.reexecs().wrapping_add(1));
    }

    /// Whether the definitions were written for another build, each with its unit's state.
    #[must_use]
    pub fn is_for_others(&self) -> bool {
        self.load(place::FOR_OTHERS) == 1
    }

    /// Says it.
    pub fn set_for_others(&self, yes: bool) {
        self.store(place::FOR_OTHERS, u64::from(yes));
    }

    /// Who asked for the replacement: a client's number and that of its request; zero: nobody.
    #[must_use]
    pub fn asker(&self) -> u64 {
        self.load(place::ASKER)
    }

    /// Says it.
    pub fn set_asker(&self, asker: u64) {
        self.store(place::ASKER, asker);
    }

    /// What is left of a series of faults on purpose: its three words are the test's own.
    #[must_use]
    pub fn campaign(&self) -> [u64; 3] {
        [0, 1, 2].map(|nth| self.load(place::CAMPAIGN + nth))
    }

    /// Says it.
    pub fn set_campaign(&self, words: [u64; 3]) {
        for (nth, word) in words.into_iter().enumerate() {
            self.store(place::CAMPAIGN + nth, word);
        }
    }

    /// When the last image gave the processor to this one, on `CLOCK_BOOTTIME`.
    #[must_use]
    pub fn executed_ns(&self) -> u64 {
        self.load(place::EXECUTED_NS)
    }

    /// Says it.
    pub fn set_executed_ns(&self, now_ns: u64) {
        self.store(place::EXECUTED_NS, now_ns);
    }

    /// When the degraded mode began, on `CLOCK_BOOTTIME`; 0: it did not.
    #[must_use]
    pub fn degraded_since_ns(&self) -> u64 {
        self.load(place::DEGRADED_SINCE_NS)
    }

    /// Says it, once: a fault in the degraded mode does not give it more time.
    pub fn degrade(&self, now_ns: u64) {
        if self.degraded_since_ns() == 0 {
            self.store(place::DEGRADED_SINCE_NS, now_ns.max(1));
        }
    }

    /// Whether the machine's early boot is over: the next image must not do it again.
    #[must_use]
    pub fn is_booted(&self) -> bool {
        self.load(place::BOOTED) == 1
    }

    /// Says that it is.
    pub fn set_booted(&self) {
        self.store(place::BOOTED, 1);
    }

    /// Overwrites a word as a stray pointer would. For tests of what damage costs.
    pub fn damage(&self, word: usize, value: u64) {
        if word < WORDS {
            self.store(word, value);
        }
    }

    /// How many entries of a section were ever used: nothing above was touched.
    #[must_use]
    pub fn mark(&self, section: Section) -> usize {
        usize::try_from(self.load(place::MARKS + section as usize)).unwrap_or(usize::MAX)
    }

    pub(super) fn raise_mark(&self, section: Section, entries: usize) {
        if self.mark(section) < entries {
            self.store(place::MARKS + section as usize, entries as u64);
        }
    }
}

/// A good mixing of 64 bits (the finaliser of splitmix64).
pub(crate) const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (word ^ (word >> 31)).wrapping_add(0x9e37_79b9_7f4a_7c15)
}

const _: () = assert!(size_of::<Front>() == FRONT_BYTES);
const _: () = assert!(place::PREAMBLE_END <= place::PREAMBLE_CHECK);
const _: () = assert!(place::MARKS + SECTIONS <= place::CAMPAIGN);
