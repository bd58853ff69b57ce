//! Revisions, ranges, transactions, compaction.

use crate::command::{Change, Op, PutRequest, Relation, Target, TxnRequest};
use crate::error::Error;
use crate::read::{KeyValue, RangeRequest, SortOrder, SortTarget};
use crate::reply::{Answer, OpReply};
use crate::store::tests::script::*;

#[test]
fn revisions_begin_at_one_and_each_write_takes_the_next() {
    let mut s = Script::new();
    assert_eq!(s.store.revision(), 1);
    assert_eq!(s.put("a", "1"), 2);
    assert_eq!(s.put("a", "2"), 3);
    let kv = s.get("a").unwrap();
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (2, 3, 2));
    assert_eq!(s.delete("a", ""), 1);
    assert_eq!(s.put("a", "3"), 5);
    let kv = s.get("a").unwrap();
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (5, 5, 1));
}

#[test]
fn what_changes_nothing_takes_no_revision() {
    let mut s = Script::new();
    assert_eq!(s.delete("nothing", "\0"), 0);
    s.must(Change::Txn(TxnRequest::default()));
    s.must(Change::Txn(txn(vec![], vec![Op::Range(range("a", ""))], vec![])));
    s.must(Change::LeaseGrant { id: 7, ttl_s: 10 });
    s.must(Change::LeaseRevoke { id: 7 });
    assert_eq!(s.store.revision(), 1);
}

#[test]
fn a_range_is_cut_sorted_filtered_and_counted() {
    let mut s = Script::new();
    for (key, value) in [("b", "1"), ("a", "3"), ("c", "2"), ("d", "9"), ("b", "0")] {
        s.put(key, value);
    }
    let all = range("a", "d");
    let ask = |s: &Script, asked: RangeRequest| {
        let reply = s.read(&asked).unwrap();
        (reply.kvs.iter().map(line).collect::<Vec<_>>().join(" "), reply.more, reply.count)
    };
    assert_eq!(ask(&s, all.clone()), ("a=3 b=0 c=2".into(), false, 3));
    assert_eq!(ask(&s, RangeRequest { limit: 2, ..all.clone() }), ("a=3 b=0".into(), true, 3));
    assert!(!ask(&s, RangeRequest { limit: 3, ..all.clone() }).1);
    let by_value =
        RangeRequest { target: SortTarget::Value, order: SortOrder::Descend, ..all.clone() };
    assert_eq!(ask(&s, by_value.clone()).0, "a=3 c=2 b=0");
    assert_eq!(ask(&s, RangeRequest { limit: 1, ..by_value }), ("a=3".into(), true, 3));
    let by_mod = RangeRequest { target: SortTarget::Mod, ..all.clone() };
    assert_eq!(ask(&s, by_mod).0, "a=3 c=2 b=0");
    let young = RangeRequest { mod_revision_min: 4, limit: 1, ..all.clone() };
    assert_eq!(ask(&s, young), ("b=0".into(), true, 3));
    let old = RangeRequest { create_revision_max: 2, ..all.clone() };
    assert_eq!(ask(&s, old), ("b=0".into(), false, 3));
    assert_eq!(
        ask(&s, RangeRequest { count_only: true, ..all.clone() }),
        (String::new(), false, 3)
    );
    assert_eq!(ask(&s, RangeRequest { keys_only: true, ..all.clone() }).0, "a= b= c=");
    assert_eq!(ask(&s, RangeRequest { revision: 3, ..all }), ("a=3 b=1".into(), false, 2));
    assert_eq!(ask(&s, range("b", "\0")).2, 3);
    assert_eq!(ask(&s, range("\0", "\0")).2, 4);
    assert_eq!(
        s.read(&RangeRequest { revision: 99, ..range("a", "") }),
        Err(Error::FutureRevision)
    );
    assert_eq!(s.read(&range("", "")), Err(Error::EmptyKey));
}

#[test]
fn a_put_can_keep_value_or_lease() {
    let mut s = Script::new();
    let keep = PutRequest { ignore_value: true, lease: 7, ..put("a", "") };
    assert_eq!(s.fails(Change::Put(keep.clone())), Error::KeyNotFound);
    s.put("a", "1");
    assert_eq!(s.fails(Change::Put(keep.clone())), Error::LeaseNotFound);
    s.must(Change::LeaseGrant { id: 7, ttl_s: 10 });
    s.must(Change::Put(keep));
    s.must(Change::Put(PutRequest { ignore_lease: true, prev_kv: true, ..put("a", "2") }));
    let kv = s.get("a").unwrap();
    assert_eq!((line(&kv).as_str(), kv.lease), ("a=2", 7));
}

#[test]
fn a_deletion_tells_what_was_there() {
    let mut s = Script::new();
    s.put("a", "1");
    s.put("b", "2");
    let mut asked = delete("a", "\0");
    asked.prev_kv = true;
    match s.must(Change::DeleteRange(asked)) {
        Answer::DeleteRange(reply) => {
            assert_eq!((reply.deleted, reply.revision), (2, 4));
            assert_eq!(reply.prev_kvs.iter().map(line).collect::<Vec<_>>(), ["a=1", "b=2"]);
        }
        answer => panic!("{answer:?}"),
    }
}

