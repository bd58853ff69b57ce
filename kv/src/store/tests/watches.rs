//! What watches hear, and when.

use crate::command::{Change, Op, PutRequest};
use crate::read::{WatchId, WatchRequest};
use crate::reply::Happened;
use crate::store::tests::script::*;

fn woken(s: &mut Script) -> Vec<WatchId> {
    let woken = |happened: &Happened| match happened {
        Happened::WatchReady(id) => Some(*id),
        _ => None,
    };
    let mut ids: Vec<WatchId> = s.happened.iter().filter_map(woken).collect();
    ids.sort();
    s.happened.clear();
    ids
}

#[test]
fn a_watch_hears_of_its_keys_in_order() {
    let mut s = Script::new();
    s.put("a", "0");
    let one = s.watch("a", "", 0);
    let prefix = s.watch("a", "b", 0);
    let range = s.watch("aa", "c", 0);
    let from = s.watch("b", "\0", 0);
    let all = s.watch("", "\0", 0);
    for key in ["a", "aa", "b", "c"] {
        s.put(key, "1");
    }
    s.delete("a", "");
    assert_eq!(woken(&mut s), [one, prefix, range, from, all], "each is woken once");
    assert_eq!(s.told(one), ["3 put a=1", "7 delete a"]);
    assert_eq!(s.told(prefix), ["3 put a=1", "4 put aa=1", "7 delete a"]);
    assert_eq!(s.told(range), ["4 put aa=1", "5 put b=1"]);
    assert_eq!(s.told(from), ["5 put b=1", "6 put c=1"]);
    assert_eq!(s.told(all).len(), 5);
    assert_eq!(s.told(all), [""; 0]);
    s.put("a", "2");
    assert_eq!(woken(&mut s), [one, prefix, all]);
}

#[test]
fn a_watch_hears_history_first() {
    let mut s = Script::new();
    for n in 0..5 {
        s.put("a", &n.to_string());
    }
    let id = s.watch("a", "", 4);
    assert!(s.store.watch_is_ready(id));
    assert_eq!(s.store.watch_progress(id), None, "it has not heard everything");
    s.put("a", "new");
    assert_eq!(s.told(id), ["4 put a=2", "5 put a=3", "6 put a=4", "7 put a=new"]);
    assert_eq!(s.store.watch_progress(id), Some(7));
}

#[test]
fn what_was_there_before_is_told_on_demand() {
    let mut s = Script::new();
    s.put("a", "1");
    let asked =
        WatchRequest { key: b"a".to_vec(), prev_kv: true, start_revision: 2, ..Default::default() };
    let id = s.store.watch_create(None, &asked).unwrap();
    s.put("a", "2");
    s.delete("a", "");
    s.put("a", "3");
    assert_eq!(s.told(id), ["2 put a=1", "3 put a=2 (was 1)", "4 delete a (was 2)", "5 put a=3"]);
    // At the beginning of history, what was before is not known any more.
    s.compact(4);
    let id = s.store.watch_create(None, &WatchRequest { start_revision: 4, ..asked }).unwrap();
    assert_eq!(s.told(id), ["4 delete a", "5 put a=3"]);
}

#[test]
fn filters() {
    let mut s = Script::new();
    let all = WatchRequest { end: b"\0".to_vec(), ..Default::default() };
    let puts =
        s.store.watch_create(None, &WatchRequest { no_delete: true, ..all.clone() }).unwrap();
    let gone = s.store.watch_create(None, &WatchRequest { no_put: true, ..all }).unwrap();
    s.put("a", "1");
    assert_eq!(woken(&mut s), [puts]);
    s.delete("a", "");
    assert_eq!(s.told(puts), ["2 put a=1"]);
    assert_eq!(s.told(gone), ["3 delete a"]);
}

fn big_txn(s: &mut Script, keys: usize) {
    let ops = (0..keys).map(|n| Op::Put(put(&format!("k{n:03}"), "0123456789"))).collect();
    s.must(Change::Txn(txn(vec![], ops, vec![])));
}

