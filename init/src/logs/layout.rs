//! Where things lie in the arena.

use super::bytes::{put, u32_at, u64_at};
use crate::limits::LOG_SOURCES_MAX;

/// Of the arena: changes with every change of the layout.
pub const MAGIC: [u8; 8] = *b"KEELLOG1";
/// Bytes of the head, a page.
pub const HEAD_BYTES: usize = 4096;
/// Bytes of a source's slot.
pub const SLOT_BYTES: usize = 320;
/// Bytes of a block.
pub const BLOCK_BYTES: usize = 1024;

const AT_BLOCKS: usize = 8;
const AT_SLOTS: usize = 12;
const AT_BOOT_ID: usize = 16;
const AT_CHECKSUM: usize = 48;
// Everything above is written once, everything below changes.
const AT_APPENDED: usize = 64;
const AT_USED: usize = 72;

/// How many slots and blocks an arena has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Sources that can have something in memory at a time.
    pub slots: u32,
    /// Blocks.
    pub blocks: u32,
}

impl Layout {
    /// For about `bytes` of log text.
    #[must_use]
    pub fn for_capacity(bytes: u64) -> Layout {
        const BLOCKS_MIN: u64 = 16;
        const BLOCKS_MAX: u64 = 1 << 20;
        let blocks = (bytes / BLOCK_BYTES as u64).clamp(BLOCKS_MIN, BLOCKS_MAX);
        // Every source in memory has at least one block.
        let slots = blocks.min(LOG_SOURCES_MAX as u64);
        let narrow = |count: u64| u32::try_from(count).expect("clamped above");
        Layout { slots: narrow(slots), blocks: narrow(blocks) }
    }

    /// Bytes of the whole arena. Only those that are written take memory.
    #[must_use]
    pub fn arena_bytes(self) -> usize {
        self.block_at(self.blocks)
    }

    /// Where a slot begins.
    #[must_use]
    pub fn slot_at(self, slot: u32) -> usize {
        HEAD_BYTES + slot as usize * SLOT_BYTES
    }

    /// Where a block begins. Blocks begin on a page.
    #[must_use]
    pub fn block_at(self, block: u32) -> usize {
        self.slot_at(self.slots).next_multiple_of(HEAD_BYTES) + block as usize * BLOCK_BYTES
    }

    /// Reads the head of an arena: its layout, if it is one and of the right size.
    #[must_use]
    pub fn read(head: &[u8]) -> Option<Layout> {
        let head = head.get(..HEAD_BYTES)?;
        let known = head.starts_with(&MAGIC)
            && u32_at(head, AT_CHECKSUM) == crc32fast::hash(&head[..AT_CHECKSUM]);
        known.then(|| Layout { slots: u32_at(head, AT_SLOTS), blocks: u32_at(head, AT_BLOCKS) })
    }

    /// Writes the head of a new arena.
    pub fn write(self, head: &mut [u8], boot_id: &[u8; 32]) {
        put(head, 0, MAGIC);
        put(head, AT_BLOCKS, self.blocks.to_le_bytes());
        put(head, AT_SLOTS, self.slots.to_le_bytes());
        put(head, AT_BOOT_ID, *boot_id);
        let checksum = crc32fast::hash(&head[..AT_CHECKSUM]);
        put(head, AT_CHECKSUM, checksum.to_le_bytes());
        set_used(head, 0, 0);
    }
}

/// How many records were ever appended.
#[must_use]
pub fn appended(head: &[u8]) -> u64 {
    u64_at(head, AT_APPENDED)
}

/// Writes what [`appended`] reads.
pub fn set_appended(head: &mut [u8], count: u64) {
    put(head, AT_APPENDED, count.to_le_bytes());
}

/// How many slots and blocks were ever used, counted from the lowest; beyond nothing has to be looked at,
/// and so no memory is touched. Damaged numbers mean all.
#[must_use]
pub fn used(head: &[u8], layout: Layout) -> (u32, u32) {
    let at = |at: usize, all: u32| {
        let (value, check) = (u32_at(head, at), u32_at(head, at + 4));
        if value == !check && value <= all { value } else { all }
    };
    (at(AT_USED, layout.slots), at(AT_USED + 8, layout.blocks))
}

/// Writes what [`used`] reads.
pub fn set_used(head: &mut [u8], slots: u32, blocks: u32) {
    for (at, value) in [(AT_USED, slots), (AT_USED + 8, blocks)] {
        put(head, at, value.to_le_bytes());
        put(head, at + 4, (!value).to_le_bytes());
    }
}

/// The boot's id, 32 hexadecimal digits.
#[must_use]
pub fn boot_id(head: &[u8]) -> [u8; 32] {
    let mut id = [0; 32];
    id.copy_from_slice(&head[AT_BOOT_ID..AT_BOOT_ID + 32]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_and_a_damaged_one_does_not() {
        let layout = Layout::for_capacity(1 << 20);
        assert_eq!(layout.blocks, 1024);
        let mut head = vec![0; HEAD_BYTES];
        layout.write(&mut head, &[b'a'; 32]);
        assert_eq!(Layout::read(&head), Some(layout));
        assert_eq!(boot_id(&head), [b'a'; 32]);
        set_used(&mut head, 3, 4);
        assert_eq!(used(&head, layout), (3, 4));
        set_used(&mut head, 3, 5000);
        assert_eq!(used(&head, layout), (3, 1024));
        assert_eq!(layout.block_at(0) % HEAD_BYTES, 0);
        head[9] ^= 1;
        assert_eq!(Layout::read(&head), None);
    }
}
