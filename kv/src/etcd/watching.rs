//! Watch streams: a client's connection over which it makes any number of watches, each with a number of the
//! client's. What a stream says goes out one message at a time, when there is room for it: a stream that
//! nobody reads holds no events.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::message as etcd;
use super::tell::{self, Header};
use crate::command::User;
use crate::error::Error;
use crate::limits::WATCH_WORDS_MAX;
use crate::read::{Drained, WatchId, WatchRequest};
use crate::store::Store;

/// The number of no watch: of one that was not made, and of progress that is that of all.
const NONE: i64 = -1;
const EMPTY_RANGE: &str = "mvcc: watcher range is empty";
const DUPLICATE: &str = "mvcc: duplicate watch ID provided on the WatchStream";

/// A watch, by the client's number.
#[derive(Debug, Clone, Copy)]
struct Watch {
    id: WatchId,
    /// The client wants to hear from time to time that nothing happened.
    notify: bool,
    /// It heard of nothing since it was last looked at.
    quiet: bool,
}

#[derive(Debug, Default)]
struct Stream {
    who: Option<User>,
    watches: BTreeMap<i64, Watch>,
    next_number: i64,
    /// What is to be said before any event.
    words: VecDeque<etcd::WatchResponse>,
    /// Watches with something to tell, in the order of their turns.
    ready: VecDeque<i64>,
    /// Somebody wants to know how far all watches are.
    progress_asked: bool,
}

/// All watch streams of a member. What names a stream is the caller's.
#[derive(Debug, Default)]
pub struct WatchStreams {
    streams: BTreeMap<u64, Stream>,
    /// Whose a watch is.
    owners: BTreeMap<WatchId, (u64, i64)>,
    /// Streams that may have something to say.
    talking: BTreeSet<u64>,
}

impl WatchStreams {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// A stream begins.
    pub fn open(&mut self, stream: u64, who: Option<User>) {
        self.streams.insert(stream, Stream { who, ..Stream::default() });
    }

    /// A stream is over, and its watches with it.
    pub fn close(&mut self, stream: u64, store: &mut Store) {
        self.talking.remove(&stream);
        for watch in self.streams.remove(&stream).unwrap_or_default().watches.into_values() {
            self.owners.remove(&watch.id);
            store.watch_cancel(watch.id);
        }
    }

    /// How many streams there are.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// How many watches a stream has.
    pub fn watch_count(&self, stream: u64) -> usize {
        self.streams.get(&stream).map_or(0, |stream| stream.watches.len())
    }

    /// Whether a stream's next request is to be read: not while nobody reads the answers.
    pub fn is_listening(&self, stream: u64) -> bool {
        self.streams.get(&stream).is_some_and(|stream| stream.words.len() < WATCH_WORDS_MAX)
    }