#[test]
fn one_revision_is_told_at_once() {
    let mut s = Script::new();
    let id = s.watch("", "\0", 0);
    s.put("a", "1");
    big_txn(&mut s, 100);
    s.put("z", "1");
    let first = s.store.drain_watch(id, 200);
    assert_eq!((first.events.len(), first.revision, first.more), (1, 2, true));
    let second = s.store.drain_watch(id, 200);
    assert_eq!((second.events.len(), second.revision, second.fragment), (100, 3, false));
    let third = s.store.drain_watch(id, 200);
    assert_eq!((third.events.len(), third.revision, third.more), (1, 4, false));
}

#[test]
fn fragments_split_a_revision() {
    let mut s = Script::new();
    let asked = WatchRequest { end: b"\0".to_vec(), fragment: true, ..Default::default() };
    let id = s.store.watch_create(None, &asked).unwrap();
    big_txn(&mut s, 100);
    let mut told = 0;
    let mut parts = 0;
    loop {
        let drained = s.store.drain_watch(id, 300);
        assert!(drained.events.len() < 10);
        told += drained.events.len();
        parts += 1;
        assert_eq!(drained.fragment, drained.more);
        if !drained.more {
            break;
        }
    }
    assert_eq!(told, 100);
    assert!(parts > 10);
}

#[test]
fn a_slow_watch_holds_no_events() {
    let mut s = Script::new();
    let ids: Vec<WatchId> = (0..100).map(|_| s.watch("a", "b", 0)).collect();
    for n in 0..5000 {
        s.put("a", &n.to_string());
    }
    assert_eq!(woken(&mut s).len(), 100, "each is told once that there is something");
    for id in ids {
        let drained = s.store.drain_watch(id, 1000);
        assert!(drained.events.len() < 40 && drained.more);
    }
}

#[test]
fn bug_17529_a_watch_of_few_keys_gets_through_much_history_in_turns() {
    let mut s = Script::new();
    s.put("rare", "1");
    for n in 0..10_000 {
        s.put("often", &n.to_string());
    }
    s.put("rare", "2");
    let id = s.watch("rare", "", 2);
    let mut turns = 0;
    let mut told = Vec::new();
    loop {
        let drained = s.store.drain_watch(id, 1000);
        told.extend(lines(&drained));
        turns += 1;
        if !drained.more {
            break;
        }
    }
    assert_eq!(told, ["2 put rare=1", "10003 put rare=2"]);
    assert!(turns > 1, "one look at so much history would make others wait");
}

#[test]
fn a_watch_of_compacted_history_ends() {
    let mut s = Script::new();
    for n in 0..9 {
        s.put("a", &n.to_string());
    }
    s.compact(5);
    let id = s.watch("a", "", 3);
    let slow = s.watch("a", "", 5);
    assert_eq!(s.store.drain_watch(id, 1000).compact_revision, Some(5));
    assert_eq!(s.store.watch_count(), 1);
    // One that waits for its first turn loses it, too.
    s.compact(8);
    assert_eq!(s.store.drain_watch(slow, 1000).compact_revision, Some(8));
    // One that has heard everything does not.
    let idle = s.watch("a", "", 0);
    s.put("b", "1");
    s.compact(11);
    s.put("a", "last");
    assert_eq!(s.told(idle), ["12 put a=last"]);
}

#[test]
fn bug_18089_19179_the_deletion_at_the_compacted_revision_is_heard() {
    let mut s = Script::new();
    s.put("a", "1");
    s.delete("a", "");
    s.compact(3);
    s.tidy();
    let id = s.watch("a", "", 3);
    assert_eq!(s.told(id), ["3 delete a"]);
    let mut restored = super::snapshot::copy(&mut s);
    let asked = WatchRequest { key: b"a".to_vec(), start_revision: 3, ..Default::default() };
    let id = restored.watch_create(None, &asked).unwrap();
    assert_eq!(lines(&restored.drain_watch(id, 1000)), ["3 delete a"]);
}

