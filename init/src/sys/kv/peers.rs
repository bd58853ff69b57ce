//! Connections between members: each member speaks on one that it made, and hears on those that others made.
//!
//! A connection begins with who speaks, and then has frames: a kind, a size, and so many bytes.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use kv::replica::Event;
use kv::replica::members::Members;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use slab::Slab;

use crate::etcd::Fact;
use crate::etcd::identity::Identity;
use crate::etcd::url::Url;
use crate::limits::{PEER_CONNECTIONS_MAX, PEER_FRAME_BYTES_MAX, PEER_QUEUE_BYTES_MAX, PEER_RETRY};

const HELLO: &[u8; 8] = b"KEELPEER";
const VERSION: u8 = 1;
/// Hello, version, member, cluster.
pub(super) const HEAD_BYTES: usize = 8 + 1 + 8 + 8;
/// Kind and size.
const FRAME_HEAD_BYTES: usize = 5;

/// For the replica.
const RAFT: u8 = 0;
/// For the node.
const WORD: u8 = 1;
/// A newcomer asks who it is; the answer has the same kind.
pub(super) const WHO: u8 = 2;

/// Tokens of connections that others made begin here.
pub(super) const INCOMING: usize = 1 << 40;
/// Tokens of those that we made.
pub(super) const OUTGOING: usize = 1 << 41;

/// How a connection begins.
pub(super) fn hello(identity: Identity) -> Vec<u8> {
    let mut head = HELLO.to_vec();
    head.push(VERSION);
    head.extend_from_slice(&identity.member.to_le_bytes());
    head.extend_from_slice(&identity.cluster.to_le_bytes());
    head
}

/// One frame.
pub(super) fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(FRAME_HEAD_BYTES + bytes.len());
    out.push(kind);
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
    out
}

/// Who speaks, if this is how a connection begins.
fn read_hello(head: &[u8]) -> Option<Identity> {
    let rest = head.strip_prefix(HELLO)?.strip_prefix(&[VERSION])?;
    let (member, rest) = rest.split_first_chunk::<8>()?;
    let (cluster, _) = rest.split_first_chunk::<8>()?;
    Some(Identity { member: u64::from_le_bytes(*member), cluster: u64::from_le_bytes(*cluster) })
}

/// A whole frame at the front: its kind and where it ends.
fn look(bytes: &[u8]) -> Result<Option<(u8, usize)>, ()> {
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEAD_BYTES>() else {
        return Ok(None);
    };
    let size = usize::try_from(u32::from_le_bytes([head[1], head[2], head[3], head[4]]))
        .unwrap_or(usize::MAX);
    if size > PEER_FRAME_BYTES_MAX {
        return Err(());
    }
    Ok((rest.len() >= size).then_some((head[0], FRAME_HEAD_BYTES + size)))
}

#[derive(Debug)]
struct Incoming {
    stream: TcpStream,
    from: Option<u64>,
    arrived: Vec<u8>,
}

#[derive(Debug)]
struct Outgoing {
    addresses: Vec<SocketAddr>,
    next_address: usize,
    stream: Option<TcpStream>,
    /// Nothing is written before the other side has taken the connection.
    connected: bool,
    tried: Option<Duration>,
    queue: VecDeque<Vec<u8>>,
    queued_bytes: usize,
    /// Bytes of the first that have left.
    sent_bytes: usize,
}

/// All connections between members.
#[derive(Debug)]
pub(super) struct Peers {
    me: Identity,
    registry: Registry,
    outgoing: BTreeMap<u64, Outgoing>,
    /// Which peer a token of [`OUTGOING`] means.
    tokens: Vec<u64>,
    incoming: Slab<Incoming>,
    /// Newcomers that ask who they are, by connection.
    pub(super) questions: Vec<(usize, Vec<String>)>,
}

impl Peers {
    pub(super) fn new(me: Identity, registry: Registry) -> Self {
        let outgoing = BTreeMap::new();
        let (tokens, incoming, questions) = (Vec::new(), Slab::new(), Vec::new());
        Self { me, registry, outgoing, tokens, incoming, questions }
    }

