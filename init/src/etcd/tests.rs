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
    pub(super) paused: BTreeMap<Call, bool>,
    pub(super) moment: Moment,
    pub(super) token: Option<String>,
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
            cluster_token: "t".into(),
            bcrypt_cost: 4,
            version: "3.4.23",
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
                Order::Send { .. } | Order::Members(_) | Order::Word { .. } => {}
                Order::Pause { call, paused } => drop(self.paused.insert(call, paused)),
                Order::HashPassword { call, password, cost } => {
                    let hash = kv::password::hash(&password, cost, [7; 16]).ok();
                    self.step(Fact::Hashed { call, hash });
                }
                Order::CheckPassword { call, password, hash } => {
                    let fits = kv::password::fits(&password, &hash);
                    self.step(Fact::Checked { call, fits });
                }
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
        let token = self.token.clone();
        self.step(Fact::Opened { call, path: path.into(), token });
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
        ("nonsense", "unknown method  for service nonsense"),
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

fn watch(key: &str) -> etcd::WatchRequest {
    let asked = etcd::WatchCreateRequest { key: key.into(), ..Default::default() };
    etcd::WatchRequest { request_union: Some(etcd::WatchAsked::CreateRequest(asked)) }
}

#[test]
fn a_watch_hears_of_what_is_durable_when_there_is_room() {
    let mut bench = Bench::new();
    let call = bench.open("/etcdserverpb.Watch/Watch");
    bench.say(call, &watch("a"));
    let said: Vec<etcd::WatchResponse> = bench.hear(call);
    assert!(said[0].created);
    bench.put("a", "1");
    assert!(bench.hear::<etcd::WatchResponse>(call).is_empty(), "what was said has not left");
    bench.put("a", "2");
    bench.step(Fact::Sent { call });
    let said: Vec<etcd::WatchResponse> = bench.hear(call);
    assert_eq!(said.iter().map(|said| said.events.len()).sum::<usize>(), 2);
    bench.step(Fact::Finished { call });
    assert_eq!(bench.ended[&call], None);
    assert_eq!(bench.node().replica().machine().watch_count(), 0);
}

#[test]
fn a_client_that_does_not_listen_is_not_listened_to() {
    let mut bench = Bench::new();
    let call = bench.open("/etcdserverpb.Watch/Watch");
    for _ in 0..1000 {
        bench.say(call, &watch("a"));
    }
    assert_eq!(bench.paused.get(&call), Some(&true));
    assert!(bench.node().replica().machine().watch_count() < 200);
    let mut created = 0;
    while bench.paused.get(&call) == Some(&true) || created < 1000 {
        bench.step(Fact::Sent { call });
        created += bench.hear::<etcd::WatchResponse>(call).len();
    }
    assert_eq!(created, 1000);
    bench.step(Fact::Gone { call });
    assert_eq!(bench.node().replica().machine().watch_count(), 0);
}

#[test]
fn a_lease_ends_when_nobody_keeps_it_alive() {
    let mut bench = Bench::new();
    let grant = etcd::LeaseGrantRequest { ttl: 1, id: 7 };
    let granted: etcd::LeaseGrantResponse =
        bench.ask("/etcdserverpb.Lease/LeaseGrant", &grant).unwrap();
    assert_eq!((granted.id, granted.ttl), (7, 2), "the least is one and a half elections");
    let put = etcd::PutRequest { key: b"l".to_vec(), lease: 7, ..Default::default() };
    let _: etcd::PutResponse = bench.ask("/etcdserverpb.KV/Put", &put).unwrap();
    let alive = bench.open("/etcdserverpb.Lease/LeaseKeepAlive");
    for _ in 0..5 {
        bench.advance(Duration::from_millis(1500));
        bench.say(alive, &etcd::LeaseKeepAliveRequest { id: 7 });
        let kept: Vec<etcd::LeaseKeepAliveResponse> = bench.hear(alive);
        assert_eq!(kept[0].ttl, 2);
    }
    let time = etcd::LeaseTimeToLiveRequest { id: 7, keys: true };
    let told: etcd::LeaseTimeToLiveResponse =
        bench.ask("/etcdserverpb.Lease/LeaseTimeToLive", &time).unwrap();
    assert_eq!((told.granted_ttl, told.keys.len()), (2, 1));
    bench.advance(Duration::from_millis(2100));
    assert_eq!(bench.get("l"), None);
    let told: etcd::LeaseTimeToLiveResponse =
        bench.ask("/etcdserverpb.Lease/LeaseTimeToLive", &time).unwrap();
    assert_eq!(told.ttl, -1);
}

