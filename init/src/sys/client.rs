//! The control socket and its clients: frames in, frames out, never waiting for anybody.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use mio::Interest;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, UCred, accept_with,
    bind, listen, recvmsg, sendmsg, socket_with, sockopt,
};

use serde::{Deserialize, Serialize};

use crate::limits::{
    CLIENT_REQUESTS_KEPT_MAX, CLIENT_UNSENT_BYTES_MAX, CLIENTS_MAX, CLIENTS_OF_ROOT,
    FRAME_DESCRIPTORS_MAX, READ_REQUEST_BYTES_MAX, RECORDS_PER_TURN_MAX, REQUEST_BYTES_MAX,
};
use crate::node::Event;
use crate::node::event::{ClientId, Peer};
use crate::sys::run::Shore;
use crate::sys::sources::Source;
use crate::sys::survive::Kept;
use crate::sys::token::Token;
use crate::vault::Role;
use crate::wire::frame::{FrameDecoder, FrameError, FrameKind, decode, encode};
use crate::wire::{Frame, Request, Response, response::RefusalKind};

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    socket: OwnedFd,
    decoder: FrameDecoder,
    /// Descriptors that came before the frame that they belong to was complete.
    received: VecDeque<OwnedFd>,
    /// Frames that the client has not taken yet, with the descriptor that goes with the first byte.
    unsent: VecDeque<(Vec<u8>, Option<OwnedFd>)>,
    /// How much of the first frame is sent.
    sent: usize,
    /// The kernel tells when there is room.
    waits_for_room: bool,
    /// Parted from once everything is sent.
    leaving: bool,
    /// Requests that are not answered yet.
    asked: Vec<u32>,
    /// What the next life was last told.
    told: ClientNote,
}

/// What of a client the next life must know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ClientNote {
    /// It is in the middle of a frame, one way or the other: where the next one begins only this life
    /// knows.
    midway: bool,
    /// Requests that are not answered yet.
    asked: Vec<u32>,
}

/// Where a client's number leads.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    tokens: BTreeMap<ClientId, Token>,
    last: u32,
    /// Clients of the last life that the node was not told of yet.
    adopted: Vec<(ClientId, Peer, OwnedFd)>,
    /// What they still wait for.
    interrupted: Vec<(ClientId, u32)>,
}

impl Client {
    fn new(socket: OwnedFd, request_bytes_max: u32) -> Client {
        Client {
            socket,
            decoder: FrameDecoder::new(request_bytes_max),
            received: VecDeque::new(),
            unsent: VecDeque::new(),
            sent: 0,
            waits_for_room: false,
            leaving: false,
            asked: Vec::new(),
            told: ClientNote::default(),
        }
    }

    fn note(&self) -> ClientNote {
        let unread = self.decoder.pending_bytes() > 0 || !self.received.is_empty();
        let midway = unread || !self.unsent.is_empty() || self.leaving;
        let asked = &self.asked;
        match asked.len() {
            0..=CLIENT_REQUESTS_KEPT_MAX => ClientNote { midway, asked: asked.clone() },
            _ => ClientNote { midway: true, asked: Vec::new() },
        }
    }

    fn unsent_bytes(&self) -> usize {
        self.unsent.iter().map(|(bytes, _)| bytes.len()).sum()
    }

