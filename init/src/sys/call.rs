//! Somebody calls: listening sockets, stored descriptors, devices.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketFlags, accept_with, getpeername, getsockname};
use units::event::Connection;
use units::run::UnitId;

use crate::limits::RECORDS_PER_TURN_MAX;
use crate::node::Event;
use crate::sys::run::Shore;
use crate::sys::sources::Source;
use crate::sys::token::Token;

impl Shore {
    pub(crate) fn take_listen(&mut self, token: Token) -> bool {
        let Some(Source::Listen { unit, .. }) = self.sources.get(token) else { return false };
        let unit = *unit;
        if !self.node.socket_of(unit).is_some_and(|socket| socket.accept) {
            self.step(Event::Unit(units::Event::Called { unit, connection: None }));
            return false;
        }
        for _ in 0..RECORDS_PER_TURN_MAX {
            let Some(Source::Listen { socket, .. }) = self.sources.get(token) else { return false };
            match accept_with(socket, SocketFlags::CLOEXEC) {
                Ok(connection) => self.tell_call(unit, connection),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn tell_call(&mut self, unit: UnitId, socket: OwnedFd) {
        let local = getsockname(&socket).ok().map(address).unwrap_or_default();
        let peer = getpeername(&socket).ok().flatten().map(address).unwrap_or_default();
        let number = self.offer(socket);
        let instance = format!("{number}-{local}-{peer}").replace('/', "-").into();
        let connection = Connection { number, peer: peer.into(), instance };
        self.step(Event::Unit(units::Event::Called { unit, connection: Some(connection) }));
    }

    pub(crate) fn take_stored(&mut self, token: Token) -> bool {
        let Some(Source::Stored { number, descriptor }) = self.sources.get(token) else {
            return false;
        };
        let number = *number;
        let gone = crate::sys::hung_up(descriptor.as_fd());
        let unit = self.holdings.stored.get(&number).and_then(|stored| stored.unit);
        if let (true, Some(unit)) = (gone, unit) {
            self.step(Event::DescriptorGone { unit, number });
        }
        false
    }
}

/// `address:port` of an internet socket, nothing for others.
fn address(address: SocketAddrAny) -> String {
    match std::net::SocketAddr::try_from(address) {
        Ok(address) => address.to_string(),
        Err(_) => String::new(),
    }
}
