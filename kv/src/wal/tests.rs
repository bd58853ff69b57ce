//! Logs written to a model of a disk, then cut, torn, and damaged.

use std::collections::BTreeMap;

use raft::eraftpb::{Entry, HardState};

use super::log::Order;
use super::{Bad, Log, Mark, Recovered, Segment, frame, recover};

/// Bytes of a test's segments.
const SEGMENT: u64 = 4096;

#[derive(Clone, Default)]
struct Disk {
    segments: BTreeMap<u64, Vec<u8>>,
    writes: Vec<(u64, u64, Vec<u8>)>,
}

impl Disk {
    fn perform(&mut self, log: &mut Log) {
        for order in log.flush() {
            self.order(order);
        }
        log.on_written();
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Open { segment, bytes } => {
                self.segments.insert(segment, vec![0; usize::try_from(bytes).unwrap()]);
            }
            Order::Write { segment, offset, bytes } => {
                let at = usize::try_from(offset).unwrap();
                let file = self.segments.get_mut(&segment).unwrap();
                file[at..at + bytes.len()].copy_from_slice(&bytes);
                self.writes.push((segment, offset, bytes));
            }
            Order::Remove { segment, .. } => {
                self.segments.remove(&segment);
            }
        }
    }

    fn read(&self) -> Result<Option<Recovered>, Bad> {
        let segments: Vec<Segment<'_>> = self
            .segments
            .iter()
            .map(|(number, bytes)| Segment { number: *number, bytes })
            .collect();
        recover(&segments)
    }

    fn found(&self) -> Recovered {
        self.read().unwrap().unwrap()
    }
}

fn entry(index: u64, term: u64, bytes: usize) -> Entry {
    Entry { index, term, data: vec![7; bytes].into(), ..Entry::default() }
}

fn state(term: u64, commit: u64) -> HardState {
    HardState { term, vote: 1, commit }
}

/// A log of `count` frames with one entry each.
fn written(count: u64, bytes: usize) -> (Disk, Log) {
    let (mut disk, mut log) = (Disk::default(), Log::new(9, SEGMENT));
    for index in 1..=count {
        log.put_entries(&[entry(index, 1, bytes)]);
        log.put_state(&state(1, index - 1), false);
        disk.perform(&mut log);
    }
    (disk, log)
}

fn indexes(found: &Recovered) -> Vec<u64> {
    found.entries.iter().map(|entry| entry.index).collect()
}

#[test]
fn what_was_written_is_read_over_segments() {
    let (disk, _) = written(20, 700);
    assert!(disk.segments.len() > 3);
    let found = disk.found();
    assert_eq!(indexes(&found), (1..=20).collect::<Vec<_>>());
    assert_eq!((found.state.commit, found.next_frame, found.torn), (19, 21, false));
    assert!(found.tail.is_some());
}

#[test]
fn an_empty_log_is_none() {
    assert_eq!(Disk::default().read(), Ok(None));
    let blank = vec![0; 4096];
    assert_eq!(recover(&[Segment { number: 1, bytes: &blank }]), Ok(None));
}

#[test]
fn a_term_conflict_cuts_what_follows() {
    let (mut disk, mut log) = written(5, 10);
    log.put_entries(&[entry(3, 2, 10), entry(4, 2, 10)]);
    disk.perform(&mut log);
    let found = disk.found();
    assert_eq!(indexes(&found), [1, 2, 3, 4]);
    assert_eq!(found.entries[2].term, 2);
}

#[test]
fn a_torn_last_frame_is_cut_and_the_rest_is_kept() {
    let (mut disk, _) = written(3, 900);
    let (segment, offset, bytes) = disk.writes.last().cloned().unwrap();
    let start = usize::try_from(offset).unwrap();
    let first_sector = (start / 512 + 1) * 512;
    let file = disk.segments.get_mut(&segment).unwrap();
    file[first_sector..start + bytes.len()].fill(0);
    let found = disk.found();
    assert_eq!(indexes(&found), [1, 2]);
    assert!(found.torn && found.tail.is_none());
}

#[test]
fn after_a_torn_end_a_new_segment_goes_on() {
    let (mut disk, _) = written(3, 900);
    let (segment, offset, _) = disk.writes.last().cloned().unwrap();
    let at = usize::try_from(offset).unwrap();
    disk.segments.get_mut(&segment).unwrap()[at..at + 100].fill(0);
    let found = disk.found();
    let mut log = Log::resume(&found, SEGMENT, segment, SEGMENT);
    log.put_entries(&[entry(3, 2, 20)]);
    disk.perform(&mut log);
    let again = disk.found();
    assert_eq!((indexes(&again), again.torn), (vec![1, 2, 3], false));
    assert_eq!(again.entries[2].term, 2);
}

