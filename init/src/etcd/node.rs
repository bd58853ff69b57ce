//! The node: which call goes to the replica, and what its answers mean.

use std::collections::BTreeMap;

use kv::command::{Change, Command, User};
use kv::error::Error;
use kv::etcd::status::{Status, of_refusal};
use kv::etcd::tell::Header;
use kv::replica::{Action, Config, Event, Files, Out, Refusal, Replica, Start, Ticket};
use kv::reply::Reply;
use kv::store::{Chores, LeaseClock, Retention, Store, check_change};
use kv::wal::Bad;

use super::method::{Method, method};
use super::{Call, Fact, Moment, Order};
use crate::limits::CALLS_MAX;

/// What a node is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The replica's.
    pub replica: Config,
    /// What this member is called.
    pub name: String,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// Bytes that keys and history may have.
    pub quota_bytes: u64,
    /// When history is forgotten.
    pub retention: Retention,
}

/// A call that has not ended.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) method: Method,
}

/// What an answer of the replica is for.
#[derive(Debug)]
pub(super) enum Waiting {
    /// A change that a client asked for.
    Change(Call),
    /// A read that a client asked for.
    Read(Call, super::keys::Read),
    /// A change of our own.
    Own,
}

/// One member of the store, with its clients.
#[derive(Debug)]
pub struct Node {
    pub(super) settings: Settings,
    pub(super) replica: Replica<Store>,
    pub(super) chores: Chores,
    pub(super) clock: LeaseClock,
    pub(super) calls: BTreeMap<Call, Open>,
    waiting: BTreeMap<Ticket, Waiting>,
    next_ticket: u64,
    pub(super) duties: super::duties::Duties,
}

impl Node {
    /// Begins from what the disk has.
    ///
    /// # Errors
    ///
    /// The disk has something that cannot be trusted.
    pub fn start(
        settings: Settings,
        files: &Files<'_>,
        start: Start,
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<Self, Bad> {
        let mut first = Out::<Store>::default();
        let config = settings.replica.clone();
        let replica = Replica::start(config, Store::new, files, start, moment.now, &mut first)?;
        let chores = Chores::new(settings.replica.id, settings.quota_bytes, settings.retention);
        let mut node = Self {
            settings,
            replica,
            chores,
            clock: LeaseClock::new(),
            calls: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_ticket: 0,
            duties: super::duties::Duties::default(),
        };
        node.take(first, moment, out);
        Ok(node)
    }

    /// Takes in one fact. Its orders are to be carried out before the next.
    pub fn step(&mut self, fact: Fact, moment: Moment, out: &mut Vec<Order>) {
        match fact {
            Fact::Opened { call, path, token: _ } => self.on_opened(call, &path, out),
            Fact::Said { call, message } => self.on_said(call, &message, moment, out),
            Fact::Finished { .. } | Fact::Sent { .. } => {}
            Fact::Gone { call } => drop(self.calls.remove(&call)),
            Fact::Replica(event) => self.tell_replica(event, moment, out),
        }
    }

    /// When to be called again at the latest, if nothing happens.
    pub fn deadline(&self) -> Option<std::time::Duration> {
        [self.replica.deadline(), self.duties.deadline(&self.clock)].into_iter().flatten().min()
    }

    /// The replica, to look at.
    pub fn replica(&self) -> &Replica<Store> {
        &self.replica
    }

    fn on_opened(&mut self, call: Call, path: &str, out: &mut Vec<Order>) {
        if self.calls.len() >= CALLS_MAX {
            let status = Some(Error::TooManyRequests.into());
            return out.push(Order::End { call, status });
        }
        match method(path) {
            Ok(method) => drop(self.calls.insert(call, Open { method })),
            Err(status) => out.push(Order::End { call, status: Some(status) }),
        }
    }

    fn on_said(&mut self, call: Call, message: &[u8], moment: Moment, out: &mut Vec<Order>) {
        let Some(open) = self.calls.get(&call) else { return };
        let done = match open.method {
            Method::Range | Method::Put | Method::DeleteRange | Method::Txn | Method::Compact => {
                self.on_keys(open.method, call, message, moment, out)
            }
        };
        if let Err(status) = done {
            self.end(call, Some(status), out);
        }
    }

    /// Who makes a call.
    pub(super) fn who(&self, _call: Call) -> Result<Option<User>, Error> {
        Ok(None)
    }

    /// Proposes a change that a client asked for.
    pub(super) fn propose(
        &mut self,
        call: Call,
        change: Change,
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        let who = self.who(call)?;
        check_change(&change)?;
        self.chores.admit(self.replica.machine(), &change)?;
        self.submit(who, change, Waiting::Change(call), moment, out);
        Ok(())
    }

    /// Gives a change to the replica.
    pub(super) fn submit(
        &mut self,
        who: Option<User>,
        change: Change,
        waiting: Waiting,
        moment: Moment,
        out: &mut Vec<Order>,
    ) {
        let command = Command { who, now_unix_ms: moment.unix_ms, change }.encode();
        let ticket = self.await_answer(waiting);
        self.tell_replica(Event::Asked { ticket, command }, moment, out);
    }

    pub(super) fn await_answer(&mut self, waiting: Waiting) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.waiting.insert(ticket, waiting);
        ticket
    }

