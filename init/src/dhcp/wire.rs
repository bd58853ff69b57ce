//! The messages, byte by byte: BOOTP's fixed part, the magic cookie, options; and the IP and UDP
//! headers that a machine without an address has to write itself.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Lease;
use crate::identity::is_hostname;
use crate::limits::DHCP_LIST_MAX;

/// Where servers listen.
pub const SERVER_PORT: u16 = 67;
/// Where clients listen.
pub const CLIENT_PORT: u16 = 68;

/// Bytes before the options: 236 of BOOTP, 4 of the cookie.
const FIXED_BYTES: usize = 240;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

const SUBNET_MASK: u8 = 1;
const ROUTER: u8 = 3;
const RESOLVER: u8 = 6;
const HOSTNAME: u8 = 12;
const DOMAIN: u8 = 15;
const MTU: u8 = 26;
const TIME_SERVER: u8 = 42;
const REQUESTED_ADDRESS: u8 = 50;
const LEASE_TIME: u8 = 51;
const OVERLOAD: u8 = 52;
const MESSAGE_TYPE: u8 = 53;
const SERVER: u8 = 54;
const WANTED: u8 = 55;
const SIZE_MAX: u8 = 57;
const RENEW_TIME: u8 = 58;
const REBIND_TIME: u8 = 59;
const CLIENT_ID: u8 = 61;
const CLASSLESS_ROUTES: u8 = 121;
const END: u8 = 255;

/// What we ask to be told; 121 before 3, as RFC 3442 demands.
const WISHES: [u8; 8] =
    [SUBNET_MASK, CLASSLESS_ROUTES, ROUTER, RESOLVER, HOSTNAME, DOMAIN, MTU, TIME_SERVER];

/// The kinds of messages that we send or understand (option 53).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "RFC 2131 names them")]
pub enum Kind {
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Ack = 5,
    Nak = 6,
    Release = 7,
}

/// A message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// What it is.
    pub kind: Kind,
    /// Our number of the conversation.
    pub transaction: u32,
    /// Our interface.
    pub hardware: [u8; 6],
    /// Seconds since we began.
    pub seconds: u16,
    /// The address that we hold, when renewing; else unspecified.
    pub address: Ipv4Addr,
    /// The address that we would like.
    pub requested: Option<Ipv4Addr>,
    /// The server that we chose.
    pub server: Option<Ipv4Addr>,
    /// Our name.
    pub hostname: &'a str,
}

impl Outgoing<'_> {
    /// Its bytes, as the payload of UDP; at least 300, because old relays drop less.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; FIXED_BYTES];
        bytes[..3].copy_from_slice(&[1, 1, 6]);
        bytes[4..8].copy_from_slice(&self.transaction.to_be_bytes());
        bytes[8..10].copy_from_slice(&self.seconds.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.address.octets());
        bytes[28..34].copy_from_slice(&self.hardware);
        bytes[236..240].copy_from_slice(&COOKIE);
        let mut option = |code: u8, value: &[u8]| {
            bytes.push(code);
            bytes.push(u8::try_from(value.len()).expect("no option of ours is longer than 64"));
            bytes.extend_from_slice(value);
        };
        option(MESSAGE_TYPE, &[self.kind as u8]);
        let mut id = [1; 7];
        id[1..].copy_from_slice(&self.hardware);
        option(CLIENT_ID, &id);
        if let Some(address) = self.requested {
            option(REQUESTED_ADDRESS, &address.octets());
        }
        if let Some(server) = self.server {
            option(SERVER, &server.octets());
        }
        option(SIZE_MAX, &1500_u16.to_be_bytes());
        if !self.hostname.is_empty() && is_hostname(self.hostname) {
            option(HOSTNAME, self.hostname.as_bytes());
        }
        option(WANTED, &WISHES);
        bytes.push(END);
        bytes.resize(bytes.len().max(300), 0);
        bytes
    }
}

/// A message of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// The number of the conversation.
    pub transaction: u32,
    /// Whom it is for.
    pub hardware: [u8; 6],
    /// What it offers or grants.
    pub lease: Lease,
}