#[test]
fn damage_in_the_middle_is_reported() {
    let (disk, _) = written(10, 300);
    for (position, (segment, offset, bytes)) in disk.writes.iter().enumerate() {
        for place in [0, 20, frame::HEADER_BYTES + 9, bytes.len() - 1] {
            let mut damaged = disk.clone();
            let at = usize::try_from(*offset).unwrap() + place;
            damaged.segments.get_mut(segment).unwrap()[at] ^= 0x10;
            let result = damaged.read();
            assert!(matches!(result, Err(Bad::Frame { .. })), "{position} {place}: {result:?}");
        }
    }
}

#[test]
fn a_lost_write_in_the_middle_is_reported() {
    let (disk, _) = written(10, 300);
    for (segment, offset, bytes) in disk.writes.iter().take(9) {
        let mut damaged = disk.clone();
        let at = usize::try_from(*offset).unwrap();
        damaged.segments.get_mut(segment).unwrap()[at..at + bytes.len()].fill(0);
        assert!(damaged.read().is_err(), "{segment} {offset}");
    }
}

#[test]
fn a_lost_segment_is_reported_unless_a_snapshot_covers_it() {
    let (mut disk, mut log) = written(20, 700);
    let second = *disk.segments.keys().nth(1).unwrap();
    let mut damaged = disk.clone();
    damaged.segments.remove(&second);
    assert!(damaged.read().is_err());
    log.put_mark(&Mark { index: 20, term: 1, ..Mark::default() });
    disk.perform(&mut log);
    disk.segments.remove(&second);
    assert_eq!(disk.found().mark.index, 20);
}

#[test]
fn segments_before_a_mark_are_let_go() {
    let (mut disk, mut log) = written(20, 700);
    log.put_mark(&Mark { index: 18, term: 1, ..Mark::default() });
    disk.perform(&mut log);
    for order in log.drop_through(18) {
        disk.order(order);
    }
    assert!(disk.segments.len() < 4);
    let found = disk.found();
    assert_eq!((found.mark.index, found.state.term), (18, 1));
    assert_eq!(found.entries.back().unwrap().index, 20);
}

#[test]
fn a_received_mark_replaces_entries_and_is_not_carried_as_such() {
    let (mut disk, mut log) = written(5, 10);
    log.put_mark(&Mark { index: 50, term: 3, received: true, ..Mark::default() });
    disk.perform(&mut log);
    for index in 51..60 {
        log.put_entries(&[entry(index, 3, 900)]);
        disk.perform(&mut log);
    }
    assert_eq!(indexes(&disk.found()), (51..60).collect::<Vec<_>>());
}

#[test]
fn any_prefix_of_the_last_write_in_sectors_is_no_damage() {
    let (disk, _) = written(3, 1100);
    let (segment, offset, bytes) = disk.writes.last().cloned().unwrap();
    let (start, end) = (usize::try_from(offset).unwrap(), bytes.len());
    let sectors: Vec<usize> = (start / 512..=(start + end - 1) / 512).collect();
    for lost in 1..1_u32 << sectors.len() {
        let mut torn = disk.clone();
        let file = torn.segments.get_mut(&segment).unwrap();
        for (bit, sector) in sectors.iter().enumerate() {
            if lost & (1 << bit) != 0 {
                file[(sector * 512).max(start)..(sector * 512 + 512).min(start + end)].fill(0);
            }
        }
        assert_eq!(indexes(&torn.found()), [1, 2], "{lost:b}");
    }
}

#[test]
fn no_bytes_make_it_panic_or_invent_entries() {
    let (disk, _) = written(12, 300);
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % bound as u64).unwrap()
    };
    for _ in 0..3000 {
        let mut damaged = disk.clone();
        let numbers: Vec<u64> = damaged.segments.keys().copied().collect();
        let faults = draw(4);
        for _ in 0..=faults {
            let file = damaged.segments.get_mut(&numbers[draw(numbers.len())]).unwrap();
            let at = draw(file.len());
            let length = draw(64).min(file.len() - at);
            match draw(3) {
                0 => file[at] ^= 1 << draw(8),
                1 => file[at..at + length].fill(0),
                _ => file[at..at + length].fill(u8::try_from(draw(256)).unwrap()),
            }
        }
        if let Ok(Some(found)) = damaged.read() {
            let wanted: Vec<u64> = (1..=found.entries.len() as u64).collect();
            assert_eq!(indexes(&found), wanted);
            // One fault may look like the unfinished write of the last frame, never of another.
            assert!(faults > 0 || wanted.len() >= 11, "an entry is gone: {wanted:?}");
        }
    }
}

#[test]
fn a_torn_segment_that_a_crash_left_before_the_rest_is_passed_over() {
    let (mut disk, mut log) = written(20, 700);
    log.put_mark(&Mark { index: 20, term: 1, ..Mark::default() });
    disk.perform(&mut log);
    let last = *disk.segments.keys().last().unwrap();
    disk.segments.retain(|number, _| *number + 1 >= last);
    disk.segments.get_mut(&(last - 1)).unwrap().fill(0);
    disk.segments.get_mut(&(last - 1)).unwrap()[..300].fill(9);
    assert_eq!(disk.found().mark.index, 20);
}
