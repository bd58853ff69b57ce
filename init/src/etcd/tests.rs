//! The node with a disk of memory: calls as bytes in, answers as bytes out.

use std::collections::BTreeMap;
use std::time::Duration;

use kv::etcd::message as etcd;
use kv::etcd::status::Status;
use kv::replica::{Action, Config, Event, Files, Start};
use kv::store::Retention;
use kv::wal::Segment;
use kv::wal::log::Order as LogOrder;
use prost::Message;

use super::identity::first_members;
use super::node::Settings;
use super::url::Url;
use super::{Call, Fact, Moment, Node, Order};

/// A node alone, its disk, and what its clients heard.
#[derive(Default)]
pub(super) struct Bench {
    node: Option<Node>,
    segments: BTreeMap<u64, Vec<u8>>,
    /// Writes that were ordered and not yet made.
    due: Vec<Action<kv::reply::Reply>>,
    pub(super) said: BTreeMap<Call, Vec<Vec<u8>>>,
    pub(super) ended: BTreeMap<Call, Option<Status>>,
    pub(super) moment: Moment,
    nonce: u64,
    calls: u64,
}

impl Bench {
    pub(super) fn new() -> Self {
        let mut bench = Self::default();
        bench.moment.unix_ms = 1_000_000;
        bench.start();
        bench.settle();
        bench
    }

    /// Starts from what the disk has; what was not yet written is lost.
    pub(super) fn start(&mut self) {
        self.due.clear();
        self.nonce += 1;
        let urls = vec![Url::parse("http://127.0.0.1:2380").unwrap()];
        let (cluster, members) = first_members(&BTreeMap::from([("a".into(), urls)]), "t");
        let replica = Config::new(members.voters()[0], cluster, self.nonce);
        let settings = Settings {
            replica,
            name: "a".into(),
            client_urls: vec!["http://127.0.0.1:2379".into()],
            quota_bytes: 1 << 30,
            retention: Retention::Revisions(20_000),
        };
        let kept = self.segments.clone();
        let segments: Vec<Segment<'_>> =
            kept.iter().map(|(number, bytes)| Segment { number: *number, bytes }).collect();
        let files = Files { segments: &segments, snapshots: &[] };
        let mut orders = Vec::new();
        let start = Start::New { log: 5, members };
        self.node = Some(Node::start(settings, &files, start, self.moment, &mut orders).unwrap());
        self.carry_out(orders);
    }

    pub(super) fn node(&mut self) -> &mut Node {
        self.node.as_mut().unwrap()
    }

    pub(super) fn step(&mut self, fact: Fact) {
        let (moment, mut orders) = (self.moment, Vec::new());
        self.node().step(fact, moment, &mut orders);
        self.node().do_duties(moment, &mut orders);
        self.carry_out(orders);
    }