    pub(super) fn tell_replica(&mut self, event: Event, moment: Moment, out: &mut Vec<Order>) {
        let mut told = Out::<Store>::default();
        self.replica.step(event, moment.now, &mut told);
        self.take(told, moment, out);
    }

    /// What came of a step of the replica.
    fn take(&mut self, told: Out<Store>, moment: Moment, out: &mut Vec<Order>) {
        for happened in told.happened {
            self.on_happened(&happened, moment);
        }
        for action in told.actions {
            self.on_action(action, moment, out);
        }
    }

    fn on_action(&mut self, action: Action<Reply>, moment: Moment, out: &mut Vec<Order>) {
        match action {
            Action::Segment(_)
            | Action::Write { .. }
            | Action::SnapshotWrite { .. }
            | Action::SnapshotRead { .. }
            | Action::SnapshotRemove { .. } => out.push(Order::Disk(Box::new(action))),
            Action::Send { peer, bytes } => out.push(Order::Send { peer, bytes }),
            Action::Applied { ticket, reply, .. } => self.on_applied(ticket, reply, moment, out),
            Action::Changed { ticket } => drop(self.waiting.remove(&ticket)),
            Action::ReadReady { ticket } => {
                if let Some(Waiting::Read(call, read)) = self.waiting.remove(&ticket) {
                    self.answer_read(call, read, out);
                }
            }
            Action::Refused { ticket, why } => self.on_refused(ticket, why, out),
            Action::Members(members) => out.push(Order::Members(members)),
            Action::Leader { leader, .. } => self.on_leader(leader, moment, out),
            Action::Broken { why } => out.push(Order::Note(why)),
        }
    }

    fn on_applied(&mut self, ticket: Ticket, reply: Reply, moment: Moment, out: &mut Vec<Order>) {
        self.duties.applied(moment.now);
        match self.waiting.remove(&ticket) {
            Some(Waiting::Change(call)) => self.answer_change(call, reply, out),
            Some(Waiting::Own) => self.on_own(&reply, moment),
            Some(Waiting::Read(..)) | None => {}
        }
    }

    fn on_refused(&mut self, ticket: Ticket, why: Refusal, out: &mut Vec<Order>) {
        match self.waiting.remove(&ticket) {
            Some(Waiting::Change(call) | Waiting::Read(call, _)) => {
                self.end(call, Some(of_refusal(why).into()), out);
            }
            Some(Waiting::Own) => self.on_own_refused(),
            None => {}
        }
    }

    /// What all answers have in common.
    pub(super) fn header(&self) -> Header {
        Header {
            cluster_id: self.settings.replica.cluster,
            member_id: self.settings.replica.id,
            revision: 0,
            raft_term: self.replica.term(),
        }
    }

    /// Says something in a call.
    pub(super) fn say(&self, call: Call, message: &impl prost::Message, out: &mut Vec<Order>) {
        if self.calls.contains_key(&call) {
            out.push(Order::Say { call, message: kv::etcd::frame::wrap(message) });
        }
    }

    /// Ends a call.
    pub(super) fn end(&mut self, call: Call, status: Option<Status>, out: &mut Vec<Order>) {
        if self.calls.remove(&call).is_some() {
            out.push(Order::End { call, status });
        }
    }

    /// Answers a call that is answered once.
    pub(super) fn reply(
        &mut self,
        call: Call,
        message: &impl prost::Message,
        out: &mut Vec<Order>,
    ) {
        self.say(call, message, out);
        self.end(call, None, out);
    }
}
