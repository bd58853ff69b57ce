//! What a log says after a crash: a pure function over the bytes that the disk still has.

use std::collections::VecDeque;

use raft::eraftpb::{Entry, HardState};

use super::frame::{self, Found, Place};
use super::record::{self, Mark, Record};

/// One segment as found.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// Its number.
    pub number: u64,
    /// All of its bytes.
    pub bytes: &'a [u8],
}

/// What the log said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recovered {
    /// Whose log it is.
    pub log: u64,
    /// Term, vote and commit index.
    pub state: HardState,
    /// The latest snapshot.
    pub mark: Mark,
    /// The entries after it, and what is left of those before.
    pub entries: VecDeque<Entry>,
    /// The number of the next frame.
    pub next_frame: u64,
    /// Segments with the last index that each contains, oldest first.
    pub segments: Vec<(u64, u64)>,
    /// Where to go on writing; none if the end was torn: then a new segment begins.
    pub tail: Option<(u64, u64)>,
    /// Whether an unfinished write was cut off.
    pub torn: bool,
}

/// Why a log cannot be trusted. A replica with such a log does not vote: it may have forgotten what
/// it promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bad {
    /// A frame that was durable once is damaged or gone.
    Frame {
        /// In this segment.
        segment: u64,
        /// At this byte.
        offset: u64,
        /// The frame that should be here.
        number: u64,
    },
    /// A frame is whole, but its records make no sense after those before.
    Record {
        /// In this segment.
        segment: u64,
        /// At this byte.
        offset: u64,
    },
    /// The snapshot that the log builds upon is not there.
    Snapshot {
        /// Its file.
        file: u64,
    },
}

impl std::fmt::Display for Bad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Frame { segment, offset, number } => write!(
                f,
                "log segment {segment:016x}, byte {offset}: frame {number} is damaged, and it was \
                 durable once: remove this member and add it again with an empty directory"
            ),
            Self::Record { segment, offset } => write!(
                f,
                "log segment {segment:016x}, byte {offset}: a record does not follow from those \
                 before: remove this member and add it again with an empty directory"
            ),
            Self::Snapshot { file } => write!(
                f,
                "snapshot {file:016x} is missing or damaged: remove this member and add it again \
                 with an empty directory"
            ),
        }
    }
}

