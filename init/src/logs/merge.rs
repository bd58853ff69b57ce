//! Lines of several sources in the order of time, without doubles, with what is lost between them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::block::BlockView;
use super::line::{Line, LineJoiner};

/// What a reader of one source gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A line.
    Line(Line),
    /// Lines that nobody can read any more.
    Gap {
        /// How many.
        lines: u64,
        /// When the next line was written.
        unix_us: i64,
    },
}

impl Item {
    /// When.
    #[must_use]
    pub fn unix_us(&self) -> i64 {
        match self {
            Item::Line(line) => line.unix_us,
            Item::Gap { unix_us, .. } => *unix_us,
        }
    }
}

/// Follows the blocks of one source in order, from the disk and then from memory; what it has seen
/// before it passes over.
#[derive(Debug, Default)]
pub struct SourceCursor {
    joiner: LineJoiner,
    /// The number of the next record; `None`: nothing was seen.
    next_record: Option<u64>,
    next_line: u64,
}

impl SourceCursor {
    /// The number of the next record, if one was seen.
    #[must_use]
    pub fn next_record(&self) -> Option<u64> {
        self.next_record
    }

    /// Another boot begins: numbers begin anew. With `from_start` everything that is left of it follows, so
    /// that what lacks before that is lost; else what lacks was only passed over.
    pub fn restart(&mut self, from_start: bool, into: &mut impl FnMut(Item)) {
        self.give_up(into);
        *self = SourceCursor { next_record: from_start.then_some(0), ..SourceCursor::default() };
    }

    /// What is unfinished will not be finished.
    pub fn give_up(&mut self, into: &mut impl FnMut(Item)) {
        self.joiner.finish().into_iter().map(Item::Line).for_each(into);
    }

    /// Takes a block; gives what is new in it.
    pub fn push(&mut self, view: &BlockView<'_>, into: &mut impl FnMut(Item)) {
        if self.next_record.is_some_and(|next| view.end_record() <= next) {
            return;
        }
        self.tell_gap(view, into);
        let next = self.next_record.unwrap_or(0);
        let mut line = view.head.first_line;
        for record in view.records() {
            line += u64::from(!record.continues);
            if record.number < next {
                continue;
            }
            if let Some(line) = self.joiner.push(&record) {
                into(Item::Line(line));
            }
        }
        self.next_record = Some(view.end_record());
        self.next_line = line;
    }

    fn tell_gap(&mut self, view: &BlockView<'_>, into: &mut impl FnMut(Item)) {
        let Some(next) = self.next_record else { return };
        if view.head.first_record <= next || view.head.fresh {
            return;
        }
        self.give_up(into);
        let lines = view.head.first_line.saturating_sub(self.next_line);
        if lines > 0 {
            into(Item::Gap { lines, unix_us: view.head.base_unix_us });
        }
    }
}

/// Merges streams of items, each in order, into one in the order of time; with the index of the stream.
///
/// Within a stream the order stays, also where the clock was set back.
pub fn by_time<I: Iterator<Item = Item>>(streams: Vec<I>) -> impl Iterator<Item = (usize, Item)> {
    let mut streams: Vec<_> = streams.into_iter().map(Iterator::peekable).collect();
    let mut heads: BinaryHeap<Reverse<(i64, usize)>> = BinaryHeap::new();
    for (index, stream) in streams.iter_mut().enumerate() {
        if let Some(item) = stream.peek() {
            heads.push(Reverse((item.unix_us(), index)));
        }
    }
    std::iter::from_fn(move || {
        let Reverse((_, index)) = heads.pop()?;
        let item = streams[index].next()?;
        if let Some(next) = streams[index].peek() {
            heads.push(Reverse((next.unix_us(), index)));
        }
        Some((index, item))
    })
}