    /// Sends what there is room for; `true` when all is sent.
    fn flush(&mut self) -> io::Result<bool> {
        while let Some((bytes, descriptor)) = self.unsent.front_mut() {
            let passed: Vec<BorrowedFd<'_>> =
                descriptor.iter().filter(|_| self.sent == 0).map(OwnedFd::as_fd).collect();
            match send(&self.socket, &bytes[self.sent..], &passed) {
                Ok(count) => self.sent += count,
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            if self.sent >= bytes.len() {
                self.unsent.pop_front();
                self.sent = 0;
            }
        }
        Ok(true)
    }
}

impl AsRawFd for Client {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn send(socket: &OwnedFd, bytes: &[u8], passed: &[BorrowedFd<'_>]) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !passed.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(passed));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags)
}

/// Opens the control socket. Anybody may connect; what a peer may ask, its credentials decide.
pub(crate) fn open(path: &str) -> io::Result<OwnedFd> {
    // A socket of an earlier life would make the name taken for ever.
    let _ = rustix::fs::unlink(path);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::fs::chmod(path, rustix::fs::Mode::from_raw_mode(0o666))?;
    listen(&socket, 64)?;
    Ok(socket)
}

impl Shore {
    pub(crate) fn take_control(&mut self, token: Token) -> bool {
        for _ in 0..RECORDS_PER_TURN_MAX {
            let Some(Source::Control(listener)) = self.sources.get(token) else { return false };
            match accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => self.welcome(socket),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Takes a client in, or turns it away when there are too many. The last places are root's, so that
    /// those who may only look cannot lock out who can do something about it.
    pub(crate) fn welcome(&mut self, socket: OwnedFd) {
        let Ok(credentials) = sockopt::socket_peercred(&socket) else { return };
        let peer = peer(&socket, &credentials);
        let places = if peer.uid == 0 { CLIENTS_MAX } else { CLIENTS_MAX - CLIENTS_OF_ROOT };
        if self.clients.tokens.len() >= places {
            let text = format!("{places} connections are open already; close some, or try later");
            let refusal = Response::refused(RefusalKind::Limit, text);
            if let Ok(bytes) = encode(FrameKind::Response, 0, 0, &refusal) {
                // A new socket has room; who does not hear it sees that the connection ends.
                let _ = rustix::net::send(&socket, &bytes, SendFlags::NOSIGNAL);
            }
            return;
        }
        self.clients.last += 1;
        let id = ClientId(self.clients.last);
        self.take_in(id, peer, socket);
    }

    fn take_in(&mut self, id: ClientId, peer: Peer, socket: OwnedFd) {
        // Only root sends files; what others may ask is short.
        let request_bytes_max =
            if peer.uid == 0 { REQUEST_BYTES_MAX } else { READ_REQUEST_BYTES_MAX };
        let source = Source::Client { id, client: Client::new(socket, request_bytes_max) };
        match self.add_source(source, Some(Interest::READABLE)) {
            Ok(token) => {
                self.clients.tokens.insert(id, token);
                self.step(Event::Connected { client: id, peer });
            }
            Err(error) => self.complain("take a client in", &error),
        }
    }

    pub(crate) fn take_client(&mut self, token: Token) -> bool {
        self.flush_client(token);
        self.note_midway(token);
        let more = self.with_buffer(|shore, buffer| shore.read_client(token, buffer));
        self.note_client(token);
        more
    }

    /// Tells the next life that bytes of this client are being read: it cannot go on from there.
    fn note_midway(&mut self, token: Token) {
        let Some(Source::Client { client, .. }) = self.sources.get_mut(token) else { return };
        client.told = ClientNote { midway: true, asked: Vec::new() };
        let bytes = crate::work::encode(&client.told);
        // It was in the table when it came, so that there is room.
        let _ = self.keeper.attach(client.socket.as_fd(), &bytes);
        self.keeper.commit();
    }

    /// Before a replacement: tells everybody who waits, but `asker`, to ask again, and notes how each
    /// client stands.
    pub(super) fn interrupt_clients(&mut self, asker: Option<(ClientId, u32)>) {
        let tokens: Vec<(ClientId, Token)> =
            self.clients.tokens.iter().map(|(id, token)| (*id, *token)).collect();
        for (id, token) in tokens {
            let Some(Source::Client { client, .. }) = self.sources.get(token) else { continue };
            let asked = client.asked.clone();
            for request in asked.into_iter().filter(|request| Some((id, *request)) != asker) {
                self.step(Event::Interrupted { client: id, id: request, replaced: false });
            }
            self.note_client(token);
        }
    }

    /// Tells the next life how a client stands, if that has changed.
    fn note_client(&mut self, token: Token) {
        let Some(Source::Client { client, .. }) = self.sources.get_mut(token) else { return };
        let note = client.note();
        if note == client.told {
            return;
        }
        client.told = note;
        let bytes = crate::work::encode(&client.told);
        // A client that the next life knows too little of is parted from.
        let _ = self.keeper.attach(client.socket.as_fd(), &bytes);
        self.keeper.commit();
    }

    /// Takes a client of the last life in, with the requests that it did not answer; gives it back if
    /// it is in the middle of a frame.
    pub(super) fn adopt_client(&mut self, number: u32, socket: OwnedFd) -> Option<Kept> {
        let note = self.keeper.attached(socket.as_fd());
        let note = note.map(crate::work::decode::<ClientNote>).transpose();
        let note = note.ok().map(Option::unwrap_or_default).filter(|note| !note.midway);
        let (Some(note), Ok(credentials)) = (note, sockopt::socket_peercred(&socket)) else {
            return Some(Kept { role: Role::Client { number }, descriptor: socket });
        };
        let peer = peer(&socket, &credentials);
        self.clients.last = self.clients.last.max(number);
        self.clients.interrupted.extend(note.asked.iter().map(|id| (ClientId(number), *id)));
        self.clients.adopted.push((ClientId(number), peer, socket));
        None
    }

    /// Tells the node of the last life's clients, and of what they still wait for.
    pub(super) fn greet_clients(&mut self) {
        let asker = self.keeper.front().asker();
        self.keeper.front().set_asker(0);
        for (client, peer, socket) in std::mem::take(&mut self.clients.adopted) {
            self.take_in(client, peer, socket);
        }
        for (client, id) in std::mem::take(&mut self.clients.interrupted) {
            let replaced = asker == (u64::from(client.0) << 32 | u64::from(id));
            self.step(Event::Interrupted { client, id, replaced });
        }
    }

    fn read_client(&mut self, token: Token, buffer: &mut [u8]) -> bool {
        for _ in 0..RECORDS_PER_TURN_MAX {
            let Some(Source::Client { id, client }) = self.sources.get_mut(token) else {
                return false;
            };
            let id = *id;
            match receive(client, buffer) {
                Err(Errno::AGAIN) => return false,
                Err(Errno::INTR) => {}
                Ok(0) | Err(_) => {
                    self.part(id);
                    return false;
                }
                Ok(length) => {
                    client.decoder.push(&buffer[..length]);
                    self.tell_requests(token, id);
                }
            }
        }
        true
    }

    fn tell_requests(&mut self, token: Token, id: ClientId) {
        loop {
            let Some(Source::Client { client, .. }) = self.sources.get_mut(token) else { return };
            if client.leaving {
                return;
            }
            match client.decoder.take() {
                Ok(None) => return,
                Ok(Some(frame)) => self.tell_request(token, id, &frame),
                Err(error) => self.refuse(id, 0, &error),
            }
        }
    }

    fn tell_request(&mut self, token: Token, client: ClientId, frame: &Frame) {
        if frame.kind != FrameKind::Request {
            return self.refuse(client, frame.id, &FrameError::Kind(2));
        }
        let request: Request = match decode(frame) {
            Ok(request) => request,
            Err(error) => return self.refuse(client, frame.id, &error),
        };
        let Some(Source::Client { client: connection, .. }) = self.sources.get_mut(token) else {
            return;
        };
        connection.asked.push(frame.id);
        let count = usize::from(frame.descriptors).min(connection.received.len());
        let received: Vec<OwnedFd> = connection.received.drain(..count).collect();
        let descriptors = received.into_iter().map(|fd| self.offer(fd)).collect();
        let request = Box::new(request);
        self.step(Event::Asked { client, id: frame.id, request, descriptors });
    }

    /// Answers what is no request, and parts: where the next frame begins is not known.
    fn refuse(&mut self, client: ClientId, id: u32, error: &FrameError) {
        let response = Response::refused(RefusalKind::BadRequest, error.to_string());
        self.reply(client, id, &response, None);
        self.hang_up(client);
    }

    /// Sends a response, now or when there is room.
    pub(crate) fn reply(
        &mut self,
        client: ClientId,
        id: u32,
        response: &Response,
        descriptor: Option<OwnedFd>,
    ) {
        let Some(token) = self.clients.tokens.get(&client).copied() else { return };
        let count = u8::from(descriptor.is_some());
        let bytes = encode(FrameKind::Response, id, count, response).or_else(|error| {
            let refusal = Response::refused(RefusalKind::Limit, error.to_string());
            encode(FrameKind::Response, id, 0, &refusal)
        });
        let Ok(bytes) = bytes else { return self.part(client) };
        let Some(Source::Client { client: connection, .. }) = self.sources.get_mut(token) else {
            return;
        };
        connection.asked.retain(|asked| *asked != id);
        connection.unsent.push_back((bytes, descriptor));
        if connection.unsent_bytes() > CLIENT_UNSENT_BYTES_MAX {
            // Whoever asks and does not read is parted from.
            return self.part(client);
        }
        self.flush_client(token);
        self.note_client(token);
    }

    fn flush_client(&mut self, token: Token) {
        let Some(Source::Client { id, client }) = self.sources.get_mut(token) else { return };
        let id = *id;
        let interest = match client.flush() {
            Ok(true) if client.leaving => return self.part(id),
            Ok(true) if client.waits_for_room => {
                client.waits_for_room = false;
                Interest::READABLE
            }
            Ok(false) if !client.waits_for_room => {
                client.waits_for_room = true;
                Interest::READABLE | Interest::WRITABLE
            }
            Ok(_) => return,
            Err(_) => return self.part(id),
        };
        if let Err(error) = self.sources.interest(token, interest) {
            self.complain("watch a client", &error);
        }
    }

    /// Parts from a client once it took everything.
    pub(crate) fn hang_up(&mut self, client: ClientId) {
        let Some(token) = self.clients.tokens.get(&client).copied() else { return };
        if let Some(Source::Client { client, .. }) = self.sources.get_mut(token) {
            client.leaving = true;
        }
        self.flush_client(token);
    }

    fn part(&mut self, client: ClientId) {
        if let Some(token) = self.clients.tokens.remove(&client) {
            self.remove_source(token);
            self.step(Event::Left { client });
        }
    }
}

fn peer(socket: &OwnedFd, credentials: &UCred) -> Peer {
    Peer {
        pid: credentials.pid.as_raw_nonzero().get().unsigned_abs(),
        uid: credentials.uid.as_raw(),
        gids: peer_groups(socket, credentials.gid.as_raw()),
    }
}

fn receive(client: &mut Client, buffer: &mut [u8]) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FRAME_DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let message = recvmsg(&client.socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags)?;
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            let room = FRAME_DESCRIPTORS_MAX.saturating_sub(client.received.len());
            client.received.extend(rights.take(room));
        }
    }
    Ok(message.bytes)
}

/// The peer's primary and supplementary groups (`SO_PEERGROUPS`).
fn peer_groups(socket: &OwnedFd, primary: u32) -> Vec<u32> {
    const GROUPS_MAX: usize = 256;
    let mut groups = [0_u32; GROUPS_MAX];
    let mut length = libc::socklen_t::try_from(size_of_val(&groups)).unwrap_or(0);
    // SAFETY: the buffer is live and `length` is its size in bytes; the kernel writes at most that.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let count = if done == 0 { length as usize / size_of::<u32>() } else { 0 };
    std::iter::once(primary).chain(groups[..count.min(GROUPS_MAX)].iter().copied()).collect()
}