    fn carry_out(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Say { call, message } => self.said.entry(call).or_default().push(message),
                Order::End { call, status } => drop(self.ended.insert(call, status)),
                Order::Disk(order) => self.due.push(*order),
                Order::Send { .. } | Order::Members(_) => {}
                Order::Note(text) => panic!("{text}"),
            }
        }
    }

    /// Lets the disk work until it has nothing to do.
    pub(super) fn settle(&mut self) {
        while !self.due.is_empty() {
            let order = self.due.remove(0);
            if let Action::Segment(LogOrder::Open { segment, bytes }) = order {
                self.segments.insert(segment, vec![0; usize::try_from(bytes).unwrap()]);
            } else if let Action::Write { ticket, segment, offset, bytes } = order {
                let at = usize::try_from(offset).unwrap();
                self.segments.get_mut(&segment).unwrap()[at..at + bytes.len()]
                    .copy_from_slice(&bytes);
                self.step(Fact::Replica(Event::Done { ticket }));
            } else {
                panic!("{order:?}");
            }
        }
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.moment.now += by;
        self.moment.unix_ms += u64::try_from(by.as_millis()).unwrap();
        self.step(Fact::Replica(Event::Tick));
        self.settle();
    }

    pub(super) fn open(&mut self, path: &str) -> Call {
        self.calls += 1;
        let call = Call(self.calls);
        self.step(Fact::Opened { call, path: path.into(), token: None });
        call
    }

    pub(super) fn say(&mut self, call: Call, message: &impl Message) {
        self.step(Fact::Said { call, message: message.encode_to_vec() });
    }

    /// Messages of a call that were not yet taken.
    pub(super) fn hear<M: Message + Default>(&mut self, call: Call) -> Vec<M> {
        let said = self.said.remove(&call).unwrap_or_default();
        said.iter().map(|bytes| M::decode(&bytes[5..]).unwrap()).collect()
    }

    /// A call with one answer.
    pub(super) fn ask<M: Message + Default>(
        &mut self,
        path: &str,
        message: &impl Message,
    ) -> Result<M, Status> {
        let call = self.open(path);
        self.say(call, message);
        self.settle();
        match self.ended.remove(&call) {
            Some(None) => Ok(self.hear(call).remove(0)),
            Some(Some(status)) => Err(status),
            None => panic!("{path} was not answered"),
        }
    }

    pub(super) fn put(&mut self, key: &str, value: &str) -> etcd::PutResponse {
        let put = etcd::PutRequest { key: key.into(), value: value.into(), ..Default::default() };
        self.ask("/etcdserverpb.KV/Put", &put).unwrap()
    }

    pub(super) fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        let range = etcd::RangeRequest { key: key.into(), ..Default::default() };
        let found: etcd::RangeResponse = self.ask("/etcdserverpb.KV/Range", &range).unwrap();
        found.kvs.into_iter().next().map(|kv| kv.value)
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash() {
    let mut bench = Bench::new();
    let header = bench.put("a", "1").header.unwrap();
    assert_eq!(header.revision, 2);
    assert!(header.raft_term > 0 && header.cluster_id > 0 && header.member_id > 0);
    bench.start();
    bench.settle();
    assert_eq!(bench.get("a"), Some(b"1".to_vec()));
}

#[test]
fn nothing_is_acknowledged_before_it_is_written() {
    let mut bench = Bench::new();
    let call = bench.open("/etcdserverpb.KV/Put");
    bench.say(call, &etcd::PutRequest { key: b"a".to_vec(), ..Default::default() });
    assert!(!bench.ended.contains_key(&call), "the disk has not answered");
    bench.start();
    bench.settle();
    assert_eq!(bench.get("a"), None);
    assert!(!bench.ended.contains_key(&call));
}

#[test]
fn what_is_no_call_is_refused() {
    let mut bench = Bench::new();
    let nothing = etcd::HeaderResponse::default();
    for (path, text) in [
        ("/etcdserverpb.KV/Steal", "unknown method Steal for service etcdserverpb.KV"),
        ("/nowhere/Steal", "unknown method Steal for service nowhere"),
        ("nonsense", "unknown method  for service "),
    ] {
        let status = bench.ask::<etcd::HeaderResponse>(path, &nothing).unwrap_err();
        assert_eq!((status.code, status.text.as_ref()), (12, text));
    }
    let empty = etcd::RangeRequest::default();
    let status = bench.ask::<etcd::RangeResponse>("/etcdserverpb.KV/Range", &empty).unwrap_err();
    assert_eq!((status.code, status.text.as_ref()), (3, "etcdserver: key is not provided"));
    let call = bench.open("/etcdserverpb.KV/Range");
    bench.step(Fact::Said { call, message: vec![0xff; 9] });
    assert_eq!(bench.ended[&call].as_ref().unwrap().code, 13);
}

#[test]
fn nobody_hears_of_a_call_that_is_gone() {
    let mut bench = Bench::new();
    let call = bench.open("/etcdserverpb.KV/Put");
    bench.say(call, &etcd::PutRequest { key: b"a".to_vec(), ..Default::default() });
    bench.step(Fact::Gone { call });
    bench.settle();
    assert!(bench.said.is_empty() && !bench.ended.contains_key(&call));
    assert_eq!(bench.get("a"), Some(Vec::new()));
}

#[test]
fn a_member_at_rest_sleeps() {
    let mut bench = Bench::new();
    bench.put("a", "1");
    bench.advance(Duration::from_secs(2));
    assert_eq!(bench.node().deadline(), None);
}
