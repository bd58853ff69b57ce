//! Snapshots, and stores made from them.

use crate::command::{Change, PutRequest};
use crate::replica::Machine;
use crate::store::tests::script::*;
use crate::store::{BadSnapshot, Restoring, Store};

fn chunks(store: &mut Store, bytes_max: usize) -> Vec<Vec<u8>> {
    let mut snapshot = store.snapshot_begin();
    let mut chunks = Vec::new();
    while let Some(chunk) = store.snapshot_next(&mut snapshot, bytes_max) {
        chunks.push(chunk);
    }
    store.snapshot_end(snapshot);
    chunks
}

fn restore(chunks: &[Vec<u8>]) -> Result<Store, BadSnapshot> {
    let mut restoring = Restoring::new();
    chunks.iter().try_for_each(|chunk| restoring.take(chunk))?;
    restoring.finish()
}

pub(super) fn copy(s: &mut Script) -> Store {
    restore(&chunks(&mut s.store, 100)).unwrap()
}

fn filled() -> Script {
    let mut s = Script::new();
    s.must(Change::LeaseGrant { id: 7, ttl_s: 100 });
    for n in 0..200 {
        s.put(&format!("key{}", n % 60), &n.to_string());
        if n % 9 == 0 {
            s.delete(&format!("key{}", n % 31), "");
        }
    }
    s.must(Change::Put(PutRequest { lease: 7, ..put("leased", "x") }));
    s.compact(100);
    s
}

#[test]
fn a_copy_is_the_same_store() {
    let mut s = filled();
    let mut restored = copy(&mut s);
    assert_eq!(restored.hash_kv(0), s.store.hash_kv(0));
    assert_eq!(restored.hash_kv(150), s.store.hash_kv(150));
    assert_eq!(restored.applied(), s.store.applied());
    assert_eq!(restored.leases, s.store.leases, "what hangs on a lease is found again");
    while restored.tidy(10) {}
    s.tidy();
    assert_eq!(restored.hash_kv(0), s.store.hash_kv(0));
    let mut s2 = Script { store: restored, ..Script::new() };
    s2.must(Change::LeaseRevoke { id: 7 });
    assert_eq!(s2.get("leased"), None);
}

#[test]
fn a_snapshot_shows_the_moment_when_it_began() {
    let mut s = filled();
    let (hash, revision) = (s.store.hash_kv(0).unwrap(), s.store.revision());
    let mut snapshot = s.store.snapshot_begin();
    let mut chunks = Vec::new();
    let mut n = 0;
    while let Some(chunk) = s.store.snapshot_next(&mut snapshot, 64) {
        chunks.push(chunk);
        // Everything changes meanwhile, and is compacted.
        s.put(&format!("key{}", n % 60), "later");
        s.put(&format!("new{n}"), "later");
        s.delete("key1", "key3");
        s.compact(s.store.revision());
        assert!(!s.store.tidy(100), "nothing may be freed under a snapshot");
        n += 1;
    }
    s.store.snapshot_end(snapshot);
    let restored = restore(&chunks).unwrap();
    assert_eq!((restored.hash_kv(0).unwrap(), restored.revision()), (hash, revision));
    s.tidy();
}

#[test]
fn damaged_and_missing_chunks_are_refused() {
    let mut s = filled();
    let whole = chunks(&mut s.store, 300);
    assert_eq!(restore(&whole[..whole.len() - 1]).err(), Some(BadSnapshot::Incomplete));
    let mut holed = whole.clone();
    holed.remove(1);
    assert_eq!(restore(&holed).err(), Some(BadSnapshot::Incomplete));
    let mut swapped = whole.clone();
    swapped.swap(1, 2);
    assert!(matches!(restore(&swapped).err(), Some(BadSnapshot::Broken(_))));
    for at in 0..whole[1].len() {
        let mut bent = whole.clone();
        bent[1][at] ^= 0x10;
        let refused = restore(&bent).err();
        assert!(matches!(refused, Some(BadSnapshot::Checksum | BadSnapshot::Incomplete)));
    }
    assert_eq!(restore(&[]).err(), Some(BadSnapshot::Incomplete));
}

#[test]
fn bug_18055_two_snapshots_at_once() {
    let mut s = filled();
    let mut first = s.store.snapshot_begin();
    let second = s.store.snapshot_begin();
    assert!(s.store.snapshot_next(&mut first, 100).is_some());
    s.store.snapshot_end(second);
    s.compact(s.store.revision());
    assert!(!s.store.tidy(10), "the first still holds everything");
    let mut chunks = vec![];
    while let Some(chunk) = s.store.snapshot_next(&mut first, 100) {
        chunks.push(chunk);
    }
    s.store.snapshot_end(first);
    assert!(s.store.tidy(10));
}

#[test]
fn pieces_may_be_cut_anywhere() {
    let mut s = filled();
    for n in 0..100 {
        s.put("long", &n.to_string());
    }
    let whole = chunks(&mut s.store, 50).concat();
    for size in [1, 7, 100, whole.len()] {
        let mut restored = Store::new();
        whole.chunks(size).for_each(|piece| restored.restore_slice(piece).unwrap());
        restored.restore_end().unwrap();
        assert_eq!(restored.hash_kv(0), s.store.hash_kv(0));
        assert_eq!(restored.history.log, copy(&mut s).history.log);
    }
}

#[test]
fn a_long_history_is_cut_as_well() {
    let mut s = Script::new();
    for n in 0..1000 {
        s.put("a", &n.to_string());
    }
    let chunks = chunks(&mut s.store, 100);
    assert!(chunks.len() > 80 && chunks.iter().all(|chunk| chunk.len() < 300));
    assert_eq!(restore(&chunks).unwrap().hash_kv(0), s.store.hash_kv(0));
}

#[test]
fn nonsense_with_a_good_checksum_does_no_harm() {
    let mut s = filled();
    let whole = chunks(&mut s.store, 300);
    let mut drawn: u64 = 7;
    let mut draw = |limit: usize| {
        drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(drawn >> 33).unwrap() % limit
    };
    for _ in 0..3000 {
        let mut bent = whole.clone();
        let which = draw(bent.len());
        let chunk = &mut bent[which];
        for _ in 0..=draw(3) {
            let at = 12 + draw(chunk.len() - 12);
            chunk[at] = u8::try_from(draw(256)).unwrap();
        }
        let sum = crc32fast::hash(&chunk[12..]);
        chunk[8..12].copy_from_slice(&sum.to_le_bytes());
        if let Ok(mut store) = restore(&bent) {
            while store.tidy(100) {}
            assert!(store.hash_kv(0).is_ok());
        }
    }
}
