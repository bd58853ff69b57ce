//! Thousands of random commands against the store, and against the simplest thing that could be right: for
//! each key all its versions, in a map. Every answer, watch, old revision, copy and hash must agree.

use std::collections::{BTreeMap, BTreeSet};

use super::script::*;
use super::snapshot::copy;
use crate::command::{Change, Compare, Op, PutRequest, Relation, Target, TxnRequest};
use crate::error::Error;
use crate::read::{Drained, EventKind, KeyValue, RangeRequest, WatchId, WatchRequest};
use crate::reply::{Answer, OpReply};

/// Draws numbers: a seed is a test.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn key(&mut self) -> String {
        let letters = ["a", "b", "c"];
        let length = 1 + self.below(3);
        (0..length).map(|_| letters[usize::try_from(self.below(3)).unwrap()]).collect()
    }

    fn end(&mut self) -> String {
        match self.below(4) {
            0 => "\0".into(),
            1 => String::new(),
            _ => self.key(),
        }
    }
}

/// Versions of a key by revision; no value is a deletion.
type Versions = BTreeMap<i64, Option<KeyValue>>;

#[derive(Default)]
struct Model {
    keys: BTreeMap<String, Versions>,
    leases: BTreeSet<i64>,
    revision: i64,
    compacted: i64,
}

impl Model {
    fn at(&self, key: &str, revision: i64) -> Option<&KeyValue> {
        self.keys.get(key)?.range(..=revision).next_back()?.1.as_ref()
    }

    fn within(&self, key: &str, end: &str, revision: i64) -> Vec<KeyValue> {
        let inside = |name: &&String| match end {
            "" => name.as_str() == key,
            "\0" => name.as_str() >= key,
            end => name.as_str() >= key && name.as_str() < end,
        };
        let names = self.keys.keys().filter(inside);
        names.filter_map(|name| self.at(name, revision).cloned()).collect()
    }

    fn put(&mut self, main: i64, put: &PutRequest) {
        let name = String::from_utf8(put.key.clone()).unwrap();
        let before = self.at(&name, main).cloned();
        let kv = KeyValue {
            key: put.key.clone(),
            create_revision: before.as_ref().map_or(main, |kv| kv.create_revision),
            mod_revision: main,
            version: before.as_ref().map_or(0, |kv| kv.version) + 1,
            value: put.value.clone(),
            lease: put.lease,
        };
        self.keys.entry(name).or_default().insert(main, Some(kv));
    }

    fn delete(&mut self, main: i64, key: &str, end: &str) -> i64 {
        let doomed = self.within(key, end, main);
        for kv in &doomed {
            let name = String::from_utf8(kv.key.clone()).unwrap();
            self.keys.entry(name).or_default().insert(main, None);
        }
        i64::try_from(doomed.len()).unwrap()
    }

    fn revoke(&mut self, id: i64) {
        let all = self.within("", "\0", self.revision);
        let mut gone = false;
        for kv in all.iter().filter(|kv| kv.lease == id) {
            self.delete(self.revision + 1, std::str::from_utf8(&kv.key).unwrap(), "");
            gone = true;
        }
        self.revision += i64::from(gone);
        self.leases.remove(&id);
    }

    /// What a watch should hear from a revision on: revision, key, value.
    fn events(&self, key: &str, end: &str, from: i64) -> Vec<(i64, String, Option<Vec<u8>>)> {
        let mut events = Vec::new();
        for (name, versions) in &self.keys {
            let inside = match end {
                "" => name == key,
                "\0" => name.as_str() >= key,
                end => name.as_str() >= key && name.as_str() < end,
            };
            for (main, kv) in versions.range(from..).filter(|_| inside) {
                events.push((*main, name.clone(), kv.as_ref().map(|kv| kv.value.clone())));
            }
        }
        events.sort();
        events
    }
}

struct Watching {
    id: WatchId,
    key: String,
    end: String,
    from: i64,
    heard: Vec<(i64, String, Option<Vec<u8>>)>,
}

