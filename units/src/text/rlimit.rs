//! Resource limits: `LimitNOFILE=1024:4096` and its kin.

use super::{BadValue, number, size, timespan};
use crate::execution::Rlimit;

/// How the value of a limit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    Number,
    Bytes,
    Seconds,
    Microseconds,
    Nice,
}

/// Linux's names without `RLIMIT_`; the index is the number.
const LIMITS: [(&str, Scale); 16] = [
    ("CPU", Scale::Seconds),
    ("FSIZE", Scale::Bytes),
    ("DATA", Scale::Bytes),
    ("STACK", Scale::Bytes),
    ("CORE", Scale::Bytes),
    ("RSS", Scale::Bytes),
    ("NPROC", Scale::Number),
    ("NOFILE", Scale::Number),
    ("MEMLOCK", Scale::Bytes),
    ("AS", Scale::Bytes),
    ("LOCKS", Scale::Number),
    ("SIGPENDING", Scale::Number),
    ("MSGQUEUE", Scale::Bytes),
    ("NICE", Scale::Nice),
    ("RTPRIO", Scale::Number),
    ("RTTIME", Scale::Microseconds),
];

/// The names of all limits, in any case they are written in capitals.
pub fn names() -> impl Iterator<Item = &'static str> {
    LIMITS.iter().map(|(name, _)| *name)
}

/// Reads `value` or `soft:hard` for the limit of that name (`NOFILE`).
///
/// # Errors
/// When there is no such limit, or the value is none of its kind, or soft is above hard.
pub fn parse(name: &str, text: &str) -> Result<Rlimit, BadValue> {
    let index = LIMITS.iter().position(|(known, _)| *known == name);
    let index = index.ok_or_else(|| BadValue::new(format!("`{name}` is no resource limit")))?;
    let scale = LIMITS[index].1;
    let (soft, hard) = text.split_once(':').unwrap_or((text, text));
    let limit = Rlimit {
        resource: u8::try_from(index).expect("there are sixteen"),
        soft: parse_value(scale, soft)?,
        hard: parse_value(scale, hard)?,
    };
    if limit.soft > limit.hard {
        return Err(BadValue::new("the soft limit is above the hard limit")
            .advise("write `soft:hard` with soft at most hard"));
    }
    Ok(limit)
}

fn parse_value(scale: Scale, text: &str) -> Result<u64, BadValue> {
    if text == "infinity" {
        return Ok(u64::MAX);
    }
    match scale {
        Scale::Number => number::unsigned(text, u64::MAX - 1),
        Scale::Bytes => size::parse_bytes(text),
        Scale::Seconds => timespan::parse_us(text, 1_000_000).map(|us| us.div_ceil(1_000_000)),
        Scale::Microseconds => timespan::parse_us(text, 1),
        Scale::Nice => nice(text),
    }
}

/// `+5` and `-5` are nice levels, which the kernel counts as 20 less the level; a bare number is
/// the kernel's own.
fn nice(text: &str) -> Result<u64, BadValue> {
    if text.starts_with(['+', '-']) {
        let level = number::integer(text, -20, 19)?;
        return Ok((20 - level).cast_unsigned());
    }
    number::unsigned(text, 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let limit = |soft, hard, resource| Ok(Rlimit { resource, soft, hard });
        assert_eq!(parse("NOFILE", "1024:4096"), limit(1024, 4096, 7));
        assert_eq!(parse("CORE", "infinity"), limit(u64::MAX, u64::MAX, 4));
        assert_eq!(parse("AS", "1G"), limit(1 << 30, 1 << 30, 9));
        assert_eq!(parse("CPU", "1min"), limit(60, 60, 0));
        assert_eq!(parse("NICE", "-10"), limit(30, 30, 13));
        assert!(parse("NOFILE", "5:1").is_err());
        assert!(parse("NOFILE", "").is_err());
    }
}
