//! The one writer of the arena.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{Ordering, fence};

use super::Stream;
use super::block::{self, BLOCK_ROOM, BlockHead, BlockView, Mark, RECORD_HEAD_BYTES, RecordFlags};
use super::layout::{BLOCK_BYTES, HEAD_BYTES, Layout, SLOT_BYTES, set_appended, set_used};
use super::line::{End, next_piece, skip_pieces};
use super::pool::Pool;
use super::slot::{self, Counters};
use crate::limits::{LOG_NAME_BYTES_MAX, LOG_SOURCE_SHARE};

/// A piece of a line is not begun in less room than this, unless it fits whole.
const PIECE_BYTES_MIN: usize = 32;

/// Where the arena lies.
#[derive(Debug)]
pub enum LogMemory {
    /// In memory of its own, for tests and simulations.
    Owned(Vec<u8>),
    /// In memory that outlives the program.
    Mapped(&'static mut [u8]),
}

impl LogMemory {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            LogMemory::Owned(bytes) => bytes,
            LogMemory::Mapped(bytes) => bytes,
        }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            LogMemory::Owned(bytes) => bytes,
            LogMemory::Mapped(bytes) => bytes,
        }
    }
}

/// What [`LogStore::open`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// Nothing: it is new.
    Fresh,
    /// An earlier life's logs.
    Recovered {
        /// Blocks that are whole.
        blocks: u32,
        /// Blocks that were not, and are free now.
        damaged: u32,
    },
}

/// The log store.
#[derive(Debug)]
pub struct LogStore {
    pub(super) memory: LogMemory,
    pub(super) layout: Layout,
    pub(super) names: BTreeMap<Box<str>, u16>,
    /// By slot.
    pub(super) sources: Vec<Option<Source>>,
    pub(super) pool: Pool,
    pub(super) appended: u64,
    /// One more than the highest block that was ever used.
    pub(super) blocks_used: u32,
    /// Bytes of text ever appended.
    pub(super) appended_bytes: u64,
    pub(super) lost_lines: u64,
}

/// What is remembered of a source besides its slot.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Its blocks, oldest first.
    pub(super) blocks: VecDeque<u32>,
    /// The last of them, if it can take more.
    pub(super) open: Option<OpenBlock>,
    pub(super) counters: Counters,
    /// How long the unfinished line of each stream is.
    pub(super) line_bytes: [u16; Stream::ALL.len()],
    /// Numbering began anew with this slot.
    pub(super) fresh: bool,
}

#[derive(Debug)]
pub(super) struct OpenBlock {
    pub(super) block: u32,
    pub(super) base_unix_us: i64,
    pub(super) mark: Mark,
    /// Which of the two marks is in force.
    pub(super) mark_index: usize,
}

/// A source as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceView<'a> {
    /// Its name.
    pub name: &'a str,
    /// What is counted.
    pub counters: Counters,
    /// Blocks in memory.
    pub blocks: u32,
}

impl LogStore {
    /// A store over new memory.
    #[must_use]
    pub fn new(capacity_bytes: u64, boot_id: &[u8; 32]) -> LogStore {
        let layout = Layout::for_capacity(capacity_bytes);
        LogStore::format(LogMemory::Owned(vec![0; layout.arena_bytes()]), layout, boot_id)
    }

    /// A store over the memory of an earlier life, or over new (zeroed) memory of
    /// [`Layout::arena_bytes`].
    #[must_use]
    pub fn open(memory: LogMemory, layout: Layout, boot_id: &[u8; 32]) -> (LogStore, Opened) {
        assert!(memory.bytes().len() >= layout.arena_bytes(), "the arena has its whole memory");
        if Layout::read(memory.bytes()) == Some(layout) {
            return LogStore::recover(memory, layout);
        }
        (LogStore::format(memory, layout, boot_id), Opened::Fresh)
    }

    fn format(mut memory: LogMemory, layout: Layout, boot_id: &[u8; 32]) -> LogStore {
        let bytes = memory.bytes_mut();
        // New memory is zero, and not to be touched. Anything else is unknown: none of it may be
        // taken for ours.
        if bytes[..HEAD_BYTES].iter().any(|&byte| byte != 0) {
            bytes.fill(0);
        }
        layout.write(bytes, boot_id);
        LogStore::empty(memory, layout)
    }

    pub(super) fn empty(memory: LogMemory, layout: Layout) -> LogStore {
        LogStore {
            memory,
            layout,
            names: BTreeMap::new(),
            sources: Vec::new(),
            pool: Pool::new(layout.blocks, layout.slots),
            appended: 0,
            blocks_used: 0,
            appended_bytes: 0,
            lost_lines: 0,
        }
    }

