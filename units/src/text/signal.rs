//! Names of signals.

use super::BadValue;
use crate::service::Signal;

/// Linux's names on x86-64 without `SIG`; the index is the number less one.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The first real-time signal that programs may use, with glibc and musl alike.
const RT_MIN: u8 = 34;
/// The last one.
const RT_MAX: u8 = 64;

/// Reads `SIGTERM`, `TERM`, `15`, `RTMIN+3`, `SIGRTMAX-1`.
///
/// # Errors
/// When there is no such signal.
pub fn parse(text: &str) -> Result<Signal, BadValue> {
    find(text).ok_or_else(|| {
        BadValue::new(format!("`{text}` is no signal"))
            .advise("write a name such as `SIGTERM`, `SIGRTMIN+3`, or a number from 1 to 64")
    })
}

/// The signal of that name or number.
#[must_use]
pub fn find(text: &str) -> Option<Signal> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return text.parse().ok().filter(|n| (1..=RT_MAX).contains(n)).map(Signal);
    }
    let name = text.strip_prefix("SIG").unwrap_or(text);
    if let Some(after) = name.strip_prefix("RTMIN") {
        return real_time(after, '+').map(|by| Signal(RT_MIN + by));
    }
    if let Some(after) = name.strip_prefix("RTMAX") {
        return real_time(after, '-').map(|by| Signal(RT_MAX - by));
    }
    let name = if name == "POLL" { "IO" } else { name };
    let index = NAMES.iter().position(|known| *known == name)?;
    u8::try_from(index + 1).ok().map(Signal)
}

fn real_time(after: &str, sign: char) -> Option<u8> {
    if after.is_empty() {
        return Some(0);
    }
    let by = after.strip_prefix(sign)?;
    by.parse().ok().filter(|by| *by <= RT_MAX - RT_MIN)
}

/// The name with `SIG`.
#[must_use]
pub fn name(signal: Signal) -> String {
    match NAMES.get(usize::from(signal.0).wrapping_sub(1)) {
        Some(name) => format!("SIG{name}"),
        None if (RT_MIN..=RT_MAX).contains(&signal.0) => format!("SIGRTMIN+{}", signal.0 - RT_MIN),
        None => format!("signal {}", signal.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(find("SIGTERM"), Some(Signal::TERM));
        assert_eq!(find("9"), Some(Signal::KILL));
        assert_eq!(find("RTMIN+3"), Some(Signal(37)));
        assert_eq!(find("SIGRTMAX-1"), Some(Signal(63)));
        assert_eq!(find("SIGNOPE"), None);
        assert_eq!(find("65"), None);
        assert_eq!(name(Signal(37)), "SIGRTMIN+3");
        for number in 1..=31 {
            assert_eq!(find(&name(Signal(number))), Some(Signal(number)));
        }
    }
}
