//! Where things lie in the vault: sections, their sizes, and the version of it all.

use crate::limits::{DEFINITIONS_BYTES_MAX, DESCRIPTORS_MAX, INBOX_BYTES_MAX, NOTES_MAX};
use units::limits::UNITS_MAX;

/// The version of this layout. Raised when a word of the front or a cell changes its meaning; what is
/// only added (words, sections, fields at the end) needs no new version.
pub const LAYOUT: u32 = 2;
/// The oldest layout that this program takes over from.
pub const LAYOUT_OLDEST: u32 = 2;

/// First word of every vault.
pub const MAGIC: u64 = u64::from_le_bytes(*b"keelson\x01");

/// Bytes of the front: one page.
pub const FRONT_BYTES: usize = 4096;

/// The parts of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Section {
    /// The bytes of the input that is being handled. One raw entry.
    Inbox = 0,
    /// A cell per unit: the supervisor's record of it.
    Units = 1,
    /// A cell per descriptor number: what that descriptor is for.
    Descriptors = 2,
    /// A cell per descriptor number: the name under which a unit stored that descriptor, or another fact
    /// that hangs on it.
    Names = 3,
    /// Cells for the node's own facts, by number.
    Notes = 4,
    /// Two raw halves of the definitions log.
    Definitions = 5,
    /// A cell per unit: what the shore knows of its group.
    Groups = 6,
    /// A cell per unit: the rest of a record that is longer than a unit's cell, which long names make.
    Tails = 7,
}

impl Section {
    /// Every section, in the order of the table.
    pub const ALL: [Section; SECTIONS] = [
        Section::Inbox,
        Section::Units,
        Section::Descriptors,
        Section::Names,
        Section::Notes,
        Section::Definitions,
        Section::Groups,
        Section::Tails,
    ];
}

/// How many sections there are.
pub const SECTIONS: usize = 8;

/// Bytes before the payload of each copy of a cell.
pub const CELL_HEAD_BYTES: usize = 16;

/// Largest payload of a unit's cell. Nearly every record fits, and each unit has two such copies.
pub const UNIT_PAYLOAD_BYTES_MAX: usize = 256 - CELL_HEAD_BYTES;
/// Largest rest of a record, after one byte of its own.
pub const TAIL_PAYLOAD_BYTES_MAX: usize = 192 - CELL_HEAD_BYTES;
/// Largest payload of a descriptor's cell.
pub const DESCRIPTOR_PAYLOAD_BYTES_MAX: usize = 64 - CELL_HEAD_BYTES;
/// Largest payload of a name's cell (sd_notify(3): 255 bytes).
pub const NAME_PAYLOAD_BYTES_MAX: usize = 320 - CELL_HEAD_BYTES;
/// Largest payload of a note's cell.
pub const NOTE_PAYLOAD_BYTES_MAX: usize = 2048 - CELL_HEAD_BYTES;

/// Largest payload of a group's cell.
pub const GROUP_PAYLOAD_BYTES_MAX: usize = 32 - CELL_HEAD_BYTES;

/// One section: where it begins in the body, how large its entries are, how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Bytes from the start of the body.
    pub offset: usize,
    /// Bytes of one entry: both copies of a cell.
    pub entry_bytes: usize,
    /// Entries.
    pub entries: usize,
}

impl Extent {
    /// A section that the vault's author did not know.
    pub(super) const NONE: Extent = Extent { offset: 0, entry_bytes: 0, entries: 0 };

    const fn after(before: Extent, entry_bytes: usize, entries: usize) -> Extent {
        Extent { offset: page_up(before.end()), entry_bytes, entries }
    }

    /// The first byte after the section.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.offset + self.entry_bytes * self.entries
    }
}

const fn page_up(bytes: usize) -> usize {
    bytes.div_ceil(FRONT_BYTES) * FRONT_BYTES
}

const fn both(payload_bytes_max: usize) -> usize {
    2 * (CELL_HEAD_BYTES + payload_bytes_max)
}

const INBOX: Extent = Extent { offset: 0, entry_bytes: INBOX_BYTES_MAX, entries: 1 };
const UNITS: Extent = Extent::after(INBOX, both(UNIT_PAYLOAD_BYTES_MAX), UNITS_MAX);
const DESCRIPTORS: Extent =
    Extent::after(UNITS, both(DESCRIPTOR_PAYLOAD_BYTES_MAX), DESCRIPTORS_MAX);
const NAMES: Extent = Extent::after(DESCRIPTORS, both(NAME_PAYLOAD_BYTES_MAX), DESCRIPTORS_MAX);
const NOTES: Extent = Extent::after(NAMES, both(NOTE_PAYLOAD_BYTES_MAX), NOTES_MAX);
const DEFINITIONS: Extent = Extent::after(NOTES, DEFINITIONS_BYTES_MAX, 2);
const GROUPS: Extent = Extent::after(DEFINITIONS, both(GROUP_PAYLOAD_BYTES_MAX), UNITS_MAX);
const TAILS: Extent = Extent::after(GROUPS, both(TAIL_PAYLOAD_BYTES_MAX), UNITS_MAX);

/// The table of sections that this program writes, in the order of [`Section`].
pub const GEOMETRY: [Extent; SECTIONS] =
    [INBOX, UNITS, DESCRIPTORS, NAMES, NOTES, DEFINITIONS, GROUPS, TAILS];

/// Bytes of the body. Nearly all of it is never touched, and what is not touched takes no memory.
pub const BODY_BYTES: usize = page_up(TAILS.end());

const _: () = assert!(UNITS.entry_bytes == 512, "eight units share a page");
const _: () = assert!(
    UNIT_PAYLOAD_BYTES_MAX + TAIL_PAYLOAD_BYTES_MAX > units::record::RECORD_BYTES_MAX,
    "the longest record fits into both cells"
);
const _: () =
    assert!(FRONT_BYTES.is_multiple_of(8) && DEFINITIONS_BYTES_MAX.is_multiple_of(FRONT_BYTES));
