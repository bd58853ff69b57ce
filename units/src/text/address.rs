//! Addresses that a socket unit listens on (systemd.socket(5)).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::{BadValue, number, path, words};
use crate::limits::UNIX_PATH_BYTES_MAX;
use crate::triggers::{Address, Listen};

/// Reads `/path`, `@abstract`, `80`, `1.2.3.4:80`, `[::1]:80`, `vsock:2:80`.
///
/// # Errors
/// When it is none of them.
pub fn parse(text: &str) -> Result<Address, BadValue> {
    if text.starts_with('/') {
        check_length(text)?;
        return path::absolute(text).map(Address::Path);
    }
    if let Some(name) = text.strip_prefix('@') {
        check_length(name)?;
        return Ok(Address::Abstract(name.into()));
    }
    if text.starts_with("vsock") {
        return vsock(text).ok_or_else(|| bad(text));
    }
    internet(text).map(Address::Internet).ok_or_else(|| bad(text))
}

fn bad(text: &str) -> BadValue {
    BadValue::new(format!("`{text}` is no address to listen on")).advise(
        "write a path, `@name`, a port, `address:port`, `[v6-address]:port` or `vsock:cid:port`",
    )
}

fn check_length(path: &str) -> Result<(), BadValue> {
    match path.len() {
        1..=UNIX_PATH_BYTES_MAX => Ok(()),
        _ => Err(BadValue::new(format!(
            "a socket's name has 1 to {UNIX_PATH_BYTES_MAX} bytes, this one {}",
            path.len()
        ))),
    }
}

/// A port alone is all addresses of both families.
fn internet(text: &str) -> Option<SocketAddr> {
    if let Some(port) = port(text) {
        return Some(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0)));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let (after, scope) = match after.split_once('%') {
            Some((after, scope)) => (after, scope.parse().ok()?),
            None => (after, 0),
        };
        let address: Ipv6Addr = address.parse().ok()?;
        let port = port(after.strip_prefix(':')?)?;
        return Some(SocketAddr::V6(SocketAddrV6::new(address, port, 0, scope)));
    }
    let (address, after) = text.rsplit_once(':')?;
    let address: Ipv4Addr = address.parse().ok()?;
    Some(SocketAddr::V4(SocketAddrV4::new(address, port(after)?)))
}

fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

/// Without a context id: anyone's.
fn vsock(text: &str) -> Option<Address> {
    let rest = text.strip_prefix("vsock-stream:").or_else(|| text.strip_prefix("vsock:"))?;
    let (cid, port) = rest.split_once(':')?;
    let cid = if cid.is_empty() { u32::MAX } else { cid.parse().ok()? };
    Some(Address::Vsock(cid, port.parse().ok()?))
}

/// Reads `family [group]`.
///
/// # Errors
/// When the family has no name or the group is no number.
pub fn netlink(text: &str) -> Result<Listen, BadValue> {
    let mut parts = words::plain(text).map(|(_, word)| word);
    let (Some(family), group, None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(BadValue::new("a netlink socket has a family and perhaps a group")
            .advise("write such as `kobject-uevent 1`"));
    };
    let group = number::unsigned(group.unwrap_or("0"), u64::from(u32::MAX))?;
    let group = u32::try_from(group).unwrap_or(0);
    Ok(Listen::Netlink { family: family.into(), group })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let net = |text: &str| Ok(Address::Internet(text.parse().unwrap()));
        assert_eq!(parse("80"), net("[::]:80"));
        assert_eq!(parse("127.0.0.1:80"), net("127.0.0.1:80"));
        assert_eq!(parse("[::1]:80"), net("[::1]:80"));
        assert_eq!(parse("/run/a"), Ok(Address::Path("/run/a".into())));
        assert_eq!(parse("@a"), Ok(Address::Abstract("a".into())));
        assert_eq!(parse("vsock::7"), Ok(Address::Vsock(u32::MAX, 7)));
        for bad in ["", "0", "99999", "a:80", "1.2.3.4", "[::1]", "@", "vsock:a:1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
