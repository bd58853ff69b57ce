//! Points in time as Go writes them.

/// `2026-11-21T11:37:17.35Z`, from milliseconds since 1970.
pub fn rfc3339(unix_ms: u64) -> String {
    const DAY_S: u64 = 86_400;
    let (seconds, ms) = (unix_ms / 1000, unix_ms % 1000);
    let (year, month, day) = date(seconds / DAY_S);
    let (hour, minute, second) = (seconds % DAY_S / 3600, seconds % 3600 / 60, seconds % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if ms > 0 {
        let fraction = format!(".{ms:03}");
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// Year, month and day, by the calendar's periods of 400 years, each year beginning in March.
fn date(days: u64) -> (u64, u64, u64) {
    const PERIOD_DAYS: u64 = 146_097;
    // From March of the year 0.
    let days = days + 719_468;
    let day_of_period = days % PERIOD_DAYS;
    let leaps = day_of_period / 1460 + day_of_period / (PERIOD_DAYS - 1);
    let year_of_period = (day_of_period - leaps + day_of_period / 36_524) / 365;
    let day_of_year =
        day_of_period - (365 * year_of_period + year_of_period / 4 - year_of_period / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = days / PERIOD_DAYS * 400 + year_of_period + u64::from(month <= 2);
    (year, month, day)
}

/// A span of time: `18m7.511869416s`.
pub fn duration(ms: u64) -> String {
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    let seconds = format!("{}.{:03}", ms / 1000 % 60, ms % 1000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        // By `date -u -d @…`.
        for (unix_s, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (1_795_261_037, "2026-11-21T11:37:17Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(unix_s * 1000), text);
        }
        assert_eq!(rfc3339(1_795_261_037_350), "2026-11-21T11:37:17.35Z");
        assert_eq!(rfc3339(1_795_261_037_005), "2026-11-21T11:37:17.005Z");
        rfc3339(u64::MAX);
    }

    #[test]
    fn spans_are_those_of_go() {
        assert_eq!(duration(1_087_511), "18m7.511s");
        assert_eq!(duration(60_000), "1m0s");
        assert_eq!(duration(3_600_500), "1h0m0.5s");
        assert_eq!(duration(7), "0.007s");
    }
}
