//! Hostile bytes at the doors of PID 1 and of its readers: frames of the wire, the log memory of an
//! earlier life, segments on a disk, records of the kernel's ring.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use init::limits::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use init::logs::layout::Layout;
use init::logs::merge::{Item, SourceCursor};
use init::logs::segment::{self, SegmentHead};
use init::logs::snapshot::{Snapshot, read_slice};
use init::logs::{LogMemory, LogStore, Stream, block, kmsg};
use init::wire::frame::{FrameDecoder, FrameKind, decode, encode};
use init::wire::{Request, Response};
use tests::fuzz::{Random, run};

/// Enough to be worth it, few enough for every run.
const ITERATIONS: u64 = 3_000;
const BOOT: [u8; 32] = [b'b'; 32];
const CAPACITY: u64 = 16 << 10;

/// Where a run begins, and how many times longer it is: `FUZZ_SEED`, `FUZZ_FACTOR`.
fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn fuzz<S: AsRef<[u8]>>(seeds: &[S], iterations: u64, parse: impl FnMut(&[u8])) {
    let iterations = iterations * from_environment("FUZZ_FACTOR", 1);
    run(seeds, iterations, from_environment("FUZZ_SEED", 11), parse);
}

/// Every request and response of the golden file, as frames.
fn frames() -> Vec<Vec<u8>> {
    let golden = include_str!("../../init/src/wire/golden.jsonl");
    let value = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    golden.lines().map(|line| encode(FrameKind::Request, 7, 0, &value(line)).unwrap()).collect()
}

/// What a connection makes of bytes, in portions that the bytes themselves decide.
fn decode_all(bytes: &[u8], body_bytes_max: u32) -> Vec<u32> {
    let mut decoder = FrameDecoder::new(body_bytes_max);
    let mut random = Random::new(bytes.len() as u64);
    let mut rest = bytes;
    let mut ids = Vec::new();
    while !rest.is_empty() {
        let (portion, after) = rest.split_at(1 + random.below(rest.len()));
        decoder.push(portion);
        rest = after;
        loop {
            match decoder.take() {
                Ok(Some(frame)) => {
                    ids.push(frame.id);
                    // What is understood can be said again, and means the same.
                    if let Ok(request) = decode::<Request>(&frame) {
                        let again = encode(FrameKind::Request, frame.id, 0, &request).unwrap();
                        let mut decoder = FrameDecoder::new(RESPONSE_BYTES_MAX);
                        decoder.push(&again);
                        let frame = decoder.take().unwrap().unwrap();
                        assert_eq!(decode::<Request>(&frame).unwrap(), request);
                    }
                    // Only that it returns.
                    let _ = decode::<Response>(&frame);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.take(), Err(error), "a broken stream stays broken");
                    return ids;
                }
            }
        }
        assert!(decoder.pending_bytes() <= bytes.len());
    }
    ids
}

#[test]
fn frames_of_the_wire() {
    fuzz(&frames(), ITERATIONS * 5, |bytes| {
        let ids = decode_all(bytes, REQUEST_BYTES_MAX);
        assert!(ids.len() * 12 <= bytes.len());
    });
}

fn store(lines: u64) -> LogStore {
    let mut store = LogStore::new(CAPACITY, &BOOT);
    for n in 0..lines {
        let name = format!("{}.service", n % 3);
        let line = format!("line {n} of {}\n", "x".repeat((n * 7 % 90) as usize));
        store.append(&name, Stream::Stdout, 1_700_000_000_000_000 + n as i64, line.as_bytes());
    }
    store
}

/// All lines of a store, whatever it is.
fn lines(store: &LogStore) -> usize {
    let names: Vec<String> = store.sources().map(|source| source.name.to_owned()).collect();
    let mut count = 0;
    for name in names {
        let mut cursor = SourceCursor::default();
        for view in store.blocks(&name) {
            cursor.push(&view, &mut |item| count += usize::from(matches!(item, Item::Line(_))));
        }
    }
    count
}

#[test]
fn the_log_memory_of_an_earlier_life() {
    let layout = Layout::for_capacity(CAPACITY);
    let seeds: Vec<Vec<u8>> = [0, 1, 40, 400]
        .iter()
        .map(|&count| {
            let arena = store(count).arena().to_vec();
            // Without the zeroes at the end, so that mutations hit what means something.
            let used = arena.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
            arena[..used].to_vec()
        })
        .collect();
    fuzz(&seeds, ITERATIONS / 3, |bytes| {
        let mut arena = bytes.to_vec();
        arena.resize(layout.arena_bytes(), 0);
        let outside = Snapshot::take(&|at, into| read_slice(&arena, at, into), |_, _| true);
        let (mut store, _) = LogStore::open(LogMemory::Owned(arena), layout, &BOOT);
        lines(&store);
        for n in 0..50 {
            store.append("new.service", Stream::Stderr, n, &[b'y'; 300]);
            store.append("0.service", Stream::Stdout, n, b"\n");
        }
        assert!(store.blocks("0.service").count() > 0);
        drop(outside);
    });
}

#[test]
fn segments_of_a_disk() {
    let head = SegmentHead { boot_id: BOOT, first_unix_us: 5, source: "0.service".to_owned() };
    let mut seed = head.encode().to_vec();
    let store = store(300);
    for view in store.blocks("0.service") {
        seed.extend(block::tail(&view, 0));
    }
    fuzz(&[seed], ITERATIONS, |bytes| {
        let (end, _) = segment::end(bytes);
        assert!(end <= bytes.len().max(segment::SEGMENT_HEAD_BYTES));
        let mut cursor = SourceCursor::default();
        for (_, view) in segment::blocks(bytes) {
            cursor.push(&view, &mut |_| {});
        }
        // Only that it returns.
        let _ = SegmentHead::parse(bytes);
    });
}

#[test]
fn records_of_the_kernels_ring() {
    let seeds = [
        "6,339,5140900,-;NET: Registered PF_INET6 protocol family\n SUBSYSTEM=net\n DEVICE=+pci:0\n",
        "30,1,2,c,caller=T1;keelson: t=1.2 a\\x09b\\\\x0a",
        "4,18446744073709551615,18446744073709551615,-;",
    ];
    fuzz(&seeds, ITERATIONS * 5, |bytes| {
        if let Some(record) = kmsg::parse(bytes) {
            assert!(record.priority < 8 && record.text.len() <= bytes.len());
        }
    });
}
