//! What the kernel passes on of router advertisements: resolvers (RFC 8106), in `struct nduseroptmsg`.

use std::net::Ipv6Addr;
use std::time::Duration;

use super::route::News;

/// `RTM_NEWNDUSEROPT`.
pub(super) const USER_OPTION: u16 = 68;

/// Bytes of `struct nduseroptmsg`.
const HEAD_BYTES: usize = 16;
/// The option "recursive DNS server".
const RESOLVERS: u8 = 25;

/// The resolvers in a message, if it is about resolvers.
pub(super) fn resolvers(payload: &[u8]) -> Option<News> {
    let head: &[u8; HEAD_BYTES] = payload.first_chunk()?;
    let index = u32::from_ne_bytes(*head[4..].first_chunk()?);
    let option = payload.get(HEAD_BYTES..)?;
    let [kind, length, ..] = option else { return None };
    let option = option.get(..usize::from(*length) * 8)?;
    if *kind != RESOLVERS || option.len() < 24 {
        return None;
    }
    let lifetime = u32::from_be_bytes(*option[4..].first_chunk()?);
    let resolvers = option[8..].as_chunks::<16>().0.iter().copied().map(Ipv6Addr::from).collect();
    Some(News::Resolvers { index, resolvers, lifetime: Duration::from_secs(lifetime.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_and_nonsense_is_not() {
        let mut bytes = vec![0; 16];
        bytes[4] = 3;
        bytes.extend_from_slice(&[25, 3, 0, 0, 0, 0, 0, 60]);
        bytes.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        let expected = News::Resolvers {
            index: 3,
            resolvers: vec![Ipv6Addr::LOCALHOST],
            lifetime: Duration::from_secs(60),
        };
        assert_eq!(resolvers(&bytes), Some(expected));
        for end in 0..bytes.len() {
            assert_eq!(resolvers(&bytes[..end]), None);
        }
    }
}