    /// These are the members now.
    pub(super) fn know(&mut self, members: &Members) {
        self.outgoing.retain(|peer, _| members.present.contains_key(peer));
        for member in members.present.values().filter(|member| member.id != self.me.member) {
            let urls = member.peer_urls.iter().filter_map(|url| Url::parse(url).ok());
            let addresses: Vec<SocketAddr> = urls.filter_map(|url| url.address()).collect();
            let known = self.outgoing.get(&member.id).is_some_and(|o| o.addresses == addresses);
            if !known {
                self.outgoing.insert(member.id, Outgoing::new(addresses));
            }
        }
    }

    pub(super) fn send(&mut self, peer: u64, bytes: &[u8], now: Duration) -> Option<Fact> {
        self.queue(peer, frame(RAFT, bytes), now)
    }

    pub(super) fn send_word(&mut self, peer: u64, word: &[u8], now: Duration) -> Option<Fact> {
        self.queue(peer, frame(WORD, word), now)
    }

    /// What does not fit is lost, as between any two replicas.
    fn queue(&mut self, peer: u64, frame: Vec<u8>, now: Duration) -> Option<Fact> {
        let outgoing = self.outgoing.get_mut(&peer)?;
        if outgoing.queued_bytes + frame.len() <= PEER_QUEUE_BYTES_MAX {
            outgoing.queued_bytes += frame.len();
            outgoing.queue.push_back(frame);
        }
        if outgoing.stream.is_none() && outgoing.tried.is_none_or(|at| now >= at + PEER_RETRY) {
            outgoing.tried = Some(now);
            self.connect(peer);
        }
        self.write(peer)
    }

