//! A DHCP client for version 4 (RFC 2131, options of RFC 2132 and RFC 3442) without input or output:
//! time and messages come in, orders go out.
//!
//! ```text
//! Off ─carrier→ Selecting ─offer→ Requesting ─ack→ Bound ─t1→ Renewing ─t2→ Rebinding
//!        ↑          ↑───────────── nak, no answer ──┘  ↑────── ack ──┴──────────┘ │
//!        └ carrier lost     ↑──────────────── the lease is over ──────────────────┘
//! ```
//!
//! Written here rather than taken from a library: the codecs that exist bring a DNS stack or a whole
//! network stack along, for some two hundred lines.

mod client;
mod wire;

pub use client::{Client, Order};
pub use wire::{CLIENT_PORT, Kind, Message, Outgoing, SERVER_PORT, datagram, udp_payload};

use std::net::Ipv4Addr;
use std::time::Duration;

/// What a server gave us for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Our address.
    pub address: Ipv4Addr,
    /// The length of its network's prefix.
    pub prefix_length: u8,
    /// Who gave it.
    pub server: Ipv4Addr,
    /// How long it is ours.
    pub lifetime: Duration,
    /// When to ask the same server again.
    pub renew_after: Duration,
    /// When to ask any server.
    pub rebind_after: Duration,
    /// Routes: destination, prefix length, gateway (none: neighbours). The default route is one.
    pub routes: Vec<(Ipv4Addr, u8, Option<Ipv4Addr>)>,
    /// Resolvers.
    pub resolvers: Vec<Ipv4Addr>,
    /// Where short names are looked up.
    pub domain: Option<Box<str>>,
    /// The machine's name, as the network sees it.
    pub hostname: Option<Box<str>>,
    /// The largest packet.
    pub mtu: Option<u16>,
    /// Time servers.
    pub time_servers: Vec<Ipv4Addr>,
}
