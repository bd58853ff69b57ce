//! A store as tests talk to it.

use crate::command::{
    Change, Command, Compare, DeleteRangeRequest, Op, PutRequest, Relation, Target, TxnRequest,
    User,
};
use crate::error::Error;
use crate::read::{Drained, EventKind, KeyValue, RangeReply, RangeRequest, WatchId, WatchRequest};
use crate::reply::{Answer, Happened, Reply};
use crate::store::Store;

pub(in crate::store) struct Script {
    pub(in crate::store) store: Store,
    pub(in crate::store) index: u64,
    pub(in crate::store) now_unix_ms: u64,
    pub(in crate::store) who: Option<User>,
    pub(in crate::store) happened: Vec<Happened>,
}

impl Script {
    pub(in crate::store) fn new() -> Self {
        let now_unix_ms = 1_700_000_000_000;
        Self { store: Store::new(), index: 0, now_unix_ms, who: None, happened: Vec::new() }
    }

    pub(in crate::store) fn apply(&mut self, change: Change) -> Reply {
        self.index += 1;
        let command = Command { who: self.who.clone(), now_unix_ms: self.now_unix_ms, change };
        let command = Command::decode(&command.encode()).unwrap();
        self.store.apply(self.index, &command, &mut self.happened)
    }

    pub(in crate::store) fn must(&mut self, change: Change) -> Answer {
        self.apply(change).result.unwrap()
    }

    pub(in crate::store) fn fails(&mut self, change: Change) -> Error {
        let revision = self.store.revision();
        let error = self.apply(change).result.unwrap_err();
        assert_eq!(self.store.revision(), revision, "a refusal changed something");
        error
    }

    pub(in crate::store) fn put(&mut self, key: &str, value: &str) -> i64 {
        self.must(Change::Put(put(key, value)));
        self.store.revision()
    }

    pub(in crate::store) fn delete(&mut self, key: &str, end: &str) -> i64 {
        match self.must(Change::DeleteRange(delete(key, end))) {
            Answer::DeleteRange(reply) => reply.deleted,
            answer => panic!("{answer:?}"),
        }
    }

    pub(in crate::store) fn compact(&mut self, revision: i64) {
        self.must(Change::Compact { revision });
    }

    pub(in crate::store) fn get(&self, key: &str) -> Option<KeyValue> {
        self.read(&RangeRequest { key: key.into(), ..RangeRequest::default() }).unwrap().kvs.pop()
    }

    pub(in crate::store) fn read(&self, asked: &RangeRequest) -> Result<RangeReply, Error> {
        self.store.read(self.who.as_ref(), asked)
    }

    /// `key=value` of a range as of a revision.
    pub(in crate::store) fn list(&self, key: &str, end: &str, revision: i64) -> Vec<String> {
        let (key, end) = (key.into(), end.into());
        let asked = RangeRequest { key, end, revision, ..RangeRequest::default() };
        self.read(&asked).unwrap().kvs.iter().map(line).collect()
    }

    pub(in crate::store) fn watch(&mut self, key: &str, end: &str, start_revision: i64) -> WatchId {
        let (key, end) = (key.into(), end.into());
        let asked = WatchRequest { key, end, start_revision, ..WatchRequest::default() };
        self.store.watch_create(self.who.as_ref(), &asked).unwrap()
    }

    /// Everything a watch has to tell.
    pub(in crate::store) fn told(&mut self, id: WatchId) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            let drained = self.store.drain_watch(id, 1024);
            told.extend(lines(&drained));
            if !drained.more {
                return told;
            }
        }
    }

    pub(in crate::store) fn tidy(&mut self) {
        while self.store.tidy(7) {}
    }
}

/// `5 put a=1`, `6 delete a`, each with `(was 0)` if told.
pub(in crate::store) fn lines(drained: &Drained) -> Vec<String> {
    let shown = |event: &crate::read::Event| {
        let revision = event.kv.mod_revision;
        let was = event
            .prev_kv
            .as_ref()
            .map_or(String::new(), |kv| format!(" (was {})", String::from_utf8_lossy(&kv.value)));
        match event.kind {
            EventKind::Put => format!("{revision} put {}{was}", line(&event.kv)),
            EventKind::Delete => {
                format!("{revision} delete {}{was}", String::from_utf8_lossy(&event.kv.key))
            }
        }
    };
    drained.events.iter().map(shown).collect()
}

pub(in crate::store) fn line(kv: &KeyValue) -> String {
    let text = String::from_utf8_lossy;
    format!("{}={}", text(&kv.key), text(&kv.value))
}

pub(in crate::store) fn put(key: &str, value: &str) -> PutRequest {
    PutRequest { key: key.into(), value: value.into(), ..PutRequest::default() }
}

pub(in crate::store) fn delete(key: &str, end: &str) -> DeleteRangeRequest {
    DeleteRangeRequest { key: key.into(), end: end.into(), prev_kv: false }
}

pub(in crate::store) fn range(key: &str, end: &str) -> RangeRequest {
    RangeRequest { key: key.into(), end: end.into(), ..RangeRequest::default() }
}

pub(in crate::store) fn when(key: &str, relation: Relation, target: Target) -> Compare {
    Compare { key: key.into(), end: Vec::new(), relation, target }
}

pub(in crate::store) fn txn(
    compare: Vec<Compare>,
    success: Vec<Op>,
    failure: Vec<Op>,
) -> TxnRequest {
    TxnRequest { compare, success, failure }
}
