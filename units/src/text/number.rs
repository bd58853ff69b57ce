//! Numbers, truth and permission bits.

use super::BadValue;

/// systemd's words for yes and no.
///
/// # Errors
/// When it is none of them.
pub fn boolean(text: &str) -> Result<bool, BadValue> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Ok(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Ok(false),
        _ => Err(BadValue::new(format!("`{text}` is neither yes nor no"))
            .advise("write `yes` or `no` (also true/false, on/off, 1/0)")),
    }
}

/// Permission bits in octal, at most 7777.
///
/// # Errors
/// When it is no such number.
pub fn mode(text: &str) -> Result<u32, BadValue> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = !digits.is_empty() && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let value = octal.then(|| u32::from_str_radix(digits, 8).ok()).flatten();
    value.filter(|value| *value <= 0o7777).ok_or_else(|| {
        BadValue::new(format!("`{text}` are no permission bits"))
            .advise("write them in octal, such as `0755`")
    })
}

/// A whole number from `from` to `to`; `0x`, `0o` and `0b` give the base as in C.
///
/// # Errors
/// When it is no number or lies outside.
pub fn integer(text: &str, from: i64, to: i64) -> Result<i64, BadValue> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = unsigned_digits(digits);
    let value = magnitude.and_then(|magnitude| {
        let value = i128::from(magnitude) * if negative { -1 } else { 1 };
        i64::try_from(value).ok()
    });
    value
        .filter(|value| (from..=to).contains(value))
        .ok_or_else(|| BadValue::new(format!("`{text}` is no number from {from} to {to}")))
}

/// A whole number from 0 to `to`.
///
/// # Errors
/// When it is no number or lies outside.
pub fn unsigned(text: &str, to: u64) -> Result<u64, BadValue> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    unsigned_digits(digits).filter(|value| *value <= to).ok_or_else(|| match to {
        u64::MAX => BadValue::new(format!("`{text}` is no whole number")),
        to => BadValue::new(format!("`{text}` is no number from 0 to {to}")),
    })
}

fn unsigned_digits(digits: &str) -> Option<u64> {
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let based = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, base)| Some((digits.strip_prefix(prefix)?, base)));
    let (digits, base) = match based {
        Some((digits, base)) => (digits, base),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    (!digits.starts_with('+')).then(|| u64::from_str_radix(digits, base).ok()).flatten()
}

/// Numbers and ranges (`0-3,5 8`) of processors or memory nodes, in order, each once.
///
/// # Errors
/// When it is no such list or a number is above `to`.
pub fn ranges(text: &str, to: u16) -> Result<Vec<u16>, BadValue> {
    let mut all = std::collections::BTreeSet::new();
    for part in text.split(|c: char| c == ',' || super::is_space(c)) {
        if part.is_empty() {
            continue;
        }
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.parse::<u16>().ok().filter(|number| *number <= to);
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => all.extend(first..=last),
            _ => {
                return Err(BadValue::new(format!("`{part}` is no range of numbers up to {to}"))
                    .advise("write numbers and ranges, such as `0-3,5`"));
            }
        }
    }
    Ok(all.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(boolean("On"), Ok(true));
        assert!(boolean("maybe").is_err());
        assert_eq!(mode("0755"), Ok(0o755));
        assert!(mode("0789").is_err());
        assert_eq!(integer("-0x10", -20, 20), Ok(-16));
        assert_eq!(unsigned("010", 100), Ok(8));
        assert_eq!(unsigned("0", 100), Ok(0));
        assert!(unsigned("+-1", 100).is_err());
        assert_eq!(ranges("0-2,5 7", 100), Ok(vec![0, 1, 2, 5, 7]));
    }
}
