//! The node: which call goes to the replica, and what its answers mean.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kv::command::{Change, Command, User};
use kv::error::Error;
use kv::etcd::method::Method;
use kv::etcd::status::{Status, of_refusal};
use kv::etcd::tell::Header;
use kv::etcd::watching::WatchStreams;
use kv::replica::{Action, Config, Event, Files, Out, Refusal, Replica, Start, Ticket};
use kv::reply::Reply;
use kv::store::{Chores, LeaseClock, Retention, Store, check_change};
use kv::wal::Bad;

use super::auth::Tokens;
use super::cluster::Moving;
use super::duties::Duties;
use super::leases::Forwarded;
use super::maintenance::Saving;
use super::{Call, Fact, Moment, Order};
use crate::limits::CALLS_MAX;

/// What a node is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The replica's.
    pub replica: Config,
    /// What this member is called.
    pub name: String,
    /// What the numbers of added members are drawn from.
    pub cluster_token: String,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// Bytes that keys and history may have.
    pub quota_bytes: u64,
    /// When history is forgotten.
    pub retention: Retention,
    /// What hashes of passwords cost.
    pub bcrypt_cost: u32,
    /// The version that clients are told.
    pub version: &'static str,
}

/// A call that has not ended.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) method: Method,
    pub(super) token: Option<String>,
    /// What was said has not left yet: there is no room for more.
    pub(super) busy: bool,
    /// The client has no more to say.
    pub(super) finished: bool,
    /// What the client said and is not looked at before it listens.
    pub(super) held: VecDeque<Vec<u8>>,
    /// A snapshot on its way.
    pub(super) saving: Option<Saving>,
}