#[test]
fn a_transaction_shares_one_revision_and_sees_itself() {
    let mut s = Script::new();
    s.put("old", "x");
    let ops = vec![
        Op::Range(range("a", "z")),
        Op::Put(put("a", "1")),
        Op::Put(put("b", "2")),
        Op::DeleteRange(delete("old", "")),
        Op::Range(range("a", "z")),
    ];
    let Answer::Txn(reply) = s.must(Change::Txn(txn(vec![], ops, vec![]))) else { panic!() };
    assert_eq!((reply.succeeded, reply.revision), (true, 3));
    let OpReply::Range(first) = &reply.replies[0] else { panic!() };
    let OpReply::Range(last) = &reply.replies[4] else { panic!() };
    assert_eq!((first.revision, first.count), (2, 1));
    assert_eq!((last.revision, last.count), (3, 2));
    assert_eq!(s.get("a").unwrap().mod_revision, 3);
    assert_eq!(s.list("a", "z", 2), ["old=x"]);
}

#[test]
fn every_target_compares() {
    let mut s = Script::new();
    s.must(Change::LeaseGrant { id: 7, ttl_s: 10 });
    s.must(Change::Put(PutRequest { lease: 7, ..put("a", "5") }));
    s.put("b", "1");
    let mut holds = |key: &str, relation, target| {
        let compare = vec![when(key, relation, target)];
        match s.must(Change::Txn(txn(compare, vec![], vec![]))) {
            Answer::Txn(reply) => reply.succeeded,
            answer => panic!("{answer:?}"),
        }
    };
    use Relation::{Equal, Greater, Less, NotEqual};
    assert!(holds("a", Equal, Target::Version(1)));
    assert!(holds("a", Less, Target::Mod(3)));
    assert!(holds("a", Greater, Target::Create(1)));
    assert!(holds("a", Equal, Target::Lease(7)));
    assert!(holds("a", Greater, Target::Value(b"40".to_vec())));
    assert!(!holds("a", NotEqual, Target::Value(b"5".to_vec())));
    assert!(holds("no", Equal, Target::Create(0)));
    assert!(!holds("no", NotEqual, Target::Value(b"x".to_vec())), "nothing has no value");
    let all = crate::command::Compare { end: b"\0".to_vec(), ..when("a", Less, Target::Mod(3)) };
    let Answer::Txn(reply) = s.must(Change::Txn(txn(vec![all], vec![], vec![]))) else { panic!() };
    assert!(!reply.succeeded, "every key of a range must fit");
}

#[test]
fn nested_comparisons_see_the_state_before() {
    let mut s = Script::new();
    let inner = txn(
        vec![when("a", Relation::Equal, Target::Create(0))],
        vec![Op::Put(put("inner", "unset"))],
        vec![Op::Put(put("inner", "set"))],
    );
    s.must(Change::Txn(txn(vec![], vec![Op::Put(put("a", "1")), Op::Txn(inner)], vec![])));
    assert_eq!(line(&s.get("inner").unwrap()), "inner=unset");
    assert_eq!(s.store.revision(), 2);
}

#[test]
fn a_transaction_is_done_wholly_or_not_at_all() {
    let mut s = Script::new();
    let bad_lease = PutRequest { lease: 99, ..put("b", "2") };
    let ops = vec![Op::Put(put("a", "1")), Op::Put(bad_lease)];
    assert_eq!(s.fails(Change::Txn(txn(vec![], ops, vec![]))), Error::LeaseNotFound);
    assert_eq!(s.get("a"), None);
}

#[test]
fn compaction_forgets_only_what_is_older() {
    let mut s = Script::new();
    s.put("a", "1");
    s.put("a", "2");
    s.put("b", "1");
    s.delete("b", "");
    s.put("a", "3");
    s.compact(4);
    assert_eq!(s.read(&RangeRequest { revision: 3, ..range("a", "") }), Err(Error::Compacted));
    s.tidy();
    assert_eq!(s.list("a", "z", 4), ["a=2", "b=1"]);
    assert_eq!(s.list("a", "z", 5), ["a=2"]);
    assert_eq!(s.list("a", "z", 0), ["a=3"]);
    assert_eq!(s.fails(Change::Compact { revision: 4 }), Error::Compacted);
    assert_eq!(s.fails(Change::Compact { revision: 7 }), Error::FutureRevision);
    s.compact(6);
    s.tidy();
    assert_eq!(s.list("a", "z", 0), ["a=3"]);
}

