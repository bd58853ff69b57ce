//! The log as it is being written: which segment, which frame, what is waiting.

use std::collections::VecDeque;

use raft::eraftpb::{Entry, HardState};

use super::frame::{self, Place};
use super::record::{self, Mark, Record};
use super::recover::Recovered;
use crate::limits::SPARE_SEGMENTS_MAX;

/// What the shore is to do with segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Make a segment of zeros, durable with its name, before anything is written to it.
    Open {
        /// Its number.
        segment: u64,
        /// Its size. A spare segment of this size is renamed and refilled rather than made anew.
        bytes: u64,
    },
    /// Write, make durable, and say so. No bytes: only make durable what is there.
    Write {
        /// To this segment.
        segment: u64,
        /// From this byte on.
        offset: u64,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// Let go of a segment.
    Remove {
        /// Its number.
        segment: u64,
        /// Keep its room for the next one, under a name that is not read as part of the log.
        spare: bool,
    },
}

/// The log of one replica.
#[derive(Debug)]
pub struct Log {
    id: u64,
    /// Segments in use, oldest first, with the last index that each contains.
    segments: VecDeque<(u64, u64)>,
    spares: usize,
    offset: u64,
    room: u64,
    segment_bytes: u64,
    next_segment: u64,
    next_frame: u64,
    pending: Vec<u8>,
    pending_last: u64,
    /// The last index before the current segment.
    before: u64,
    /// What the next segment must begin with.
    state: HardState,
    mark: Mark,
    writing: bool,
}

impl Log {
    /// A log that has nothing on the disk yet.
    #[must_use]
    pub fn new(id: u64, segment_bytes: u64) -> Self {
        Self {
            id,
            segments: VecDeque::new(),
            spares: 0,
            offset: 0,
            room: 0,
            segment_bytes,
            next_segment: 1,
            next_frame: 1,
            pending: Vec::new(),
            pending_last: 0,
            before: 0,
            state: HardState::default(),
            mark: Mark::default(),
            writing: false,
        }
    }

    /// A log that has nothing on the disk but segments up to this one that count for nothing.
    #[must_use]
    pub fn after(id: u64, highest: u64, segment_bytes: u64) -> Self {
        Self { next_segment: highest + 1, ..Self::new(id, segment_bytes) }
    }

    /// Goes on with a log that was read. `size` is the size of its last segment.
    #[must_use]
    pub fn resume(found: &Recovered, last_bytes: u64, highest: u64, segment_bytes: u64) -> Self {
        let offset = found.tail.map_or(0, |(_, offset)| offset);
        let room = found.tail.map_or(0, |(_, offset)| last_bytes.saturating_sub(offset));
        Self {
            segments: found.segments.iter().copied().collect(),
            offset,
            room,
            next_segment: highest + 1,
            next_frame: found.next_frame,
            state: found.state.clone(),
            mark: found.mark.clone(),
            ..Self::new(found.log, segment_bytes)
        }
    }

    /// Adds entries to what is waiting.
    pub fn put_entries(&mut self, entries: &[Entry]) {
        for entry in entries {
            record::put_entry(entry, &mut self.pending);
            self.pending_last = entry.index;
        }
    }

    /// Remembers the state; it is written at the head of the next frame if it changed.
    pub fn put_state(&mut self, state: &HardState, urgent: bool) {
        if *state == self.state {
            return;
        }
        self.state = state.clone();
        if urgent {
            record::put(&Record::State(state.clone()), &mut self.pending);
        }
    }

    /// Adds a mark to what is waiting.
    pub fn put_mark(&mut self, mark: &Mark) {
        record::put(&Record::Mark(mark.clone()), &mut self.pending);
        self.pending_last = self.pending_last.max(mark.index);
        self.mark = mark.clone();
    }

    /// Whether something waits for the disk.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether the disk has not yet answered for the last frame.
    #[must_use]
    pub fn is_writing(&self) -> bool {
        self.writing
    }

    /// The disk answered.
    pub fn on_written(&mut self) {
        self.writing = false;
    }

    /// Makes durable what a former process may have left in the page cache.
    #[must_use]
    pub fn sync(&mut self) -> Option<Order> {
        let (segment, _) = *self.segments.back()?;
        self.writing = true;
        Some(Order::Write { segment, offset: self.offset, bytes: Vec::new() })
    }

    /// Writes all that waits as one frame, if the disk is free.
    #[must_use]
    pub fn flush(&mut self) -> Vec<Order> {
        let mut orders = Vec::new();
        if self.writing || self.pending.is_empty() {
            return orders;
        }
        if frame::size(self.content_bytes(false)) as u64 > self.room {
            orders.push(self.open());
        }
        let content = self.content(self.offset == 0);
        let Some((segment, last)) = self.segments.back_mut() else { return orders };
        *last = self.pending_last.max(*last);
        let place = Place { log: self.id, segment: *segment, number: self.next_frame };
        let bytes = frame::encode(place, &content);
        let order = Order::Write { segment: *segment, offset: self.offset, bytes };
        self.offset += frame::size(content.len()) as u64;
        self.room -= frame::size(content.len()) as u64;
        self.next_frame += 1;
        self.writing = true;
        orders.push(order);
        orders
    }

    fn content_bytes(&self, first: bool) -> usize {
        let head = if first { 96 + self.mark.encode().len() } else { 64 };
        head + self.pending.len()
    }

    /// A frame begins with the state as of now, the first of a segment also with the mark: so older
    /// segments can go without a thought for what else they contain.
    fn content(&mut self, first: bool) -> Vec<u8> {
        let mut content = Vec::with_capacity(self.content_bytes(first));
        if first {
            let mark = Mark { received: false, ..self.mark.clone() };
            record::put(&Record::Head(self.before), &mut content);
            record::put(&Record::Mark(mark), &mut content);
        }
        content.append(&mut self.pending);
        record::put(&Record::State(self.state.clone()), &mut content);
        content
    }

    fn open(&mut self) -> Order {
        let segment = self.next_segment;
        let needed = frame::size(self.content_bytes(true)) as u64;
        let bytes = self.segment_bytes.max(needed.next_multiple_of(4096));
        let last = self.segments.back().map_or(0, |(_, last)| *last);
        self.next_segment += 1;
        self.before = last;
        self.segments.push_back((segment, last));
        self.offset = 0;
        self.room = bytes;
        self.spares = self.spares.saturating_sub(1);
        Order::Open { segment, bytes }
    }

    /// Lets go of segments that hold nothing after `index`. Only once the mark that makes them
    /// superfluous is durable.
    #[must_use]
    pub fn drop_through(&mut self, index: u64) -> Vec<Order> {
        let mut orders = Vec::new();
        while self.segments.len() > 1 {
            let Some((segment, last)) = self.segments.front().copied() else { break };
            if last > index {
                break;
            }
            self.segments.pop_front();
            let spare = self.spares < SPARE_SEGMENTS_MAX;
            self.spares += usize::from(spare);
            orders.push(Order::Remove { segment, spare });
        }
        orders
    }
}
