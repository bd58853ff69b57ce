//! The lease service. Only the leader knows how much time is left, so other members ask it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the node gives this room its own methods only"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use kv::error::Error;
use kv::etcd::message as etcd;
use kv::etcd::method::Method;
use kv::etcd::status::Status;
use kv::etcd::{ask, tell};
use serde::{Deserialize, Serialize};

use super::duties::clock_ms;
use super::keys::decode;
use super::node::Node;
use super::{Call, Moment, Order};
use crate::limits::{FORWARDED_MAX, FORWARDED_PATIENCE};

/// What members say to each other beside what replicas do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word {
    /// To the leader: a lease is to be kept alive.
    Keep { ask: u64, id: i64 },
    /// Its time, if it is there; or this member does not lead.
    Kept { ask: u64, ttl_s: Result<Option<i64>, ()> },
    /// To the leader: how much time is left?
    Time { ask: u64, id: i64 },
    /// Seconds left and granted; or this member does not lead.
    Left { ask: u64, times: Result<Option<(i64, i64)>, ()> },
}

/// Questions that the leader has not answered.
#[derive(Debug, Default)]
pub(super) struct Forwarded {
    last: u64,
    asked: BTreeMap<u64, Question>,
}

#[derive(Debug, Clone, Copy)]
struct Question {
    call: Call,
    id: i64,
    keys: bool,
    until: Duration,
}

impl Forwarded {
    pub(super) fn deadline(&self) -> Option<Duration> {
        // They are asked one after another, and wait equally long.
        self.asked.first_key_value().map(|(_, question)| question.until)
    }
}

impl Node {
    pub(super) fn on_lease(
        &mut self,
        method: Method,
        call: Call,
        message: &[u8],
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        match method {
            Method::LeaseGrant => {
                let change = ask::lease_grant(&decode(message)?, self.ttl_s_min())?;
                self.propose(call, change, moment, out)
            }
            Method::LeaseRevoke => {
                self.propose(call, ask::lease_revoke(&decode(message)?), moment, out)
            }
            Method::LeaseKeepAlive => {
                let asked: etcd::LeaseKeepAliveRequest = decode(message)?;
                self.who(call, moment)?;
                self.keep_alive(call, asked.id, moment, out)
            }
            Method::LeaseTimeToLive => {
                let asked: etcd::LeaseTimeToLiveRequest = decode(message)?;
                self.who(call, moment)?;
                self.time_to_live(call, asked, moment, out)
            }
            _ => {
                let ids = self.replica.machine().leases();
                self.reply(call, &tell::leases(ids, self.header_now()), out);
                Ok(())
            }
        }
    }

    /// One and a half elections, in whole seconds.
    fn ttl_s_min(&self) -> i64 {
        let ms = self.settings.replica.election().as_millis() * 3 / 2;
        i64::try_from(ms.div_ceil(1000)).unwrap_or(1)
    }

    fn keep_alive(
        &mut self,
        call: Call,
        id: i64,
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        if !self.replica.leads() {
            return self.forward(call, id, None, moment, out);
        }
        if !self.clock.is_counting() {
            return Err(Error::NoLeader.into());
        }
        let kept = self.clock.keep_alive(id, clock_ms(moment));
        self.say(call, &tell::lease_kept(id, kept, self.header_now()), out);
        Ok(())
    }

    fn time_to_live(
        &mut self,
        call: Call,
        asked: etcd::LeaseTimeToLiveRequest,
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        if !self.replica.leads() {
            return self.forward(call, asked.id, Some(asked.keys), moment, out);
        }
        let times = self.clock.time_to_live(asked.id, clock_ms(moment));
        self.answer_time(call, asked.id, times, asked.keys, out);
        Ok(())
    }

    fn answer_time(
        &mut self,
        call: Call,
        id: i64,
        times: Option<(i64, i64)>,
        wants_keys: bool,
        out: &mut Vec<Order>,
    ) {
        let keys = wants_keys.then(|| self.replica.machine().lease_keys(id)).flatten();
        let told = tell::lease_time(id, times, keys.unwrap_or_default(), self.header_now());
        self.reply(call, &told, out);
    }

    /// Asks the leader: for the time left if `time` says with or without keys, else to keep it alive.
    fn forward(
        &mut self,
        call: Call,
        id: i64,
        time: Option<bool>,
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        let leader = self.replica.leader();
        if leader == 0 {
            return Err(Error::NoLeader.into());
        }
        if self.forwarded.asked.len() >= FORWARDED_MAX {
            return Err(Error::TooManyRequests.into());
        }
        self.forwarded.last += 1;
        let ask = self.forwarded.last;
        let until = moment.now + FORWARDED_PATIENCE;
        let keys = time.unwrap_or(false);
        self.forwarded.asked.insert(ask, Question { call, id, keys, until });
        let word = if time.is_some() { Word::Time { ask, id } } else { Word::Keep { ask, id } };
        send(leader, &word, out);
        Ok(())
    }

    /// Another member says something.
    pub(super) fn on_word(&mut self, from: u64, word: &[u8], moment: Moment, out: &mut Vec<Order>) {
        let Ok(word) = postcard::from_bytes::<Word>(word) else { return };
        let now_ms = clock_ms(moment);
        let counts = self.replica.leads() && self.clock.is_counting();
        match word {
            Word::Keep { ask, id } => {
                let ttl_s = if counts { Ok(self.clock.keep_alive(id, now_ms)) } else { Err(()) };
                send(from, &Word::Kept { ask, ttl_s }, out);
            }
            Word::Time { ask, id } => {
                let times = if counts { Ok(self.clock.time_to_live(id, now_ms)) } else { Err(()) };
                send(from, &Word::Left { ask, times }, out);
            }
            Word::Kept { ask, ttl_s } => {
                let Some(question) = self.forwarded.asked.remove(&ask) else { return };
                match ttl_s {
                    Ok(ttl_s) => {
                        let told = tell::lease_kept(question.id, ttl_s, self.header_now());
                        self.say(question.call, &told, out);
                    }
                    Err(()) => self.end(question.call, Some(Error::LeaderChanged.into()), out),
                }
            }
            Word::Left { ask, times } => {
                let Some(question) = self.forwarded.asked.remove(&ask) else { return };
                match times {
                    Ok(times) => {
                        self.answer_time(question.call, question.id, times, question.keys, out);
                    }
                    Err(()) => self.end(question.call, Some(Error::LeaderChanged.into()), out),
                }
            }
        }
    }

    /// Gives up on what the leader did not answer.
    pub(super) fn expire_forwarded(&mut self, moment: Moment, out: &mut Vec<Order>) {
        while let Some(entry) = self.forwarded.asked.first_entry() {
            if entry.get().until > moment.now {
                return;
            }
            let call = entry.remove().call;
            self.end(call, Some(Error::Timeout.into()), out);
        }
    }
}

fn send(peer: u64, word: &Word, out: &mut Vec<Order>) {
    if let Ok(word) = postcard::to_allocvec(word) {
        out.push(Order::Word { peer, word });
    }
}