#[test]
fn compaction_gives_everything_back() {
    let mut s = Script::new();
    s.put("kept", "x");
    s.compact(2);
    s.tidy();
    let before = s.store.bytes();
    for round in 0..50 {
        for key in 0..40 {
            s.put(&format!("key{key}"), &format!("{round}"));
        }
        s.delete("key", "kez");
    }
    s.put("kept", "y");
    assert!(s.store.bytes() > 50 * before);
    s.compact(s.store.revision());
    s.tidy();
    // Larger revisions take a byte or two more.
    assert!(s.store.bytes() <= before + 4);
    assert_eq!(s.list("\0", "\0", 0), ["kept=y"]);
}

#[test]
fn bug_18667_a_transaction_that_reads_a_compacted_revision_is_refused_everywhere() {
    // One replica had forgotten already, the other had not yet: they must answer alike.
    let mut eager = Script::new();
    let mut lazy = Script::new();
    for s in [&mut eager, &mut lazy] {
        s.put("a", "1");
        s.put("a", "2");
        s.put("a", "3");
        s.compact(3);
    }
    eager.tidy();
    let read = Op::Range(RangeRequest { revision: 2, ..range("a", "") });
    let ops = vec![Op::Put(put("b", "1")), read];
    for s in [&mut eager, &mut lazy] {
        let asked = Change::Txn(txn(vec![], ops.clone(), vec![]));
        assert_eq!(s.fails(asked), Error::Compacted);
    }
    assert_eq!(eager.store.hash_kv(0), lazy.store.hash_kv(0));
}

#[test]
fn bug_21432_a_transaction_that_reads_a_given_revision_does_not_diverge() {
    let mut s = Script::new();
    s.put("a", "1");
    let future = Op::Range(RangeRequest { revision: 3, ..range("a", "") });
    let ops = vec![Op::Put(put("a", "2")), future];
    // Its own revision is not known before it is done.
    assert_eq!(s.fails(Change::Txn(txn(vec![], ops, vec![]))), Error::FutureRevision);
    assert_eq!(line(&s.get("a").unwrap()), "a=1");
}

#[test]
fn bug_17780_the_revision_never_decreases() {
    let mut s = Script::new();
    s.put("a", "1");
    s.delete("a", "");
    s.compact(3);
    s.tidy();
    assert_eq!(s.list("\0", "\0", 0), [""; 0]);
    let restored = super::snapshot::copy(&mut s);
    assert_eq!(restored.revision(), 3);
}

#[test]
fn the_hash_does_not_depend_on_what_was_freed() {
    let mut s = Script::new();
    for n in 0..300 {
        s.put(&format!("k{}", n % 50), &n.to_string());
        if n % 7 == 0 {
            s.delete(&format!("k{}", n % 20), "");
        }
    }
    s.compact(200);
    let before = (s.store.hash_kv(0).unwrap(), s.store.hash_kv(250).unwrap());
    s.tidy();
    assert_eq!(before, (s.store.hash_kv(0).unwrap(), s.store.hash_kv(250).unwrap()));
    let mut slices = s.store.hash_begin(250).unwrap();
    let sliced = loop {
        if let Some(hash) = s.store.hash_next(&mut slices, 3).unwrap() {
            break hash;
        }
    };
    assert_eq!(sliced, before.1);
    assert_eq!(s.store.hash_kv(199), Err(Error::Compacted));
    s.put("k1", "other");
    assert_ne!(s.store.hash_kv(0).unwrap(), before.0);
}

#[test]
fn prev_kv_of_a_put() {
    let mut s = Script::new();
    s.put("a", "1");
    let asked = PutRequest { prev_kv: true, ..put("a", "2") };
    let Answer::Put(reply) = s.must(Change::Put(asked)) else { panic!() };
    let was = KeyValue {
        key: b"a".to_vec(),
        value: b"1".to_vec(),
        create_revision: 2,
        mod_revision: 2,
        version: 1,
        lease: 0,
    };
    assert_eq!((reply.revision, reply.prev_kv), (3, Some(was)));
}

#[test]
fn many_keys_in_any_order_are_counted_and_found() {
    let mut s = Script::new();
    let mut there = std::collections::BTreeSet::new();
    let mut drawn: u64 = 1;
    for _ in 0..6000 {
        drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let key = format!("{:04}", (drawn >> 33) % 2500);
        if drawn >> 62 == 0 {
            assert_eq!(s.delete(&key, "") == 1, there.remove(&key));
        } else {
            s.put(&key, "v");
            there.insert(key);
        }
        if drawn >> 55 == 0 {
            s.compact(s.store.revision());
            s.tidy();
        }
    }
    for from in (0..2500).step_by(37) {
        let (from, to) = (format!("{from:04}"), format!("{:04}", from + 700));
        let reply = s.read(&range(&from, &to)).unwrap();
        let expected: Vec<&String> = there.range(from..to).collect();
        assert_eq!(reply.count, i64::try_from(expected.len()).unwrap());
        assert!(
            reply.kvs.iter().map(|kv| &kv.key[..]).eq(expected.iter().map(|key| key.as_bytes()))
        );
    }
}