#[test]
fn users_are_asked_for_their_password() {
    let mut bench = Bench::new();
    let add = |name: &str| etcd::AuthUserAddRequest {
        name: name.into(),
        password: "secret".into(),
        ..Default::default()
    };
    let named = |name: &str| etcd::AuthNameRequest { name: name.into() };
    for name in ["root", "u"] {
        let _: etcd::HeaderResponse = bench.ask("/etcdserverpb.Auth/UserAdd", &add(name)).unwrap();
    }
    let _: etcd::HeaderResponse = bench.ask("/etcdserverpb.Auth/RoleAdd", &named("root")).unwrap();
    let grant = etcd::AuthUserRoleRequest { user: "root".into(), role: "root".into() };
    let _: etcd::HeaderResponse = bench.ask("/etcdserverpb.Auth/UserGrantRole", &grant).unwrap();
    let nothing = etcd::HeaderResponse::default();
    let _: etcd::HeaderResponse = bench.ask("/etcdserverpb.Auth/AuthEnable", &nothing).unwrap();
    let range = etcd::RangeRequest { key: b"a".to_vec(), ..Default::default() };
    let refused = |bench: &mut Bench| {
        bench.ask::<etcd::RangeResponse>("/etcdserverpb.KV/Range", &range).unwrap_err().text
    };
    assert_eq!(refused(&mut bench), "etcdserver: user name is empty");
    bench.token = Some("7261.99.ab".into());
    assert_eq!(refused(&mut bench), "etcdserver: invalid auth token");
    let login = |bench: &mut Bench, name: &str, password: &str| {
        let asked = etcd::AuthenticateRequest { name: name.into(), password: password.into() };
        bench.token = None;
        bench.ask::<etcd::AuthenticateResponse>("/etcdserverpb.Auth/Authenticate", &asked)
    };
    assert!(login(&mut bench, "root", "wrong").is_err());
    bench.token = Some(login(&mut bench, "u", "secret").unwrap().token);
    assert_eq!(refused(&mut bench), "etcdserver: permission denied");
    bench.token = Some(login(&mut bench, "root", "secret").unwrap().token);
    bench.put("a", "1");
    assert_eq!(bench.get("a"), Some(b"1".to_vec()));
    bench.moment.unix_ms += 25 * 3600 * 1000;
    assert_eq!(refused(&mut bench), "etcdserver: invalid auth token");
}

#[test]
fn a_snapshot_comes_piece_by_piece_with_its_digest() {
    use sha2::Digest;
    let mut bench = Bench::new();
    for number in 0..50 {
        bench.put(&number.to_string(), &"x".repeat(5000));
    }
    let call = bench.open("/etcdserverpb.Maintenance/Snapshot");
    bench.say(call, &etcd::HeaderResponse::default());
    let mut file = Vec::new();
    while !bench.ended.contains_key(&call) {
        for said in bench.hear::<etcd::SnapshotResponse>(call) {
            file.extend(said.blob);
        }
        bench.step(Fact::Sent { call });
    }
    file.extend(bench.hear::<etcd::SnapshotResponse>(call).remove(0).blob);
    assert!(file.len() > 250_000);
    assert_eq!(file.len() % 512, 32);
    let (content, digest) = file.split_at(file.len() - 32);
    assert_eq!(sha2::Sha256::digest(content).as_slice(), digest);
}
