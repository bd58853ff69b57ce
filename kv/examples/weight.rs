//! What 100,000 keys of 64 + 256 bytes weigh, and how long commands take: `cargo run -p kv --profile fast --example weight`.
#![allow(clippy::unwrap_used, reason = "a tool that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "it measures")]

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use kv::command::{Change, Command, PutRequest};
use kv::read::{RangeRequest, WatchRequest};
use kv::store::Store;

const KEYS: u64 = 100_000;

fn resident_kb() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Keys in no particular order.
fn key(number: u64) -> Vec<u8> {
    format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).repeat(4).into_bytes()
}

fn put(store: &mut Store, index: u64, key: Vec<u8>, fill: u8) {
    let put = PutRequest { key, value: vec![fill; 256], ..PutRequest::default() };
    let command = Command { who: None, now_unix_ms: 0, change: Change::Put(put) };
    let command = Command::decode(&command.encode()).unwrap();
    store.apply(index, &command, &mut Vec::new());
}

fn main() {
    let mut store = Store::new();
    let empty_kb = resident_kb();
    let tell = |what: &str, from: Instant, count: u64| {
        let each_ns = from.elapsed().as_nanos() / u128::from(count);
        println!("{what}: {each_ns} ns each, resident {} KB more", resident_kb() - empty_kb);
    };
    let from = Instant::now();
    (0..KEYS).for_each(|n| put(&mut store, n, key(n), 1));
    tell("100,000 puts of new keys, encoded and decoded", from, KEYS);
    println!("reckoned: {} KB", store.bytes() / 1024);
    let from = Instant::now();
    for n in 0..KEYS {
        let asked = RangeRequest { key: key(n), ..RangeRequest::default() };
        assert_eq!(black_box(store.read(None, &asked).unwrap()).count, 1);
    }
    tell("reads of one key", from, KEYS);
    let from = Instant::now();
    let mut snapshot = store.snapshot_begin();
    let mut bytes = 0;
    while let Some(chunk) = store.snapshot_next(&mut snapshot, 128 * 1024) {
        bytes += chunk.len();
    }
    store.snapshot_end(snapshot);
    tell(&format!("a snapshot of {} KB", bytes / 1024), from, KEYS);
    let from = Instant::now();
    black_box(store.hash_kv(0).unwrap());
    tell("a hash", from, KEYS);
    let from = Instant::now();
    (0..KEYS).for_each(|n| put(&mut store, KEYS + n, key(n), 2));
    tell("second versions", from, KEYS);
    let compact = Change::Compact { revision: store.revision() };
    let command = Command { who: None, now_unix_ms: 0, change: compact };
    store.apply(2 * KEYS, &command, &mut Vec::new());
    let from = Instant::now();
    while store.tidy(1000) {}
    tell("compaction", from, KEYS);
    let before_kb = resident_kb();
    let from = Instant::now();
    for n in 0..10_000 {
        let asked = WatchRequest { key: key(n), ..WatchRequest::default() };
        store.watch_create(None, &asked).unwrap();
    }
    tell("10,000 watches", from, 10_000);
    println!("one watch: {} bytes", (resident_kb() - before_kb) * 1024 / 10_000);
    let from = Instant::now();
    (0..10_000).for_each(|n| put(&mut store, 3 * KEYS + n, key(n), 3));
    tell("puts that wake a watch", from, 10_000);
}