    /// Appends what a source wrote, in whatever portions it came. Lines end at line feeds; a line
    /// longer than [`crate::limits::LOG_LINE_BYTES_MAX`] is cut.
    pub fn append(&mut self, name: &str, stream: Stream, unix_us: i64, mut bytes: &[u8]) {
        let slot = self.slot_of(name);
        while !bytes.is_empty() {
            let line_bytes = usize::from(self.source(slot).line_bytes[stream_index(stream)]);
            let (text, taken, end) = next_piece(bytes, line_bytes);
            bytes = &bytes[taken..];
            let open = end == End::Open;
            let flags =
                RecordFlags { stream, continues: open, cut: end == End::Cut, priority: None };
            self.write(slot, flags, unix_us, text);
            let after = if open { line_bytes + text.len() } else { 0 };
            self.source_mut(slot).line_bytes[stream_index(stream)] =
                u16::try_from(after).unwrap_or(u16::MAX);
        }
        self.publish(slot);
    }

    /// Where a source stands: the number of its next record, and how long the unfinished line of a
    /// stream is. What [`LogStore::rest`] wants to know later.
    #[must_use]
    pub fn position(&self, name: &str, stream: Stream) -> (u64, u16) {
        let source = self.names.get(name).map(|&slot| self.source(slot));
        source.map_or((0, 0), |source| {
            (source.counters.records, source.line_bytes[stream_index(stream)])
        })
    }