impl Message {
    /// Parses a server's message; `None` for what is not one, or not a whole one.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Message> {
        let fixed: &[u8; FIXED_BYTES] = bytes.first_chunk()?;
        if fixed[..3] != [2, 1, 6] || fixed[236..] != COOKIE {
            return None;
        }
        let options = Options::collect(bytes);
        let kind = match options.get(MESSAGE_TYPE)? {
            [2] => Kind::Offer,
            [5] => Kind::Ack,
            [6] => Kind::Nak,
            _ => return None,
        };
        Some(Message {
            kind,
            transaction: u32::from_be_bytes(*fixed[4..].first_chunk()?),
            hardware: *fixed[28..].first_chunk()?,
            lease: options.lease(address(&fixed[16..])?),
        })
    }
}

/// All options, those in the overloaded fields included, split ones joined (RFC 3396).
#[derive(Debug, Default)]
struct Options {
    found: Vec<(u8, Vec<u8>)>,
}

impl Options {
    fn collect(bytes: &[u8]) -> Options {
        let mut options = Options::default();
        options.read(&bytes[FIXED_BYTES..]);
        let overload = options.get(OVERLOAD).and_then(|value| value.first()).copied().unwrap_or(0);
        if overload & 1 != 0 {
            options.read(&bytes[108..236]);
        }
        if overload & 2 != 0 {
            options.read(&bytes[44..108]);
        }
        options
    }

    fn read(&mut self, mut rest: &[u8]) {
        loop {
            rest = match rest {
                [0, rest @ ..] => rest,
                [END, ..] | [] => return,
                [code, length, rest @ ..] if rest.len() >= usize::from(*length) => {
                    let (value, rest) = rest.split_at(usize::from(*length));
                    match self.found.iter_mut().find(|(known, _)| known == code) {
                        Some((_, known)) => known.extend_from_slice(value),
                        None => self.found.push((*code, value.to_vec())),
                    }
                    rest
                }
                [_, ..] => return,
            };
        }
    }

    fn get(&self, code: u8) -> Option<&[u8]> {
        self.found.iter().find(|(known, _)| *known == code).map(|(_, value)| &**value)
    }

    fn addresses(&self, code: u8) -> Vec<Ipv4Addr> {
        let chunks = self.get(code).unwrap_or_default().chunks_exact(4);
        chunks.filter_map(address).take(DHCP_LIST_MAX).collect()
    }

    fn seconds(&self, code: u8) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(code)?.try_into().ok()?))
    }

    fn text(&self, code: u8) -> Option<Box<str>> {
        let text = std::str::from_utf8(self.get(code)?).ok()?.trim_end_matches('\0');
        // It goes into resolv.conf or becomes our name: nothing but a name may pass.
        is_hostname(text).then(|| text.into())
    }

    fn lease(&self, address: Ipv4Addr) -> Lease {
        let lifetime = self.seconds(LEASE_TIME).unwrap_or(3600).max(30);
        let rebind = self.seconds(REBIND_TIME).filter(|time| *time < lifetime);
        let rebind = rebind.unwrap_or(lifetime - lifetime / 8);
        let renew = self.seconds(RENEW_TIME).filter(|time| *time < rebind);
        let renew = renew.unwrap_or((lifetime / 2).min(rebind));
        let mask = self.addresses(SUBNET_MASK).first().map(|mask| mask.to_bits());
        let span = |seconds: u32| Duration::from_secs(seconds.into());
        Lease {
            address,
            prefix_length: mask.map_or(24, prefix_length),
            server: self.addresses(SERVER).first().copied().unwrap_or(Ipv4Addr::UNSPECIFIED),
            lifetime: span(lifetime),
            renew_after: span(renew),
            rebind_after: span(rebind),
            routes: self.routes(),
            resolvers: self.addresses(RESOLVER),
            domain: self.text(DOMAIN),
            hostname: self.text(HOSTNAME),
            mtu: self.get(MTU).and_then(|value| value.try_into().ok()).map(u16::from_be_bytes),
            time_servers: self.addresses(TIME_SERVER),
        }
    }

    /// The classless routes; only where there are none, the router (RFC 3442).
    fn routes(&self) -> Vec<(Ipv4Addr, u8, Option<Ipv4Addr>)> {
        if let Some(value) = self.get(CLASSLESS_ROUTES) {
            return classless(value);
        }
        let router = self.addresses(ROUTER).first().copied();
        router.map(|router| (Ipv4Addr::UNSPECIFIED, 0, Some(router))).into_iter().collect()
    }
}

