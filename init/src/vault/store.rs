//! The vault itself: cells by section and number, and the transaction that they belong to.

use std::fmt;

use super::cell::{self, Content, Place};
use super::definitions::Definitions;
use super::front::{Front, place};
use super::layout::{CELL_HEAD_BYTES, Extent, LAYOUT, LAYOUT_OLDEST, SECTIONS, Section};

/// A vault over mapped memory. Writing allocates nothing and makes no system call.
#[derive(Debug)]
pub struct Vault<'m> {
    front: &'m Front,
    body: &'m mut [u8],
    geometry: [Extent; SECTIONS],
    open: u64,
}

/// Why bytes are not a vault of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaultError {
    /// They do not begin like one.
    NotAVault,
    /// Its layout is one that this program does not read.
    Layout {
        /// The layout that it has.
        found: u32,
    },
    /// The sum over its first words is wrong.
    Preamble,
    /// A section does not lie within it.
    Geometry,
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VaultError::NotAVault => f.write_str("not a vault: its first word is another"),
            VaultError::Layout { found } => write!(
                f,
                "vault has layout {found}, this program reads {LAYOUT_OLDEST} to {LAYOUT}; \
                 use a program of the same release or a newer one"
            ),
            VaultError::Preamble => f.write_str("vault's preamble is damaged: its sum is wrong"),
            VaultError::Geometry => f.write_str("vault's sections do not lie within it"),
        }
    }
}

impl std::error::Error for VaultError {}

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held<'a> {
    /// Nothing.
    Nothing,
    /// What was last committed.
    Newest(&'a [u8]),
    /// What was committed before: the newest copy is damaged.
    Older(&'a [u8]),
    /// Something once; both copies are damaged.
    Lost,
}

impl<'a> Held<'a> {
    /// The payload, old or new.
    #[must_use]
    pub fn payload(self) -> Option<&'a [u8]> {
        match self {
            Held::Newest(payload) | Held::Older(payload) => Some(payload),
            Held::Nothing | Held::Lost => None,
        }
    }
}

/// The sections of cells.
const CELLS: [Section; 6] = [
    Section::Units,
    Section::Descriptors,
    Section::Names,
    Section::Notes,
    Section::Groups,
    Section::Tails,
];

/// The inbox holds an input, and no transaction says yet that it is done.
const PENDING: u64 = u64::MAX;

/// What a new image found damaged and put right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Cells of which the newest copy was lost.
    pub older: u32,
    /// Cells of which both copies were lost.
    pub lost: u32,
    /// The word that says what is committed could not be trusted.
    pub commit_word: bool,
}

