//! `ip=` of the kernel command line (`Documentation/admin-guide/nfs/nfsroot.rst`), and the short forms
//! that initramfs tools know besides: `ip=dhcp`, `ip=eth0:dhcp`, `ip=off`.

use std::net::{IpAddr, Ipv4Addr};

use super::{Dhcp, Interface, Network, Prefix, SlaacMode};

/// What one word says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelIp {
    /// The interface's configuration.
    pub interface: Interface,
    /// The machine's name, if it was given.
    pub hostname: Option<Box<str>>,
    /// Resolvers.
    pub resolvers: Vec<IpAddr>,
}

impl KernelIp {
    /// Parses one value of `ip=`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<KernelIp, String> {
        let bad = |what: &str| format!("ip={text}: {what}");
        let fields: Vec<&str> = split(text);
        match fields[..] {
            [mode] => Ok(KernelIp {
                interface: by_mode("*", mode).ok_or_else(|| bad("no such way"))?,
                ..KernelIp::default()
            }),
            [device, mode] => {
                let interface = by_mode(device, mode).ok_or_else(|| bad("no such way"))?;
                Ok(KernelIp { interface, ..KernelIp::default() })
            }
            [client, _server, gateway, mask, hostname, device, mode, ref resolvers @ ..] => {
                let device = if device.is_empty() { "*" } else { device };
                let mode = if client.is_empty() { mode } else { "none" };
                let mut interface = by_mode(device, mode).ok_or_else(|| bad("no such way"))?;
                if !client.is_empty() {
                    let address = client.parse().map_err(|_| bad("no such address"))?;
                    let length = prefix_length(mask, address).ok_or_else(|| bad("no such mask"))?;
                    interface.unmanaged = false;
                    interface.addresses.push(Prefix { address, length });
                }
                if !gateway.is_empty() {
                    interface.gateway.push(gateway.parse().map_err(|_| bad("no such gateway"))?);
                }
                let resolvers = resolvers.iter().filter(|text| !text.is_empty()).take(2);
                let resolvers = resolvers.map(|text| text.parse()).collect::<Result<_, _>>();
                Ok(KernelIp {
                    interface,
                    hostname: (!hostname.is_empty()).then(|| hostname.into()),
                    resolvers: resolvers.map_err(|_| bad("no such resolver"))?,
                })
            }
            _ => Err(bad("not of the form client:server:gateway:mask:name:device:way")),
        }
    }
}

impl Network {
    /// Puts what the command line says before what is configured; the problems are for the log.
    pub fn take_command_line(&mut self, words: &[Box<str>]) -> Vec<String> {
        let mut problems = Vec::new();
        let mut first = Vec::new();
        for word in words {
            match KernelIp::parse(word) {
                Ok(said) => {
                    first.push(said.interface);
                    self.resolvers.extend(said.resolvers);
                }
                Err(why) => problems.push(why),
            }
        }
        first.append(&mut self.interface);
        self.interface = first;
        problems
    }
}

fn by_mode(device: &str, mode: &str) -> Option<Interface> {
    let interface = Interface { matches: device.into(), ..Interface::default() };
    match mode {
        "" | "dhcp" | "on" | "any" | "both" => Some(Interface { dhcp: Dhcp::Yes, ..interface }),
        "auto6" | "link6" | "dhcp6" => Some(Interface { dhcp: Dhcp::No, ..interface }),
        "off" => {
            Some(Interface { unmanaged: true, dhcp: Dhcp::No, slaac: SlaacMode::No, ..interface })
        }
        // With an address this means "nothing but it".
        "none" | "static" => Some(Interface { dhcp: Dhcp::No, ..interface }),
        _ => None,
    }
}

/// A mask, or the length of a prefix; empty: the class's of old.
fn prefix_length(text: &str, address: IpAddr) -> Option<u8> {
    let longest = if address.is_ipv4() { 32 } else { 128 };
    match address {
        IpAddr::V4(address) if text.is_empty() => Some(match address.octets()[0] {
            0..128 => 8,
            128..192 => 16,
            192.. => 24,
        }),
        IpAddr::V6(_) if text.is_empty() => Some(64),
        IpAddr::V4(_) | IpAddr::V6(_) => match text.parse::<Ipv4Addr>() {
            Ok(mask) => {
                let bits = mask.to_bits();
                let ones = bits.leading_ones();
                (bits.count_ones() == ones).then(|| u8::try_from(ones).ok()).flatten()
            }
            Err(_) => text.parse().ok().filter(|length| *length <= longest),
        },
    }
}

/// Splits at colons, but not within brackets: `[fd00::1]`.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    text.split(|c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ':' && depth == 0
    })
    .map(|field| field.trim_start_matches('[').trim_end_matches(']'))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_form_and_the_short_ones() {
        let said =
            KernelIp::parse("10.0.0.2::10.0.0.1:255.255.255.0:node:eth0:off:1.1.1.1:").unwrap();
        assert_eq!(said.interface.addresses[0].to_string(), "10.0.0.2/24");
        assert_eq!(&*said.interface.matches, "eth0");
        assert!(!said.interface.unmanaged && !said.interface.wants_dhcp());
        assert_eq!(said.hostname.as_deref(), Some("node"));
        assert_eq!(said.resolvers.len(), 1);
        assert!(KernelIp::parse("dhcp").unwrap().interface.wants_dhcp());
        assert!(KernelIp::parse("off").unwrap().interface.unmanaged);
        assert_eq!(&*KernelIp::parse("eth1:dhcp").unwrap().interface.matches, "eth1");
        assert!(KernelIp::parse("::::node:eth0:dhcp").unwrap().interface.wants_dhcp());
        let six = KernelIp::parse("[fd00::2]::[fd00::1]:64::eth0:none").unwrap();
        assert_eq!(six.interface.addresses[0].to_string(), "fd00::2/64");
    }

    #[test]
    fn nonsense_is_named() {
        for word in
            ["x", "a:b:c", "10.0.0.300::::::", "10.0.0.2:::255.0.255.0::e:off", "eth0:maybe"]
        {
            assert!(KernelIp::parse(word).unwrap_err().starts_with("ip="), "{word}");
        }
    }
}