/// Length of the prefix, its significant bytes, the gateway; again and again.
fn classless(mut rest: &[u8]) -> Vec<(Ipv4Addr, u8, Option<Ipv4Addr>)> {
    let mut routes = Vec::new();
    while let [length, tail @ ..] = rest {
        let significant = usize::from(length.div_ceil(8));
        if *length > 32 || tail.len() < significant + 4 || routes.len() >= DHCP_LIST_MAX {
            break;
        }
        let mut octets = [0; 4];
        octets[..significant].copy_from_slice(&tail[..significant]);
        let gateway = address(&tail[significant..]).filter(|gateway| !gateway.is_unspecified());
        routes.push((Ipv4Addr::from(octets), *length, gateway));
        rest = &tail[significant + 4..];
    }
    routes
}

fn address(bytes: &[u8]) -> Option<Ipv4Addr> {
    bytes.first_chunk::<4>().copied().map(Ipv4Addr::from)
}

/// A mask with holes counts up to its first one.
fn prefix_length(mask: u32) -> u8 {
    u8::try_from(mask.leading_ones()).expect("a mask has 32 bits")
}

/// An IP datagram from nobody to everybody, from the client's port to the server's.
#[must_use]
pub fn datagram(payload: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).expect("our messages are short").to_be_bytes();
    let mut bytes = vec![0x45, 0x10, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
    bytes.extend_from_slice(&[0, 0, 0, 0, 255, 255, 255, 255]);
    bytes[2..4].copy_from_slice(&length(28 + payload.len()));
    let sum = checksum(&bytes);
    bytes[10..12].copy_from_slice(&sum);
    bytes.extend_from_slice(&CLIENT_PORT.to_be_bytes());
    bytes.extend_from_slice(&SERVER_PORT.to_be_bytes());
    bytes.extend_from_slice(&length(8 + payload.len()));
    // No checksum: RFC 768 permits it, and IP's own covers the addresses.
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(payload);
    bytes
}