/// What an answer of the replica is for.
#[derive(Debug)]
pub(super) enum Waiting {
    /// A change that a client asked for.
    Change(Call),
    /// A read that a client asked for.
    Read(Call, super::keys::Read),
    /// A change of members that a client asked for; it may be told of a new one.
    Members(Call, Option<u64>),
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
    pub(super) watching: WatchStreams,
    pub(super) tokens: Tokens,
    pub(super) forwarded: Forwarded,
    pub(super) moving: Vec<Moving>,
    waiting: BTreeMap<Ticket, Waiting>,
    next_ticket: u64,
    pub(super) duties: Duties,
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
            watching: WatchStreams::new(),
            tokens: Tokens::default(),
            forwarded: Forwarded::default(),
            moving: Vec::new(),
            waiting: BTreeMap::new(),
            next_ticket: 0,
            duties: Duties::default(),
        };
        node.take(first, moment, out);
        Ok(node)
    }

    /// Takes in one fact. Its orders are to be carried out before the next.
    pub fn step(&mut self, fact: Fact, moment: Moment, out: &mut Vec<Order>) {
        match fact {
            Fact::Opened { call, path, token } => self.on_opened(call, &path, token, out),
            Fact::Said { call, message } => self.on_said(call, message, moment, out),
            Fact::Finished { call } => self.on_finished(call, out),
            Fact::Sent { call } => self.on_sent(call, moment, out),
            Fact::Gone { call } => self.forget(call),
            Fact::Hashed { call, hash } => self.on_hashed(call, hash, moment, out),
            Fact::Checked { call, fits } => self.on_checked(call, fits, moment, out),
            Fact::Word { from, word } => self.on_word(from, &word, moment, out),
            Fact::Replica(event) => self.tell_replica(event, moment, out),
        }
    }

    /// When to be called again at the latest, if nothing happens.
    pub fn deadline(&self) -> Option<Duration> {
        let talks = self.wants_to_talk().then_some(Duration::ZERO);
        let moves = self.moving.iter().map(|moving| moving.until).min();
        let duties = self.duties.deadline(&self.clock);
        let forwarded = self.forwarded.deadline();
        let all = [self.replica.deadline(), duties, talks, moves, forwarded];
        all.into_iter().flatten().min()
    }

    /// The replica, to look at.
    pub fn replica(&self) -> &Replica<Store> {
        &self.replica
    }

    fn on_opened(&mut self, call: Call, path: &str, token: Option<String>, out: &mut Vec<Order>) {
        if self.calls.len() >= CALLS_MAX {
            let status = Some(Error::TooManyRequests.into());
            return out.push(Order::End { call, status });
        }
        let Some(method) = Method::of_path(path) else {
            let bare = path.strip_prefix('/').unwrap_or(path);
            let (service, name) = bare.split_once('/').unwrap_or((bare, ""));
            let status = Some(Status::unknown_call(service, name));
            return out.push(Order::End { call, status });
        };
        let open = Open {
            method,
            token,
            busy: false,
            finished: false,
            held: VecDeque::new(),
            saving: None,
        };
        self.calls.insert(call, open);
        if method == Method::Watch
            && let Err(status) = self.open_watch(call)
        {
            self.end(call, Some(status), out);
        }
    }

    fn on_said(&mut self, call: Call, message: Vec<u8>, moment: Moment, out: &mut Vec<Order>) {
        let Some(open) = self.calls.get(&call) else { return };
        let method = open.method;
        let done = self.dispatch(method, call, message, moment, out);
        if let Err(status) = done {
            self.end(call, Some(status), out);
        }
    }

    fn dispatch(
        &mut self,
        method: Method,
        call: Call,
        message: Vec<u8>,
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        use Method as M;
        match method {
            M::Range | M::Put | M::DeleteRange | M::Txn | M::Compact => {
                self.on_keys(method, call, &message, moment, out)
            }
            M::Watch => self.on_watch(call, message, moment, out),
            M::LeaseGrant
            | M::LeaseRevoke
            | M::LeaseKeepAlive
            | M::LeaseTimeToLive
            | M::LeaseLeases => self.on_lease(method, call, &message, moment, out),
            M::MemberAdd
            | M::MemberRemove
            | M::MemberUpdate
            | M::MemberList
            | M::MemberPromote
            | M::MoveLeader => self.on_cluster(method, call, &message, moment, out),
            M::Alarm
            | M::Status
            | M::Defragment
            | M::Hash
            | M::HashKv
            | M::Snapshot
            | M::Downgrade => self.on_maintenance(method, call, &message, moment, out),
            M::AuthEnable
            | M::AuthDisable
            | M::AuthStatus
            | M::Authenticate
            | M::UserAdd
            | M::UserGet
            | M::UserList
            | M::UserDelete
            | M::UserChangePassword
            | M::UserGrantRole
            | M::UserRevokeRole
            | M::RoleAdd
            | M::RoleGet
            | M::RoleList
            | M::RoleDelete
            | M::RoleGrantPermission
            | M::RoleRevokePermission => self.on_auth(method, call, &message, moment, out),
            M::Lock
            | M::Unlock
            | M::Campaign
            | M::Proclaim
            | M::Leader
            | M::Observe
            | M::Resign => Err(unknown(method)),
        }
    }

    /// A call is over without having been ended.
    pub(super) fn forget(&mut self, call: Call) {
        let Some(open) = self.calls.remove(&call) else { return };
        if open.method == Method::Watch {
            self.watching.close(call.0, self.replica.machine_mut());
        }
        if let Some(saving) = open.saving {
            saving.stop(self.replica.machine_mut());
        }
    }

    /// Proposes a change that a client asked for.
    pub(super) fn propose(
        &mut self,
        call: Call,
        change: Change,
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        let who = self.who(call, moment)?;
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
            Action::Changed { ticket } => {
                if let Some(Waiting::Members(call, added)) = self.waiting.remove(&ticket) {
                    self.answer_members(call, added, out);
                }
            }
            Action::ReadReady { ticket } => {
                if let Some(Waiting::Read(call, read)) = self.waiting.remove(&ticket) {
                    self.answer_read(call, read, out);
                }
            }
            Action::Refused { ticket, why } => self.on_refused(ticket, why, out),
            Action::Members(members) => {
                self.duties.members_changed();
                out.push(Order::Members(members));
            }
            Action::Leader { leader, .. } => self.on_leader(leader, moment, out),
            Action::Broken { why } => out.push(Order::Note(why)),
        }
    }

    fn on_applied(&mut self, ticket: Ticket, reply: Reply, moment: Moment, out: &mut Vec<Order>) {
        match self.waiting.remove(&ticket) {
            Some(Waiting::Change(call)) => self.answer_change(call, reply, out),
            Some(Waiting::Own) => self.on_own(&reply, moment),
            Some(Waiting::Read(..) | Waiting::Members(..)) | None => {}
        }
    }

    fn on_refused(&mut self, ticket: Ticket, why: Refusal, out: &mut Vec<Order>) {
        match self.waiting.remove(&ticket) {
            Some(Waiting::Change(call) | Waiting::Read(call, _) | Waiting::Members(call, _)) => {
                self.end(call, Some(of_refusal(why).into()), out);
            }
            Some(Waiting::Own) => self.duties.refused(),
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

    /// The header of an answer that no change made.
    pub(super) fn header_now(&self) -> Option<Header> {
        kv::etcd::tell::header(&self.header(), self.replica.machine().revision())
    }

    /// Says something in a call.
    pub(super) fn say(&self, call: Call, message: &impl prost::Message, out: &mut Vec<Order>) {
        if self.calls.contains_key(&call) {
            out.push(Order::Say { call, message: kv::etcd::frame::wrap(message) });
        }
    }

    /// Ends a call.
    pub(super) fn end(&mut self, call: Call, status: Option<Status>, out: &mut Vec<Order>) {
        if self.calls.contains_key(&call) {
            self.forget(call);
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

/// A call that this release does not have.
pub(super) fn unknown(method: Method) -> Status {
    let path = method.path();
    let (service, name) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    Status::unknown_call(service, name)
}
