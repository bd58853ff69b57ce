//! The arena of an earlier life: what is whole counts, what is not is free.

use std::collections::BTreeMap;

use super::block::{self, BlockHead, BlockView, Mark};
use super::layout::{self, BLOCK_BYTES, Layout, SLOT_BYTES};
use super::slot;
use super::store::{LogMemory, LogStore, OpenBlock, Opened, Source, stream_index};
use crate::limits::LOG_LINE_BYTES_MAX;

/// Blocks that an unfinished line can reach back.
const LINE_BLOCKS_MAX: usize = LOG_LINE_BYTES_MAX / (BLOCK_BYTES / 2) + 1;

/// One whole block, found.
struct Found {
    block: u32,
    head: BlockHead,
    mark: Mark,
    mark_index: usize,
    end_record: u64,
    end_line: u64,
}

impl LogStore {
    pub(super) fn recover(memory: LogMemory, layout: Layout) -> (LogStore, Opened) {
        let mut store = LogStore::empty(memory, layout);
        store.recover_names();
        let (found, mut damaged) = store.find_blocks();
        let mut blocks = 0;
        for (slot, found) in found {
            let mut end = 0;
            for found in found {
                // Two blocks cannot hold the same records; the later one found is a relic.
                if found.head.first_record < end {
                    store.free_block(found.block);
                    damaged += 1;
                    continue;
                }
                end = found.end_record;
                store.adopt(slot, &found);
                blocks += 1;
            }
            store.recover_lines(slot);
            store.store_counters(slot);
        }
        let highest = store.sources.iter().flatten().map(|source| source.counters.records).max();
        let counted = layout::appended(store.memory.bytes());
        store.appended = counted.max(highest.unwrap_or(0));
        (store, Opened::Recovered { blocks, damaged })
    }

    fn recover_names(&mut self) {
        let (slots, _) = layout::used(self.memory.bytes(), self.layout);
        for number in 0..slots {
            let at = self.layout.slot_at(number);
            let bytes = &self.memory.bytes()[at..at + SLOT_BYTES];
            let named = slot::name(bytes).map(|name| (name.into(), slot::counters(bytes)));
            let Some((name, counters)) = named else { continue };
            let Ok(slot) = u16::try_from(number) else { return };
            self.sources.resize_with(usize::from(slot) + 1, || None);
            self.sources[usize::from(slot)] = Some(Source { counters, ..Source::default() });
            self.names.insert(name, slot);
        }
        // Of two slots with one name the later one was damaged into it; forget what has no name.
        for (slot, source) in self.sources.iter_mut().enumerate() {
            if !self.names.values().any(|&held| usize::from(held) == slot) {
                *source = None;
            }
        }
    }

    /// Every whole block of a named source, by slot, in the order of their records.
    fn find_blocks(&mut self) -> (BTreeMap<u16, Vec<Found>>, u32) {
        let mut by_slot: BTreeMap<u16, Vec<Found>> = BTreeMap::new();
        let mut damaged = 0;
        let (_, blocks) = layout::used(self.memory.bytes(), self.layout);
        self.blocks_used = blocks;
        for block in 0..blocks {
            let bytes = self.block(block);
            if bytes[..4] == [0; 4] {
                continue;
            }
            let view = BlockView::parse(bytes);
            let named = |head: &BlockHead| {
                self.sources.get(usize::from(head.slot)).is_some_and(Option::is_some)
            };
            match view.filter(|view| named(&view.head)) {
                Some(view) => {
                    let found = found(block, &view);
                    by_slot.entry(view.head.slot).or_default().push(found);
                }
                None => {
                    self.free_block(block);
                    damaged += 1;
                }
            }
        }
        for found in by_slot.values_mut() {
            found.sort_by_key(|found| (found.head.first_record, found.block));
        }
        (by_slot, damaged)
    }

    /// A block becomes its source's newest, and takes more if there is room.
    fn adopt(&mut self, slot: u16, found: &Found) {
        self.pool.claim(found.block, slot);
        let source = self.sources[usize::from(slot)].as_mut().expect("blocks of named slots");
        source.blocks.push_back(found.block);
        source.open = Some(OpenBlock {
            block: found.block,
            base_unix_us: found.head.base_unix_us,
            mark: found.mark,
            mark_index: found.mark_index,
        });
        let counters = &mut source.counters;
        if counters.records > found.end_record {
            // Later records were lost: this block must not take any, its numbers are consecutive.
            source.open = None;
        }
        counters.records = counters.records.max(found.end_record);
        counters.lines = counters.lines.max(found.end_line);
    }

    /// How long the unfinished lines are.
    fn recover_lines(&mut self, slot: u16) {
        let source = self.source(slot);
        let skipped = source.blocks.len().saturating_sub(LINE_BLOCKS_MAX);
        let mut line_bytes = [0_usize; 3];
        for &block in source.blocks.iter().skip(skipped) {
            let Some(view) = BlockView::parse(self.block(block)) else { continue };
            for record in view.records() {
                let bytes = &mut line_bytes[stream_index(record.stream)];
                *bytes = if record.continues { *bytes + record.text.len() } else { 0 };
            }
        }
        let narrow = |bytes: usize| u16::try_from(bytes.min(LOG_LINE_BYTES_MAX)).unwrap_or(0);
        let source = self.sources[usize::from(slot)].as_mut().expect("blocks of named slots");
        source.line_bytes = line_bytes.map(narrow);
    }

    fn free_block(&mut self, number: u32) {
        let at = self.layout.block_at(number);
        block::free(&mut self.memory.bytes_mut()[at..at + BLOCK_BYTES]);
    }
}

fn found(block: u32, view: &BlockView<'_>) -> Found {
    Found {
        block,
        head: view.head,
        mark: view.mark,
        mark_index: view.mark_index,
        end_record: view.end_record(),
        end_line: view.head.first_line + view.lines(),
    }
}