/// The input that was being handled, and not finished, when the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inbox<'a> {
    /// What kind of input: the caller's own number.
    pub kind: u32,
    /// Whose: the caller's own number.
    pub source: u64,
    /// Where whoever it is for stood before: the caller's own number.
    pub before: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl<'m> Vault<'m> {
    /// A new vault over zeroed memory.
    ///
    /// # Panics
    /// If `body` is shorter than [`super::layout::BODY_BYTES`]: the caller made it.
    pub fn create(front: &'m Front, body: &'m mut [u8], boot_id: [u64; 2]) -> Vault<'m> {
        front.begin(boot_id);
        Vault::open(front, body).expect("a vault that was just begun is whole")
    }

    /// A vault that another image of the program wrote.
    ///
    /// # Errors
    /// When it cannot be read at all.
    pub fn open(front: &'m Front, body: &'m mut [u8]) -> Result<Vault<'m>, VaultError> {
        let geometry = front.validate(body.len())?;
        let open = front.committed().0.wrapping_add(1);
        Ok(Vault { front, body, geometry, open })
    }

    /// Puts right what the last image left half done, and counts what is damaged. Once, before the first
    /// write of a new image.
    pub fn repair(&mut self) -> Repairs {
        let (committed, trusted) = self.front.committed();
        let committed = if trusted { committed } else { self.newest_transaction() };
        self.front.set_committed(committed);
        self.open = committed.wrapping_add(1);
        let mut repairs = Repairs { commit_word: !trusted, ..Repairs::default() };
        for section in CELLS {
            for entry in 0..self.used(section) {
                match self.read(section, entry) {
                    Held::Older(_) => repairs.older += 1,
                    Held::Lost => repairs.lost += 1,
                    Held::Nothing | Held::Newest(_) => {}
                }
                if let Some((cell, place)) = self.cell_mut(section, entry) {
                    cell::repair(cell, place, committed);
                }
            }
        }
        repairs
    }

    /// The newest transaction of any whole cell, for when the word that tells it is damaged.
    fn newest_transaction(&self) -> u64 {
        let entries = CELLS.into_iter().flat_map(|s| (0..self.used(s)).map(move |e| (s, e)));
        let newest = entries.filter_map(|(section, entry)| {
            let (bytes, place) = self.cell(section, entry)?;
            cell::newest(bytes, place)
        });
        newest.max().unwrap_or(1)
    }

    /// The words of the vault.
    #[must_use]
    pub fn front(&self) -> &'m Front {
        self.front
    }

    /// How many entries of a section were ever used.
    #[must_use]
    pub fn used(&self, section: Section) -> usize {
        self.front.mark(section).min(self.geometry[section as usize].entries)
    }

    /// Reads a cell.
    #[must_use]
    pub fn read(&self, section: Section, entry: usize) -> Held<'_> {
        if entry >= self.used(section) {
            return Held::Nothing;
        }
        let Some((cell, place)) = self.cell(section, entry) else { return Held::Nothing };
        match cell::read(cell, place, self.front.committed().0) {
            Content::Empty => Held::Nothing,
            Content::Whole(payload) => Held::Newest(payload),
            Content::Stale(payload) => Held::Older(payload),
            Content::Lost => Held::Lost,
        }
    }

    /// Writes a cell as part of the open transaction. An empty payload clears it.
    ///
    /// # Errors
    /// When there is no such entry, or the payload is too large for it: nothing was written.
    pub fn put(&mut self, section: Section, entry: usize, payload: &[u8]) -> Result<(), Full> {
        let transaction = self.open;
        let front = self.front;
        let (cell, place) = self.cell_mut(section, entry).ok_or(Full)?;
        if payload.len() > cell.len() / 2 - CELL_HEAD_BYTES {
            return Err(Full);
        }
        front.raise_mark(section, entry + 1);
        cell::write(cell, place, transaction, payload);
        Ok(())
    }

    /// The longest payload that a cell of this section takes in this vault, which an older program may have laid out.
    pub(super) fn room(&self, section: Section) -> usize {
        (self.geometry[section as usize].entry_bytes / 2).saturating_sub(CELL_HEAD_BYTES)
    }

    /// Clears a cell as part of the open transaction; one that was never used stays untouched.
    pub fn clear(&mut self, section: Section, entry: usize) {
        if entry < self.used(section) {
            // Cannot fail: the entry is there, and nothing is never too large.
            let _ = self.put(section, entry, &[]);
        }
    }

    /// Makes everything that was put since the last commit count, and the input in the inbox done.
    pub fn finish(&mut self) {
        if self.front.load(place::INBOX) == PENDING {
            self.front.store(place::INBOX, self.open);
        }
        self.commit();
    }

    /// Makes everything that was put since the last commit count. The input in the inbox stays to be done.
    pub fn commit(&mut self) {
        self.front.set_committed(self.open);
        self.open = self.open.wrapping_add(1);
    }

    /// The log of definitions.
    #[must_use]
    pub fn definitions(&mut self) -> Definitions<'_> {
        let extent = self.geometry[Section::Definitions as usize];
        let bytes = &mut self.body[extent.offset..extent.end()];
        Definitions::new(self.front, bytes, extent.entry_bytes)
    }

    /// Where the definitions' halves lie in the body: offset and bytes of each.
    #[must_use]
    pub fn definition_halves(&self) -> [(usize, usize); 2] {
        let extent = self.geometry[Section::Definitions as usize];
        [
            (extent.offset, extent.entry_bytes),
            (extent.offset + extent.entry_bytes, extent.entry_bytes),
        ]
    }

    /// The memory into which an input may be read directly, so that it is never only in the heap.
    #[must_use]
    pub fn inbox_mut(&mut self) -> &mut [u8] {
        let extent = self.geometry[Section::Inbox as usize];
        &mut self.body[extent.offset..extent.end()]
    }

    /// The bytes of the input that is being handled.
    #[must_use]
    pub fn inbox_bytes(&self, length: usize) -> &[u8] {
        let extent = self.geometry[Section::Inbox as usize];
        let bytes = &self.body[extent.offset..extent.end()];
        &bytes[..length.min(bytes.len())]
    }

    /// Says that the first `length` bytes of the inbox are an input, to be done by [`Vault::finish`].
    pub fn receive(&mut self, kind: u32, source: u64, before: u64, length: usize) {
        self.front.store(place::INBOX, 0);
        self.front.store(place::INBOX + 1, u64::from(kind) << 32 | length as u64 & 0xffff_ffff);
        self.front.store(place::INBOX + 2, source);
        self.front.store(place::INBOX + 3, before);
        self.front.store(place::INBOX, PENDING);
    }

    /// The input that was received and not done.
    #[must_use]
    pub fn unfinished(&self) -> Option<Inbox<'_>> {
        let transaction = self.front.load(place::INBOX);
        let done = transaction != PENDING && transaction <= self.front.committed().0;
        if transaction == 0 || done {
            return None;
        }
        let word = self.front.load(place::INBOX + 1);
        let extent = self.geometry[Section::Inbox as usize];
        let length = usize::try_from(word & 0xffff_ffff).ok()?;
        let bytes = self.body[extent.offset..extent.end()].get(..length)?;
        let kind = u32::try_from(word >> 32).ok()?;
        let source = self.front.load(place::INBOX + 2);
        Some(Inbox { kind, source, before: self.front.load(place::INBOX + 3), bytes })
    }

    fn place(section: Section, entry: usize) -> Place {
        Place { section: section as u32, entry: u32::try_from(entry).unwrap_or(u32::MAX) }
    }

    fn cell(&self, section: Section, entry: usize) -> Option<(&[u8], Place)> {
        let extent = self.geometry[section as usize];
        let at = extent.offset + (entry < extent.entries).then(|| entry * extent.entry_bytes)?;
        Some((&self.body[at..at + extent.entry_bytes], Vault::place(section, entry)))
    }

    fn cell_mut(&mut self, section: Section, entry: usize) -> Option<(&mut [u8], Place)> {
        let extent = self.geometry[section as usize];
        let at = extent.offset + (entry < extent.entries).then(|| entry * extent.entry_bytes)?;
        Some((&mut self.body[at..at + extent.entry_bytes], Vault::place(section, entry)))
    }
}

