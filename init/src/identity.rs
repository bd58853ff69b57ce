//! Who a machine is: its id and its name.

/// A machine's identity: 128 bits, written as 32 lower-case hexadecimal digits (machine-id(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineId(pub [u8; 16]);

impl MachineId {
    /// Reads 32 hexadecimal digits, dashes anywhere (so that a UUID is one); all zeros is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<MachineId> {
        let digits: Vec<u8> = text.trim().bytes().filter(|byte| *byte != b'-').collect();
        if digits.len() != 32 {
            return None;
        }
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let text = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(text, 16).ok()?;
        }
        (id != [0; 16] && id != [0xff; 16]).then_some(MachineId(id))
    }

    /// Makes one of random bytes, marked as a random UUID (RFC 9562, version 4).
    #[must_use]
    pub fn from_random(mut bytes: [u8; 16]) -> MachineId {
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        MachineId(bytes)
    }
}

impl std::fmt::Display for MachineId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whether the name may be a host name: labels of letters, digits and `-`, 64 bytes at most
/// (`HOST_NAME_MAX` of Linux).
#[must_use]
pub fn is_hostname(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 64 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_identity() {
        assert_eq!(MachineId::parse("00000000-0000-0000-0000-000000000000"), None);
        assert_eq!(MachineId::parse("abc"), None);
        let id = MachineId::from_random([0xff; 16]);
        assert_eq!(MachineId::parse(&id.to_string()), Some(id));
    }
}
