//! The store against a model of it: what comes out is what went in, but for what was counted as lost.

use std::collections::BTreeMap;

use super::layout::Layout;
use super::merge::{Item, SourceCursor, by_time};
use super::snapshot::{Snapshot, read_slice};
use super::store::{LogMemory, LogStore, Opened};
use super::{Line, Stream};
use crate::limits::LOG_LINE_BYTES_MAX;

const BOOT: [u8; 32] = [b'b'; 32];

fn items(store: &LogStore, name: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut cursor = SourceCursor::default();
    for view in store.blocks(name) {
        cursor.push(&view, &mut |item| items.push(item));
    }
    cursor.give_up(&mut |item| items.push(item));
    items
}

fn lines(store: &LogStore, name: &str) -> Vec<Line> {
    let line = |item| match item {
        Item::Line(line) => Some(line),
        Item::Gap { .. } => None,
    };
    items(store, name).into_iter().filter_map(line).collect()
}

fn texts(store: &LogStore, name: &str) -> Vec<String> {
    lines(store, name).iter().map(|line| String::from_utf8_lossy(&line.text).into_owned()).collect()
}

/// A small generator (SplitMix64): tests are seeds.
struct Seed(u64);

impl Seed {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

#[test]
fn portions_do_not_matter() {
    let text = "first\nsecond\n\nfourth with a tail\nunfinished";
    for portion in 1..text.len() {
        let mut store = LogStore::new(64 << 10, &BOOT);
        for part in text.as_bytes().chunks(portion) {
            store.append("a.service", Stream::Stdout, 1, part);
        }
        let expected: Vec<&str> = text.lines().collect();
        assert_eq!(texts(&store, "a.service"), expected, "portions of {portion}");
        assert!(lines(&store, "a.service")[4].partial);
    }
}

#[test]
fn streams_of_one_source_do_not_mix_within_a_line() {
    let mut store = LogStore::new(64 << 10, &BOOT);
    store.append("a.service", Stream::Stdout, 1, b"out ");
    store.append("a.service", Stream::Stderr, 2, b"err ");
    store.append("a.service", Stream::Stdout, 3, b"put\n");
    store.append("a.service", Stream::Stderr, 4, b"or\n");
    assert_eq!(texts(&store, "a.service"), ["out put", "err or"]);
    assert_eq!(lines(&store, "a.service")[1].unix_us, 2);
}

#[test]
fn long_lines_are_cut_and_marked() {
    let mut store = LogStore::new(1 << 20, &BOOT);
    let long = "x".repeat(LOG_LINE_BYTES_MAX * 2 + 10);
    for part in long.as_bytes().chunks(1000) {
        store.append("a.service", Stream::Stdout, 1, part);
    }
    store.append("a.service", Stream::Stdout, 1, b"\nnext\n");
    let found: Vec<(usize, bool)> =
        lines(&store, "a.service").iter().map(|line| (line.text.len(), line.partial)).collect();
    let max = LOG_LINE_BYTES_MAX;
    assert_eq!(found, [(max, true), (max, true), (10, false), (4, false)]);
}

#[test]
fn any_bytes_are_kept() {
    let mut store = LogStore::new(64 << 10, &BOOT);
    store.append("a.service", Stream::Stdout, 1, b"\0\xff\x1b[31m\r\n");
    assert_eq!(lines(&store, "a.service")[0].text, b"\0\xff\x1b[31m\r");
}

#[test]
fn a_clock_that_is_set_back_or_far_ahead_is_survived() {
    let mut store = LogStore::new(64 << 10, &BOOT);
    for unix_us in [1_700_000_000_000_000, 5, i64::MAX, i64::MIN, 0] {
        store.append("a.service", Stream::Stdout, unix_us, b"tick\n");
    }
    let times: Vec<i64> = lines(&store, "a.service").iter().map(|line| line.unix_us).collect();
    assert_eq!(times, [1_700_000_000_000_000, 5, i64::MAX, i64::MIN, 0]);
}

#[test]
fn a_chatty_source_loses_its_own() {
    let mut store = LogStore::new(64 << 10, &BOOT);
    for quiet in 0..10 {
        let name = format!("quiet-{quiet}.service");
        store.append(&name, Stream::Stdout, quiet, b"important\n");
    }
    for n in 0..100_000 {
        let line = format!("chatter {n}\n");
        store.append("chatty.service", Stream::Stdout, n, line.as_bytes());
    }
    for quiet in 0..10 {
        assert_eq!(texts(&store, &format!("quiet-{quiet}.service")), ["important"]);
    }
    let kept = texts(&store, "chatty.service");
    assert_eq!(kept.last().unwrap(), "chatter 99999");
    let view = store.sources().find(|source| source.name == "chatty.service").unwrap();
    assert_eq!(view.counters.lost_lines, 100_000 - kept.len() as u64);
    assert_eq!(store.lost_lines(), view.counters.lost_lines);
    assert!(view.blocks <= store.all_blocks() / 4);
}

#[test]
fn more_sources_than_slots_push_out_the_most_silent() {
    let mut store = LogStore::new(16 << 10, &BOOT);
    for n in 0..100 {
        store.append(&format!("{n}.service"), Stream::Stdout, n, b"x\n");
    }
    assert_eq!(store.sources().count(), 16);
    assert_eq!(texts(&store, "99.service"), ["x"]);
    assert!(texts(&store, "0.service").is_empty());
    // One that comes back has higher numbers than it can have had before.
    store.append("0.service", Stream::Stdout, 200, b"again\n");
    assert!(lines(&store, "0.service")[0].number >= 100);
}

#[test]
fn what_is_flushed_is_given_up_but_for_the_last() {
    let mut store = LogStore::new(64 << 10, &BOOT);
    for n in 0..400 {
        store.append("a.service", Stream::Stdout, n, b"some line of text\n");
    }
    let free = store.free_blocks();
    store.release_flushed(2);
    assert_eq!(store.free_blocks(), free);
    store.set_flushed("a.service", 400);
    store.release_flushed(2);
    assert_eq!(store.all_blocks() - store.free_blocks(), 2);
    assert_eq!(store.lost_lines(), 0);
    assert!(store.idle_pages().count() >= 15);
    store.append("a.service", Stream::Stdout, 500, b"more\n");
    assert_eq!(texts(&store, "a.service").last().unwrap(), "more");
}

fn reopen(bytes: &[u8], capacity: u64) -> (LogStore, Opened) {
    LogStore::open(LogMemory::Owned(bytes.to_vec()), Layout::for_capacity(capacity), &BOOT)
}

/// What goes in: random portions of random lines of a few sources.
fn scribble(
    store: &mut LogStore,
    seed: &mut Seed,
    turns: u64,
    model: &mut BTreeMap<String, Vec<u8>>,
) {
    for turn in 0..turns {
        let name = format!("{}.service", seed.below(5));
        let limit = if seed.below(10) == 0 { 3000 } else { 60 };
        let length = seed.below(limit);
        let letter = |seed: &mut Seed| match seed.below(20) {
            0 => b'\n',
            letter => b'a' + u8::try_from(letter).unwrap(),
        };
        let bytes: Vec<u8> = (0..length).map(|_| letter(seed)).collect();
        store.append(&name, Stream::Stdout, i64::try_from(turn).unwrap(), &bytes);
        model.entry(name).or_default().extend(bytes);
    }
}

fn all(store: &LogStore) -> BTreeMap<String, Vec<Line>> {
    let names: Vec<String> = store.sources().map(|source| source.name.to_owned()).collect();
    names.iter().map(|name| (name.clone(), lines(store, name))).collect()
}

#[test]
fn what_comes_out_is_what_went_in_less_what_is_counted() {
    for seed in 0..200 {
        let mut seed = Seed(seed);
        let mut store = LogStore::new(32 << 10, &BOOT);
        let mut model = BTreeMap::new();
        scribble(&mut store, &mut seed, 300, &mut model);
        for (name, bytes) in &model {
            // The last piece is a line only if it is not empty.
            let mut expected: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
            expected.pop_if(|last| last.is_empty());
            let whole = bytes.iter().filter(|&&b| b == b'\n').count() as u64;
            let kept = lines(&store, name);
            let view = store.sources().find(|source| source.name == name).unwrap();
            assert_eq!(view.counters.lines, whole);
            let complete = kept.iter().filter(|line| !line.partial).count() as u64;
            assert_eq!(complete + view.counters.lost_lines, whole, "{name}");
            // The kept ones are the last ones; of the first of them the beginning may be gone.
            let tail = &expected[expected.len() - kept.len()..];
            for (index, (line, expected)) in kept.iter().zip(tail).enumerate() {
                let same = line.text == *expected || index == 0 && expected.ends_with(&line.text);
                assert!(same, "{name} line {index}");
            }
        }
    }
}

#[test]
fn another_life_finds_everything_and_goes_on() {
    for number in 0..100 {
        let mut seed = Seed(number);
        let mut store = LogStore::new(32 << 10, &BOOT);
        let mut model = BTreeMap::new();
        scribble(&mut store, &mut seed, 1 + number * 3, &mut model);
        let (mut again, opened) = reopen(store.arena(), 32 << 10);
        assert!(matches!(opened, Opened::Recovered { damaged: 0, .. }));
        assert_eq!(all(&again), all(&store));
        assert_eq!(again.appended(), store.appended());
        assert_eq!(again.free_blocks(), store.free_blocks());
        // Both go on alike, unfinished lines included.
        let mut same = Seed(seed.0);
        scribble(&mut store, &mut seed, 50, &mut model);
        scribble(&mut again, &mut same, 50, &mut model);
        assert_eq!(all(&again), all(&store));
    }
}

#[test]
fn a_fault_between_two_stores_loses_nothing_that_counted() {
    // Every prefix of the changes that an append makes to the arena is a place where PID 1 may die.
    let mut store = LogStore::new(16 << 10, &BOOT);
    store.append("a.service", Stream::Stdout, 1, b"before\n");
    let before = store.arena().to_vec();
    store.append("a.service", Stream::Stdout, 2, b"after\n");
    let after = store.arena().to_vec();
    let changed: Vec<usize> = (0..before.len()).filter(|&at| before[at] != after[at]).collect();
    // Records lie behind the marks and are written first; so from the back to the front.
    let mut bytes = before;
    for &at in changed.iter().rev() {
        let (found, _) = reopen(&bytes, 16 << 10);
        let texts = texts(&found, "a.service");
        assert_eq!(texts.first().map(String::as_str), Some("before"), "at {at}");
        bytes[at] = after[at];
    }
}

#[test]
fn a_damaged_arena_costs_blocks_and_never_more() {
    let mut store = LogStore::new(16 << 10, &BOOT);
    let mut model = BTreeMap::new();
    scribble(&mut store, &mut Seed(7), 60, &mut model);
    let good = all(&store);
    let arena = store.arena().to_vec();
    let used = arena.iter().rposition(|&byte| byte != 0).unwrap();
    for seed in 0..3000 {
        let mut seed = Seed(seed);
        let mut bytes = arena.clone();
        for _ in 0..1 + seed.below(8) {
            let at = usize::try_from(seed.below(used as u64 + 64)).unwrap();
            bytes[at] = u8::try_from(seed.below(256)).unwrap();
        }
        let (mut found, _) = reopen(&bytes, 16 << 10);
        for (name, lines) in all(&found) {
            let Some(known) = good.get(&name) else { continue };
            for line in lines.iter().filter(|line| !line.partial) {
                let joined = |known: &Line| known.text.ends_with(&line.text);
                assert!(known.iter().any(joined), "{name} has a line that was never written");
            }
        }
        found.append("0.service", Stream::Stdout, 9, b"\nstill works\n");
        assert_eq!(texts(&found, "0.service").last().unwrap(), "still works");
    }
}

#[test]
fn a_store_moves_to_other_memory_with_all_it_has() {
    for number in 0..100 {
        let mut seed = Seed(number);
        let mut store = LogStore::new(32 << 10, &BOOT);
        let mut stayed = LogStore::new(32 << 10, &BOOT);
        let mut same = Seed(number);
        let (mut model, mut unused) = (BTreeMap::new(), BTreeMap::new());
        scribble(&mut store, &mut seed, 1 + number * 3, &mut model);
        scribble(&mut stayed, &mut same, 1 + number * 3, &mut unused);
        let layout = Layout::for_capacity(1 << 20);
        let old = store.move_to(LogMemory::Owned(vec![0; layout.arena_bytes()]), layout);
        assert_eq!(old.bytes(), stayed.arena());
        assert_eq!(all(&store), all(&stayed));
        assert_eq!(
            (store.appended(), store.lost_lines()),
            (stayed.appended(), stayed.lost_lines())
        );
        assert_eq!(store.all_blocks(), 1024);
        // Both go on alike, but that the one with more memory keeps more.
        scribble(&mut store, &mut seed, 3, &mut model);
        scribble(&mut stayed, &mut same, 3, &mut unused);
        let (all_moved, all_stayed) = (all(&store), all(&stayed));
        for (name, lines) in &all_stayed {
            // Of the first line of a store that is full the beginning may be gone.
            let rest = &lines[1.min(lines.len())..];
            assert!(all_moved[name].ends_with(rest), "{name} of seed {number}");
        }
    }
}

#[test]
fn a_store_that_moves_to_less_memory_loses_what_it_counts() {
    for number in 0..100 {
        let mut seed = Seed(number);
        let mut store = LogStore::new(1 << 20, &BOOT);
        let mut model = BTreeMap::new();
        scribble(&mut store, &mut seed, 400, &mut model);
        let before = all(&store);
        let layout = Layout::for_capacity(16 << 10);
        store.move_to(LogMemory::Owned(vec![0; layout.arena_bytes()]), layout);
        let mut lost = 0;
        for (name, lines) in all(&store) {
            let whole = |lines: &[Line]| lines.iter().filter(|line| !line.partial).count() as u64;
            lost += whole(&before[&name]) - whole(&lines);
        }
        assert_eq!(lost, store.lost_lines());
        assert!(lost > 0);
    }
}

#[test]
fn a_reader_outside_sees_the_same() {
    let mut store = LogStore::new(64 << 10, &BOOT);
    let mut model = BTreeMap::new();
    scribble(&mut store, &mut Seed(3), 200, &mut model);
    let arena = store.arena().to_vec();
    let snapshot = Snapshot::take(&|at, into| read_slice(&arena, at, into), |_, _| true).unwrap();
    assert_eq!(snapshot.appended, store.appended());
    for (name, source) in &snapshot.sources {
        let found: Vec<_> = source.views().map(|view| view.head).collect();
        let known: Vec<_> = store.blocks(name).map(|view| view.head).collect();
        assert_eq!(found, known, "{name}");
    }
}

#[test]
fn a_gap_is_told_and_doubles_are_not() {
    let mut store = LogStore::new(64 << 10, &BOOT);
    for n in 0..300 {
        store.append("a.service", Stream::Stdout, n, format!("line number {n}\n").as_bytes());
    }
    let blocks: Vec<_> = store.blocks("a.service").collect();
    let mut items = Vec::new();
    let mut cursor = SourceCursor::default();
    for index in [0, 1, 1, 0, 4, 5] {
        cursor.push(&blocks[index], &mut |item| items.push(item));
    }
    let lost = blocks[2].lines() + blocks[3].lines();
    let gaps: Vec<&Item> = items.iter().filter(|item| matches!(item, Item::Gap { .. })).collect();
    assert_eq!(gaps.len(), 1);
    assert!(matches!(gaps[0], Item::Gap { lines, .. } if *lines == lost));
    let kept: u64 = [0, 1, 4, 5].iter().map(|&index| blocks[index].lines()).sum();
    assert_eq!(items.len() as u64, kept + 1);
}

#[test]
fn what_is_lost_at_the_start_is_told_unless_it_was_passed_over() {
    let mut store = LogStore::new(64 << 10, &BOOT);
    for n in 0..300 {
        store.append("a.service", Stream::Stdout, n, format!("line number {n}\n").as_bytes());
    }
    let blocks: Vec<_> = store.blocks("a.service").collect();
    for from_start in [true, false] {
        let mut items = Vec::new();
        let mut cursor = SourceCursor::default();
        cursor.restart(from_start, &mut |item| items.push(item));
        cursor.push(&blocks[2], &mut |item| items.push(item));
        let lost = blocks[0].lines() + blocks[1].lines();
        let told = matches!(items[0], Item::Gap { lines, .. } if lines == lost);
        assert_eq!(told, from_start, "{:?}", items[0]);
    }
}

#[test]
fn merged_by_time() {
    let mut store = LogStore::new(64 << 10, &BOOT);
    for n in 0..20 {
        let name = if n % 3 == 0 { "a.service" } else { "b.service" };
        store.append(name, Stream::Stdout, n, format!("{n}\n").as_bytes());
    }
    let streams =
        vec![items(&store, "a.service").into_iter(), items(&store, "b.service").into_iter()];
    let times: Vec<i64> = by_time(streams).map(|(_, item)| item.unix_us()).collect();
    assert_eq!(times, (0..20).collect::<Vec<i64>>());
}

/// Prints the rate; run by hand with `cargo test --release -p init -- --ignored --nocapture rate`.
#[test]
#[ignore = "measures"]
fn rate() {
    let mut store = LogStore::new(1 << 20, &BOOT);
    let line = "2026-11-21T04:00:00 GET /index.html HTTP/1.1 200 612 \"-\" \"curl/7.88.1\"\n";
    let portion = line.repeat(65_536 / line.len());
    let start = std::time::Instant::now();
    let rounds = 10_000;
    for n in 0..rounds {
        store.append("a.service", Stream::Stdout, n, portion.as_bytes());
    }
    let bytes = portion.len() as u64 * u64::try_from(rounds).unwrap();
    let rate = bytes as f64 / start.elapsed().as_secs_f64() / 1e6;
    println!("{rate:.0} MB/s, {} lines", bytes / line.len() as u64);
}
