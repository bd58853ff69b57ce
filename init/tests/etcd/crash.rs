//! A member is killed while many clients write, again and again: whatever it acknowledged is there afterwards.
//! `KEELSON_KILLS` tells how often.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kv::etcd::message as etcd;

use crate::member::{Plan, Scratch, eventually};
use crate::wire::Client;

const WRITERS: u64 = 8;
/// Puts of one writer that are under way at once.
const PIPELINE: usize = 8;

type Acknowledged = Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>;

/// Numbers that look like chance, by a seed.
fn mixed(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Puts until the connection breaks.
fn write(mut client: Client, round: u64, writer: u64, acknowledged: &Acknowledged) {
    let mut under_way = BTreeMap::new();
    for number in 0_u64.. {
        let drawn = mixed(round << 40 | writer << 32 | number);
        let size = usize::try_from(drawn % 3000).unwrap();
        let key = format!("{writer}/{number}").into_bytes();
        let value = vec![u8::try_from(drawn >> 56).unwrap(); size];
        let put = etcd::PutRequest { key: key.clone(), value: value.clone(), ..Default::default() };
        let Ok(id) = client.send("/etcdserverpb.KV/Put", &put) else { return };
        under_way.insert(id, (key, value));
        if under_way.len() < PIPELINE {
            continue;
        }
        let Ok((id, answer)) = client.receive() else { return };
        if let (Some((key, value)), Some(_)) = (under_way.remove(&id), answer) {
            acknowledged.lock().unwrap().insert(key, value);
        }
    }
}

fn everything() -> (Vec<u8>, Vec<u8>) {
    (vec![0], vec![0])
}

/// What was acknowledged and is not there.
fn missing(client: &mut Client, acknowledged: &Acknowledged) -> Vec<String> {
    let (key, range_end) = everything();
    let all = etcd::RangeRequest { key, range_end, ..Default::default() };
    let found = eventually("an answer", || {
        client.ask::<etcd::RangeResponse>("/etcdserverpb.KV/Range", &all).unwrap()
    });
    let found: BTreeMap<Vec<u8>, Vec<u8>> =
        found.kvs.into_iter().map(|kv| (kv.key, kv.value)).collect();
    let acknowledged = acknowledged.lock().unwrap();
    let lost = acknowledged.iter().filter(|(key, value)| found.get(*key) != Some(*value));
    lost.map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect()
}

/// Starts a member, lets clients write, kills it, and tells what it had acknowledged.
fn round(plan: &Plan, round: u64) -> Acknowledged {
    let mut member = plan.start();
    let mut client = member.connect();
    let (key, range_end) = everything();
    let all = etcd::DeleteRangeRequest { key, range_end, ..Default::default() };
    eventually("a deletion", || {
        client.ask::<etcd::DeleteRangeResponse>("/etcdserverpb.KV/DeleteRange", &all).unwrap()
    });
    let acknowledged = Acknowledged::default();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (client, acknowledged) = (member.connect(), &acknowledged);
            scope.spawn(move || write(client, round, writer, acknowledged));
        }
        let least = usize::try_from(mixed(round) % 1500).unwrap();
        eventually("enough puts", || (acknowledged.lock().unwrap().len() > least).then_some(()));
        member.kill();
    });
    acknowledged
}

#[test]
fn nothing_acknowledged_is_lost_when_a_member_is_killed() {
    let kills: u64 = std::env::var("KEELSON_KILLS").map_or(25, |text| text.parse().unwrap());
    let scratch = Scratch::new("crash");
    let plan = Plan::cluster(&scratch.0, 1).remove(0);
    let mut total = 0;
    for number in 0..kills {
        let acknowledged = round(&plan, number);
        total += acknowledged.lock().unwrap().len();
        let mut member = plan.start();
        let lost = missing(&mut member.connect(), &acknowledged);
        assert!(lost.is_empty(), "kill {number} lost {} puts: {lost:?}", lost.len());
    }
    println!("{kills} kills, {total} puts acknowledged, none lost");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The check itself is checked: a directory that forgets must be noticed.
#[test]
fn a_loss_is_noticed() {
    let scratch = Scratch::new("forgets");
    let plan = Plan::cluster(&scratch.0, 1).remove(0);
    let (data, kept) = (plan.directory.join("member"), scratch.0.join("kept"));
    drop(round(&plan, 1));
    copy(&data, &kept);
    let acknowledged = round(&plan, 2);
    std::fs::remove_dir_all(&data).unwrap();
    copy(&kept, &data);
    let lost = missing(&mut plan.start().connect(), &acknowledged);
    assert!(!lost.is_empty());
}

#[test]
fn a_majority_goes_on_when_members_are_killed_in_turn() {
    let scratch = Scratch::new("majority");
    let plans = Plan::cluster(&scratch.0, 3);
    let mut members: Vec<_> = plans.iter().map(Plan::start).collect();
    let acknowledged = Acknowledged::default();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (writer, plan) in plans.iter().enumerate() {
            let (acknowledged, stop) = (&acknowledged, &stop);
            scope.spawn(move || persist(plan, writer, acknowledged, stop));
        }
        for round in 0..6 {
            let before = acknowledged.lock().unwrap().len();
            let enough = || (acknowledged.lock().unwrap().len() > before + 60).then_some(());
            eventually("puts by a majority", enough);
            let victim = round % members.len();
            members[victim].kill();
            let before = acknowledged.lock().unwrap().len();
            let enough = || (acknowledged.lock().unwrap().len() > before + 30).then_some(());
            eventually("puts without one", enough);
            members[victim] = plans[victim].start();
        }
        stop.store(true, Ordering::Relaxed);
    });
    for member in &mut members {
        let lost = missing(&mut member.connect(), &acknowledged);
        assert!(lost.is_empty(), "lost: {lost:?}");
    }
}

/// Puts one after another, with a new connection whenever the old one breaks.
fn persist(plan: &Plan, writer: usize, acknowledged: &Acknowledged, stop: &AtomicBool) {
    let mut client = None;
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let (key, value) = (format!("{writer}/{number}").into_bytes(), vec![b'x'; 100]);
        let put = etcd::PutRequest { key: key.clone(), value: value.clone(), ..Default::default() };
        let Some(connected) = client.as_mut() else {
            std::thread::sleep(Duration::from_millis(20));
            client = Client::connect(plan.clients).ok();
            continue;
        };
        match connected.ask::<etcd::PutResponse>("/etcdserverpb.KV/Put", &put) {
            Ok(Some(_)) => drop(acknowledged.lock().unwrap().insert(key, value)),
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(_) => client = None,
        }
    }
}