    /// Streams that may have something to say: ask each with `next`.
    pub fn talking(&self) -> impl Iterator<Item = u64> + '_ {
        self.talking.iter().copied()
    }

    /// A stream's request. A request of no kind is passed over, as in etcd.
    pub fn on_request(
        &mut self,
        stream: u64,
        asked: etcd::WatchRequest,
        store: &mut Store,
        header: &Header,
    ) {
        match asked.request_union {
            Some(etcd::WatchAsked::CreateRequest(asked)) => {
                self.create(stream, asked, store, header);
            }
            Some(etcd::WatchAsked::CancelRequest(asked)) => {
                self.cancel(stream, asked.watch_id, store, header);
            }
            Some(etcd::WatchAsked::ProgressRequest(_)) => {
                if let Some(held) = self.streams.get_mut(&stream) {
                    held.progress_asked = true;
                }
            }
            None => {}
        }
        if self.streams.contains_key(&stream) {
            self.talking.insert(stream);
        }
    }

    fn create(
        &mut self,
        name: u64,
        asked: etcd::WatchCreateRequest,
        store: &mut Store,
        header: &Header,
    ) {
        let Some(stream) = self.streams.get_mut(&name) else { return };
        let notify = asked.progress_notify;
        let made = stream.number(asked.watch_id).and_then(|number| {
            let id = stream.make(asked, store)?;
            Ok((number, id))
        });
        let header = tell::header(header, store.revision());
        let said = etcd::WatchResponse { header, created: true, ..Default::default() };
        match made {
            Ok((number, id)) => {
                stream.words.push_back(etcd::WatchResponse { watch_id: number, ..said });
                stream.watches.insert(number, Watch { id, notify, quiet: true });
                if store.watch_is_ready(id) {
                    stream.ready.push_back(number);
                }
                self.owners.insert(id, (name, number));
            }
            Err(cancel_reason) => stream.words.push_back(etcd::WatchResponse {
                watch_id: NONE,
                canceled: true,
                cancel_reason,
                ..said
            }),
        }
    }

    /// One that is not there is passed over, as in etcd.
    fn cancel(&mut self, name: u64, number: i64, store: &mut Store, header: &Header) {
        let Some(stream) = self.streams.get_mut(&name) else { return };
        let Some(watch) = stream.watches.remove(&number) else { return };
        stream.ready.retain(|ready| *ready != number);
        self.owners.remove(&watch.id);
        store.watch_cancel(watch.id);
        let header = tell::header(header, store.revision());
        let canceled = true;
        let said = etcd::WatchResponse { header, watch_id: number, canceled, ..Default::default() };
        stream.words.push_back(said);
    }

    /// A watch of the store has something to tell.
    pub fn on_ready(&mut self, id: WatchId) {
        let Some((name, number)) = self.owners.get(&id).copied() else { return };
        if let Some(stream) = self.streams.get_mut(&name)
            && !stream.ready.contains(&number)
        {
            stream.ready.push_back(number);
            self.talking.insert(name);
        }
    }

    /// Time has passed (etcd: ten minutes): watches that want it hear how far they are, if they heard nothing
    /// since last time.
    pub fn on_progress_due(&mut self, store: &Store, header: &Header) {
        for (name, stream) in &mut self.streams {
            for (number, watch) in stream.watches.iter_mut().filter(|(_, watch)| watch.notify) {
                let was_quiet = std::mem::replace(&mut watch.quiet, true);
                let Some(revision) = store.watch_progress(watch.id).filter(|_| was_quiet) else {
                    continue;
                };
                if stream.words.len() < WATCH_WORDS_MAX {
                    stream.words.push_back(progress(*number, header, revision));
                    self.talking.insert(*name);
                }
            }
        }
    }

    /// The next message of a stream, of about `bytes_max`. Nothing: it has nothing to say now, and does not
    /// talk any more; or it has to look further, and still does.
    pub fn next(
        &mut self,
        name: u64,
        store: &mut Store,
        header: &Header,
        bytes_max: usize,
    ) -> Option<etcd::WatchResponse> {
        let stream = self.streams.get_mut(&name)?;
        if let Some(said) = stream.words.pop_front() {
            return Some(said);
        }
        for _ in 0..stream.ready.len() {
            let number = stream.ready.pop_front()?;
            let Some(watch) = stream.watches.get_mut(&number) else { continue };
            let drained = store.drain_watch(watch.id, bytes_max);
            if drained.more {
                stream.ready.push_back(number);
            }
            if drained.compact_revision.is_some() {
                self.owners.remove(&watch.id);
                stream.watches.remove(&number);
                return Some(events(number, drained, header));
            }
            if !drained.events.is_empty() {
                watch.quiet = false;
                return Some(events(number, drained, header));
            }
        }
        if let Some(revision) = stream.progress_of_all(store) {
            stream.progress_asked = false;
            return Some(progress(NONE, header, revision));
        }
        if stream.ready.is_empty() {
            self.talking.remove(&name);
        }
        None
    }
}

impl Stream {
    /// The number of a new watch: the client's, or the next that is free.
    fn number(&mut self, wanted: i64) -> Result<i64, String> {
        if wanted != 0 {
            let is_taken = self.watches.contains_key(&wanted);
            return if is_taken { Err(DUPLICATE.into()) } else { Ok(wanted) };
        }
        while let Entry::Occupied(_) = self.watches.entry(self.next_number) {
            self.next_number = self.next_number.wrapping_add(1);
        }
        let number = self.next_number;
        self.next_number = number.wrapping_add(1);
        Ok(number)
    }

    fn make(&self, asked: etcd::WatchCreateRequest, store: &mut Store) -> Result<WatchId, String> {
        if asked.start_revision < 0 {
            return Err(Error::Compacted.text().into());
        }
        let asked = request(asked);
        let has_end = !asked.end.is_empty() && asked.end != [0];
        if has_end && asked.end <= asked.key {
            return Err(EMPTY_RANGE.into());
        }
        store.watch_create(self.who.as_ref(), &asked).map_err(|why| {
            // The text of an error of gRPC as Go writes it: clients compare it.
            format!("rpc error: code = {:?} desc = {}", why.code(), why.text())
        })
    }

    /// How far all watches are, if each has heard everything that is its.
    fn progress_of_all(&self, store: &Store) -> Option<i64> {
        let told = |watch: &Watch| store.watch_progress(watch.id).is_some();
        let is_due = self.progress_asked && self.watches.values().all(told);
        is_due.then(|| store.revision())
    }
}

