//! HTTP/2 and gRPC upon it: `h2` keeps the protocol, and is polled whenever something may have changed.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use h2::server::{Connection, Handshake, SendResponse};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use kv::etcd::frame;
use kv::etcd::status::Status;

use super::connection::Turn;
use super::wire::Wire;
use crate::etcd::{Call, Fact};
use crate::limits::{
    ARRIVED_BYTES_MAX, CALL_HEADERS_BYTES_MAX, CALLS_PER_CONNECTION_MAX, CALLS_PER_TURN_MAX,
    ROUNDS_PER_TURN_MAX, WINDOW_BYTES,
};

enum Phase {
    Shaking(Handshake<Wire, Bytes>),
    Open(Connection<Wire, Bytes>),
    Over,
}

/// One connection.
pub(super) struct Http2 {
    phase: Phase,
    streams: Vec<Stream>,
}

impl std::fmt::Debug for Http2 {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "Http2({} calls)", self.streams.len())
    }
}

/// One call.
struct Stream {
    call: Call,
    receive: Option<RecvStream>,
    arrived: BytesMut,
    /// Until the head of the answer was sent.
    respond: Option<SendResponse<Bytes>>,
    send: Option<SendStream<Bytes>>,
    queue: VecDeque<Bytes>,
    /// Something was queued, and not all of it has left.
    is_sending: bool,
    end: Option<Option<Status>>,
    over: bool,
    /// What comes is left where it is.
    paused: bool,
}

impl Http2 {
    pub(super) fn new(wire: Wire) -> Self {
        let mut builder = h2::server::Builder::new();
        builder
            .max_concurrent_streams(CALLS_PER_CONNECTION_MAX)
            .max_header_list_size(CALL_HEADERS_BYTES_MAX)
            .initial_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        Self { phase: Phase::Shaking(builder.handshake(wire)), streams: Vec::new() }
    }

    /// Reads what came, sends what waits. False when the connection is over.
    pub(super) fn turn(&mut self, turn: &mut Turn<'_>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        if !self.shake(&mut context) {
            return false;
        }
        let mut room = ARRIVED_BYTES_MAX;
        for _ in 0..ROUNDS_PER_TURN_MAX {
            for stream in &mut self.streams {
                stream.pump(&mut context, turn.facts);
            }
            if !self.accept(&mut context, turn) {
                return false;
            }
            let mut moved = false;
            for stream in &mut self.streams {
                moved |= stream.receive(&mut context, turn, &mut room);
                moved |= stream.pump(&mut context, turn.facts);
            }
            self.streams.retain(|stream| !stream.over);
            if !moved {
                return true;
            }
            // What was taken in and sent since is still to be told to the other side; and if all of it goes
            // at once, no edge will ever tell that there is room for more.
        }
        turn.again = true;
        true
    }

    fn shake(&mut self, context: &mut Context<'_>) -> bool {
        let Phase::Shaking(handshake) = &mut self.phase else {
            return matches!(self.phase, Phase::Open(_));
        };
        match Pin::new(handshake).poll(context) {
            Poll::Pending => return true,
            Poll::Ready(Ok(connection)) => self.phase = Phase::Open(connection),
            Poll::Ready(Err(_)) => self.phase = Phase::Over,
        }
        matches!(self.phase, Phase::Open(_))
    }

    /// Lets the protocol go on, and takes new calls. False when the connection is over.
    fn accept(&mut self, context: &mut Context<'_>, turn: &mut Turn<'_>) -> bool {
        let Phase::Open(connection) = &mut self.phase else { return true };
        for _ in 0..CALLS_PER_TURN_MAX {
            match connection.poll_accept(context) {
                Poll::Pending => return true,
                Poll::Ready(Some(Ok((request, respond)))) => {
                    let stream = open(request, respond, turn);
                    self.streams.push(stream);
                }
                Poll::Ready(Some(Err(_)) | None) => {
                    self.phase = Phase::Over;
                    return false;
                }
            }
        }
        turn.again = true;
        true
    }

    fn stream(&mut self, call: Call) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.call == call)
    }

    pub(super) fn say(&mut self, call: Call, message: Vec<u8>) {
        if let Some(stream) = self.stream(call) {
            stream.queue.push_back(message.into());
            stream.is_sending = true;
        }
    }

    pub(super) fn end(&mut self, call: Call, status: Option<Status>) {
        if let Some(stream) = self.stream(call) {
            stream.end = Some(status);
        }
    }

    pub(super) fn pause(&mut self, call: Call, paused: bool) {
        if let Some(stream) = self.stream(call) {
            stream.paused = paused;
        }
    }

    pub(super) fn lose(&mut self, facts: &mut Vec<Fact>) {
        let calls = self.streams.drain(..).filter(|stream| !stream.over);
        facts.extend(calls.map(|stream| Fact::Gone { call: stream.call }));
    }
}

