//! One client's connection: what it speaks shows in its first bytes.

use std::io;
use std::rc::Rc;

use kv::etcd::status::Status;
use mio::event::Event;
use mio::net::TcpStream;

use super::http2::Http2;
use super::wire::{Readiness, Wire};
use crate::etcd::{Call, Fact};

/// Gives calls their names: a number that never comes again, and the connection's place.
#[derive(Debug, Default)]
pub(super) struct Names {
    last: u64,
}

const PLACE_BITS: u32 = 20;

impl Names {
    pub(super) fn call(&mut self, place: usize) -> Call {
        self.last += 1;
        Call((self.last << PLACE_BITS) | place as u64)
    }

    /// The place of a call's connection.
    pub(super) fn place(call: Call) -> usize {
        usize::try_from(call.0 & ((1 << PLACE_BITS) - 1)).unwrap_or(0)
    }
}

/// What a connection needs in a turn.
pub(super) struct Turn<'a> {
    pub(super) names: &'a mut Names,
    pub(super) place: usize,
    pub(super) message_bytes_max: usize,
    pub(super) facts: &'a mut Vec<Fact>,
    /// There is more to do, and nothing will tell of it.
    pub(super) again: bool,
}

#[derive(Debug)]
enum Speaks {
    Unknown(TcpStream),
    Http2(Box<Http2>),
    Nothing,
}

/// A client's connection.
#[derive(Debug)]
pub(super) struct Connection {
    speaks: Speaks,
    readiness: Rc<Readiness>,
}

/// How an HTTP/2 connection begins, as far as no HTTP/1 request does.
const PREFACE: &[u8] = b"PRI ";

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { speaks: Speaks::Unknown(stream), readiness: Rc::default() }
    }

    /// The poll says something of it.
    pub(super) fn on_event(&self, event: &Event) {
        if event.is_readable() || event.is_error() {
            self.readiness.readable.set(true);
        }
        if event.is_read_closed() || event.is_error() {
            self.readiness.readable.set(true);
            self.readiness.closing.set(true);
        }
    }

    /// Reads, and writes what waits. False when the connection is over.
    pub(super) fn turn(&mut self, turn: &mut Turn<'_>) -> bool {
        if matches!(self.speaks, Speaks::Unknown(_)) {
            self.find_out();
        }
        match &mut self.speaks {
            Speaks::Unknown(_) => true,
            Speaks::Http2(http2) => http2.turn(turn),
            Speaks::Nothing => false,
        }
    }

    fn find_out(&mut self) {
        let Speaks::Unknown(stream) = std::mem::replace(&mut self.speaks, Speaks::Nothing) else {
            return;
        };
        let mut first = [0; PREFACE.len()];
        self.speaks = match stream.peek(&mut first) {
            Ok(0) => Speaks::Nothing,
            Ok(read) if first[..read] == PREFACE[..read] && read < PREFACE.len() => {
                Speaks::Unknown(stream)
            }
            Ok(read) if first[..read] == *PREFACE => {
                let wire = Wire::new(stream, Rc::clone(&self.readiness));
                Speaks::Http2(Box::new(Http2::new(wire)))
            }
            Ok(_) => Speaks::Nothing,
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => Speaks::Unknown(stream),
            Err(_) => Speaks::Nothing,
        };
    }

    /// Something is to be said in a call.
    pub(super) fn say(&mut self, call: Call, message: Vec<u8>) {
        if let Speaks::Http2(http2) = &mut self.speaks {
            http2.say(call, message);
        }
    }

    /// A call is over.
    pub(super) fn end(&mut self, call: Call, status: Option<Status>) {
        if let Speaks::Http2(http2) = &mut self.speaks {
            http2.end(call, status);
        }
    }

    /// A call is not to be read on in, or is.
    pub(super) fn pause(&mut self, call: Call, paused: bool) {
        if let Speaks::Http2(http2) = &mut self.speaks {
            http2.pause(call, paused);
        }
    }

    /// The connection is over: its calls are.
    pub(super) fn lose(&mut self, facts: &mut Vec<Fact>) {
        if let Speaks::Http2(http2) = &mut self.speaks {
            http2.lose(facts);
        }
        self.speaks = Speaks::Nothing;
    }
}
