//! `[network]`: what each interface shall be given.

use serde::Deserialize;
use std::net::IpAddr;

use super::Prefix;
use crate::limits::INTERFACES_MAX;

/// `[network]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Network {
    /// Resolvers that are asked before those that the network itself names.
    pub resolvers: Vec<IpAddr>,
    /// Domains in which short names are looked up.
    pub search: Vec<Box<str>>,
    /// `[[network.interface]]`: the first that matches an interface holds; an interface that none
    /// matches gets DHCP and SLAAC if it is an Ethernet's.
    pub interface: Vec<Interface>,
}

/// One `[[network.interface]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Interface {
    /// Its name, with `*` for any letters, or its hardware address.
    #[serde(rename = "match")]
    pub matches: Box<str>,
    /// Leave it alone.
    pub unmanaged: bool,
    /// Whether to ask for an address.
    pub dhcp: Dhcp,
    /// Whether to take addresses from router advertisements.
    pub slaac: SlaacMode,
    /// Fixed addresses.
    pub addresses: Vec<Prefix>,
    /// The default route of version 4, of version 6, or one of each.
    #[serde(deserialize_with = "one_or_more")]
    pub gateway: Vec<IpAddr>,
    /// Further routes.
    pub routes: Vec<Route>,
    /// The largest packet.
    pub mtu: Option<u32>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Where to.
    pub to: Prefix,
    /// Through whom; absent: they are neighbours.
    #[serde(default)]
    pub via: Option<IpAddr>,
    /// The smaller one is taken.
    #[serde(default)]
    pub metric: Option<u32>,
}

/// `dhcp`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dhcp {
    /// If there is no fixed address of version 4.
    #[default]
    Auto,
    /// In any case.
    Yes,
    /// Never.
    No,
}

/// `slaac`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlaacMode {
    /// The kernel listens to routers.
    #[default]
    Yes,
    /// It does not.
    No,
}

impl Network {
    /// What the types alone cannot tell.
    pub(super) fn check(&self) -> Result<(), Box<str>> {
        if self.interface.len() > INTERFACES_MAX {
            return Err(format!("more than {INTERFACES_MAX} interfaces").into());
        }
        for interface in &self.interface {
            if interface.matches.is_empty() {
                return Err("network.interface without match = \"NAME\"".into());
            }
            let mixed = |route: &&Route| {
                route.via.is_some_and(|via| via.is_ipv4() != route.to.address.is_ipv4())
            };
            if let Some(route) = interface.routes.iter().find(mixed) {
                return Err(format!("route to {}: via is of the other family", route.to).into());
            }
        }
        Ok(())
    }

    /// What an interface shall be given.
    #[must_use]
    pub fn for_interface(&self, name: &str, hardware: &str) -> Option<&Interface> {
        self.interface.iter().find(|one| {
            one.matches.eq_ignore_ascii_case(hardware) || matches_name(&one.matches, name)
        })
    }
}

impl Interface {
    /// Whether an address shall be asked for.
    #[must_use]
    pub fn wants_dhcp(&self) -> bool {
        match self.dhcp {
            Dhcp::Yes => true,
            Dhcp::No => false,
            Dhcp::Auto => !self.addresses.iter().any(|prefix| prefix.address.is_ipv4()),
        }
    }
}

/// `*` stands for any letters; more than one of them works like the first and the last.
fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => {
            let end = rest.rsplit('*').next().unwrap_or(rest);
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

fn one_or_more<'de, D>(deserializer: D) -> Result<Vec<IpAddr>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "an address, or a list of addresses")]
    enum OneOrMore {
        One(IpAddr),
        More(Vec<IpAddr>),
    }
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(address) => vec![address],
        OneOrMore::More(addresses) => addresses,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_with_stars() {
        assert!(
            matches_name("en*", "enp1s0") && matches_name("*", "x") && matches_name("e*0", "eth0")
        );
        assert!(!matches_name("en*", "eth0") && !matches_name("a*a", "a"));
    }
}
