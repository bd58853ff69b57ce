//! Logs as one reads them: what is on the disk, then what is only in PID 1's memory, as one story.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::logs::merge::{Item, SourceCursor};
use crate::logs::segment::{self, SEGMENT_HEAD_BYTES, SegmentHead};
use crate::logs::snapshot::Snapshot;

/// A boot's id: 32 hexadecimal digits.
pub(crate) type BootId = [u8; 32];

/// All logs of a machine.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// The log memory of the running keelson.
    pub(crate) memory: Option<File>,
    /// Where segments lie.
    pub(crate) disk: Option<PathBuf>,
}

/// One segment on the disk.
#[derive(Debug, Clone)]
struct Segment {
    path: PathBuf,
    head: SegmentHead,
}

/// Which boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Boots {
    All,
    Only(BootId),
}

/// Reads one source from its oldest line on.
#[derive(Debug)]
pub(crate) struct SourceReader {
    pub(crate) name: String,
    segments: VecDeque<Segment>,
    /// Of the running boot; taken after the segments.
    memory: Option<(BootId, Vec<Vec<u8>>)>,
    boot: Option<BootId>,
    cursor: SourceCursor,
    /// Older segments of the first boot are there and not read.
    passes_over: bool,
    queue: VecDeque<Item>,
    /// Unfinished lines are given up at the end.
    finishes: bool,
}

impl Journal {
    /// What the memory holds of the sources that `wanted` names (with the number after a block's last
    /// record).
    pub(crate) fn snapshot(
        &self,
        wanted: impl Fn(&str, u64) -> bool,
    ) -> io::Result<Option<Snapshot>> {
        let Some(memory) = &self.memory else { return Ok(None) };
        let read_at = |at: u64, into: &mut [u8]| memory.read_exact_at(into, at);
        Snapshot::take(&read_at, wanted).map(Some)
    }

    /// Readers for the sources that `wanted` names, and how many records were ever appended to the memory
    /// before it was read.
    pub(crate) fn readers(
        &self,
        wanted: &dyn Fn(&str) -> bool,
        boots: &Boots,
        since_us: Option<i64>,
    ) -> io::Result<(Vec<SourceReader>, u64)> {
        // Memory first: what goes to the disk meanwhile is then seen twice, not never.
        let snapshot = self.snapshot(|name, _| wanted(name))?;
        let appended = snapshot.as_ref().map_or(0, |snapshot| snapshot.appended);
        let mut memory: BTreeMap<String, (BootId, Vec<Vec<u8>>)> = BTreeMap::new();
        if let Some(snapshot) = snapshot {
            let boot_id = snapshot.boot_id;
            let fits = *boots == Boots::All || *boots == Boots::Only(boot_id);
            let sources = snapshot.sources.into_iter().filter(|(name, _)| fits && wanted(name));
            memory.extend(sources.map(|(name, source)| (name, (boot_id, source.blocks))));
        }
        let on_disk = self.disk.as_deref().map(source_names).unwrap_or_default();
        let names: BTreeSet<String> =
            on_disk.into_iter().filter(|name| wanted(name)).chain(memory.keys().cloned()).collect();
        let mut readers = Vec::new();
        for name in names {
            let all = self.disk.as_deref().map(|disk| segments(disk, &name)).unwrap_or_default();
            let fits = |segment: &Segment| {
                *boots == Boots::All || *boots == Boots::Only(segment.head.boot_id)
            };
            let chosen: Vec<Segment> = all.into_iter().filter(fits).collect();
            let there = chosen.len();
            let segments = from_time(chosen, since_us);
            readers.push(SourceReader {
                memory: memory.remove(&name),
                passes_over: segments.len() < there,
                segments,
                name,
                boot: None,
                cursor: SourceCursor::default(),
                queue: VecDeque::new(),
                finishes: true,
            });
        }
        Ok((readers, appended))
    }

    /// Every boot of which there are logs, oldest first; the running one is the last.
    pub(crate) fn boots(&self, running: Option<BootId>) -> Vec<(BootId, i64)> {
        let mut first: BTreeMap<BootId, i64> = BTreeMap::new();
        if let Some(disk) = &self.disk {
            for name in source_names(disk) {
                for segment in segments(disk, &name) {
                    let head = segment.head;
                    let time = first.entry(head.boot_id).or_insert(head.first_unix_us);
                    *time = head.first_unix_us.min(*time);
                }
            }
        }
        if let Some(running) = running {
            first.entry(running).or_insert(i64::MAX);
        }
        let mut boots: Vec<(BootId, i64)> = first.into_iter().collect();
        boots.sort_by_key(|(boot, time)| (Some(*boot) == running, *time));
        boots
    }
}