    fn connect(&mut self, peer: u64) {
        let Some(outgoing) = self.outgoing.get_mut(&peer) else { return };
        let count = outgoing.addresses.len().max(1);
        let Some(address) = outgoing.addresses.get(outgoing.next_address % count) else { return };
        outgoing.next_address += 1;
        let Ok(mut stream) = TcpStream::connect(*address) else { return };
        let place = self.tokens.iter().position(|known| *known == peer).unwrap_or_else(|| {
            self.tokens.push(peer);
            self.tokens.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.registry.register(&mut stream, Token(OUTGOING + place), interest).is_ok() {
            outgoing.begin(stream, hello(self.me));
        }
    }

    /// Writes what waits for a peer.
    fn write(&mut self, peer: u64) -> Option<Fact> {
        let outgoing = self.outgoing.get_mut(&peer)?;
        match outgoing.write() {
            Ok(()) => None,
            Err(_) => {
                outgoing.lose();
                Some(Fact::Replica(Event::PeerLost { peer }))
            }
        }
    }

    /// The poll says something of a connection that we made.
    pub(super) fn on_outgoing(&mut self, token: usize, event: &mio::event::Event) -> Option<Fact> {
        let peer = *self.tokens.get(token - OUTGOING)?;
        let outgoing = self.outgoing.get_mut(&peer)?;
        if event.is_error() || event.is_read_closed() {
            outgoing.lose();
            return Some(Fact::Replica(Event::PeerLost { peer }));
        }
        if event.is_writable() {
            outgoing.connected = true;
        }
        self.write(peer)
    }

    /// Another member has connected.
    pub(super) fn adopt(&mut self, mut stream: TcpStream) {
        if self.incoming.len() >= PEER_CONNECTIONS_MAX {
            return;
        }
        let token = Token(INCOMING + self.incoming.vacant_key());
        if self.registry.register(&mut stream, token, Interest::READABLE).is_ok() {
            self.incoming.insert(Incoming { stream, from: None, arrived: Vec::new() });
        }
    }

    /// Reads what came from another member.
    pub(super) fn on_incoming(&mut self, token: usize, facts: &mut Vec<Fact>) {
        let place = token - INCOMING;
        let Some(incoming) = self.incoming.get_mut(place) else { return };
        let mut buffer = [0; 64 * 1024];
        let alive = loop {
            match incoming.stream.read(&mut buffer) {
                Ok(0) => break false,
                Ok(read) => {
                    incoming.arrived.extend_from_slice(&buffer[..read]);
                    let cluster = self.me.cluster;
                    if incoming.hear(cluster, place, facts, &mut self.questions).is_err() {
                        break false;
                    }
                }
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => break true,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
        };
        if !alive {
            self.incoming.remove(place);
        }
    }

    /// Tells a newcomer who it is and who the members are, or that nobody knows it.
    pub(super) fn answer(&mut self, place: usize, known: Option<(Identity, &Members)>) {
        let Some(incoming) = self.incoming.get_mut(place) else { return };
        let told = |(identity, members): (Identity, &Members)| {
            [hello(identity), members.encode()].concat()
        };
        let bytes = known.map(told).unwrap_or_default();
        drop(incoming.stream.write_all(&frame(WHO, &bytes)));
        drop(incoming.stream.shutdown(Shutdown::Write));
    }
}

impl Incoming {
    fn hear(
        &mut self,
        cluster: u64,
        place: usize,
        facts: &mut Vec<Fact>,
        questions: &mut Vec<(usize, Vec<String>)>,
    ) -> Result<(), ()> {
        let mut at = 0;
        if self.from.is_none() {
            let Some(head) = self.arrived.get(..HEAD_BYTES) else { return Ok(()) };
            let who = read_hello(head).ok_or(())?;
            if who.member != 0 && who.cluster != cluster {
                return Err(());
            }
            self.from = Some(who.member);
            at = HEAD_BYTES;
        }
        let from = self.from.unwrap_or(0);
        while let Some((kind, size)) = look(&self.arrived[at..])? {
            let bytes = &self.arrived[at + FRAME_HEAD_BYTES..at + size];
            at += size;
            match kind {
                RAFT if from != 0 => {
                    facts.push(Fact::Replica(Event::PeerSaid { bytes: bytes.to_vec() }));
                }
                WORD if from != 0 => facts.push(Fact::Word { from, word: bytes.to_vec() }),
                WHO => questions.push((place, postcard::from_bytes(bytes).map_err(|_| ())?)),
                _ => return Err(()),
            }
        }
        self.arrived.drain(..at);
        Ok(())
    }
}

impl Outgoing {
    fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses,
            next_address: 0,
            stream: None,
            connected: false,
            tried: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
            sent_bytes: 0,
        }
    }

    fn begin(&mut self, stream: TcpStream, hello: Vec<u8>) {
        drop(stream.set_nodelay(true));
        self.stream = Some(stream);
        self.connected = false;
        self.queued_bytes += hello.len();
        self.queue.push_front(hello);
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(stream) = self.stream.as_mut().filter(|_| self.connected) else { return Ok(()) };
        while let Some(first) = self.queue.front() {
            match stream.write(&first[self.sent_bytes..]) {
                Ok(sent) => self.sent_bytes += sent,
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
            if self.sent_bytes == first.len() {
                self.queued_bytes -= first.len();
                self.sent_bytes = 0;
                self.queue.pop_front();
            }
        }
        Ok(())
    }

    fn lose(&mut self) {
        *self = Self {
            tried: self.tried,
            next_address: self.next_address,
            ..Self::new(std::mem::take(&mut self.addresses))
        };
    }
}

/// Asks the members of a cluster, one after another, who the member with these addresses is. Waits: nothing
/// else is to be done before that is known.
pub(super) fn ask_who(members: &[Url], peer_urls: &[String]) -> Option<(Identity, Members)> {
    let question = frame(WHO, &postcard::to_allocvec(peer_urls).ok()?);
    let nobody = hello(Identity { member: 0, cluster: 0 });
    members.iter().filter_map(Url::address).find_map(|address| {
        let patience = Duration::from_secs(2);
        let mut stream = std::net::TcpStream::connect_timeout(&address, patience).ok()?;
        stream.set_read_timeout(Some(patience)).ok()?;
        stream.write_all(&[nobody.as_slice(), &question].concat()).ok()?;
        let mut answer = Vec::new();
        stream.take(PEER_FRAME_BYTES_MAX as u64).read_to_end(&mut answer).ok()?;
        let (head, members) = answer.get(FRAME_HEAD_BYTES..)?.split_at_checked(HEAD_BYTES)?;
        Some((read_hello(head)?, Members::decode(members)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_is_taken_apart() {
        let me = Identity { member: 7, cluster: 9 };
        assert_eq!(read_hello(&hello(me)), Some(me));
        assert_eq!(read_hello(&[0; HEAD_BYTES]), None);
        assert_eq!(look(&frame(RAFT, b"abc")), Ok(Some((RAFT, 8))));
        assert_eq!(look(&frame(RAFT, b"abc")[..7]), Ok(None));
        assert_eq!(look(&[0, 0xff, 0xff, 0xff, 0xff]), Err(()));
    }
}
