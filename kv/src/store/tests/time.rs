//! Leases, and what the leader does by itself.

use super::script::*;
use crate::command::{Alarm, Change, PutRequest};
use crate::error::Error;
use crate::reply::{Answer, Happened};
use crate::store::{Chores, LeaseClock, Retention, Store};

/// Lets the clock hear what happened.
fn hear(s: &mut Script, clock: &mut LeaseClock, now_ms: u64) {
    s.happened.drain(..).for_each(|happened| clock.on_happened(&happened, now_ms));
}

fn lead(s: &mut Script, clock: &mut LeaseClock, now_ms: u64) {
    let Answer::LeaseEra(era) = s.must(Change::LeaseEra) else { panic!() };
    clock.begin(&s.store, era, now_ms, 0);
}

fn do_due(s: &mut Script, clock: &mut LeaseClock, now_ms: u64) -> usize {
    let due = clock.due(now_ms);
    let count = due.len();
    due.into_iter().for_each(|change| drop(s.must(change)));
    hear(s, clock, now_ms);
    count
}

#[test]
fn a_lease_that_is_kept_alive_lives() {
    let (mut s, mut clock) = (Script::new(), LeaseClock::new());
    lead(&mut s, &mut clock, 0);
    for id in [7, 8] {
        s.must(Change::LeaseGrant { id, ttl_s: 10 });
    }
    s.must(Change::Put(PutRequest { lease: 8, ..put("a", "1") }));
    hear(&mut s, &mut clock, 0);
    assert_eq!(clock.keep_alive(7, 6_000), Some(10));
    assert_eq!(do_due(&mut s, &mut clock, 9_999), 0);
    assert_eq!(clock.next_ms(), Some(10_000));
    assert_eq!(clock.keep_alive(8, 10_000), None, "its end has come, though nobody was told yet");
    assert_eq!(do_due(&mut s, &mut clock, 10_000), 1);
    assert_eq!((s.store.leases(), s.get("a")), (vec![7], None));
    assert_eq!(clock.time_to_live(7, 10_000), Some((6, 10)));
    assert_eq!(clock.keep_alive(9, 0), None);
}

#[test]
fn bug_15247_a_deposed_leader_ends_no_lease() {
    let (mut s, mut old) = (Script::new(), LeaseClock::new());
    lead(&mut s, &mut old, 0);
    s.must(Change::LeaseGrant { id: 7, ttl_s: 10 });
    hear(&mut s, &mut old, 0);
    let stale = old.due(99_000);
    let mut new = LeaseClock::new();
    lead(&mut s, &mut new, 99_000);
    stale.into_iter().for_each(|change| drop(s.must(change)));
    assert_eq!(s.store.leases(), [7]);
    assert_eq!(do_due(&mut s, &mut new, 108_000), 0);
    assert_eq!(do_due(&mut s, &mut new, 109_000), 1);
    assert_eq!(s.store.leases(), [0; 0]);
}

#[test]
fn bug_9395_an_election_does_not_make_long_leases_young() {
    let (mut s, mut clock) = (Script::new(), LeaseClock::new());
    lead(&mut s, &mut clock, 0);
    s.must(Change::LeaseGrant { id: 7, ttl_s: 3600 });
    hear(&mut s, &mut clock, 0);
    assert_eq!(do_due(&mut s, &mut clock, 300_000), 1, "the time left is told");
    let mut next = LeaseClock::new();
    lead(&mut s, &mut next, 400_000);
    assert_eq!(next.time_to_live(7, 400_000), Some((3300, 3600)));
    // Renewed, it is young for everybody again.
    assert_eq!(next.keep_alive(7, 500_000), Some(3600));
    do_due(&mut s, &mut next, 500_000);
    let mut third = LeaseClock::new();
    lead(&mut s, &mut third, 600_000);
    assert_eq!(third.time_to_live(7, 600_000), Some((3600, 3600)));
}

#[test]
fn an_end_that_did_not_come_about_is_proposed_again() {
    let (mut s, mut clock) = (Script::new(), LeaseClock::new());
    lead(&mut s, &mut clock, 0);
    s.must(Change::LeaseGrant { id: 7, ttl_s: 1 });
    hear(&mut s, &mut clock, 0);
    assert_eq!(clock.due(1_000).len(), 1);
    assert_eq!(clock.due(1_500).len(), 0);
    assert_eq!(clock.due(3_000).len(), 1);
    clock.stop();
    assert_eq!(clock.due(99_000).len(), 0);
}