/// There is no room for it in the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room in the vault")
    }
}

impl std::error::Error for Full {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::layout::BODY_BYTES;

    fn fresh<'m>(front: &'m Front, body: &'m mut [u8]) -> Vault<'m> {
        Vault::create(front, body, [7, 8])
    }

    #[test]
    fn a_step_counts_as_a_whole() {
        let front = Front::default();
        let mut body = vec![0; BODY_BYTES];
        let mut vault = fresh(&front, &mut body);
        vault.put(Section::Units, 3, b"up").unwrap();
        vault.put(Section::Notes, 0, b"note").unwrap();
        assert_eq!(vault.read(Section::Units, 3), Held::Nothing);
        vault.commit();
        assert_eq!(vault.read(Section::Units, 3), Held::Newest(b"up"));
        vault.put(Section::Units, 3, b"down").unwrap();
        let mut next = Vault::open(&front, &mut body).unwrap();
        assert_eq!(next.repair(), Repairs::default());
        assert_eq!(next.read(Section::Units, 3), Held::Newest(b"up"));
        next.commit();
        next.commit();
        assert_eq!(next.read(Section::Units, 3), Held::Newest(b"up"), "what was never committed");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let front = Front::default();
        let mut body = vec![0; BODY_BYTES];
        let mut vault = fresh(&front, &mut body);
        assert_eq!(vault.put(Section::Units, 0, &[1; 241]), Err(Full));
        assert_eq!(vault.put(Section::Units, 0, &[1; 240]), Ok(()));
        assert_eq!(vault.put(Section::Units, 4096, b"x"), Err(Full));
        assert_eq!(vault.read(Section::Units, 4096), Held::Nothing);
    }

    #[test]
    fn an_input_is_done_with_its_commit() {
        let front = Front::default();
        let mut body = vec![0; BODY_BYTES];
        let mut vault = fresh(&front, &mut body);
        vault.inbox_mut()[..5].copy_from_slice(b"READY");
        vault.receive(4, 99, 3, 5);
        let unfinished = Inbox { kind: 4, source: 99, before: 3, bytes: b"READY" };
        assert_eq!(vault.unfinished(), Some(unfinished));
        let mut next = Vault::open(&front, &mut body).unwrap();
        next.repair();
        next.commit();
        assert_eq!(next.unfinished(), Some(unfinished));
        next.finish();
        assert_eq!(next.unfinished(), None);
    }

    #[test]
    fn a_damaged_commit_word_is_told_and_replaced() {
        let front = Front::default();
        let mut body = vec![0; BODY_BYTES];
        let mut vault = fresh(&front, &mut body);
        for text in [b"one", b"two"] {
            vault.put(Section::Units, 1, text).unwrap();
            vault.commit();
        }
        front.store(place::COMMITTED, 0);
        let mut next = Vault::open(&front, &mut body).unwrap();
        assert!(next.repair().commit_word);
        assert_eq!(next.read(Section::Units, 1), Held::Newest(b"two"));
    }

    #[test]
    fn a_vault_of_a_program_that_knew_fewer_sections_is_read() {
        let front = Front::default();
        let mut body = vec![0; BODY_BYTES];
        let mut vault = fresh(&front, &mut body);
        vault.put(Section::Units, 1, b"one").unwrap();
        vault.commit();
        let words = place::GEOMETRY + 3 * Section::Tails as usize;
        (words..words + 3).for_each(|word| front.store(word, 0));
        front.store(place::PREAMBLE_CHECK, front.preamble_check());
        let mut next = Vault::open(&front, &mut body).unwrap();
        assert_eq!(next.repair(), Repairs::default());
        assert_eq!(next.read(Section::Units, 1), Held::Newest(b"one"));
        assert_eq!(next.put(Section::Tails, 1, b"rest"), Err(Full));
    }

    #[test]
    fn another_layout_is_refused_before_anything_is_read() {
        let front = Front::default();
        let mut body = vec![0; BODY_BYTES];
        fresh(&front, &mut body);
        front.store(place::LAYOUT, u64::from(LAYOUT) + 1);
        let error = Vault::open(&front, &mut body).unwrap_err();
        assert_eq!(error, VaultError::Layout { found: LAYOUT + 1 });
        front.store(place::LAYOUT, u64::from(LAYOUT));
        assert!(Vault::open(&front, &mut body[..BODY_BYTES / 2]).is_err());
        front.store(place::GEOMETRY, 64);
        assert_eq!(Vault::open(&front, &mut body).unwrap_err(), VaultError::Preamble);
    }
}
