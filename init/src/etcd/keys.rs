//! The key service: ranges, puts, deletions, transactions, compaction.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the node gives this room its own methods only"
)]

use kv::command::{Change, TxnRequest, User};
use kv::etcd::message as etcd;
use kv::etcd::method::Method;
use kv::etcd::status::Status;
use kv::etcd::{ask, tell};
use kv::read::RangeRequest;
use kv::replica::Event;
use kv::store::{check_change, check_range, is_read_only};
use prost::Message;

use super::node::{Node, Waiting};
use super::{Call, Moment, Order};

/// A read that waits until the store is new enough.
#[derive(Debug)]
pub(super) enum Read {
    /// Of a range.
    Range(Option<User>, RangeRequest),
    /// By a transaction that changes nothing.
    Txn(Option<User>, TxnRequest),
    /// Of the members.
    Members,
}

/// Reads a message.
pub(super) fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, Status> {
    M::decode(bytes).map_err(|why| Status::broken(&why))
}

/// Whether every part of a transaction may be stale.
fn is_serializable(txn: &etcd::TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).all(|op| match &op.request {
        Some(etcd::Request::RequestRange(range)) => range.serializable,
        Some(_) | None => false,
    })
}

impl Node {
    pub(super) fn on_keys(
        &mut self,
        method: Method,
        call: Call,
        message: &[u8],
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        match method {
            Method::Put => self.propose(call, Change::Put(ask::put(decode(message)?)), moment, out),
            Method::DeleteRange => {
                let change = Change::DeleteRange(ask::delete_range(decode(message)?));
                self.propose(call, change, moment, out)
            }
            Method::Compact => self.propose(call, ask::compact(&decode(message)?), moment, out),
            Method::Txn => self.on_txn(call, message, moment, out),
            _ => self.on_range(call, message, moment, out),
        }
    }

    fn on_range(
        &mut self,
        call: Call,
        message: &[u8],
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        let asked: etcd::RangeRequest = decode(message)?;
        let stale = asked.serializable;
        let range = ask::range(asked)?;
        check_range(&range)?;
        let read = Read::Range(self.who(call, moment)?, range);
        if stale {
            self.answer_read(call, read, out);
        } else {
            self.read_later(call, read, moment, out);
        }
        Ok(())
    }

    fn on_txn(
        &mut self,
        call: Call,
        message: &[u8],
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        let asked: etcd::TxnRequest = decode(message)?;
        let stale = is_serializable(&asked);
        let txn = ask::txn(asked)?;
        if !is_read_only(&txn) {
            return self.propose(call, Change::Txn(txn), moment, out);
        }
        let change = Change::Txn(txn);
        check_change(&change)?;
        let Change::Txn(txn) = change else { return Ok(()) };
        let read = Read::Txn(self.who(call, moment)?, txn);
        if stale {
            self.answer_read(call, read, out);
        } else {
            self.read_later(call, read, moment, out);
        }
        Ok(())
    }

    pub(super) fn read_later(
        &mut self,
        call: Call,
        read: Read,
        moment: Moment,
        out: &mut Vec<Order>,
    ) {
        let ticket = self.await_answer(Waiting::Read(call, read));
        self.tell_replica(Event::ReadAsked { ticket }, moment, out);
    }

    pub(super) fn answer_read(&mut self, call: Call, read: Read, out: &mut Vec<Order>) {
        let header = self.header();
        let store = self.replica.machine();
        match read {
            Read::Range(who, range) => match store.read(who.as_ref(), &range) {
                Ok(found) => self.reply(call, &tell::range(found, &header), out),
                Err(why) => self.end(call, Some(why.into()), out),
            },
            Read::Txn(who, txn) => match store.read_txn(who.as_ref(), &txn) {
                Ok(found) => self.reply(call, &tell::txn(found, &header), out),
                Err(why) => self.end(call, Some(why.into()), out),
            },
            Read::Members => self.answer_list(call, out),
        }
    }
}