#[test]
fn leases_refuse_what_etcd_refuses() {
    let mut s = Script::new();
    s.must(Change::LeaseGrant { id: 7, ttl_s: 10 });
    assert_eq!(s.fails(Change::LeaseGrant { id: 7, ttl_s: 10 }), Error::LeaseExists);
    let long = Change::LeaseGrant { id: 8, ttl_s: 9_000_000_001 };
    assert_eq!(s.fails(long), Error::LeaseTtlTooLarge);
    let Answer::LeaseGranted { id, .. } = s.must(Change::LeaseGrant { id: 0, ttl_s: 5 }) else {
        panic!()
    };
    assert!(id > 0, "one was chosen");
}

#[test]
fn a_key_hangs_on_its_last_lease() {
    let mut s = Script::new();
    for id in [7, 8] {
        s.must(Change::LeaseGrant { id, ttl_s: 10 });
        s.must(Change::Put(PutRequest { lease: id, ..put("a", "1") }));
    }
    assert_eq!(s.store.lease_keys(7), Some(vec![]));
    assert_eq!(s.store.lease_keys(8), Some(vec![b"a".to_vec()]));
    s.must(Change::LeaseRevoke { id: 7 });
    assert!(s.get("a").is_some());
}

fn chores(s: &mut Script, chores: &mut Chores, now_ms: u64) {
    for change in chores.due(&s.store, now_ms) {
        s.must(change);
    }
    s.tidy();
}

#[test]
fn history_never_fills_the_quota() {
    let mut s = Script::new();
    let mut care = Chores::new(1, 100_000, Retention::Asked);
    for n in 0..5_000 {
        let change = Change::Put(put("a", &"x".repeat(100)));
        assert_eq!(care.admit(&s.store, &change), Ok(()), "after {n}");
        s.must(change);
        chores(&mut s, &mut care, n * 3_000);
    }
    assert_eq!(s.store.alarms(), []);
}

#[test]
fn a_full_store_refuses_puts_until_there_is_space() {
    let mut s = Script::new();
    let mut care = Chores::new(5, 100_000, Retention::Revisions(1000));
    let mut refused = None;
    for n in 0..1_000 {
        let change = Change::Put(put(&format!("key{n}"), &"x".repeat(400)));
        if let Err(error) = care.admit(&s.store, &change) {
            refused = Some(error);
            break;
        }
        s.must(change);
        chores(&mut s, &mut care, n * 3_000);
    }
    assert_eq!(refused, Some(Error::NoSpace));
    chores(&mut s, &mut care, 10_000_000);
    assert_eq!(s.store.alarms(), [(5, Alarm::NoSpace)]);
    assert_eq!(s.fails(Change::Put(put("a", ""))), Error::NoSpace);
    assert_eq!(s.fails(Change::LeaseGrant { id: 1, ttl_s: 9 }), Error::NoSpace);
    let none = super::script::txn(vec![], vec![], vec![]);
    s.must(Change::Txn(none));
    assert!(s.delete("key1", "key2") > 10);
    for turn in 0..5 {
        chores(&mut s, &mut care, 20_000_000 + turn * 3_000);
    }
    assert_eq!(s.store.alarms(), [], "deleting alone frees it: nobody has to compact or disarm");
    s.put("a", "1");
}

#[test]
fn history_is_kept_for_a_number_of_revisions_or_a_time() {
    let mut s = Script::new();
    let mut care = Chores::new(1, u64::MAX, Retention::Revisions(100));
    for n in 0..250 {
        s.put("a", "1");
        chores(&mut s, &mut care, n * 3_000);
    }
    assert!((100..=200).contains(&s.store.compact_revision()));
    let mut s = Script::new();
    let mut care = Chores::new(1, u64::MAX, Retention::Ms(60_000));
    for second in 0..300 {
        s.put("a", "1");
        chores(&mut s, &mut care, second * 1_000);
    }
    let behind = s.store.revision() - s.store.compact_revision();
    assert!((55..75).contains(&behind), "{behind}");
}

#[test]
fn disagreeing_replicas_answer_nothing() {
    let mut s = Script::new();
    s.put("a", "1");
    let raise = crate::command::AlarmChange::Raise { member: 3, alarm: Alarm::Corrupt };
    s.must(Change::Alarm(raise));
    assert!(s.happened.contains(&Happened::AlarmsChanged));
    assert_eq!(s.fails(Change::Put(put("a", "2"))), Error::Corrupt);
    assert_eq!(s.read(&range("a", "")), Err(Error::Corrupt));
    s.must(Change::Alarm(crate::command::AlarmChange::Clear { member: 0, alarm: None }));
    assert!(s.get("a").is_some());
}

#[test]
fn foreign_bytes_change_nothing() {
    let mut store = Store::new();
    let mut happened = Vec::new();
    let reply = crate::replica::Machine::apply(&mut store, 1, &[9, 9, 9], &mut happened);
    assert_eq!(reply.result, Err(Error::NotCapable));
    assert_eq!(store.revision(), 1);
}
