//! Names of address families (address_families(7)).

use super::BadValue;
use super::suggest::did_you_mean;

/// Linux's names without `AF_`, by number.
const NAMES: [(&str, u16); 44] = [
    ("UNSPEC", 0),
    ("UNIX", 1),
    ("INET", 2),
    ("AX25", 3),
    ("IPX", 4),
    ("APPLETALK", 5),
    ("NETROM", 6),
    ("BRIDGE", 7),
    ("ATMPVC", 8),
    ("X25", 9),
    ("INET6", 10),
    ("ROSE", 11),
    ("DECnet", 12),
    ("NETBEUI", 13),
    ("SECURITY", 14),
    ("KEY", 15),
    ("NETLINK", 16),
    ("PACKET", 17),
    ("ASH", 18),
    ("ECONET", 19),
    ("ATMSVC", 20),
    ("RDS", 21),
    ("SNA", 22),
    ("IRDA", 23),
    ("PPPOX", 24),
    ("WANPIPE", 25),
    ("LLC", 26),
    ("IB", 27),
    ("MPLS", 28),
    ("CAN", 29),
    ("TIPC", 30),
    ("BLUETOOTH", 31),
    ("IUCV", 32),
    ("RXRPC", 33),
    ("ISDN", 34),
    ("PHONET", 35),
    ("IEEE802154", 36),
    ("CAIF", 37),
    ("ALG", 38),
    ("NFC", 39),
    ("VSOCK", 40),
    ("KCM", 41),
    ("QIPCRTR", 42),
    ("XDP", 44),
];

/// Other names of the same.
const ALIASES: [(&str, u16); 3] = [("LOCAL", 1), ("ROUTE", 16), ("SMC", 43)];

/// The number of a family by its name with `AF_`.
///
/// # Errors
/// When there is none of that name.
pub fn parse(text: &str) -> Result<u16, BadValue> {
    let name = text.strip_prefix("AF_").unwrap_or("");
    let found = NAMES.iter().chain(&ALIASES).find(|(known, _)| *known == name);
    found.map(|(_, number)| *number).ok_or_else(|| {
        let bare = text.strip_prefix("AF_").unwrap_or(text);
        let near = did_you_mean(bare, NAMES.iter().map(|(name, _)| *name), "");
        BadValue::new(format!("`{text}` is no address family"))
            .advise(format!("write names such as `AF_UNIX` or `AF_INET6`; {near}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        assert_eq!(parse("AF_INET6"), Ok(10));
        assert_eq!(parse("AF_LOCAL"), Ok(1));
        assert!(parse("INET6").is_err());
    }
}