/// Reads a whole log. `segments` in the order of their numbers; none, or only blank ones, is an empty
/// log and gives `None`.
///
/// # Errors
/// When something that was durable once is damaged.
pub fn recover(segments: &[Segment<'_>]) -> Result<Option<Recovered>, Bad> {
    let Some(first) = first_place(segments)? else { return Ok(None) };
    let mut reader = Reader {
        found: Recovered { log: first.log, next_frame: first.number, ..Recovered::default() },
        needed: 0,
        first: true,
    };
    for (position, segment) in segments.iter().enumerate() {
        let later = &segments[position + 1..];
        let last = !later.iter().any(|later| later.bytes.iter().any(|byte| *byte != 0));
        reader.segment(*segment, last)?;
        if last {
            break;
        }
    }
    reader.finish().map(Some)
}

/// The place of the oldest frame that begins a segment. What is before it may be what a crash left of
/// segments that a snapshot made superfluous; `Reader::finish` proves that it was. A log without such a
/// frame is an empty one, unless something in it was more than an unfinished first write.
fn first_place(segments: &[Segment<'_>]) -> Result<Option<Place>, Bad> {
    let mut worst = None;
    for segment in segments {
        let bad = Bad::Frame { segment: segment.number, offset: 0, number: 0 };
        match frame::look(segment.bytes, 0) {
            Found::Frame(header, _) if header.place.segment == segment.number => {
                return Ok(Some(header.place));
            }
            Found::Frame(..) | Found::Damaged => worst = Some(bad),
            Found::Blank | Found::Torn if scan(segment, 0).next().is_some() => worst = Some(bad),
            Found::Blank | Found::Torn => {}
        }
    }
    worst.map_or(Ok(None), Err)
}

/// The places of all whole frames of a segment, wherever they begin.
fn scan<'a>(segment: &'a Segment<'a>, from: u64) -> impl Iterator<Item = Place> + 'a {
    let from = usize::try_from(from).unwrap_or(usize::MAX).min(segment.bytes.len());
    let offsets = (from..segment.bytes.len()).step_by(frame::ALIGNMENT);
    let began = offsets.filter(|at| segment.bytes[*at] != 0);
    began.filter_map(|at| match frame::look(segment.bytes, at) {
        Found::Frame(header, _) if header.place.segment == segment.number => Some(header.place),
        Found::Frame(..) | Found::Blank | Found::Torn | Found::Damaged => None,
    })
}

struct Reader {
    found: Recovered,
    /// The last index before what is read: a snapshot must contain it.
    needed: u64,
    /// Whether nothing was read yet that the next frame could follow.
    first: bool,
}

impl Reader {
    fn segment(&mut self, segment: Segment<'_>, last: bool) -> Result<(), Bad> {
        let mut offset = 0_usize;
        self.skip_gap(segment);
        loop {
            let bad = Bad::Frame {
                segment: segment.number,
                offset: offset as u64,
                number: self.found.next_frame,
            };
            let found = frame::look(segment.bytes, offset);
            if let Found::Frame(header, content) = found {
                if header.place != self.expected(segment.number) {
                    return self.leftover(header.place, segment, last, bad);
                }
                self.frame(
                    content,
                    Bad::Record { segment: segment.number, offset: offset as u64 },
                )?;
                offset += frame::size(header.bytes);
                continue;
            }
            if last {
                return self.end(segment, offset, found == Found::Blank, found == Found::Torn, bad);
            }
            // What followed here was never promised if the next segment goes on with this number.
            self.found.segments.push((segment.number, self.last_index()));
            return Ok(());
        }
    }

    /// Segments that a snapshot made superfluous are removed oldest first, but a crash may keep an
    /// older removal and lose a newer one. Then reading begins anew after the gap; `finish` proves that
    /// the snapshot contains what the gap contained.
    fn skip_gap(&mut self, segment: Segment<'_>) {
        let Found::Frame(header, content) = frame::look(segment.bytes, 0) else { return };
        let heads = record::read_all(content)
            .is_some_and(|records| matches!(records.first(), Some(Record::Head(_))));
        let ours = header.place.log == self.found.log && header.place.segment == segment.number;
        if heads && ours && header.place.number > self.found.next_frame {
            let log = self.found.log;
            self.found = Recovered { log, next_frame: header.place.number, ..Recovered::default() };
            self.first = true;
        }
    }

    fn expected(&self, segment: u64) -> Place {
        Place { log: self.found.log, segment, number: self.found.next_frame }
    }

    /// A whole frame with another number: in a closed segment it may be what a crash left of a write
    /// that was not promised; the next segment's first number decides. At the end it is damage.
    fn leftover(
        &mut self,
        place: Place,
        segment: Segment<'_>,
        last: bool,
        bad: Bad,
    ) -> Result<(), Bad> {
        if last || place.number > self.found.next_frame {
            return Err(bad);
        }
        self.found.segments.push((segment.number, self.last_index()));
        Ok(())
    }

    /// The end of the log: blank, or the remains of one write.
    fn end(
        &mut self,
        segment: Segment<'_>,
        offset: usize,
        blank: bool,
        torn: bool,
        bad: Bad,
    ) -> Result<(), Bad> {
        let number = self.found.next_frame;
        let later =
            scan(&segment, (offset + frame::ALIGNMENT) as u64).any(|place| place.number > number);
        if later || !(blank || torn) {
            return Err(bad);
        }
        let rest = segment.bytes.get(offset..).unwrap_or(&[]);
        let clean = rest.iter().all(|byte| *byte == 0);
        self.found.torn = !clean;
        self.found.segments.push((segment.number, self.last_index()));
        self.found.tail = clean.then_some((segment.number, offset as u64));
        Ok(())
    }

    fn frame(&mut self, content: &[u8], bad: Bad) -> Result<(), Bad> {
        let Some(records) = record::read_all(content) else { return Err(bad) };
        for record in records {
            self.record(record).ok_or_else(|| bad.clone())?;
        }
        self.found.next_frame += 1;
        self.first = false;
        Ok(())
    }

    fn record(&mut self, record: Record) -> Option<()> {
        match record {
            Record::State(state) => self.found.state = state,
            Record::Head(last) if self.first => self.needed = last,
            Record::Head(_) => {}
            Record::Entry(entry) => self.entry(entry)?,
            Record::Mark(mark) => self.mark(mark),
        }
        Some(())
    }

    /// The rule of a term conflict: an entry replaces that of its index and all that follow.
    fn entry(&mut self, entry: Entry) -> Option<()> {
        let entries = &mut self.found.entries;
        if let Some(first) = entries.front() {
            let keep = usize::try_from(entry.index.checked_sub(first.index)?).ok()?;
            if keep > entries.len() {
                return None;
            }
            entries.truncate(keep);
        }
        entries.push_back(entry);
        Some(())
    }

    fn mark(&mut self, mark: Mark) {
        if mark.received {
            // The leader's state replaced ours; what we had before it may contradict it.
            let agrees = self
                .found
                .entries
                .iter()
                .any(|entry| entry.index == mark.index && entry.term == mark.term);
            if !agrees {
                self.found.entries.clear();
            }
        }
        if mark.index >= self.found.mark.index {
            self.found.mark = mark;
        }
    }

    fn last_index(&self) -> u64 {
        self.found.entries.back().map_or(self.found.mark.index, |entry| entry.index)
    }

    /// What must fit together when all is read.
    fn finish(mut self) -> Result<Recovered, Bad> {
        let last = self.last_index().max(self.found.mark.index);
        if let Some(first) = self.found.entries.front()
            && first.index > self.found.mark.index + 1
        {
            return Err(Bad::Snapshot { file: self.found.mark.file });
        }
        if self.needed > self.found.mark.index {
            return Err(Bad::Snapshot { file: self.found.mark.file });
        }
        // A commit index may be written ahead of nothing: it is clamped to what is there.
        self.found.state.commit = self.found.state.commit.clamp(self.found.mark.index, last);
        self.found.state.term = self.found.state.term.max(self.found.mark.term);
        Ok(self.found)
    }
}
