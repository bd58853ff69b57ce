//! Links, addresses and routes, in the few forms that a machine needs.

use netlink_bindings::{rt_addr, rt_link, rt_route};
use rustix::io::{Errno, Result};
use std::net::IpAddr;
use std::time::Duration;

use super::netlink::{CREATE_OR_REPLACE, Netlink, Part};
use crate::limits::LINKS_MAX;
use crate::machine::Prefix;

const NEW_LINK: u16 = 16;
const DEL_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const DEL_ADDRESS: u16 = 21;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;

/// `IFF_UP`; `IFF_LOWER_UP`: there is a carrier.
const UP: u32 = 1;
const CARRIER: u32 = 1 << 16;
/// `ARPHRD_ETHER`.
const ETHERNET: u16 = 1;
/// `RT_TABLE_MAIN`, `RTN_UNICAST`.
const TABLE_MAIN: u8 = 254;
const UNICAST: u8 = 1;
/// `RT_SCOPE_LINK`: neighbours; `RT_SCOPE_UNIVERSE`: everybody.
const SCOPE_LINK: u8 = 253;
const SCOPE_ALL: u8 = 0;
/// `RTNH_F_ONLINK`: the gateway is a neighbour, even if no address says so.
const ON_LINK: u32 = 4;

/// Who made a route (`RTPROT_…`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Maker {
    /// The machine's configuration.
    Configuration = 4,
    /// A DHCP server.
    Dhcp = 16,
}

/// The groups of the monitor socket: links, addresses of both families, options of router
/// advertisements (`RTMGRP_LINK`, `…_IPV4_IFADDR`, `…_IPV6_IFADDR`, `RTNLGRP_ND_USEROPT`).
pub const MONITOR_GROUPS: u32 = 0x1 | 0x10 | 0x100 | 1 << 19;

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number.
    pub index: u32,
    /// Its name.
    pub name: Box<str>,
    /// Its Ethernet address; absent for other kinds.
    pub hardware: Option<[u8; 6]>,
    /// Whether it is up.
    pub is_up: bool,
    /// Whether something is at the other end.
    pub has_carrier: bool,
}

/// What the monitor tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// An interface is there, or changed.
    Link(Link),
    /// An interface is gone.
    NoLink(u32),
    /// An address came or went.
    Addresses,
    /// A router told of resolvers, for so many seconds.
    Resolvers {
        /// On this interface.
        index: u32,
        /// Which.
        resolvers: Vec<std::net::Ipv6Addr>,
        /// For how long; zero: no more.
        lifetime: Duration,
    },
}

/// One address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The interface.
    pub index: u32,
    /// The address and its network.
    pub prefix: Prefix,
    /// Whether it means something beyond the link.
    pub is_global: bool,
}

impl News {
    /// What a message of the monitor means, if it means anything to us.
    #[must_use]
    pub fn parse(part: Part<'_>) -> Option<News> {
        match part.kind {
            NEW_LINK => link(part.payload).map(News::Link),
            DEL_LINK => link(part.payload).map(|link| News::NoLink(link.index)),
            NEW_ADDRESS | DEL_ADDRESS => Some(News::Addresses),
            super::advertisement::USER_OPTION => super::advertisement::resolvers(part.payload),
            _ => None,
        }
    }
}

fn link(payload: &[u8]) -> Option<Link> {
    let (header, attributes) = rt_link::OpNewlinkDo::decode_request(payload);
    let hardware = attributes.get_address().ok().filter(|_| header.ifi_type == ETHERNET);
    Some(Link {
        index: u32::try_from(header.ifi_index).ok().filter(|index| *index > 0)?,
        name: attributes.get_ifname().ok()?.to_str().ok()?.into(),
        hardware: hardware.and_then(|address| address.try_into().ok()),
        is_up: header.ifi_flags & UP != 0,
        has_carrier: header.ifi_flags & CARRIER != 0,
    })
}

