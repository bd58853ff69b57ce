//! From our answers to etcd's.

use super::message as etcd;
use crate::read::{Event, EventKind, KeyValue, RangeReply};
use crate::reply::{DeleteRangeReply, OpReply, PutReply, TxnReply};

/// What all answers of a member have in common. Its revision is replaced by that of the answer.
pub type Header = etcd::ResponseHeader;

/// Only a header.
pub fn header(common: &Header, revision: i64) -> Option<Header> {
    Some(Header { revision, ..*common })
}

/// Within a transaction, etcd's headers hold the revision and nothing else.
const INNER: Header = Header { cluster_id: 0, member_id: 0, revision: 0, raft_term: 0 };

/// A key.
pub fn key_value(kv: KeyValue) -> etcd::KeyValue {
    etcd::KeyValue {
        key: kv.key,
        create_revision: kv.create_revision,
        mod_revision: kv.mod_revision,
        version: kv.version,
        value: kv.value,
        lease: kv.lease,
    }
}

/// What a watch tells.
pub fn event(event: Event) -> etcd::Event {
    let r#type = match event.kind {
        EventKind::Put => 0,
        EventKind::Delete => 1,
    };
    etcd::Event { r#type, kv: Some(key_value(event.kv)), prev_kv: event.prev_kv.map(key_value) }
}

/// To a read.
pub fn range(reply: RangeReply, common: &Header) -> etcd::RangeResponse {
    etcd::RangeResponse {
        header: header(common, reply.revision),
        kvs: reply.kvs.into_iter().map(key_value).collect(),
        more: reply.more,
        count: reply.count,
    }
}

/// To a put.
pub fn put(reply: PutReply, common: &Header) -> etcd::PutResponse {
    let prev_kv = reply.prev_kv.map(key_value);
    etcd::PutResponse { header: header(common, reply.revision), prev_kv }
}

/// To a deletion.
pub fn delete_range(reply: DeleteRangeReply, common: &Header) -> etcd::DeleteRangeResponse {
    etcd::DeleteRangeResponse {
        header: header(common, reply.revision),
        deleted: reply.deleted,
        prev_kvs: reply.prev_kvs.into_iter().map(key_value).collect(),
    }
}

/// To a transaction.
pub fn txn(reply: TxnReply, common: &Header) -> etcd::TxnResponse {
    etcd::TxnResponse {
        header: header(common, reply.revision),
        succeeded: reply.succeeded,
        responses: reply.replies.into_iter().map(op).collect(),
    }
}

fn op(reply: OpReply) -> etcd::ResponseOp {
    let response = match reply {
        OpReply::Range(reply) => etcd::Response::ResponseRange(range(reply, &INNER)),
        OpReply::Put(reply) => etcd::Response::ResponsePut(put(reply, &INNER)),
        OpReply::DeleteRange(reply) => {
            etcd::Response::ResponseDeleteRange(delete_range(reply, &INNER))
        }
        OpReply::Txn(reply) => etcd::Response::ResponseTxn(txn(reply, &INNER)),
    };
    etcd::ResponseOp { response: Some(response) }
}

/// To the grant of a lease.
pub fn lease_granted(id: i64, ttl_s: i64, header: Option<Header>) -> etcd::LeaseGrantResponse {
    etcd::LeaseGrantResponse { header, id, ttl: ttl_s, error: String::new() }
}

/// To the renewal of a lease: its whole time again, or zero if there is none.
pub fn lease_kept(
    id: i64,
    ttl_s: Option<i64>,
    header: Option<Header>,
) -> etcd::LeaseKeepAliveResponse {
    etcd::LeaseKeepAliveResponse { header, id, ttl: ttl_s.unwrap_or(0) }
}

/// What is known of a lease: seconds left, seconds granted, and its keys. To one that is not there, etcd
/// answers a time of -1, and no error.
pub fn lease_time(
    id: i64,
    times: Option<(i64, i64)>,
    keys: Vec<Vec<u8>>,
    header: Option<Header>,
) -> etcd::LeaseTimeToLiveResponse {
    let (ttl, granted_ttl) = times.unwrap_or((-1, 0));
    etcd::LeaseTimeToLiveResponse { header, id, ttl, granted_ttl, keys }
}

/// All leases.
pub fn leases(ids: Vec<i64>, header: Option<Header>) -> etcd::LeaseLeasesResponse {
    let leases = ids.into_iter().map(|id| etcd::LeaseStatus { id }).collect();
    etcd::LeaseLeasesResponse { header, leases }
}
