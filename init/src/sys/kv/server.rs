//! The loop of a member: what the poll says goes to the node, what the node orders is carried out.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kv::replica::members::Members;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use super::connection::{Connection, Names, Turn};
use super::disk::Disk;
use super::main::note;
use super::passwords::{Job, Passwords};
use super::peers::{INCOMING, OUTGOING, Peers};
use crate::etcd::identity::Identity;
use crate::etcd::{Fact, Moment, Node, Order};
use crate::limits::{
    ACCEPTS_PER_TURN_MAX, EVENTS_PER_POLL_MAX, REQUEST_EXTRA_BYTES, STORE_CONNECTIONS_MAX,
};
use crate::sys::clock;

/// Connections have their place as token; these come after all of them.
const DISK: Token = Token(usize::MAX / 2);
const LISTENERS: usize = usize::MAX / 2 + 1;

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    of_peers: bool,
}

/// A member at work.
#[derive(Debug)]
pub(super) struct Server {
    poll: Poll,
    listeners: Vec<Listener>,
    connections: Slab<Connection>,
    names: Names,
    disk: Disk,
    passwords: Passwords,
    peers: Peers,
    facts: Vec<Fact>,
    /// Listeners with more connections than a turn takes.
    crowded: BTreeSet<usize>,
    /// Connections with something to do.
    ready: BTreeSet<usize>,
    message_bytes_max: usize,
}

/// What is wrong with one connection and not with the next.
fn is_passing(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted)
}

/// What the clocks say.
pub(super) fn moment() -> Moment {
    let unix_ms = u64::try_from(clock::unix_us() / 1000).unwrap_or(0);
    Moment { now: clock::since_boot(), unix_ms }
}

impl Server {
    /// Listens, and starts the disk's thread.
    pub(super) fn new(
        identity: Identity,
        clients: &[SocketAddr],
        peers: &[SocketAddr],
        directory: std::path::PathBuf,
        request_bytes_max: usize,
    ) -> Result<Self, String> {
        let poll = Poll::new().map_err(|why| format!("poll: {why}"))?;
        let waker = Waker::new(poll.registry(), DISK).map_err(|why| format!("waker: {why}"))?;
        let waker = Arc::new(waker);
        let disk = Disk::start(directory, Arc::clone(&waker));
        let disk = disk.map_err(|why| format!("disk thread: {why}"))?;
        let mut listeners = Vec::new();
        let clients = clients.iter().map(|address| (address, false));
        for (address, of_peers) in clients.chain(peers.iter().map(|address| (address, true))) {
            let told = |why: io::Error| format!("listen on {address}: {why}");
            let mut socket = TcpListener::bind(*address).map_err(told)?;
            let token = Token(LISTENERS + listeners.len());
            poll.registry().register(&mut socket, token, Interest::READABLE).map_err(told)?;
            listeners.push(Listener { socket, of_peers });
        }
        let registry = poll.registry().try_clone().map_err(|why| format!("poll: {why}"))?;
        Ok(Self {
            poll,
            listeners,
            connections: Slab::new(),
            names: Names::default(),
            disk,
            passwords: Passwords::new(waker),
            peers: Peers::new(identity, registry),
            facts: Vec::new(),
            crowded: BTreeSet::new(),
            ready: BTreeSet::new(),
            message_bytes_max: request_bytes_max + REQUEST_EXTRA_BYTES,
        })
    }

    /// A newcomer is told who the members are, before its own log says so.
    pub(super) fn know(&mut self, members: &Members) {
        self.peers.know(members);
    }

    /// Serves until the poll fails.
    pub(super) fn run(&mut self, node: &mut Node) -> Result<(), String> {
        let mut events = Events::with_capacity(EVENTS_PER_POLL_MAX);
        let mut orders = Vec::new();
        loop {
            let timeout = self.timeout(node);
            match self.poll.poll(&mut events, timeout) {
                Err(why) if why.kind() != io::ErrorKind::Interrupted => {
                    return Err(format!("poll: {why}"));
                }
                Ok(()) | Err(_) => {}
            }
            for event in &events {
                self.on_event(event);
            }
            for number in std::mem::take(&mut self.crowded) {
                self.accept(number);
            }
            self.turn_connections();
            self.step_all(node, &mut orders);
            self.turn_connections();
        }
    }

    fn timeout(&self, node: &Node) -> Option<Duration> {
        let idle = self.facts.is_empty() && self.ready.is_empty() && self.crowded.is_empty();
        if !idle {
            return Some(Duration::ZERO);
        }
        node.deadline().map(|at| at.saturating_sub(clock::since_boot()))
    }