fn open(request: Request<RecvStream>, respond: SendResponse<Bytes>, turn: &mut Turn<'_>) -> Stream {
    let call = turn.names.call(turn.place);
    let (head, receive) = request.into_parts();
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let token = text("token").or_else(|| text("authorization")).map(str::to_owned);
    turn.facts.push(Fact::Opened { call, path: head.uri.path().to_owned(), token });
    Stream {
        call,
        receive: Some(receive),
        arrived: BytesMut::new(),
        respond: Some(respond),
        send: None,
        queue: VecDeque::new(),
        is_sending: false,
        end: None,
        over: false,
        paused: false,
    }
}

impl Stream {
    /// Takes in what came. True if anything did.
    fn receive(
        &mut self,
        context: &mut Context<'_>,
        turn: &mut Turn<'_>,
        room: &mut usize,
    ) -> bool {
        let mut moved = false;
        while let Some(receive) = self.receive.as_mut().filter(|_| !self.paused) {
            match receive.poll_data(context) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(bytes))) => {
                    moved = true;
                    drop(receive.flow_control().release_capacity(bytes.len()));
                    self.take(&bytes, turn);
                }
                Poll::Ready(Some(Err(_))) => return self.lose(turn.facts),
                Poll::Ready(None) => {
                    self.receive = None;
                    turn.facts.push(Fact::Finished { call: self.call });
                }
            }
        }
        match room.checked_sub(self.arrived.len()) {
            Some(left) => *room = left,
            None => self.refuse(Status::too_large(self.arrived.len(), ARRIVED_BYTES_MAX), turn),
        }
        moved
    }

    fn take(&mut self, bytes: &Bytes, turn: &mut Turn<'_>) {
        if self.end.is_some() {
            return;
        }
        self.arrived.extend_from_slice(bytes);
        loop {
            match frame::look(&self.arrived, turn.message_bytes_max) {
                Ok(None) => return,
                Ok(Some(size)) => {
                    self.arrived.advance(frame::PREFIX);
                    let message = self.arrived.split_to(size).to_vec();
                    turn.facts.push(Fact::Said { call: self.call, message });
                }
                Err(status) => return self.refuse(status, turn),
            }
        }
    }

    /// Ends a call whose client broke the rules.
    fn refuse(&mut self, status: Status, turn: &mut Turn<'_>) {
        self.arrived = BytesMut::new();
        self.end = Some(Some(status));
        turn.facts.push(Fact::Gone { call: self.call });
    }

    /// The client gave up.
    fn lose(&mut self, facts: &mut Vec<Fact>) -> bool {
        self.over = true;
        facts.push(Fact::Gone { call: self.call });
        true
    }

    /// Sends what there is room for. True if anything was sent.
    fn pump(&mut self, context: &mut Context<'_>, facts: &mut Vec<Fact>) -> bool {
        if self.over {
            return false;
        }
        if self.is_reset(context) {
            return self.lose(facts);
        }
        let mut moved = self.send_head();
        while let (Some(send), Some(first)) = (&mut self.send, self.queue.front_mut()) {
            send.reserve_capacity(first.len());
            let room = send.capacity().min(first.len());
            if room == 0 && !first.is_empty() {
                break;
            }
            moved = true;
            if send.send_data(first.split_to(room), false).is_err() {
                return self.lose(facts);
            }
            if first.is_empty() {
                self.queue.pop_front();
            }
        }
        if self.queue.is_empty() && self.is_sending {
            self.is_sending = false;
            facts.push(Fact::Sent { call: self.call });
        }
        moved | self.send_end()
    }

    fn is_reset(&mut self, context: &mut Context<'_>) -> bool {
        let reset = match (&mut self.respond, &mut self.send) {
            (Some(respond), _) => respond.poll_reset(context),
            (None, Some(send)) => send.poll_reset(context),
            (None, None) => Poll::Pending,
        };
        reset.is_ready()
    }

    /// The head of the answer goes out with its first message, or with its end.
    fn send_head(&mut self) -> bool {
        if self.queue.is_empty() && self.end.is_none() {
            return false;
        }
        let Some(mut respond) = self.respond.take() else { return false };
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::OK;
        let kind = HeaderValue::from_static("application/grpc");
        head.headers_mut().insert(http::header::CONTENT_TYPE, kind);
        let only_end = self.queue.is_empty();
        if let (true, Some(end)) = (only_end, &self.end) {
            head.headers_mut().extend(trailers(end.as_ref()));
        }
        match respond.send_response(head, only_end) {
            Ok(send) if !only_end => self.send = Some(send),
            Ok(_) | Err(_) => self.over = true,
        }
        true
    }

    fn send_end(&mut self) -> bool {
        if self.over || !self.queue.is_empty() {
            return false;
        }
        let Some(end) = &self.end else { return false };
        if let Some(send) = &mut self.send {
            drop(send.send_trailers(trailers(end.as_ref())));
        }
        self.over = true;
        true
    }
}

/// How a call ended.
fn trailers(status: Option<&Status>) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(2);
    match status {
        None => drop(map.insert("grpc-status", HeaderValue::from_static("0"))),
        Some(status) => {
            map.insert("grpc-status", HeaderValue::from(u16::from(status.code)));
            if let Ok(text) = HeaderValue::from_str(&status.text_for_header()) {
                map.insert("grpc-message", text);
            }
        }
    }
    map
}
