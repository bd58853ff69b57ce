//! From our answers to etcd's.

use super::message as etcd;
use crate::read::{KeyValue, RangeReply};
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