/// All of a source's segments that can hold lines from a time on: the heads are looked at by halves.
fn from_time(segments: Vec<Segment>, since_us: Option<i64>) -> VecDeque<Segment> {
    let Some(since_us) = since_us else { return segments.into() };
    let later = segments.partition_point(|segment| segment.head.first_unix_us <= since_us);
    segments.into_iter().skip(later.saturating_sub(1)).collect()
}

fn source_names(disk: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(disk) else { return Vec::new() };
    let directories = entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn segments(disk: &Path, name: &str) -> Vec<Segment> {
    let Ok(entries) = fs::read_dir(disk.join(name)) else { return Vec::new() };
    let mut found: Vec<(u64, Segment)> = entries
        .flatten()
        .filter_map(|entry| {
            let number = segment::number(entry.file_name().to_str()?)?;
            let mut head = [0; SEGMENT_HEAD_BYTES];
            File::open(entry.path()).and_then(|mut file| file.read_exact(&mut head)).ok()?;
            let head = SegmentHead::parse(&head).filter(|head| head.source == name)?;
            Some((number, Segment { path: entry.path(), head }))
        })
        .collect();
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, segment)| segment).collect()
}

impl SourceReader {
    /// Passes over segments that cannot hold one of the last `lines` lines.
    pub(crate) fn skip_to_last(&mut self, lines: usize) {
        let count_blocks = |blocks: &[Vec<u8>]| -> u64 {
            let views = blocks.iter().filter_map(|b| crate::logs::BlockView::parse(b));
            views.map(|view| view.lines()).sum()
        };
        let mut found = self.memory.as_ref().map_or(0, |(_, blocks)| count_blocks(blocks));
        let mut kept = 0;
        for segment in self.segments.iter().rev() {
            if found >= lines as u64 {
                break;
            }
            kept += 1;
            let bytes = fs::read(&segment.path).unwrap_or_default();
            found += segment::blocks(&bytes).map(|(_, view)| view.lines()).sum::<u64>();
        }
        let skipped = self.segments.len() - kept;
        self.segments.drain(..skipped);
        self.passes_over |= skipped > 0;
    }

    /// Lines that are not finished are kept for later: the source is followed.
    pub(crate) fn keep_unfinished(&mut self) {
        self.finishes = false;
    }

    /// Where it is, to go on from.
    pub(crate) fn into_cursor(self) -> SourceCursor {
        self.cursor
    }

    fn turn_to(&mut self, boot: BootId) {
        if self.boot != Some(boot) {
            let queue = &mut self.queue;
            let from_start = !self.passes_over || self.boot.is_some();
            self.cursor.restart(from_start, &mut |item| queue.push_back(item));
            self.boot = Some(boot);
        }
    }

    fn read_segment(&mut self, segment: &Segment) {
        // One that was dropped meanwhile is no loss to speak of.
        let bytes = fs::read(&segment.path).unwrap_or_default();
        self.turn_to(segment.head.boot_id);
        let queue = &mut self.queue;
        for (_, view) in segment::blocks(&bytes) {
            self.cursor.push(&view, &mut |item| queue.push_back(item));
        }
    }

    fn read_memory(&mut self, boot: BootId, blocks: &[Vec<u8>]) {
        self.turn_to(boot);
        let queue = &mut self.queue;
        for view in blocks.iter().filter_map(|bytes| crate::logs::BlockView::parse(bytes)) {
            self.cursor.push(&view, &mut |item| queue.push_back(item));
        }
    }
}

impl Iterator for SourceReader {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                return Some(item);
            }
            if let Some(segment) = self.segments.pop_front() {
                self.read_segment(&segment);
            } else if let Some((boot, blocks)) = self.memory.take() {
                self.read_memory(boot, &blocks);
            } else if std::mem::take(&mut self.finishes) {
                let queue = &mut self.queue;
                self.cursor.give_up(&mut |item| queue.push_back(item));
            } else {
                return None;
            }
        }
    }
}
