//! What is wrong with a request whatever the store holds. The store checks before it applies; who takes
//! requests from clients should check before it proposes, so that nonsense never reaches the log.

use std::collections::BTreeSet;

use super::span::Span;
use crate::command::{Change, DeleteRangeRequest, Op, PutRequest, TxnRequest};
use crate::error::Error;
use crate::limits::TXN_OPS_MAX;
use crate::read::RangeRequest;

/// Checks the form of a change.
///
/// # Errors
///
/// What etcd says of such a request.
pub fn check_change(change: &Change) -> Result<(), Error> {
    match change {
        Change::Put(put) => check_put(put),
        Change::DeleteRange(delete) => check_delete(delete),
        Change::Txn(txn) => {
            check_parts(txn, TXN_OPS_MAX)?;
            Written::of(&txn.success)?;
            Written::of(&txn.failure)?;
            Ok(())
        }
        Change::Compact { .. }
        | Change::LeaseGrant { .. }
        | Change::LeaseRevoke { .. }
        | Change::LeaseEra
        | Change::LeaseExpire { .. }
        | Change::LeaseCheckpoint { .. }
        | Change::Alarm(_)
        | Change::Auth(_)
        | Change::V2(_)
        | Change::Publish { .. }
        | Change::Unpublish { .. } => Ok(()),
    }
}

/// Checks the form of a read.
///
/// # Errors
///
/// There is no key.
pub fn check_range(range: &RangeRequest) -> Result<(), Error> {
    if range.key.is_empty() { Err(Error::EmptyKey) } else { Ok(()) }
}

fn check_put(put: &PutRequest) -> Result<(), Error> {
    if put.key.is_empty() {
        return Err(Error::EmptyKey);
    }
    if put.ignore_value && !put.value.is_empty() {
        return Err(Error::ValueProvided);
    }
    if put.ignore_lease && put.lease != 0 {
        return Err(Error::LeaseProvided);
    }
    Ok(())
}

fn check_delete(delete: &DeleteRangeRequest) -> Result<(), Error> {
    if delete.key.is_empty() { Err(Error::EmptyKey) } else { Ok(()) }
}

/// Each level may have as many parts as the levels above left over, and at least one of them.
fn check_parts(txn: &TxnRequest, parts_max: usize) -> Result<(), Error> {
    let parts = txn.compare.len().max(txn.success.len()).max(txn.failure.len());
    if parts > parts_max {
        return Err(Error::TooManyOps);
    }
    if txn.compare.iter().any(|compare| compare.key.is_empty()) {
        return Err(Error::EmptyKey);
    }
    for op in txn.success.iter().chain(&txn.failure) {
        match op {
            Op::Range(range) => check_range(range)?,
            Op::Put(put) => check_put(put)?,
            Op::DeleteRange(delete) => check_delete(delete)?,
            Op::Txn(nested) => check_parts(nested, parts_max - parts)?,
        }
    }
    Ok(())
}

/// What one side of a transaction writes. Nothing may be put twice, or put and deleted, because the order of
/// parts is not to matter.
#[derive(Default)]
struct Written<'a> {
    puts: BTreeSet<&'a [u8]>,
    deletes: Vec<Span<'a>>,
}

impl<'a> Written<'a> {
    fn of(ops: &'a [Op]) -> Result<Self, Error> {
        let mut written = Self::default();
        for op in ops {
            if let Op::DeleteRange(delete) = op {
                written.deletes.push(Span::new(&delete.key, &delete.end));
            }
        }
        for op in ops {
            if let Op::Txn(nested) = op {
                written.take_nested(nested)?;
            }
        }
        for op in ops {
            if let Op::Put(put) = op {
                written.put(&put.key)?;
            }
        }
        Ok(written)
    }

    /// Only one of the two sides is taken, so they may write the same.
    fn take_nested(&mut self, nested: &'a TxnRequest) -> Result<(), Error> {
        let (success, failure) = (Self::of(&nested.success)?, Self::of(&nested.failure)?);
        for key in success.puts.union(&failure.puts) {
            self.put(key)?;
        }
        self.deletes.extend(success.deletes);
        self.deletes.extend(failure.deletes);
        Ok(())
    }

    fn put(&mut self, key: &'a [u8]) -> Result<(), Error> {
        let deleted = self.deletes.iter().any(|span| span.contains(key));
        if deleted || !self.puts.insert(key) {
            return Err(Error::DuplicateKey);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str) -> Op {
        Op::Put(PutRequest { key: key.into(), ..PutRequest::default() })
    }

    fn delete(key: &str, end: &str) -> Op {
        let (key, end) = (key.into(), end.into());
        Op::DeleteRange(DeleteRangeRequest { key, end, prev_kv: false })
    }

    fn nested(success: Vec<Op>, failure: Vec<Op>) -> Op {
        Op::Txn(TxnRequest { compare: Vec::new(), success, failure })
    }

    fn check(success: Vec<Op>) -> Result<(), Error> {
        check_change(&Change::Txn(TxnRequest { success, ..TxnRequest::default() }))
    }

    #[test]
    fn one_side_writes_a_key_once() {
        let twice = Err(Error::DuplicateKey);
        assert_eq!(check(vec![put("a"), put("a")]), twice);
        assert_eq!(check(vec![put("b"), delete("a", "c")]), twice);
        assert_eq!(check(vec![put("b"), delete("c", "d"), delete("c", "e")]), Ok(()));
        assert_eq!(check(vec![put("a"), nested(vec![put("a")], vec![])]), twice);
        assert_eq!(check(vec![nested(vec![put("a")], vec![put("a")])]), Ok(()));
        let deep = nested(vec![put("a")], vec![]);
        assert_eq!(check(vec![nested(vec![], vec![delete("a", "")]), deep]), twice);
    }

    #[test]
    fn parts_are_limited_over_all_levels() {
        assert_eq!(check((0..128).map(|n| put(&n.to_string())).collect()), Ok(()));
        assert_eq!(check(vec![put("a"); 129]), Err(Error::TooManyOps));
        let mut ops = vec![put("a")];
        for _ in 0..127 {
            ops = vec![nested(ops, vec![])];
        }
        assert_eq!(check(ops.clone()), Ok(()));
        assert_eq!(check(vec![nested(ops, vec![])]), Err(Error::TooManyOps));
    }

    #[test]
    fn keys_are_needed() {
        assert_eq!(check(vec![put("")]), Err(Error::EmptyKey));
        assert_eq!(check(vec![nested(vec![], vec![delete("", "z")])]), Err(Error::EmptyKey));
        let keeps =
            PutRequest { key: vec![1], value: vec![1], ignore_value: true, ..Default::default() };
        assert_eq!(check(vec![Op::Put(keeps)]), Err(Error::ValueProvided));
    }
}
