//! Spans of time (systemd.time(7)): `5min 20s`, `1.5h`, `infinity`.

use std::time::Duration;

use super::{BadValue, is_space};

/// The word for "no end", in microseconds.
pub const INFINITY_US: u64 = u64::MAX;

const US: u64 = 1;
const MS: u64 = 1_000;
const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
/// 30.44 days.
const MONTH: u64 = 2_629_800 * SECOND;
/// 365.25 days.
const YEAR: u64 = 31_557_600 * SECOND;

/// Longer names stand before their own beginnings.
const UNITS: [(&str, u64); 29] = [
    ("seconds", SECOND),
    ("second", SECOND),
    ("sec", SECOND),
    ("s", SECOND),
    ("minutes", MINUTE),
    ("minute", MINUTE),
    ("min", MINUTE),
    ("months", MONTH),
    ("month", MONTH),
    ("M", MONTH),
    ("msec", MS),
    ("ms", MS),
    ("m", MINUTE),
    ("hours", HOUR),
    ("hour", HOUR),
    ("hr", HOUR),
    ("h", HOUR),
    ("days", DAY),
    ("day", DAY),
    ("d", DAY),
    ("weeks", WEEK),
    ("week", WEEK),
    ("w", WEEK),
    ("years", YEAR),
    ("year", YEAR),
    ("y", YEAR),
    ("usec", US),
    ("us", US),
    ("µs", US),
];

/// Reads a span; a bare number counts `default_us` each. [`INFINITY_US`] is `infinity`.
///
/// # Errors
/// When the text is no span, is negative, or is longer than can be told in microseconds.
pub fn parse_us(text: &str, default_us: u64) -> Result<u64, BadValue> {
    if let Some(rest) = text.trim_start_matches(is_space).strip_prefix("infinity") {
        return match rest.trim_start_matches(is_space) {
            "" => Ok(INFINITY_US),
            _ => Err(bad(text, 0)),
        };
    }
    let mut total = 0u64;
    let mut rest = text.trim_start_matches(is_space);
    if rest.is_empty() {
        return Err(BadValue::new("a span of time is lacking").advise(ADVICE));
    }
    while !rest.is_empty() {
        let offset = text.len() - rest.len();
        let (term, after) = parse_term(rest, default_us).ok_or_else(|| bad(text, offset))?;
        total = total.checked_add(term).filter(|t| *t < INFINITY_US).ok_or_else(too_long)?;
        rest = after.trim_start_matches(is_space);
    }
    Ok(total)
}

/// Reads a span in seconds; `None` is `infinity`.
///
/// # Errors
/// As [`parse_us`].
pub fn parse(text: &str) -> Result<Option<Duration>, BadValue> {
    let us = parse_us(text, SECOND)?;
    Ok((us != INFINITY_US).then(|| Duration::from_micros(us)))
}

const ADVICE: &str = "write numbers with units, such as `90s`, `5min 20s`, `1.5h`, or `infinity`";

fn bad(text: &str, offset: usize) -> BadValue {
    BadValue::new(format!("`{text}` is no span of time")).at(offset, 0).advise(ADVICE)
}

fn too_long() -> BadValue {
    BadValue::new("the span of time is too long").advise("write `infinity` for no end")
}

/// One number with its unit, and the text after it.
fn parse_term(text: &str, default_us: u64) -> Option<(u64, &str)> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (whole, after) = split_digits(text);
    let (fraction, after) = match after.strip_prefix('.') {
        Some(tail) => split_digits(tail),
        None => ("", after),
    };
    let has_point = text.len() > whole.len() && text.as_bytes()[whole.len()] == b'.';
    if (whole.is_empty() && !has_point) || (has_point && fraction.is_empty()) {
        return None;
    }
    let (unit_us, rest) = split_unit(after, default_us)?;
    let whole = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()?.cast_unsigned() };
    if whole >= INFINITY_US / unit_us {
        return None;
    }
    let us = whole.checked_mul(unit_us)?.checked_add(fraction_us(fraction, unit_us))?;
    Some((us, rest))
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// Every digit counts a tenth of the one before, cut off below a microsecond.
fn fraction_us(digits: &str, unit_us: u64) -> u64 {
    let mut worth = unit_us / 10;
    let mut total = 0;
    for digit in digits.bytes() {
        total += u64::from(digit - b'0') * worth;
        worth /= 10;
    }
    total
}

/// The unit at the start of the text; a number must be followed by a unit, a blank or the end.
fn split_unit(text: &str, default_us: u64) -> Option<(u64, &str)> {
    let word = text.trim_start_matches(is_space);
    // Greek mu and the micro sign look the same.
    if let Some(rest) = word.strip_prefix("μs") {
        return Some((US, rest));
    }
    for (name, us) in UNITS {
        if let Some(rest) = word.strip_prefix(name) {
            return Some((us, rest));
        }
    }
    (word.is_empty() || word.len() < text.len()).then_some((default_us, word))
}

/// The span as systemd prints it: `1y 2w 3h`, `5.500000s` below a minute.
#[must_use]
pub fn format_us(us: u64) -> String {
    const SHOWN: [(&str, u64); 9] = [
        ("y", YEAR),
        ("month", MONTH),
        ("w", WEEK),
        ("d", DAY),
        ("h", HOUR),
        ("min", MINUTE),
        ("s", SECOND),
        ("ms", MS),
        ("us", US),
    ];
    match us {
        INFINITY_US => return "infinity".into(),
        0 => return "0".into(),
        _ => {}
    }
    let mut terms = Vec::new();
    let mut left = us;
    for (name, unit_us) in SHOWN {
        if left < unit_us {
            continue;
        }
        let (count, rest) = (left / unit_us, left % unit_us);
        if left < MINUTE && rest > 0 {
            let width = unit_us.ilog10() as usize;
            terms.push(format!("{count}.{rest:0width$}{name}"));
            break;
        }
        terms.push(format!("{count}{name}"));
        left = rest;
    }
    terms.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(parse_us(text, SECOND).ok(), expected, "{text}");
    }

    #[test]
    fn spans() {
        check("5", Some(5 * SECOND));
        check("1min 30s", Some(90 * SECOND));
        check("1.5h", Some(90 * MINUTE));
        check(".5", Some(SECOND / 2));
        check("12.34 .56", Some(12_900_000));
        check("5 6", Some(11 * SECOND));
        check("infinity ", Some(INFINITY_US));
        for bad in
            ["", " ", "x", "5x", "-5", "3.", "3.s", "12.34.56", "infinityx", "9223372036854775808"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn printed() {
        assert_eq!(format_us(90 * MINUTE), "1h 30min");
        assert_eq!(format_us(5_500_000), "5.500000s");
        assert_eq!(format_us(YEAR + 2 * WEEK), "1y 2w");
    }
}
