//! Transactions. First all comparisons, those of nested ones too, see the state before; then everything that
//! can fail is checked; then it is done, and cannot fail.

use std::cmp::Ordering;

use super::history::History;
use super::span::Span;
use super::version::Version;
use super::writing::Writing;
use crate::command::{Compare, Op, Relation, Target, TxnRequest};
use crate::error::Error;
use crate::reply::{OpReply, TxnReply};

/// Which sides were taken: of this transaction, then of those nested in that side.
type Path = Vec<bool>;
/// The rest of such a path.
type Taken<'a, 'p> = &'a mut std::slice::Iter<'p, bool>;

impl Writing<'_> {
    /// Does it, or nothing.
    pub(super) fn txn(&mut self, txn: &TxnRequest) -> Result<TxnReply, Error> {
        let path = self.history.choose(txn, self.last());
        self.check(txn, &mut path.iter())?;
        let mut reply = self.perform(txn, &mut path.iter())?;
        reply.revision = self.last();
        Ok(reply)
    }

    fn check<'p>(&self, txn: &TxnRequest, path: Taken<'_, 'p>) -> Result<(), Error> {
        let taken = path.next().copied().unwrap_or_default();
        for op in side(txn, taken) {
            match op {
                Op::Put(put) => self.check_put(put)?,
                Op::Range(range) => {
                    self.history.readable(range.revision, self.history.revision)?;
                }
                Op::DeleteRange(_) => {}
                Op::Txn(nested) => self.check(nested, path)?,
            }
        }
        Ok(())
    }

    fn perform<'p>(&mut self, txn: &TxnRequest, path: Taken<'_, 'p>) -> Result<TxnReply, Error> {
        let succeeded = path.next().copied().unwrap_or_default();
        let mut replies = Vec::new();
        for op in side(txn, succeeded) {
            replies.push(match op {
                Op::Put(put) => OpReply::Put(self.put(put)),
                Op::DeleteRange(delete) => OpReply::DeleteRange(self.delete_range(delete)),
                // Its revision was checked to be known, and that does not change on the way.
                Op::Range(range) => OpReply::Range(self.history.range(range, self.last())?),
                Op::Txn(nested) => OpReply::Txn(self.perform(nested, path)?),
            });
        }
        Ok(TxnReply { revision: 0, succeeded, replies })
    }
}

impl History {
    /// Compares everything with the state as it is now.
    fn choose(&self, txn: &TxnRequest, last: i64) -> Path {
        let mut path = Path::new();
        self.choose_side(txn, last, &mut path);
        path
    }

    fn choose_side(&self, txn: &TxnRequest, last: i64, path: &mut Path) {
        let holds = txn.compare.iter().all(|compare| self.holds(compare, last));
        path.push(holds);
        for op in side(txn, holds) {
            if let Op::Txn(nested) = op {
                self.choose_side(nested, last, path);
            }
        }
    }

    /// Of a range every key must fit. Where there is none, a key of zeros is compared, but never a value.
    fn holds(&self, compare: &Compare, last: i64) -> bool {
        let span = Span::new(&compare.key, &compare.end);
        let mut seen = self.seen(span, last).peekable();
        if seen.peek().is_none() {
            return !matches!(compare.target, Target::Value(_))
                && fits(compare, &Version::default());
        }
        seen.all(|(_, version)| fits(compare, &version))
    }

    /// A transaction that only reads. Another is refused.
    pub(super) fn read_txn(&self, txn: &TxnRequest) -> Result<TxnReply, Error> {
        let path = self.choose(txn, self.revision);
        let mut reply = self.read_side(txn, &mut path.iter())?;
        reply.revision = self.revision;
        Ok(reply)
    }

    fn read_side<'p>(&self, txn: &TxnRequest, path: Taken<'_, 'p>) -> Result<TxnReply, Error> {
        let succeeded = path.next().copied().unwrap_or_default();
        let mut replies = Vec::new();
        for op in side(txn, succeeded) {
            replies.push(match op {
                Op::Range(range) => OpReply::Range(self.range(range, self.revision)?),
                Op::Txn(nested) => OpReply::Txn(self.read_side(nested, path)?),
                Op::Put(_) | Op::DeleteRange(_) => return Err(Error::NotCapable),
            });
        }
        Ok(TxnReply { revision: 0, succeeded, replies })
    }
}

fn side(txn: &TxnRequest, succeeded: bool) -> &[Op] {
    if succeeded { &txn.success } else { &txn.failure }
}

fn fits(compare: &Compare, there: &Version<'_>) -> bool {
    let order = match &compare.target {
        Target::Version(given) => there.version.cmp(given),
        Target::Create(given) => there.create.cmp(given),
        Target::Mod(given) => there.main.cmp(given),
        Target::Lease(given) => there.lease.cmp(given),
        Target::Value(given) => there.value.cmp(given.as_slice()),
    };
    match compare.relation {
        Relation::Equal => order == Ordering::Equal,
        Relation::NotEqual => order != Ordering::Equal,
        Relation::Greater => order == Ordering::Greater,
        Relation::Less => order == Ordering::Less,
    }
}

/// Every lease that a transaction may hang a key on.
pub(super) fn leases(txn: &TxnRequest) -> Vec<i64> {
    let mut found = Vec::new();
    for op in txn.success.iter().chain(&txn.failure) {
        match op {
            Op::Put(put) if put.lease != 0 => found.push(put.lease),
            Op::Txn(nested) => found.extend(leases(nested)),
            Op::Put(_) | Op::Range(_) | Op::DeleteRange(_) => {}
        }
    }
    found
}

/// Can it be answered without the log?
pub fn is_read_only(txn: &TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).all(|op| match op {
        Op::Range(_) => true,
        Op::Txn(nested) => is_read_only(nested),
        Op::Put(_) | Op::DeleteRange(_) => false,
    })
}
