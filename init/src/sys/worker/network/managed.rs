//! One interface that is ours: what it was given, and the conversation about what it will be given.

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::borrowed;
use crate::dhcp::{Client, Lease, Order};
use crate::machine::{Interface, Prefix, SlaacMode};
use crate::sys::boot::HOSTNAME_DEFAULT;
use crate::sys::files::{read_text, write_setting};
use crate::sys::net::{AddressSocket, Link, LinkSocket, Maker, Netlink, Route};

/// The metric of routes that a server gave: behind those that were configured.
const LEASED_METRIC: u32 = 1024;
/// The packets that are the smallest to be believed in (RFC 791).
const MTU_MIN: u16 = 576;

/// The interface.
pub(super) struct Managed {
    link: Link,
    config: Interface,
    client: Option<Client>,
    before_address: Option<LinkSocket>,
    with_address: Option<AddressSocket>,
    /// What the network gave.
    pub(super) lease: Option<Lease>,
}

impl Managed {
    pub(super) fn new(link: Link, config: Interface, now: Duration) -> Managed {
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let client = link.hardware.filter(|_| config.wants_dhcp());
        let client = client.map(|hardware| Client::new(hardware, &hostname, seed(now)));
        Managed { link, config, client, before_address: None, with_address: None, lease: None }
    }

    /// Gives it what is fixed, brings it up, and begins to ask.
    pub(super) fn begin(&mut self, now: Duration, requests: &mut Netlink) {
        let accept = match self.config.slaac {
            // Also where packets are forwarded for containers.
            SlaacMode::Yes => "2",
            SlaacMode::No => "0",
        };
        let setting = format!("/proc/sys/net/ipv6/conf/{}/accept_ra", self.link.name);
        if let Err(errno) = write_setting(&setting, accept)
            && errno != Errno::NOENT
        {
            self.complain("accept_ra", errno);
        }
        if let Err(errno) = requests.raise(self.link.index, self.config.mtu) {
            self.complain("bringing it up", errno);
        }
        self.add_fixed(requests);
        if self.link.has_carrier {
            self.on_carrier(true, now, requests);
        }
    }

    pub(super) fn has_carrier(&self) -> bool {
        self.link.has_carrier
    }

