//! Sizes in bytes with powers of 1024, and shares of a total.

use super::{BadValue, is_space};
use crate::resources::Amount;

/// Larger units stand first: within one text they may only become smaller.
const UNITS: [(&str, u32); 8] =
    [("E", 6), ("P", 5), ("T", 4), ("G", 3), ("M", 2), ("K", 1), ("B", 0), ("", 0)];

/// Reads `512M`, `1.5G`, `4096`, `1G 500M`, in powers of 1024.
///
/// # Errors
/// When the text is no size or is larger than can be counted.
pub fn parse_bytes(text: &str) -> Result<u64, BadValue> {
    parse_powers(text, 1024)
}

/// Reads a rate such as `10M`, in powers of 1000, as the directives for disks have it.
///
/// # Errors
/// As [`parse_bytes`].
pub fn parse_rate(text: &str) -> Result<u64, BadValue> {
    parse_powers(text, 1000)
}

fn parse_powers(text: &str, base: u64) -> Result<u64, BadValue> {
    let bad = || BadValue::new(format!("`{text}` is no size")).advise(ADVICE);
    let mut total = 0u64;
    let mut first_unit = 0;
    let mut rest = text.trim_start_matches(is_space);
    loop {
        let (whole, fraction, after) = split_number(rest).ok_or_else(bad)?;
        let after = after.trim_start_matches(is_space);
        let found = UNITS.iter().enumerate().skip(first_unit);
        let (index, unit, after) = found
            .filter_map(|(index, (name, power))| {
                Some((index, base.pow(*power), after.strip_prefix(name)?))
            })
            .next()
            .ok_or_else(bad)?;
        first_unit = index + 1;
        let bytes = whole.checked_mul(unit).map(|whole| whole + fraction_of(fraction, unit));
        total = bytes.and_then(|bytes| total.checked_add(bytes)).ok_or_else(bad)?;
        rest = after.trim_start_matches(is_space);
        if rest.is_empty() {
            return Ok(total);
        }
    }
}

const ADVICE: &str = "write bytes with K, M, G or T, such as `64M`";

fn split_number(text: &str) -> Option<(u64, &str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, after) = text.split_at(end);
    let whole = whole.parse().ok()?;
    let Some(tail) = after.strip_prefix('.') else { return Some((whole, "", after)) };
    let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
    (end > 0).then(|| (whole, &tail[..end], &tail[end..]))
}

/// The part behind the point, rounded down to bytes.
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let digits = &digits[..digits.len().min(18)];
    let Ok(numerator) = digits.parse::<u64>() else { return 0 };
    let denominator = 10u128.pow(u32::try_from(digits.len()).unwrap_or(0));
    u64::try_from(u128::from(numerator) * u128::from(unit) / denominator).unwrap_or(0)
}

/// Reads a share such as `20%`, `12.5%`, `5‰` or `7‱` as ten-thousandths, at most `most`.
#[must_use]
pub fn parse_share(text: &str, most: u32) -> Option<u32> {
    let (number, scale) = [("%", 100), ("‰", 10), ("‱", 1)]
        .into_iter()
        .find_map(|(sign, scale)| Some((text.strip_suffix(sign)?, scale)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits_max = if scale == 100 { 2 } else { usize::from(scale == 10) };
    let number_like = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !number_like(whole) || !number_like(fraction) || fraction.len() > digits_max {
        return None;
    }
    if number.ends_with('.') || whole.is_empty() {
        return None;
    }
    let mut share = whole.parse::<u32>().ok()?.checked_mul(scale)?;
    let mut worth = scale;
    for digit in fraction.bytes() {
        worth /= 10;
        share = share.checked_add(u32::from(digit - b'0') * worth)?;
    }
    (share <= most).then_some(share)
}

/// Reads a size, a share of the machine's total, or `infinity`.
///
/// # Errors
/// When it is none of them.
pub fn parse_amount(text: &str) -> Result<Amount, BadValue> {
    if text == "infinity" {
        return Ok(Amount::Unlimited);
    }
    if let Some(share) = parse_share(text, 10_000) {
        return Ok(Amount::Share(share));
    }
    parse_bytes(text).map(Amount::Absolute).map_err(|bad| {
        bad.advise("write bytes with K, M, G or T, a share such as `20%`, or `infinity`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_bytes("512M"), Ok(512 << 20));
        assert_eq!(parse_bytes("1.5K"), Ok(1536));
        assert_eq!(parse_bytes("1G 1M"), Ok((1 << 30) + (1 << 20)));
        assert!(parse_bytes("1M 1G").is_err());
        assert!(parse_bytes("").is_err());
        assert!(parse_bytes("-1").is_err());
        assert!(parse_bytes("16E").is_err());
    }

    #[test]
    fn shares() {
        assert_eq!(parse_share("20%", 10_000), Some(2_000));
        assert_eq!(parse_share("12.25%", 10_000), Some(1_225));
        assert_eq!(parse_share("101%", 10_000), None);
        assert_eq!(parse_share("5‰", 10_000), Some(50));
        assert_eq!(parse_amount("infinity"), Ok(Amount::Unlimited));
    }
}