/// From etcd's words. All keys begin at an empty one.
fn request(asked: etcd::WatchCreateRequest) -> WatchRequest {
    let key = if asked.key.is_empty() { vec![0] } else { asked.key };
    WatchRequest {
        key,
        end: asked.range_end,
        start_revision: asked.start_revision,
        prev_kv: asked.prev_kv,
        no_put: asked.filters.contains(&0),
        no_delete: asked.filters.contains(&1),
        fragment: asked.fragment,
    }
}

fn progress(watch_id: i64, header: &Header, revision: i64) -> etcd::WatchResponse {
    let header = tell::header(header, revision);
    etcd::WatchResponse { header, watch_id, ..Default::default() }
}

fn events(watch_id: i64, drained: Drained, header: &Header) -> etcd::WatchResponse {
    etcd::WatchResponse {
        header: tell::header(header, drained.revision),
        watch_id,
        created: false,
        canceled: drained.compact_revision.is_some(),
        compact_revision: drained.compact_revision.unwrap_or(0),
        cancel_reason: String::new(),
        fragment: drained.fragment,
        events: drained.events.into_iter().map(tell::event).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{AuthChange, Change, Command, DeleteRangeRequest, PutRequest};
    use crate::reply::Happened;

    const HEADER: Header = Header { cluster_id: 1, member_id: 2, revision: 0, raft_term: 3 };

    /// A store whose watches belong to streams.
    #[derive(Default)]
    struct Script {
        store: Store,
        streams: WatchStreams,
        index: u64,
    }

    impl Script {
        fn apply(&mut self, change: Change) {
            self.index += 1;
            let mut happened = Vec::new();
            let command = Command { who: None, now_unix_ms: 0, change };
            self.store.apply(self.index, &command, &mut happened).result.unwrap();
            for happened in happened {
                if let Happened::WatchReady(id) = happened {
                    self.streams.on_ready(id);
                }
            }
        }

        fn put(&mut self, key: &str) {
            let (key, value) = (key.into(), b"v".to_vec());
            self.apply(Change::Put(PutRequest { key, value, ..PutRequest::default() }));
        }

        fn ask(&mut self, asked: etcd::WatchAsked) {
            let asked = etcd::WatchRequest { request_union: Some(asked) };
            self.streams.on_request(9, asked, &mut self.store, &HEADER);
        }

        fn create(&mut self, asked: etcd::WatchCreateRequest) {
            self.ask(etcd::WatchAsked::CreateRequest(asked));
        }

        fn progress(&mut self) {
            self.ask(etcd::WatchAsked::ProgressRequest(etcd::WatchProgressRequest {}));
        }

        /// Everything that is said, in short: `revision:number words keys`.
        fn said(&mut self) -> Vec<String> {
            let mut said = Vec::new();
            while self.streams.talking().next().is_some() {
                if let Some(m) = self.streams.next(9, &mut self.store, &HEADER, 1000) {
                    said.push(short(&m));
                }
            }
            said
        }
    }

    fn short(said: &etcd::WatchResponse) -> String {
        let revision = said.header.unwrap().revision;
        let mut text = format!("{revision}:{}", said.watch_id);
        let words = [(said.created, "created"), (said.canceled, "canceled")];
        for (_, word) in words.iter().filter(|(is, _)| *is) {
            text.push_str(&format!(" {word}"));
        }
        if said.compact_revision != 0 {
            text.push_str(&format!(" compacted {}", said.compact_revision));
        }
        if !said.cancel_reason.is_empty() {
            text.push_str(&format!(" ({})", said.cancel_reason));
        }
        for event in &said.events {
            let key = String::from_utf8(event.kv.clone().unwrap().key).unwrap();
            text.push_str(&format!(" {}{key}", ["+", "-"][event.r#type as usize]));
        }
        text
    }

    fn script() -> Script {
        let mut script = Script::default();
        script.streams.open(9, None);
        script
    }

    fn on(key: &str) -> etcd::WatchCreateRequest {
        etcd::WatchCreateRequest { key: key.into(), ..Default::default() }
    }

    #[test]
    fn it_answers_as_etcd_did() {
        // What etcd 3.4.23 was asked, and said, in this order.
        let mut s = script();
        s.progress();
        s.create(on("a"));
        s.create(etcd::WatchCreateRequest { watch_id: 5, ..on("a") });
        s.create(etcd::WatchCreateRequest { watch_id: 5, ..on("a") });
        s.ask(etcd::WatchAsked::CancelRequest(etcd::WatchCancelRequest { watch_id: 5 }));
        let said = [
            "1:0 created",
            "1:5 created",
            "1:-1 created canceled (mvcc: duplicate watch ID provided on the WatchStream)",
            "1:5 canceled",
            "1:-1",
        ];
        assert_eq!(s.said(), said);
        s.put("a");
        s.put("b");
        s.apply(Change::DeleteRange(DeleteRangeRequest { key: b"a".into(), ..Default::default() }));
        assert_eq!(s.said(), ["4:0 +a -a"]);
        s.apply(Change::Compact { revision: 3 });
        s.create(etcd::WatchCreateRequest { start_revision: 2, ..on("a") });
        assert_eq!(s.said(), ["4:1 created", "4:1 canceled compacted 3"]);
        assert_eq!(s.streams.watch_count(9), 1);
    }

    #[test]
    fn numbers_that_clients_chose_are_not_given_again() {
        let mut s = script();
        s.create(etcd::WatchCreateRequest { watch_id: 1, ..on("a") });
        s.create(on("a"));
        s.create(on("a"));
        assert_eq!(s.said(), ["1:1 created", "1:0 created", "1:2 created"]);
        s.ask(etcd::WatchAsked::CancelRequest(etcd::WatchCancelRequest { watch_id: 77 }));
        assert_eq!(s.said(), [""; 0]);
        s.put("a");
        assert_eq!(s.said(), ["2:1 +a", "2:0 +a", "2:2 +a"]);
        s.streams.close(9, &mut s.store);
        assert_eq!(s.store.watch_count(), 0);
        s.put("a");
        assert!(s.streams.is_empty() && s.streams.talking().next().is_none());
    }

    #[test]
    fn what_cannot_be_watched_is_refused() {
        let mut s = script();
        s.create(etcd::WatchCreateRequest { range_end: b"a".into(), ..on("b") });
        s.create(etcd::WatchCreateRequest { start_revision: -1, ..on("b") });
        let refused = [
            "1:-1 created canceled (mvcc: watcher range is empty)",
            "1:-1 created canceled (etcdserver: mvcc: required revision has been compacted)",
        ];
        assert_eq!(s.said(), refused);
        for change in [
            AuthChange::UserAdd { user: "root".into(), hash: None },
            AuthChange::UserGrantRole { user: "root".into(), role: "root".into() },
            AuthChange::UserAdd { user: "u".into(), hash: None },
            AuthChange::Enable,
        ] {
            s.apply(Change::Auth(change));
        }
        s.streams.open(9, Some(s.store.auth().user("u")));
        s.create(on("a"));
        let denied = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
        assert_eq!(s.said(), [format!("1:-1 created canceled ({denied})")]);
    }

    #[test]
    fn progress_waits_until_all_is_told() {
        let mut s = script();
        for _ in 0..3 {
            s.put("a");
        }
        s.create(etcd::WatchCreateRequest { start_revision: 2, ..on("a") });
        s.create(etcd::WatchCreateRequest { start_revision: 6, ..on("a") });
        s.progress();
        assert_eq!(s.said(), ["4:0 created", "4:1 created", "4:0 +a +a +a"]);
        s.put("a");
        s.put("a");
        assert_eq!(s.said(), ["6:0 +a +a", "6:1 +a", "6:-1"]);
    }

    #[test]
    fn quiet_watches_are_told_how_far_they_are() {
        let mut s = script();
        s.create(etcd::WatchCreateRequest { progress_notify: true, ..on("a") });
        s.create(on("a"));
        s.put("b");
        s.said();
        s.streams.on_progress_due(&s.store, &HEADER);
        assert_eq!(s.said(), ["2:0"]);
        s.put("a");
        s.said();
        s.streams.on_progress_due(&s.store, &HEADER);
        assert_eq!(s.said(), [""; 0], "it has just heard");
        s.streams.on_progress_due(&s.store, &HEADER);
        assert_eq!(s.said(), ["3:0"]);
    }

    #[test]
    fn a_stream_that_nobody_reads_is_not_listened_to() {
        let mut s = script();
        for _ in 0..WATCH_WORDS_MAX {
            assert!(s.streams.is_listening(9));
            s.create(on("a"));
        }
        assert!(!s.streams.is_listening(9));
        s.said();
        assert!(s.streams.is_listening(9));
    }

    #[test]
    fn everything_can_be_watched_by_an_empty_key() {
        let mut s = script();
        s.create(etcd::WatchCreateRequest { range_end: vec![0], filters: vec![1], ..on("") });
        s.put("x");
        assert_eq!(s.said(), ["1:0 created", "2:0 +x"]);
    }
}
