//! Requests as bytes, through a real store, to answers as bytes.

use prost::Message;

use super::message as etcd;
use super::status::Status;
use super::{ask, frame, tell};
use crate::command::{Change, Command};
use crate::error::Error;
use crate::reply::{Answer, Reply};
use crate::store::Store;

const COMMON: tell::Header =
    tell::Header { cluster_id: 7, member_id: 8, revision: 0, raft_term: 2 };

fn apply(store: &mut Store, index: u64, change: Change) -> Reply {
    store.apply(index, &Command { who: None, now_unix_ms: 0, change }, &mut Vec::new())
}

/// `key: "k"`, `value: "v"` as any client writes it, with a field that nobody knows behind.
const PUT: &[u8] = b"\x0a\x01k\x12\x01v\xf8\x3f\x01";

#[test]
fn a_put_and_a_read_go_through() {
    let mut store = Store::new();
    let asked = etcd::PutRequest::decode(PUT).unwrap();
    let reply = apply(&mut store, 1, Change::Put(ask::put(asked)));
    let Ok(Answer::Put(reply)) = reply.result else { panic!("{reply:?}") };
    let told = tell::put(reply, &COMMON).encode_to_vec();
    assert_eq!(told, b"\x0a\x08\x08\x07\x10\x08\x18\x02\x20\x02");
    let asked = etcd::RangeRequest { key: b"k".to_vec(), ..Default::default() };
    let found = store.read(None, &ask::range(asked).unwrap()).unwrap();
    let told = tell::range(found, &COMMON);
    let kv = b"\x12\x0c\x0a\x01k\x10\x02\x18\x02\x20\x01\x2a\x01v\x20\x01";
    assert_eq!(told.encode_to_vec()[10..], kv[..]);
}

fn compared(result: i32, target: i32, union: Option<etcd::TargetUnion>) -> bool {
    let mut store = Store::new();
    let asked = etcd::PutRequest::decode(PUT).unwrap();
    apply(&mut store, 1, Change::Put(ask::put(asked)));
    let key = b"k".to_vec();
    let compare = etcd::Compare { result, target, key, target_union: union, ..Default::default() };
    let asked = etcd::TxnRequest { compare: vec![compare], ..Default::default() };
    let again = etcd::TxnRequest::decode(&asked.encode_to_vec()[..]).unwrap();
    let reply = apply(&mut store, 2, Change::Txn(ask::txn(again).unwrap()));
    let Ok(Answer::Txn(reply)) = reply.result else { panic!("{reply:?}") };
    tell::txn(reply, &COMMON).succeeded
}

#[test]
fn comparisons_mean_what_etcd_means() {
    use etcd::TargetUnion::{CreateRevision, Lease, ModRevision, Value, Version};
    assert!(compared(0, 0, Some(Version(1))));
    assert!(!compared(3, 0, Some(Version(1))));
    assert!(compared(1, 1, Some(CreateRevision(1))));
    assert!(compared(2, 2, Some(ModRevision(3))));
    assert!(compared(0, 3, Some(Value(b"v".to_vec()))));
    assert!(compared(0, 4, Some(Lease(0))));
    assert!(compared(1, 2, Some(Version(9))), "a value of the wrong kind is zero");
    assert!(compared(9, 0, None), "a relation that etcd does not know is met");
}

#[test]
fn what_makes_no_sense_is_refused_in_etcds_words() {
    let order = etcd::RangeRequest { sort_order: 3, ..Default::default() };
    assert_eq!(ask::range(order), Err(Error::InvalidSortOption));
    let target = etcd::RangeRequest { sort_target: -1, ..Default::default() };
    assert_eq!(ask::range(target), Err(Error::InvalidSortOption));
    let empty = etcd::RequestOp { request: None };
    let txn = etcd::TxnRequest { success: vec![empty], ..Default::default() };
    assert_eq!(ask::txn(txn), Err(Error::KeyNotFound));
}

#[test]
fn a_transaction_that_nests_without_end_is_no_message() {
    let mut txn = etcd::TxnRequest::default();
    for _ in 0..200 {
        let request = Some(etcd::Request::RequestTxn(txn));
        let success = vec![etcd::RequestOp { request }];
        txn = etcd::TxnRequest { success, ..Default::default() };
    }
    assert!(etcd::TxnRequest::decode(&txn.encode_to_vec()[..]).is_err());
}

#[test]
fn frames_are_looked_at_before_they_are_kept() {
    assert_eq!(frame::look(b"\0\0\0\0", 10), Ok(None));
    assert_eq!(frame::look(b"\0\0\0\0\x02a", 10), Ok(None));
    assert_eq!(frame::look(b"\0\0\0\0\x02abc", 10), Ok(Some(2)));
    assert_eq!(frame::look(b"\x01\0\0\0\x02ab", 10), Err(Status::compressed()));
    assert_eq!(frame::look(b"\0\xff\xff\xff\xff", 10).unwrap_err().code, 8);
    let message = etcd::CompactionRequest { revision: 5, physical: false };
    assert_eq!(frame::wrap(&message), b"\0\0\0\0\x02\x08\x05");
}

#[test]
fn texts_travel_in_headers() {
    assert_eq!(Status::from(Error::Compacted).code, 11);
    let status = Status { code: 13, text: "100% \u{e9}\n".into() };
    assert_eq!(status.text_for_header(), "100%25 %C3%A9%0A");
}

#[test]
fn watches_and_leases_have_etcds_bytes() {
    let asked = b"\x0a\x0b\x0a\x01k\x18\x05\x20\x01\x2a\x02\x00\x01";
    let create = etcd::WatchCreateRequest {
        key: b"k".to_vec(),
        start_revision: 5,
        progress_notify: true,
        filters: vec![0, 1],
        ..Default::default()
    };
    let union = Some(etcd::WatchAsked::CreateRequest(create));
    assert_eq!(etcd::WatchRequest::decode(&asked[..]).unwrap().request_union, union);
    let kv = etcd::KeyValue { key: b"k".to_vec(), ..Default::default() };
    let event = etcd::Event { r#type: 1, kv: Some(kv), prev_kv: None };
    let told = etcd::WatchResponse {
        watch_id: 3,
        fragment: true,
        events: vec![event],
        ..Default::default()
    };
    assert_eq!(told.encode_to_vec(), b"\x10\x03\x38\x01\x5a\x07\x08\x01\x12\x03\x0a\x01k");
    let gone = tell::lease_time(7, None, Vec::new(), None);
    assert_eq!(gone.encode_to_vec(), b"\x10\x07\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    let short = etcd::LeaseGrantRequest { ttl: 0, id: 4 };
    assert_eq!(ask::lease_grant(&short, 2), Ok(Change::LeaseGrant { id: 4, ttl_s: 2 }));
    let long = etcd::LeaseGrantRequest { ttl: i64::MAX, id: 4 };
    assert_eq!(ask::lease_grant(&long, 2), Err(Error::LeaseTtlTooLarge));
}
