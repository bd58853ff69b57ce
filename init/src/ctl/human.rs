//! Times and sizes as people write and read them.

use units::calendar::Civil;
use units::text::timespan;

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;

/// A span in one or two units: `850 ms`, `12 s`, `3 min`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn span(us: u64) -> String {
    let seconds = us / 1_000_000;
    let two = |large: u64, large_name: &str, small: u64, small_name: &str| match small {
        0 => format!("{large} {large_name}"),
        _ => format!("{large} {large_name} {small} {small_name}"),
    };
    match seconds {
        0 if us < 1_000 => format!("{us} µs"),
        0 => format!("{} ms", us / 1_000),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// A span to measure by: `1.234 s`, `12.3 ms`.
pub(crate) fn exact_span(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => format!("{}.{:03} s", us / 1_000_000, us % 1_000_000 / 1_000),
    }
}

/// Bytes in at most four digits: `312 kB` is 312 KiB, as the kernel counts.
pub(crate) fn bytes(bytes: u64) -> String {
    const NAMES: [&str; 5] = ["B", "K", "M", "G", "T"];
    let mut unit = 0;
    let mut tenths = u128::from(bytes) * 10;
    while tenths >= 10_240 && unit + 1 < NAMES.len() {
        tenths /= 1024;
        unit += 1;
    }
    match (unit, tenths < 100) {
        (0, _) | (_, false) => format!("{} {}", tenths / 10, NAMES[unit]),
        (_, true) => format!("{}.{} {}", tenths / 10, tenths % 10, NAMES[unit]),
    }
}

/// A moment: `2026-11-21 04:05:06`.
pub(crate) fn date_time(unix_us: i64, utc_offset_s: i32) -> String {
    let civil = local(unix_us, utc_offset_s);
    let Civil { year, month, day, hour, minute, microsecond } = civil;
    let second = microsecond / 1_000_000;
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// A moment as a log line begins: `11-21 04:05:06.123`.
pub(crate) fn log_time(unix_us: i64, utc_offset_s: i32) -> String {
    let Civil { month, day, hour, minute, microsecond, .. } = local(unix_us, utc_offset_s);
    let (second, milli) = (microsecond / 1_000_000, microsecond / 1_000 % 1_000);
    format!("{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{milli:03}")
}

/// A moment for programs (RFC 3339): `2026-11-21T04:05:06.123456Z`.
pub(crate) fn rfc3339(unix_us: i64) -> String {
    let Civil { year, month, day, hour, minute, microsecond } = local(unix_us, 0);
    let (second, micro) = (microsecond / 1_000_000, microsecond % 1_000_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z")
}

/// Reads a moment: a span before now (`10min`, `2h 30min`), `now`, `today`, `yesterday`, `boot` if that is
/// known, a time of today (`04:05`), a date with or without a time, or unix time (`@1700000000`).
pub(crate) fn moment(text: &str, now_unix_us: i64, utc_offset_s: i32) -> Option<i64> {
    let text = text.trim();
    let offset_us = i64::from(utc_offset_s) * SECOND_US;
    let midnight = (now_unix_us + offset_us).div_euclid(DAY_US) * DAY_US - offset_us;
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse::<i64>().ok()?.checked_mul(SECOND_US);
    }
    match text {
        "now" => return Some(now_unix_us),
        "today" => return Some(midnight),
        "yesterday" => return Some(midnight - DAY_US),
        _ => {}
    }
    let span = text.strip_suffix(" ago").unwrap_or(text).trim_start_matches('-');
    if let Ok(us) = timespan::parse_us(span, 1_000_000) {
        return now_unix_us.checked_sub(i64::try_from(us).ok()?);
    }
    clock_or_date(text, midnight + offset_us).map(|local_us| local_us - offset_us)
}

fn clock_or_date(text: &str, midnight_local_us: i64) -> Option<i64> {
    let (date, clock) = match text.split_once([' ', 'T']) {
        Some((date, clock)) => (Some(date), Some(clock)),
        None if text.contains(':') => (None, Some(text)),
        None => (Some(text), None),
    };
    let day_us = match date {
        Some(date) => read_date(date)?,
        None => midnight_local_us,
    };
    Some(day_us + clock.map_or(Some(0), read_clock)?)
}

fn read_date(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-').map(str::parse::<i32>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let civil = Civil { year, month, day, hour: 0, minute: 0, microsecond: 0 };
    ((1..=9999).contains(&year) && civil.normal() == civil).then(|| civil.to_us())
}

fn read_clock(text: &str) -> Option<i64> {
    let mut parts = text.trim_end_matches('Z').split(':');
    let hour: i64 = parts.next()?.parse().ok()?;
    let minute: i64 = parts.next()?.parse().ok()?;
    let second: i64 = parts.next().map_or(Ok(0), str::parse).ok()?;
    let right = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    right.then_some(((hour * 60 + minute) * 60 + second) * SECOND_US)
}

fn local(unix_us: i64, utc_offset_s: i32) -> Civil {
    Civil::from_us(unix_us.saturating_add(i64::from(utc_offset_s) * SECOND_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes() {
        assert_eq!(span(850_000), "850 ms");
        assert_eq!(span(61_000_000), "1 min");
        assert_eq!(span(2 * 3_600_000_000 + 300_000_000), "2 h 5 min");
        assert_eq!(span(3 * 86_400_000_000), "3 d");
        assert_eq!(exact_span(1_234_567), "1.234 s");
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 K");
        assert_eq!(bytes(312 << 10), "312 K");
        assert_eq!(bytes(5 << 30), "5.0 G");
    }

    #[test]
    fn moments() {
        let now = 1_795_233_906_123_456; // 2026-11-21 04:05:06.123456 UTC
        assert_eq!(rfc3339(now), "2026-11-21T04:05:06.123456Z");
        assert_eq!(log_time(now, 3600), "11-21 05:05:06.123");
        let back = |text: &str| moment(text, now, 0).map(|us| date_time(us, 0));
        assert_eq!(back("10min").as_deref(), Some("2026-11-21 03:55:06"));
        assert_eq!(back("2h ago").as_deref(), Some("2026-11-21 02:05:06"));
        assert_eq!(back("today").as_deref(), Some("2026-11-21 00:00:00"));
        assert_eq!(back("yesterday").as_deref(), Some("2026-11-20 00:00:00"));
        assert_eq!(back("03:30").as_deref(), Some("2026-11-21 03:30:00"));
        assert_eq!(back("2026-11-01").as_deref(), Some("2026-11-01 00:00:00"));
        assert_eq!(back("2026-11-01T12:30:01").as_deref(), Some("2026-11-01 12:30:01"));
        assert_eq!(back("@1700000000").as_deref(), Some("2023-11-14 22:13:20"));
        assert_eq!(back("2026-13-01"), None);
        assert_eq!(back("soon"), None);
        assert_eq!(moment("05:00", now, 3600), Some(now - 306_123_456));
    }
}