#[test]
fn bug_20221_a_watch_of_the_future_hears_nothing_older() {
    let mut s = Script::new();
    let id = s.watch("a", "", 5);
    for n in 2..5 {
        s.put("a", &n.to_string());
        assert!(!s.store.watch_is_ready(id));
    }
    assert_eq!(s.store.watch_progress(id), Some(4), "what it waits for is next");
    let far = s.watch("a", "", 9);
    assert_eq!(s.store.watch_progress(far), None);
    s.put("a", "5");
    assert_eq!(s.told(id), ["5 put a=5"]);
}

#[test]
fn bug_15220_no_progress_before_everything_is_heard() {
    let mut s = Script::new();
    let id = s.watch("a", "", 0);
    assert_eq!(s.store.watch_progress(id), Some(1));
    s.put("a", "1");
    assert_eq!(s.store.watch_progress(id), None);
    s.told(id);
    assert_eq!(s.store.watch_progress(id), Some(2));
    s.put("b", "1");
    assert_eq!(s.store.watch_progress(id), Some(3));
}

#[test]
fn bug_15271_a_watch_outlives_a_snapshot_and_never_goes_back() {
    let mut ahead = Script::new();
    let mut behind = Script::new();
    let heard = behind.watch("a", "", 0);
    let waiting = behind.watch("b", "", 0);
    let future = behind.watch("a", "", 6);
    for s in [&mut ahead, &mut behind] {
        s.put("a", "1");
        s.put("b", "1");
    }
    assert_eq!(behind.told(heard), ["2 put a=1"]);
    for n in 2..6 {
        ahead.put("a", &n.to_string());
    }
    let mut replaced = super::snapshot::copy(&mut ahead);
    let mut happened = Vec::new();
    replaced.take_watches(&mut behind.store, &mut happened);
    behind.store = replaced;
    assert!(happened.contains(&Happened::WatchReady(heard)));
    let told = ["4 put a=2", "5 put a=3", "6 put a=4", "7 put a=5"];
    assert_eq!(behind.told(heard), told);
    assert_eq!(behind.told(waiting), ["3 put b=1"]);
    assert_eq!(behind.told(future), told[2..]);
}

#[test]
fn bug_17247_reads_in_a_transaction_make_no_events() {
    let mut s = Script::new();
    let id = s.watch("", "\0", 0);
    s.put("a", "1");
    let ops = vec![Op::Range(range("a", "")), Op::Put(put("b", "1")), Op::Range(range("b", ""))];
    s.must(Change::Txn(txn(vec![], ops, vec![])));
    assert_eq!(s.told(id), ["2 put a=1", "3 put b=1"]);
}

#[test]
fn the_end_of_a_lease_is_one_revision() {
    let mut s = Script::new();
    s.must(Change::LeaseGrant { id: 7, ttl_s: 10 });
    for key in ["b", "a", "c"] {
        s.must(Change::Put(PutRequest { lease: 7, ..put(key, "1") }));
    }
    s.put("c", "freed");
    let id = s.watch("", "\0", 0);
    s.must(Change::LeaseRevoke { id: 7 });
    assert_eq!(s.told(id), ["6 delete a", "6 delete b"]);
    assert_eq!(s.fails(Change::LeaseRevoke { id: 7 }), crate::error::Error::LeaseNotFound);
}

#[test]
fn ended_watches_leave_nothing_behind() {
    let mut s = Script::new();
    let ids =
        [("a", ""), ("a", "b"), ("a", "bb"), ("", "\0")].map(|(from, to)| s.watch(from, to, 0));
    for id in ids {
        assert!(s.store.watch_cancel(id));
        assert!(!s.store.watch_cancel(id));
    }
    assert_eq!(format!("{:?}", s.store.watches), {
        let mut empty = Script::new();
        let last = empty.watch("x", "", 0);
        empty.store.watch_cancel(last);
        format!("{:?}", empty.store.watches).replace("last_id: 1", "last_id: 4")
    });
    s.put("a", "1");
    assert_eq!(woken(&mut s), []);
}
