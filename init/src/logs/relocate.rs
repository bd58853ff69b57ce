//! The store moves to memory of another size: the machine's own configuration is read after the first
//! lines were written.

use super::layout::{self, BLOCK_BYTES, Layout, SLOT_BYTES};
use super::store::{LogMemory, LogStore};

impl LogStore {
    /// How its memory is laid out.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Takes everything along to other (zeroed) memory; gives the old one back. Where that is smaller, the
    /// oldest lines of whoever has the most give way and are counted.
    ///
    /// # Panics
    /// When the memory is smaller than its layout.
    pub fn move_to(&mut self, mut memory: LogMemory, layout: Layout) -> LogMemory {
        assert!(memory.bytes().len() >= layout.arena_bytes(), "the arena has its whole memory");
        self.shrink_to(layout);
        self.copy_to(memory.bytes_mut(), layout);
        let fresh: Vec<bool> =
            self.sources.iter().map(|s| s.as_ref().is_some_and(|s| s.fresh)).collect();
        let (appended_bytes, lost_lines) = (self.appended_bytes, self.lost_lines);
        let (moved, _) = LogStore::open(memory, layout, &layout::boot_id(self.arena()));
        let old = std::mem::replace(self, moved);
        self.appended_bytes = appended_bytes;
        self.lost_lines = lost_lines;
        for (source, fresh) in self.sources.iter_mut().zip(fresh) {
            if let Some(source) = source {
                source.fresh = fresh;
            }
        }
        old.memory
    }

    /// Gives up what does not fit.
    fn shrink_to(&mut self, layout: Layout) {
        for slot in layout.slots..u32::try_from(self.sources.len()).expect("slots are few") {
            let slot = u16::try_from(slot).expect("slots are few");
            while self.sources[usize::from(slot)].is_some() && self.pool.held(slot) > 0 {
                self.free_oldest(slot);
            }
            self.forget_slot(slot);
        }
        while self.all_blocks() - self.free_blocks() > layout.blocks {
            let heaviest = self.pool.heaviest().expect("somebody holds the blocks");
            self.free_oldest(heaviest);
        }
    }

    /// Writes an arena with the same sources and blocks; these close ranks.
    fn copy_to(&mut self, bytes: &mut [u8], layout: Layout) {
        layout.write(bytes, &layout::boot_id(self.arena()));
        let mut slots = 0;
        let mut blocks = 0;
        for slot in 0..u16::try_from(self.sources.len()).expect("slots are few") {
            let Some(source) = &self.sources[usize::from(slot)] else { continue };
            slots = u32::from(slot) + 1;
            let from = self.layout.slot_at(u32::from(slot));
            let to = layout.slot_at(u32::from(slot));
            bytes[to..to + SLOT_BYTES].copy_from_slice(&self.arena()[from..from + SLOT_BYTES]);
            for &held in &source.blocks {
                let to = layout.block_at(blocks);
                bytes[to..to + BLOCK_BYTES].copy_from_slice(self.block(held));
                blocks += 1;
            }
        }
        layout::set_used(bytes, slots, blocks);
        layout::set_appended(bytes, self.appended());
    }
}