    /// When [`Managed::turn`] has something to do without any message.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.client.as_ref().and_then(Client::deadline)
    }

    /// The socket whose messages are waited for.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        borrowed(self.before_address.as_ref()).or_else(|| borrowed(self.with_address.as_ref()))
    }

    /// The kernel says how it is.
    pub(super) fn take_link(&mut self, link: Link, now: Duration, requests: &mut Netlink) {
        let had_carrier = self.link.has_carrier;
        self.link = link;
        if self.link.has_carrier != had_carrier {
            self.on_carrier(self.link.has_carrier, now, requests);
        }
    }

    /// Takes messages and time.
    pub(super) fn turn(&mut self, now: Duration, requests: &mut Netlink) {
        let mut orders = Vec::new();
        while let Some(message) = self.next_message() {
            if let Some(client) = &mut self.client {
                client.on_message(&message, now, &mut orders);
            }
        }
        if let Some(client) = &mut self.client {
            client.on_time(now, &mut orders);
        }
        self.carry_out(orders, requests);
    }

    fn next_message(&self) -> Option<Vec<u8>> {
        let before = self.before_address.as_ref().and_then(LinkSocket::next);
        before.or_else(|| self.with_address.as_ref().and_then(AddressSocket::next))
    }

    fn on_carrier(&mut self, is_up: bool, now: Duration, requests: &mut Netlink) {
        if is_up {
            // Routes of version 6 do not survive the loss of the carrier.
            self.add_fixed(requests);
        }
        let mut orders = Vec::new();
        if let Some(client) = &mut self.client {
            client.on_carrier(is_up, now, &mut orders);
        }
        self.carry_out(orders, requests);
    }

    fn carry_out(&mut self, orders: Vec<Order>, requests: &mut Netlink) {
        for order in orders {
            let done = match order {
                Order::Broadcast(message) => self.broadcast(&message),
                Order::Send(to, message) => self.send(to, &message),
                Order::Configure(lease) => self.configure(lease, requests),
                Order::Deconfigure(lease) => self.deconfigure(&lease, requests),
            };
            if let Err(errno) = done {
                self.complain("DHCP", errno);
            }
        }
        self.close_idle_sockets();
    }

    fn broadcast(&mut self, message: &[u8]) -> Result<(), Errno> {
        let socket = match self.before_address.take() {
            Some(socket) => socket,
            None => LinkSocket::open(self.link.index)?,
        };
        self.before_address.insert(socket).broadcast(message)
    }

    fn send(&mut self, to: Ipv4Addr, message: &[u8]) -> Result<(), Errno> {
        let socket = match self.with_address.take() {
            Some(socket) => socket,
            None => AddressSocket::open(&self.link.name)?,
        };
        self.with_address.insert(socket).send(to, message)
    }

    /// Nothing is listened to that nobody waits for: each datagram would be a wakeup.
    fn close_idle_sockets(&mut self) {
        let listening = self.client.as_ref().filter(|client| client.is_listening());
        if listening.is_none_or(Client::has_address) {
            self.before_address = None;
        }
        if listening.is_none_or(|client| !client.has_address()) {
            self.with_address = None;
        }
    }

    fn configure(&mut self, lease: Lease, requests: &mut Netlink) -> Result<(), Errno> {
        let address = prefix(&lease);
        if let Some(old) = self.lease.take()
            && prefix(&old) != address
        {
            // It may be gone already: its time was over.
            let _ = requests.remove_address(self.link.index, prefix(&old));
        }
        if let Some(mtu) = lease.mtu.filter(|mtu| *mtu >= MTU_MIN && self.config.mtu.is_none())
            && let Err(errno) = requests.raise(self.link.index, Some(mtu.into()))
        {
            self.complain("the network's MTU", errno);
        }
        requests.add_address(self.link.index, address, Some(lease.lifetime))?;
        for (to, length, gateway) in &lease.routes {
            let route = Route {
                to: Prefix { address: IpAddr::V4(*to), length: *length },
                via: gateway.map(IpAddr::V4),
                source: Some(IpAddr::V4(lease.address)),
                metric: Some(LEASED_METRIC),
            };
            if let Err(errno) = requests.add_route(self.link.index, &route, Maker::Dhcp) {
                self.complain(&format!("route to {}", route.to), errno);
            }
        }
        let seconds = lease.lifetime.as_secs();
        println!("{}: {address} from {} for {seconds} s", self.link.name, lease.server);
        take_hostname(&lease);
        self.lease = Some(lease);
        Ok(())
    }

    fn deconfigure(&mut self, lease: &Lease, requests: &mut Netlink) -> Result<(), Errno> {
        println!("{}: {} is no longer ours", self.link.name, lease.address);
        self.lease = None;
        match requests.remove_address(self.link.index, prefix(lease)) {
            // The kernel took it away when its time was over.
            Err(Errno::ADDRNOTAVAIL) => Ok(()),
            other => other,
        }
    }

    /// Fixed addresses and routes.
    fn add_fixed(&self, requests: &mut Netlink) {
        for address in &self.config.addresses {
            if let Err(errno) = requests.add_address(self.link.index, *address, None) {
                self.complain(&format!("address {address}"), errno);
            }
        }
        let everywhere = |via: &IpAddr| match via {
            IpAddr::V4(_) => Prefix { address: Ipv4Addr::UNSPECIFIED.into(), length: 0 },
            IpAddr::V6(_) => Prefix { address: Ipv6Addr::UNSPECIFIED.into(), length: 0 },
        };
        let gateways = self.config.gateway.iter().map(|via| Route {
            to: everywhere(via),
            via: Some(*via),
            source: None,
            metric: None,
        });
        let routes = self.config.routes.iter().map(|route| Route {
            to: route.to,
            via: route.via,
            source: None,
            metric: route.metric,
        });
        for route in gateways.chain(routes) {
            if let Err(errno) = requests.add_route(self.link.index, &route, Maker::Configuration) {
                self.complain(&format!("route to {}", route.to), errno);
            }
        }
    }

    fn complain(&self, what: &str, errno: Errno) {
        eprintln!("{}: {what}: {errno}", self.link.name);
    }
}

fn prefix(lease: &Lease) -> Prefix {
    Prefix { address: IpAddr::V4(lease.address), length: lease.prefix_length }
}

/// The network's name for the machine, where nobody else gave it one.
fn take_hostname(lease: &Lease) {
    let Some(name) = &lease.hostname else { return };
    if read_text("/proc/sys/kernel/hostname").is_ok_and(|present| present == HOSTNAME_DEFAULT)
        && let Err(errno) = rustix::system::sethostname(name.as_bytes())
    {
        eprintln!("hostname {name}: {errno}");
    }
}

/// A number that differs from boot to boot and from machine to machine.
fn seed(now: Duration) -> u32 {
    let mut bytes = now.subsec_nanos().to_ne_bytes();
    // Early randomness may be poor; the time since boot is then what is left of difference.
    let _ = getrandom(&mut bytes, GetRandomFlags::INSECURE);
    u32::from_ne_bytes(bytes)
}