/// What a UDP datagram to the client's port carries; `None` for anything else.
#[must_use]
pub fn udp_payload(bytes: &[u8]) -> Option<&[u8]> {
    let header = usize::from(bytes.first()? & 0x0f) * 4;
    let is_udp = bytes.first()? >> 4 == 4 && header >= 20 && *bytes.get(9)? == 17;
    // Fragments are not put together again: no server sends any.
    let is_whole = u16::from_be_bytes(*bytes.get(6..8)?.first_chunk()?) & 0x3fff == 0;
    let udp = bytes.get(header..)?;
    let to_client = udp.get(2..4)? == CLIENT_PORT.to_be_bytes();
    let length = usize::from(u16::from_be_bytes(*udp.get(4..6)?.first_chunk()?));
    (is_udp && is_whole && to_client).then_some(udp.get(8..length)?)
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!u16::try_from(sum).expect("folded to 16 bits")).to_be_bytes()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn answer(kind: u8, transaction: u32, options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; FIXED_BYTES];
        bytes[..3].copy_from_slice(&[2, 1, 6]);
        bytes[4..8].copy_from_slice(&transaction.to_be_bytes());
        bytes[16..20].copy_from_slice(&[10, 0, 2, 15]);
        bytes[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        bytes[236..240].copy_from_slice(&COOKIE);
        bytes.extend_from_slice(&[MESSAGE_TYPE, 1, kind, SERVER, 4, 10, 0, 2, 2]);
        bytes.extend_from_slice(options);
        bytes.push(END);
        bytes
    }

    #[test]
    fn an_offer_is_read_with_its_options() {
        let options = [
            &[1, 4, 255, 255, 255, 0][..],
            &[3, 4, 10, 0, 2, 2, 6, 8, 10, 0, 2, 3, 8, 8, 8, 8],
            &[51, 4, 0, 0, 14, 16, 15, 7, b'e', b'x', b'.', b'o', b'r', b'g', 0, 26, 2, 5, 220],
        ];
        let message = Message::parse(&answer(2, 7, &options.concat())).unwrap();
        assert_eq!((message.kind, message.transaction), (Kind::Offer, 7));
        let lease = message.lease;
        assert_eq!(lease.address, Ipv4Addr::new(10, 0, 2, 15));
        assert_eq!(lease.prefix_length, 24);
        assert_eq!(lease.routes, [(Ipv4Addr::UNSPECIFIED, 0, Some(Ipv4Addr::new(10, 0, 2, 2)))]);
        assert_eq!(lease.resolvers.len(), 2);
        assert_eq!(lease.lifetime, Duration::from_secs(3600));
        assert_eq!(lease.renew_after, Duration::from_secs(1800));
        assert_eq!(lease.rebind_after, Duration::from_secs(3150));
        assert_eq!((lease.domain.as_deref(), lease.mtu), (Some("ex.org"), Some(1500)));
    }

    #[test]
    fn classless_routes_win_over_the_router() {
        let options =
            [3, 4, 10, 0, 2, 2, 121, 13, 0, 10, 0, 2, 9, 24, 192, 168, 7, 0, 0, 0, 0, 99, 1];
        let lease = Message::parse(&answer(5, 7, &options)).unwrap().lease;
        let gateway = Some(Ipv4Addr::new(10, 0, 2, 9));
        let expected =
            [(Ipv4Addr::UNSPECIFIED, 0, gateway), (Ipv4Addr::new(192, 168, 7, 0), 24, None)];
        assert_eq!(lease.routes, expected);
    }

    #[test]
    fn times_that_make_no_sense_are_put_right_and_names_are_only_names() {
        let options = [51, 4, 0, 0, 0, 0, 58, 4, 0, 0, 255, 255, 12, 4, b'a', b'\n', b'b', b'c'];
        let lease = Message::parse(&answer(5, 7, &options)).unwrap().lease;
        assert!(lease.renew_after <= lease.rebind_after && lease.rebind_after < lease.lifetime);
        assert_eq!(lease.hostname, None);
    }

    #[test]
    fn what_we_send_is_what_a_server_reads() {
        let outgoing = Outgoing {
            kind: Kind::Request,
            transaction: 0x0102_0304,
            hardware: [2, 0, 0, 0, 0, 1],
            seconds: 3,
            address: Ipv4Addr::UNSPECIFIED,
            requested: Some(Ipv4Addr::new(10, 0, 2, 15)),
            server: Some(Ipv4Addr::new(10, 0, 2, 2)),
            hostname: "a",
        };
        let bytes = datagram(&outgoing.bytes());
        assert_eq!(checksum(&bytes[..20]), [0, 0], "the header sums up to nothing");
        assert_eq!(bytes.len(), 328);
        assert_eq!(
            Options::collect(&bytes[28..]).get(REQUESTED_ADDRESS),
            Some(&[10, 0, 2, 15][..])
        );
        let mut back = bytes.clone();
        back[22..24].copy_from_slice(&CLIENT_PORT.to_be_bytes());
        assert_eq!(udp_payload(&back), Some(&bytes[28..]));
        assert_eq!(udp_payload(&bytes), None, "not to the client's port");
    }

    #[test]
    fn cut_and_twisted_messages_are_refused_without_a_panic() {
        let whole = answer(2, 7, &[121, 5, 32, 1, 2, 3, 4, 52, 1, 3, 51, 4, 0, 0, 1, 0]);
        for end in 0..whole.len() {
            let _ = Message::parse(&whole[..end]);
            let _ = udp_payload(&whole[..end]);
        }
        let mut seed = 7_u32;
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..4 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (seed >> 8) as usize % bytes.len();
                bytes[at] = seed.to_be_bytes()[0];
            }
            let _ = Message::parse(&bytes);
            let _ = udp_payload(&bytes);
        }
    }
}
