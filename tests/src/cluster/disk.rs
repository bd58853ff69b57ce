//! A disk: what is durable, what is on its way, and what a power cut leaves of it.

use std::collections::{BTreeMap, VecDeque};

use kv::replica::Ticket;

use crate::prng::Prng;

/// Something the disk was told to do. It does one thing after another.
#[derive(Debug, Clone)]
pub enum Job {
    /// Make a segment of zeros.
    Open(u64, usize),
    /// Remove a segment.
    Remove(u64),
    /// Write to a segment, durably.
    Write(Ticket, u64, usize, Vec<u8>),
    /// Write to a snapshot's file; durably if it is the last.
    SnapshotWrite(Ticket, u64, usize, Vec<u8>),
    /// Read from a snapshot's file.
    SnapshotRead(Ticket, u64, usize, usize),
    /// Remove a snapshot's file.
    SnapshotRemove(u64),
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Nothing to tell.
    Silent,
    /// It was carried out.
    Done(Ticket),
    /// It was read.
    Read(Ticket, Vec<u8>),
}

/// The disk of one node.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// Segments by number.
    pub segments: BTreeMap<u64, Vec<u8>>,
    /// Snapshot files by number.
    pub snapshots: BTreeMap<u64, Vec<u8>>,
    /// What it has yet to do.
    pub queue: VecDeque<Job>,
}

impl Disk {
    /// Does the oldest thing.
    pub fn work(&mut self) -> Outcome {
        let Some(job) = self.queue.pop_front() else { return Outcome::Silent };
        match job {
            Job::Open(segment, bytes) => drop(self.segments.insert(segment, vec![0; bytes])),
            Job::Remove(segment) => drop(self.segments.remove(&segment)),
            Job::SnapshotRemove(file) => drop(self.snapshots.remove(&file)),
            Job::Write(ticket, segment, at, bytes) => {
                self.put(segment, at, &bytes);
                return Outcome::Done(ticket);
            }
            Job::SnapshotWrite(ticket, file, at, bytes) => {
                let content = self.snapshots.entry(file).or_default();
                content.resize(at, 0);
                content.extend_from_slice(&bytes);
                return Outcome::Done(ticket);
            }
            Job::SnapshotRead(ticket, file, at, bytes) => {
                let content = self.snapshots.get(&file).map_or(&[][..], Vec::as_slice);
                let rest = content.get(at..).unwrap_or(&[]);
                return Outcome::Read(ticket, rest[..bytes.min(rest.len())].to_vec());
            }
        }
        Outcome::Silent
    }

    fn put(&mut self, segment: u64, at: usize, bytes: &[u8]) {
        if let Some(content) = self.segments.get_mut(&segment) {
            content[at..at + bytes.len()].copy_from_slice(bytes);
        }
    }

    /// The oldest thing fails: of a write any part may have happened.
    pub fn fail(&mut self, prng: &mut Prng) {
        if let Some(Job::Write(_, segment, at, bytes)) = self.queue.pop_front() {
            self.tear(segment, at, &bytes, prng);
        }
    }

    /// The power goes: of what was on its way any part may have happened, sector by sector.
    pub fn cut(&mut self, prng: &mut Prng) {
        for job in std::mem::take(&mut self.queue) {
            match job {
                Job::Open(segment, bytes) if prng.chance(50) => {
                    self.segments.insert(segment, vec![0; bytes]);
                }
                Job::Remove(segment) if prng.chance(50) => drop(self.segments.remove(&segment)),
                Job::SnapshotRemove(file) if prng.chance(50) => drop(self.snapshots.remove(&file)),
                Job::Write(_, segment, at, bytes) => self.tear(segment, at, &bytes, prng),
                Job::SnapshotWrite(_, file, _, bytes) if prng.chance(50) => {
                    self.snapshots.entry(file).or_default().extend(bytes);
                }
                _ => {}
            }
        }
    }

    /// Writes some sectors of a write and not others.
    fn tear(&mut self, segment: u64, at: usize, bytes: &[u8], prng: &mut Prng) {
        let all = prng.chance(20);
        let mut start = at;
        while start < at + bytes.len() {
            let end = ((start / 512 + 1) * 512).min(at + bytes.len());
            if all || prng.chance(50) {
                self.put(segment, start, &bytes[start - at..end - at]);
            }
            start = end;
        }
    }

    /// A bit changes in what was written long ago. Whether there was such a bit.
    pub fn rot(&mut self, prng: &mut Prng) -> bool {
        let numbers: Vec<u64> = self.segments.keys().copied().collect();
        if numbers.is_empty() {
            return false;
        }
        let Some(content) = self.segments.get_mut(prng.pick(&numbers)) else { return false };
        let used: Vec<usize> = (0..content.len()).filter(|at| content[*at] != 0).collect();
        if used.is_empty() {
            return false;
        }
        let at = *prng.pick(&used);
        let changed = content[at] ^ (1 << prng.below(8));
        // A blank where something was would be a whole lost sector's work, not a bit's.
        content[at] = if changed == 0 { 0xff } else { changed };
        true
    }
}
