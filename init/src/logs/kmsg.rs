//! Records of the kernel's ring, as `/dev/kmsg` gives them
//! (Documentation/ABI/testing/dev-kmsg of the kernel).
//!
//! ```text
//! 6,339,5140900,-;NET: Registered PF_INET6 protocol family
//!  SUBSYSTEM=net
//! ```

/// One message of the kernel, or of whoever wrote to its ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelRecord {
    /// syslog(3)'s level, 0 to 7.
    pub priority: u8,
    /// syslog(3)'s facility; 0: the kernel itself.
    pub facility: u16,
    /// The number in the ring; one that is left out was overwritten before it was read.
    pub sequence: u64,
    /// Microseconds since boot.
    pub at_us: u64,
    /// The text, with the kernel's `\xNN` escapes undone; may have several lines.
    pub text: Vec<u8>,
}

/// Parses one record.
#[must_use]
pub fn parse(record: &[u8]) -> Option<KernelRecord> {
    let at = memchr::memchr(b';', record)?;
    let head = std::str::from_utf8(&record[..at]).ok()?;
    let mut fields = head.split(',');
    let prefix: u32 = fields.next()?.parse().ok()?;
    let sequence = fields.next()?.parse().ok()?;
    let at_us = fields.next()?.parse().ok()?;
    let body = &record[at + 1..];
    // What follows the first line end is a dictionary of the device concerned.
    let text = &body[..memchr::memchr(b'\n', body).unwrap_or(body.len())];
    Some(KernelRecord {
        priority: u8::try_from(prefix & 7).ok()?,
        facility: u16::try_from(prefix >> 3).ok()?,
        sequence,
        at_us,
        text: unescape(text),
    })
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        match escaped(rest) {
            Some(byte) => {
                plain.push(byte);
                rest = &rest[4..];
            }
            None => {
                plain.push(first);
                rest = after;
            }
        }
    }
    plain
}

fn escaped(text: &[u8]) -> Option<u8> {
    let digits = text.strip_prefix(b"\\x")?.get(..2)?;
    let hexadecimal = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| hexadecimal)?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let record = parse(b"30,339,5140900,-;a\\x09b\\\n SUBSYSTEM=net\n").unwrap();
        assert_eq!((record.priority, record.facility), (6, 3));
        assert_eq!((record.sequence, record.at_us), (339, 5_140_900));
        assert_eq!(record.text, b"a\tb\\");
        let longer = parse(b"4,1,2,c,caller=T1;text").unwrap();
        assert_eq!(longer.text, b"text");
        for wrong in [&b""[..], b"6,1,2,-", b"x,1,2,-;a", b"6,1;a", b"\xff;a"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