struct Run {
    draw: Draw,
    s: Script,
    model: Model,
    watches: Vec<Watching>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let model = Model { revision: 1, ..Model::default() };
        Self { draw, s: Script::new(), model, watches: Vec::new() }
    }

    fn lease(&mut self) -> i64 {
        match self.draw.below(3) {
            0 => i64::try_from(1 + self.draw.below(4)).unwrap(),
            _ => 0,
        }
    }

    fn put_request(&mut self) -> PutRequest {
        let (key, value) = (self.draw.key(), self.draw.below(100).to_string());
        PutRequest { lease: self.lease(), ..put(&key, &value) }
    }

    fn step(&mut self) {
        match self.draw.below(100) {
            0..40 => self.put(),
            40..55 => self.delete(),
            55..70 => self.txn(),
            70..76 => self.grant_or_revoke(),
            76..79 => self.compact(),
            79..84 => self.watch(),
            84..90 => self.drain(),
            90..92 => drop(self.s.store.tidy(5)),
            92..93 => self.replace(),
            _ => self.read(),
        }
        assert_eq!(self.s.store.revision(), self.model.revision);
    }

    fn put(&mut self) {
        let put = self.put_request();
        let known = put.lease == 0 || self.model.leases.contains(&put.lease);
        let result = self.s.apply(Change::Put(put.clone())).result;
        if !known {
            assert_eq!(result, Err(Error::LeaseNotFound));
            return;
        }
        assert!(result.is_ok());
        self.model.put(self.model.revision + 1, &put);
        self.model.revision += 1;
    }

    fn delete(&mut self) {
        let (key, end) = (self.draw.key(), self.draw.end());
        // Mostly few, or there would never be much.
        let end = if self.draw.below(4) > 0 { String::new() } else { end };
        let deleted = self.model.delete(self.model.revision + 1, &key, &end);
        self.model.revision += i64::from(deleted > 0);
        assert_eq!(self.s.delete(&key, &end), deleted);
    }

    fn compare(&mut self) -> (Compare, bool) {
        let key = self.draw.key();
        let there = self.model.at(&key, self.model.revision).cloned();
        let given = i64::try_from(self.draw.below(6)).unwrap();
        let is = there.unwrap_or_default();
        let (target, field) = match self.draw.below(3) {
            0 => (Target::Version(given), is.version),
            1 => (Target::Mod(given), is.mod_revision),
            _ => (Target::Lease(given), is.lease),
        };
        match self.draw.below(3) {
            0 => (when(&key, Relation::Equal, target), field == given),
            1 => (when(&key, Relation::Greater, target), field > given),
            _ => (when(&key, Relation::Less, target), field < given),
        }
    }

    fn txn(&mut self) {
        let (compare, holds) = self.compare();
        let (taken, other) = (self.put_request(), self.put_request());
        let (key, end) = (self.draw.key(), self.draw.end());
        let read = RangeRequest { limit: 2, ..range(&key, &end) };
        let gone = self.draw.key();
        let delete_it = Op::DeleteRange(delete(&gone, ""));
        let nested = TxnRequest { success: vec![Op::Put(taken.clone())], ..Default::default() };
        let side = vec![Op::Txn(nested), delete_it, Op::Range(read)];
        let asked = if holds {
            txn(vec![compare], side, vec![Op::Put(other)])
        } else {
            txn(vec![compare], vec![Op::Put(other)], side)
        };
        let result = self.s.apply(Change::Txn(asked)).result;
        let is_known = |lease: i64| lease == 0 || self.model.leases.contains(&lease);
        if gone.as_bytes() == taken.key {
            return assert_eq!(result, Err(Error::DuplicateKey));
        }
        if !is_known(taken.lease) {
            return assert_eq!(result, Err(Error::LeaseNotFound));
        }
        let main = self.model.revision + 1;
        self.model.put(main, &taken);
        self.model.delete(main, &gone, "");
        self.model.revision = main;
        let Ok(Answer::Txn(reply)) = result else { panic!("{result:?}") };
        let OpReply::Range(found) = &reply.replies[2] else { panic!() };
        let all = self.model.within(&key, &end, main);
        assert_eq!(found.count, i64::try_from(all.len()).unwrap());
        assert_eq!(found.kvs, all[..all.len().min(2)]);
        assert_eq!((reply.succeeded, reply.revision), (holds, main));
    }

    fn grant_or_revoke(&mut self) {
        let id = i64::try_from(1 + self.draw.below(4)).unwrap();
        if self.model.leases.insert(id) {
            self.s.must(Change::LeaseGrant { id, ttl_s: 10 });
        } else {
            self.model.revoke(id);
            self.s.must(Change::LeaseRevoke { id });
        }
    }

    fn compact(&mut self) {
        let span = self.model.revision - self.model.compacted;
        let step = i64::try_from(self.draw.below(10)).unwrap().min(span);
        let revision = self.model.compacted + step;
        let result = self.s.apply(Change::Compact { revision }).result;
        if step == 0 {
            assert_eq!(result, Err(Error::Compacted));
        } else {
            assert!(result.is_ok());
            self.model.compacted = revision;
        }
    }

    fn read(&mut self) {
        let (key, end) = (self.draw.key(), self.draw.end());
        let back = i64::try_from(self.draw.below(30)).unwrap();
        let revision = (self.model.revision - back).max(1);
        let limit = i64::try_from(self.draw.below(4)).unwrap();
        let asked = RangeRequest { revision, limit, ..range(&key, &end) };
        let result = self.s.read(&asked);
        if revision < self.model.compacted {
            return assert_eq!(result, Err(Error::Compacted));
        }
        let all = self.model.within(&key, &end, revision);
        let reply = result.unwrap();
        assert_eq!(reply.count, i64::try_from(all.len()).unwrap(), "{key}..{end} at {revision}");
        let most = if limit > 0 { usize::try_from(limit).unwrap() } else { usize::MAX };
        assert_eq!(reply.kvs, all[..all.len().min(most)]);
        assert_eq!(reply.more, all.len() > most);
    }

    fn watch(&mut self) {
        let (key, end) = (self.draw.key(), self.draw.end());
        let revision = self.model.revision;
        let from = (revision - 10 + i64::try_from(self.draw.below(15)).unwrap()).max(1);
        let asked = WatchRequest {
            key: key.clone().into_bytes(),
            end: end.clone().into_bytes(),
            start_revision: from,
            fragment: self.draw.below(2) == 0,
            ..WatchRequest::default()
        };
        let id = self.s.store.watch_create(None, &asked).unwrap();
        self.watches.push(Watching { id, key, end, from, heard: Vec::new() });
    }

    fn drain(&mut self) {
        if self.watches.is_empty() {
            return;
        }
        let at = usize::try_from(self.draw.below(self.watches.len() as u64)).unwrap();
        let drained = self.s.store.drain_watch(self.watches[at].id, 100);
        self.hear(at, drained);
    }

    fn hear(&mut self, at: usize, drained: Drained) {
        let watch = &mut self.watches[at];
        for event in drained.events {
            let name = String::from_utf8(event.kv.key).unwrap();
            let value = (event.kind == EventKind::Put).then_some(event.kv.value);
            watch.heard.push((event.kv.mod_revision, name, value));
        }
        if let Some(compacted) = drained.compact_revision {
            let told = watch.heard.last().map_or(watch.from, |(main, _, _)| main + 1);
            assert!(told <= compacted, "it was ended though it had heard enough");
            self.watches.swap_remove(at);
        }
    }

    /// All watches hear the rest, and have heard exactly what happened.
    fn settle(&mut self) {
        for at in (0..self.watches.len()).rev() {
            let id = self.watches[at].id;
            while self.s.store.watch_is_ready(id) {
                let drained = self.s.store.drain_watch(id, 60);
                self.hear(at, drained);
            }
        }
        for watch in &mut self.watches {
            let mut heard = watch.heard.clone();
            assert!(heard.is_sorted_by_key(|(main, _, _)| *main), "out of order");
            heard.sort();
            assert_eq!(heard, self.model.events(&watch.key, &watch.end, watch.from));
        }
    }

    /// The store is replaced by its own snapshot.
    fn replace(&mut self) {
        let mut copied = copy(&mut self.s);
        assert_eq!(copied.hash_kv(0), self.s.store.hash_kv(0));
        assert_eq!(copied.leases(), self.s.store.leases());
        for id in copied.leases() {
            assert_eq!(copied.lease_keys(id), self.s.store.lease_keys(id));
        }
        copied.take_watches(&mut self.s.store, &mut Vec::new());
        self.s.store = copied;
    }
}

#[test]
fn random_commands_agree_with_the_model() {
    for seed in 1..=150 {
        let mut run = Run::new(seed);
        for _ in 0..400 {
            run.step();
        }
        run.settle();
        let hash = run.s.store.hash_kv(0);
        run.s.tidy();
        assert_eq!(run.s.store.hash_kv(0), hash, "seed {seed}");
    }
}