impl Netlink {
    /// All interfaces.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let header = rt_link::Ifinfomsg::default();
        let mut links = Vec::new();
        let fill = |bytes: &mut Vec<u8>| bytes.extend_from_slice(header.as_slice());
        self.dump(GET_LINK, fill, &mut |part| {
            if links.len() < LINKS_MAX {
                links.extend(link(part.payload));
            }
        })?;
        Ok(links)
    }

    /// All addresses.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn addresses(&mut self) -> Result<Vec<Address>> {
        let header = rt_addr::Ifaddrmsg::default();
        let mut addresses = Vec::new();
        let fill = |bytes: &mut Vec<u8>| bytes.extend_from_slice(header.as_slice());
        self.dump(GET_ADDRESS, fill, &mut |part| {
            if addresses.len() < LINKS_MAX {
                addresses.extend(address(part.payload));
            }
        })?;
        Ok(addresses)
    }

    /// Brings an interface up, with a largest packet if one is given.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn raise(&mut self, index: u32, mtu: Option<u32>) -> Result<()> {
        let header = rt_link::Ifinfomsg {
            ifi_index: i32::try_from(index).map_err(|_| Errno::NODEV)?,
            ifi_flags: UP,
            ifi_change: UP,
            ..rt_link::Ifinfomsg::default()
        };
        self.request(SET_LINK, 0, |bytes| {
            let attributes = rt_link::OpSetlinkDo::encode_request(bytes, &header);
            if let Some(mtu) = mtu {
                attributes.push_mtu(mtu);
            }
        })
    }

    /// Gives an interface an address, for ever or for a while; a second time only the time changes.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn add_address(
        &mut self,
        index: u32,
        prefix: Prefix,
        lifetime: Option<Duration>,
    ) -> Result<()> {
        let header = address_header(index, prefix);
        self.request(NEW_ADDRESS, CREATE_OR_REPLACE, |bytes| {
            let attributes = rt_addr::OpNewaddrDo::encode_request(bytes, &header)
                .push_local(prefix.address)
                .push_address(prefix.address);
            let attributes = match broadcast(prefix) {
                Some(broadcast) => attributes.push_broadcast(broadcast),
                None => attributes,
            };
            if let Some(lifetime) = lifetime {
                let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
                attributes.push_cacheinfo(rt_addr::IfaCacheinfo {
                    ifa_prefered: seconds,
                    ifa_valid: seconds,
                    ..rt_addr::IfaCacheinfo::default()
                });
            }
        })
    }

    /// Takes an address away.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn remove_address(&mut self, index: u32, prefix: Prefix) -> Result<()> {
        let header = address_header(index, prefix);
        self.request(DEL_ADDRESS, 0, |bytes| {
            rt_addr::OpDeladdrDo::encode_request(bytes, &header)
                .push_local(prefix.address)
                .push_address(prefix.address);
        })
    }

    /// Adds a route, or replaces the one to the same place with the same metric.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn add_route(&mut self, index: u32, route: &Route, maker: Maker) -> Result<()> {
        let Route { to, via, source, metric } = *route;
        let header = rt_route::Rtmsg {
            rtm_family: family(to.address),
            rtm_dst_len: to.length,
            rtm_table: TABLE_MAIN,
            rtm_protocol: maker as u8,
            rtm_scope: if via.is_none() && to.address.is_ipv4() { SCOPE_LINK } else { SCOPE_ALL },
            rtm_type: UNICAST,
            rtm_flags: if via.is_some() { ON_LINK } else { 0 },
            ..rt_route::Rtmsg::default()
        };
        self.request(NEW_ROUTE, CREATE_OR_REPLACE, |bytes| {
            let attributes = rt_route::OpNewrouteDo::encode_request(bytes, &header).push_oif(index);
            let attributes = match to.length {
                0 => attributes,
                _ => attributes.push_dst(to.address),
            };
            let attributes = match via {
                Some(via) => attributes.push_gateway(via),
                None => attributes,
            };
            let attributes = match source {
                Some(source) => attributes.push_prefsrc(source),
                None => attributes,
            };
            if let Some(metric) = metric {
                attributes.push_priority(metric);
            }
        })
    }
}

/// A route, without its interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to; length 0: everywhere.
    pub to: Prefix,
    /// Through whom; absent: they are neighbours.
    pub via: Option<IpAddr>,
    /// From which of our addresses.
    pub source: Option<IpAddr>,
    /// The smaller one is taken.
    pub metric: Option<u32>,
}

fn address(payload: &[u8]) -> Option<Address> {
    let (header, attributes) = rt_addr::OpNewaddrDo::decode_request(payload);
    // Of a point-to-point link, "address" is the other end.
    let address = attributes.get_local().or_else(|_| attributes.get_address()).ok()?;
    Some(Address {
        index: header.ifa_index,
        prefix: Prefix { address, length: header.ifa_prefixlen },
        is_global: header.ifa_scope == SCOPE_ALL,
    })
}

fn address_header(index: u32, prefix: Prefix) -> rt_addr::Ifaddrmsg {
    rt_addr::Ifaddrmsg {
        ifa_family: family(prefix.address),
        ifa_prefixlen: prefix.length,
        ifa_index: index,
        ..rt_addr::Ifaddrmsg::default()
    }
}

/// `AF_INET`, `AF_INET6`.
fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { 2 } else { 10 }
}

/// The address of all neighbours, where there can be more than one.
fn broadcast(prefix: Prefix) -> Option<std::net::Ipv4Addr> {
    match prefix.address {
        IpAddr::V4(address) if prefix.length < 31 => {
            let hosts = u32::MAX.checked_shr(prefix.length.into()).unwrap_or(0);
            Some(std::net::Ipv4Addr::from_bits(address.to_bits() | hosts))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}