    /// What of `bytes` is still to be appended, when a fault cut their appending off. `position` is
    /// where the source stood before.
    #[must_use]
    pub fn rest<'b>(
        &self,
        name: &str,
        stream: Stream,
        position: (u64, u16),
        bytes: &'b [u8],
    ) -> &'b [u8] {
        let (first, line_bytes) = position;
        let (mut text_bytes, mut lines) = (0, 0);
        let records = self.blocks(name).flat_map(|block| block.records().collect::<Vec<_>>());
        for record in records.filter(|record| record.number >= first && record.stream == stream) {
            text_bytes += record.text.len();
            lines += usize::from(!record.continues);
        }
        skip_pieces(bytes, usize::from(line_bytes), text_bytes, lines)
    }

    /// Appends one whole line, which may have a syslog(3) priority.
    pub fn append_line(
        &mut self,
        name: &str,
        stream: Stream,
        priority: Option<u8>,
        unix_us: i64,
        text: &[u8],
    ) {
        let slot = self.slot_of(name);
        let text = &text[..text.len().min(crate::limits::LOG_LINE_BYTES_MAX)];
        let flags = RecordFlags { stream, continues: false, cut: false, priority };
        self.write(slot, flags, unix_us, text);
        self.publish(slot);
    }

    /// The disk has every record of the source below this number.
    pub fn set_flushed(&mut self, name: &str, record: u64) {
        let Some(&slot) = self.names.get(name) else { return };
        let counters = &mut self.source_mut(slot).counters;
        counters.flushed = counters.flushed.max(record.min(counters.records));
        self.store_counters(slot);
    }

    /// Gives up blocks that are on the disk, all but the last few of each source, so that memory is
    /// what is not safe yet and what is likely to be asked for.
    pub fn release_flushed(&mut self, keep_blocks: usize) {
        for slot in 0..self.sources.len() {
            let Ok(slot) = u16::try_from(slot) else { return };
            while self.oldest_is_flushed(slot, keep_blocks) {
                self.free_oldest(slot);
            }
        }
    }

    /// How many records were ever appended, by all sources.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.appended
    }

    /// Bytes of text appended since this program began.
    #[must_use]
    pub fn appended_bytes(&self) -> u64 {
        self.appended_bytes
    }

    /// Lines that gave way in memory before they were on the disk, since this program began.
    #[must_use]
    pub fn lost_lines(&self) -> u64 {
        self.lost_lines
    }

    /// Blocks that nobody holds.
    #[must_use]
    pub fn free_blocks(&self) -> u32 {
        self.pool.free_count()
    }

    /// All blocks.
    #[must_use]
    pub fn all_blocks(&self) -> u32 {
        self.layout.blocks
    }

    /// Every source that has a slot, by name.
    pub fn sources(&self) -> impl Iterator<Item = SourceView<'_>> {
        self.names.iter().map(|(name, &slot)| SourceView {
            name,
            counters: self.source(slot).counters,
            blocks: self.pool.held(slot),
        })
    }

    /// The blocks of a source, oldest first.
    pub fn blocks(&self, name: &str) -> impl Iterator<Item = BlockView<'_>> {
        let source = self.names.get(name).map(|&slot| self.source(slot));
        let blocks = source.into_iter().flat_map(|source| source.blocks.iter().copied());
        blocks.filter_map(|block| BlockView::parse(self.block(block)))
    }

    /// The arena as readers see it.
    #[must_use]
    pub fn arena(&self) -> &[u8] {
        self.memory.bytes()
    }

    /// Whole pages of blocks that nobody holds, as ranges of the arena: their memory can be given back.
    pub fn idle_pages(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        const PER_PAGE: u32 = 4;
        let whole = self.layout.blocks / PER_PAGE;
        let idle = move |page: &u32| {
            (page * PER_PAGE..(page + 1) * PER_PAGE).all(|block| self.pool.is_free(block))
        };
        (0..whole).filter(idle).map(|page| {
            let start = self.layout.block_at(page * PER_PAGE);
            start..start + HEAD_BYTES
        })
    }

    /// Writes a text as one or more records; they count after `publish`.
    fn write(&mut self, slot: u16, flags: RecordFlags, unix_us: i64, mut text: &[u8]) {
        loop {
            let room = self.room(slot, unix_us, text.len());
            let (now, later) = text.split_at(text.len().min(room));
            let flags = RecordFlags {
                continues: flags.continues || !later.is_empty(),
                cut: flags.cut && later.is_empty(),
                ..flags
            };
            self.write_record(slot, flags, unix_us, now);
            text = later;
            if text.is_empty() {
                return;
            }
        }
    }

    /// Sees to it that the source has a block that can take a record now; gives the room for text.
    fn room(&mut self, slot: u16, unix_us: i64, wanted: usize) -> usize {
        if let Some(open) = &self.source(slot).open {
            let room = (BLOCK_ROOM - usize::from(open.mark.end)).checked_sub(RECORD_HEAD_BYTES);
            let in_time = block::delay(open.base_unix_us, unix_us).is_some();
            if let Some(room) = room.filter(|&room| in_time && room >= wanted.min(PIECE_BYTES_MIN))
            {
                return room;
            }
            self.seal(slot);
        }
        self.open_block(slot, unix_us);
        BLOCK_ROOM - RECORD_HEAD_BYTES
    }

    fn write_record(&mut self, slot: u16, flags: RecordFlags, unix_us: i64, text: &[u8]) {
        let source = self.sources[usize::from(slot)].as_mut().expect("the slot is in use");
        let open = source.open.as_mut().expect("room was made");
        let delay = block::delay(open.base_unix_us, unix_us).expect("room was made for this time");
        let at = self.layout.block_at(open.block);
        let bytes = &mut self.memory.bytes_mut()[at..at + BLOCK_BYTES];
        block::push(bytes, &mut open.mark, flags, delay, text);
        source.counters.records += 1;
        source.counters.lines += u64::from(!flags.continues);
        source.counters.bytes += text.len() as u64;
        self.appended += 1;
        self.appended_bytes += text.len() as u64;
    }

    /// Lets what was written count: the mark of the open block, then the counters.
    fn publish(&mut self, slot: u16) {
        self.seal_mark(slot);
        self.store_counters(slot);
        let appended = self.appended;
        set_appended(self.memory.bytes_mut(), appended);
    }

    fn seal_mark(&mut self, slot: u16) {
        let source = self.sources[usize::from(slot)].as_mut().expect("the slot is in use");
        let Some(open) = source.open.as_mut() else { return };
        open.mark_index ^= 1;
        let at = self.layout.block_at(open.block);
        // The records are in memory before the mark that vouches for them: for a reader in another
        // process, and for ourselves after a fault between the two.
        fence(Ordering::Release);
        let bytes = &mut self.memory.bytes_mut()[at..at + BLOCK_BYTES];
        block::write_mark(bytes, open.mark_index, open.mark);
        fence(Ordering::Release);
    }

    fn seal(&mut self, slot: u16) {
        self.seal_mark(slot);
        self.source_mut(slot).open = None;
    }

    fn open_block(&mut self, slot: u16, unix_us: i64) {
        let block = self.claim_block(slot);
        let source = self.sources[usize::from(slot)].as_mut().expect("the slot is in use");
        let head = BlockHead {
            slot,
            fresh: std::mem::take(&mut source.fresh),
            first_record: source.counters.records,
            first_line: source.counters.lines,
            base_unix_us: unix_us,
        };
        let at = self.layout.block_at(block);
        let mark = block::begin(&mut self.memory.bytes_mut()[at..at + BLOCK_BYTES], &head);
        source.open = Some(OpenBlock { block, base_unix_us: unix_us, mark, mark_index: 0 });
        source.blocks.push_back(block);
    }

    /// A block for the source: a free one, or the oldest of whoever holds the most.
    fn claim_block(&mut self, slot: u16) -> u32 {
        if self.pool.held(slot) >= (self.layout.blocks / LOG_SOURCE_SHARE).max(2) {
            self.free_oldest(slot);
        }
        loop {
            if let Some(block) = self.pool.take(slot) {
                self.blocks_used = self.blocks_used.max(block + 1);
                self.store_used();
                return block;
            }
            let victim = self.pool.heaviest().expect("somebody holds the blocks");
            self.free_oldest(victim);
        }
    }

    /// The source gives up its oldest block.
    pub(super) fn free_oldest(&mut self, slot: u16) {
        let source = self.sources[usize::from(slot)].as_mut().expect("the slot is in use");
        let Some(block) = source.blocks.pop_front() else { return };
        if source.open.as_ref().is_some_and(|open| open.block == block) {
            source.open = None;
        }
        let at = self.layout.block_at(block);
        let bytes = &mut self.memory.bytes_mut()[at..at + BLOCK_BYTES];
        let flushed = source.counters.flushed;
        let lost = BlockView::parse(bytes).map_or(0, |view| {
            view.records().filter(|r| r.number >= flushed && !r.continues).count() as u64
        });
        block::free(bytes);
        source.counters.lost_lines += lost;
        self.lost_lines += lost;
        self.pool.put(block, slot);
    }

    fn oldest_is_flushed(&self, slot: u16, keep_blocks: usize) -> bool {
        let Some(source) = &self.sources[usize::from(slot)] else { return false };
        let oldest = source.blocks.front().filter(|_| source.blocks.len() > keep_blocks);
        let view = oldest.and_then(|&block| BlockView::parse(self.block(block)));
        view.is_some_and(|view| view.end_record() <= source.counters.flushed)
    }

    /// The slot of a source; one that is new gets a free one, or that of whoever was silent longest.
    fn slot_of(&mut self, name: &str) -> u16 {
        assert!(!name.is_empty() && name.len() <= LOG_NAME_BYTES_MAX, "a name was checked");
        if let Some(&slot) = self.names.get(name) {
            return slot;
        }
        let slot = self.vacant_slot();
        // Numbers go on from where any earlier holder of the name can have been.
        let counters =
            Counters { records: self.appended, flushed: self.appended, ..Counters::default() };
        let source = Source { counters, fresh: true, ..Source::default() };
        let at = self.layout.slot_at(u32::from(slot));
        slot::claim(&mut self.memory.bytes_mut()[at..at + SLOT_BYTES], name);
        self.names.insert(name.into(), slot);
        self.sources[usize::from(slot)] = Some(source);
        self.store_used();
        self.store_counters(slot);
        slot
    }

    fn store_used(&mut self) {
        let slots = u32::try_from(self.sources.len()).expect("slots are few");
        set_used(self.memory.bytes_mut(), slots, self.blocks_used);
    }

    fn vacant_slot(&mut self) -> u16 {
        if let Some(slot) = self.sources.iter().position(Option::is_none) {
            return u16::try_from(slot).expect("slots are few");
        }
        if self.sources.len() < self.layout.slots as usize {
            self.sources.push(None);
            return u16::try_from(self.sources.len() - 1).expect("slots are few");
        }
        let slot = self.most_silent();
        while self.pool.held(slot) > 0 {
            self.free_oldest(slot);
        }
        self.forget_slot(slot);
        slot
    }

    /// The source whose last record is the oldest; those without any come first.
    fn most_silent(&self) -> u16 {
        let last = |source: &Source| {
            let block = source.blocks.back().map(|&block| self.block(block));
            block.and_then(BlockView::parse).map(|view| view.head.base_unix_us)
        };
        let slots = self.sources.iter().enumerate();
        let silent = slots
            .filter_map(|(slot, source)| Some((last(source.as_ref()?), slot)))
            .min()
            .expect("all slots are in use");
        u16::try_from(silent.1).expect("slots are few")
    }

    pub(super) fn forget_slot(&mut self, slot: u16) {
        self.names.retain(|_, held| *held != slot);
        self.sources[usize::from(slot)] = None;
        let at = self.layout.slot_at(u32::from(slot));
        slot::release(&mut self.memory.bytes_mut()[at..at + SLOT_BYTES]);
    }

    pub(super) fn store_counters(&mut self, slot: u16) {
        let counters = self.source(slot).counters;
        let at = self.layout.slot_at(u32::from(slot));
        slot::set_counters(&mut self.memory.bytes_mut()[at..at + SLOT_BYTES], &counters);
    }

    pub(super) fn block(&self, block: u32) -> &[u8] {
        let at = self.layout.block_at(block);
        &self.memory.bytes()[at..at + BLOCK_BYTES]
    }

    pub(super) fn source(&self, slot: u16) -> &Source {
        self.sources[usize::from(slot)].as_ref().expect("the slot is in use")
    }

    fn source_mut(&mut self, slot: u16) -> &mut Source {
        self.sources[usize::from(slot)].as_mut().expect("the slot is in use")
    }
}

pub(super) fn stream_index(stream: Stream) -> usize {
    usize::from(stream.number())
}
