//! From etcd's requests to ours.

use super::message as etcd;
use crate::command::TxnRequest;
use crate::command::{Change, Compare, DeleteRangeRequest, Op, PutRequest, Relation, Target};
use crate::error::Error;
use crate::limits::LEASE_TTL_S_MAX;
use crate::read::{RangeRequest, SortOrder, SortTarget};

/// A read.
///
/// # Errors
///
/// An order that does not exist.
pub fn range(asked: etcd::RangeRequest) -> Result<RangeRequest, Error> {
    let target = sort_target(asked.sort_target)?;
    Ok(RangeRequest {
        order: sort_order(asked.sort_order, target)?,
        target,
        key: asked.key,
        end: asked.range_end,
        limit: asked.limit,
        revision: asked.revision,
        keys_only: asked.keys_only,
        count_only: asked.count_only,
        mod_revision_min: asked.min_mod_revision,
        mod_revision_max: asked.max_mod_revision,
        create_revision_min: asked.min_create_revision,
        create_revision_max: asked.max_create_revision,
    })
}

/// Without an order, etcd sorts all but keys upwards.
fn sort_order(number: i32, target: SortTarget) -> Result<SortOrder, Error> {
    match number {
        0 if target == SortTarget::Key => Ok(SortOrder::None),
        0 | 1 => Ok(SortOrder::Ascend),
        2 => Ok(SortOrder::Descend),
        _ => Err(Error::InvalidSortOption),
    }
}

fn sort_target(number: i32) -> Result<SortTarget, Error> {
    match number {
        0 => Ok(SortTarget::Key),
        1 => Ok(SortTarget::Version),
        2 => Ok(SortTarget::Create),
        3 => Ok(SortTarget::Mod),
        4 => Ok(SortTarget::Value),
        _ => Err(Error::InvalidSortOption),
    }
}

/// A put.
pub fn put(asked: etcd::PutRequest) -> PutRequest {
    PutRequest {
        key: asked.key,
        value: asked.value,
        lease: asked.lease,
        prev_kv: asked.prev_kv,
        ignore_value: asked.ignore_value,
        ignore_lease: asked.ignore_lease,
    }
}

/// A deletion.
pub fn delete_range(asked: etcd::DeleteRangeRequest) -> DeleteRangeRequest {
    DeleteRangeRequest { key: asked.key, end: asked.range_end, prev_kv: asked.prev_kv }
}

/// A compaction.
pub fn compact(asked: &etcd::CompactionRequest) -> Change {
    Change::Compact { revision: asked.revision }
}

/// A new lease. One that is shorter than an election could run out before its holder found the new leader, so
/// `ttl_s_min` is granted instead.
///
/// # Errors
///
/// It is too long.
pub fn lease_grant(asked: &etcd::LeaseGrantRequest, ttl_s_min: i64) -> Result<Change, Error> {
    if asked.ttl > LEASE_TTL_S_MAX {
        return Err(Error::LeaseTtlTooLarge);
    }
    Ok(Change::LeaseGrant { id: asked.id, ttl_s: asked.ttl.max(ttl_s_min) })
}

/// The end of a lease.
pub fn lease_revoke(asked: &etcd::LeaseRevokeRequest) -> Change {
    Change::LeaseRevoke { id: asked.id }
}

/// A transaction. How deep it may nest, the decoder of the message has decided.
///
/// # Errors
///
/// A part of it is none.
pub fn txn(asked: etcd::TxnRequest) -> Result<TxnRequest, Error> {
    Ok(TxnRequest {
        compare: asked.compare.into_iter().map(compare).collect(),
        success: asked.success.into_iter().map(op).collect::<Result<_, _>>()?,
        failure: asked.failure.into_iter().map(op).collect::<Result<_, _>>()?,
    })
}

fn op(asked: etcd::RequestOp) -> Result<Op, Error> {
    match asked.request {
        Some(etcd::Request::RequestRange(asked)) => range(asked).map(Op::Range),
        Some(etcd::Request::RequestPut(asked)) => Ok(Op::Put(put(asked))),
        Some(etcd::Request::RequestDeleteRange(asked)) => Ok(Op::DeleteRange(delete_range(asked))),
        Some(etcd::Request::RequestTxn(asked)) => txn(asked).map(Op::Txn),
        // etcd's answer to an empty part.
        None => Err(Error::KeyNotFound),
    }
}

/// etcd takes a value of the wrong kind for zero, and a relation it does not know for met.
fn compare(asked: etcd::Compare) -> Compare {
    let relation = match asked.result {
        0 => Some(Relation::Equal),
        1 => Some(Relation::Greater),
        2 => Some(Relation::Less),
        3 => Some(Relation::NotEqual),
        _ => None,
    };
    let (relation, target) = match relation {
        Some(relation) => (relation, target(asked.target, asked.target_union)),
        None => (Relation::NotEqual, Target::Version(-1)),
    };
    Compare { key: asked.key, end: asked.range_end, relation, target }
}

fn target(number: i32, value: Option<etcd::TargetUnion>) -> Target {
    use etcd::TargetUnion as Given;
    match (number, value) {
        (0, Some(Given::Version(version))) => Target::Version(version),
        (1, Some(Given::CreateRevision(revision))) => Target::Create(revision),
        (2, Some(Given::ModRevision(revision))) => Target::Mod(revision),
        (3, Some(Given::Value(value))) => Target::Value(value),
        (4, Some(Given::Lease(lease))) => Target::Lease(lease),
        (1, _) => Target::Create(0),
        (2, _) => Target::Mod(0),
        (3, _) => Target::Value(Vec::new()),
        (4, _) => Target::Lease(0),
        _ => Target::Version(0),
    }
}