    fn on_event(&mut self, event: &mio::event::Event) {
        match event.token() {
            DISK => {
                self.facts.extend(self.disk.take().map(Fact::Replica));
                self.facts.extend(self.passwords.take());
            }
            Token(listener) if listener >= LISTENERS => self.accept(listener - LISTENERS),
            Token(token) if token >= OUTGOING => {
                self.facts.extend(self.peers.on_outgoing(token, event));
            }
            Token(token) if token >= INCOMING => self.peers.on_incoming(token, &mut self.facts),
            Token(place) => {
                if let Some(connection) = self.connections.get(place) {
                    connection.on_event(event);
                    self.ready.insert(place);
                }
            }
        }
    }

    fn accept(&mut self, number: usize) {
        for _ in 0..ACCEPTS_PER_TURN_MAX {
            let Some(listener) = self.listeners.get(number) else { return };
            match listener.socket.accept() {
                Ok((stream, _)) if listener.of_peers => self.peers.adopt(stream),
                Ok((stream, _)) => self.adopt(stream),
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => return,
                Err(why) if is_passing(&why) => {}
                // No descriptors are left: those who wait are taken when the next one calls.
                Err(_) => return,
            }
        }
        self.crowded.insert(number);
    }

    fn adopt(&mut self, mut stream: mio::net::TcpStream) {
        if self.connections.len() >= STORE_CONNECTIONS_MAX {
            return;
        }
        drop(stream.set_nodelay(true));
        let place = self.connections.vacant_key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut stream, Token(place), interest).is_ok() {
            self.connections.insert(Connection::new(stream));
        }
    }

    fn turn_connections(&mut self) {
        for place in std::mem::take(&mut self.ready) {
            let Some(connection) = self.connections.get_mut(place) else { continue };
            let mut turn = Turn {
                names: &mut self.names,
                place,
                message_bytes_max: self.message_bytes_max,
                facts: &mut self.facts,
                again: false,
            };
            let alive = connection.turn(&mut turn);
            if turn.again {
                self.ready.insert(place);
            }
            if !alive {
                connection.lose(&mut self.facts);
                self.connections.remove(place);
            }
        }
    }

    fn step_all(&mut self, node: &mut Node, orders: &mut Vec<Order>) {
        let mut facts = std::mem::take(&mut self.facts);
        let moment = moment();
        for fact in facts.drain(..) {
            node.step(fact, moment, orders);
            self.carry_out(orders);
        }
        facts.append(&mut self.facts);
        self.facts = facts;
        for (place, peer_urls) in std::mem::take(&mut self.peers.questions) {
            let members = node.replica().members();
            let known = node.invited(&peer_urls).map(|identity| (identity, members));
            self.peers.answer(place, known);
        }
        if node.deadline().is_some_and(|at| at <= moment.now) {
            let tick = Fact::Replica(kv::replica::Event::Tick);
            node.step(tick, moment, orders);
        }
        node.do_duties(moment, orders);
        self.carry_out(orders);
    }

    pub(super) fn carry_out(&mut self, orders: &mut Vec<Order>) {
        for order in orders.drain(..) {
            match order {
                Order::Say { call, message } => {
                    if let Some(connection) = self.touch(Names::place(call)) {
                        connection.say(call, message);
                    }
                }
                Order::End { call, status } => {
                    if let Some(connection) = self.touch(Names::place(call)) {
                        connection.end(call, status);
                    }
                }
                Order::Pause { call, paused } => {
                    if let Some(connection) = self.touch(Names::place(call)) {
                        connection.pause(call, paused);
                    }
                }
                Order::HashPassword { call, password, cost } => {
                    let refused = self.passwords.order(Job::Hash { call, password, cost });
                    self.facts.extend(refused);
                }
                Order::CheckPassword { call, password, hash } => {
                    let refused = self.passwords.order(Job::Check { call, password, hash });
                    self.facts.extend(refused);
                }
                Order::Disk(order) => self.disk.order(*order),
                Order::Send { peer, bytes } => {
                    self.facts.extend(self.peers.send(peer, &bytes, clock::since_boot()));
                }
                Order::Word { peer, word } => {
                    self.facts.extend(self.peers.send_word(peer, &word, clock::since_boot()));
                }
                // A newcomer knows of none yet, but has been told of them.
                Order::Members(members) if members.present.is_empty() => {}
                Order::Members(members) => self.peers.know(&members),
                Order::Note(text) => note(&text),
            }
        }
    }

    fn touch(&mut self, place: usize) -> Option<&mut Connection> {
        self.ready.insert(place);
        self.connections.get_mut(place)
    }
}
