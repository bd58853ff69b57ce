//! Days and dates of the Gregorian calendar.

/// A moment on a wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil {
    /// Year.
    pub year: i32,
    /// 1 to 12.
    pub month: i32,
    /// 1 to 31.
    pub day: i32,
    /// 0 to 23.
    pub hour: i32,
    /// 0 to 59.
    pub minute: i32,
    /// Microseconds within the minute.
    pub microsecond: i32,
}

const MINUTE_US: i64 = 60_000_000;
const DAY_MINUTES: i64 = 24 * 60;

impl Civil {
    /// The wall clock `us` microseconds after 1970 began on it.
    #[must_use]
    pub fn from_us(us: i64) -> Civil {
        let minutes = us.div_euclid(MINUTE_US);
        let (year, month, day) = date_of(minutes.div_euclid(DAY_MINUTES));
        let of_day = small(minutes.rem_euclid(DAY_MINUTES));
        let microsecond = small(us.rem_euclid(MINUTE_US));
        Civil { year, month, day, hour: of_day / 60, minute: of_day % 60, microsecond }
    }

    /// Microseconds since 1970 began on this wall clock. Fields may lie outside their ranges.
    #[must_use]
    pub fn to_us(self) -> i64 {
        let months = self.month - 1;
        let year = self.year + months.div_euclid(12);
        let days = days_to(year, months.rem_euclid(12) + 1, 1) + i64::from(self.day - 1);
        let minutes = days * DAY_MINUTES + i64::from(self.hour * 60 + self.minute);
        minutes * MINUTE_US + i64::from(self.microsecond)
    }

    /// The same moment with every field within its range.
    #[must_use]
    pub fn normal(self) -> Civil {
        Civil::from_us(self.to_us())
    }

    /// 0 is Monday.
    #[must_use]
    pub fn weekday(self) -> u8 {
        // 1970-01-01 was a Thursday.
        let days = days_to(self.year, self.month, self.day);
        u8::try_from((days + 3).rem_euclid(7)).expect("a remainder by seven")
    }
}

fn small(value: i64) -> i32 {
    i32::try_from(value).expect("a remainder within a day or a minute")
}

/// How many days a month has.
pub(super) fn days_in_month(year: i32, month: i32) -> i32 {
    small(days_to(year + month / 12, month % 12 + 1, 1) - days_to(year, month, 1))
}

/// Days from 1970-01-01 to a date. Years are counted from March, so that leap days come last; 400
/// of them have always 146,097 days.
fn days_to(year: i32, month: i32, day: i32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let from_march = i64::from((month + 9) % 12);
    let of_year = (153 * from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date that many days after 1970-01-01.
fn date_of(days: i64) -> (i32, i32, i32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    (i32::try_from(year).unwrap_or(i32::MAX), small(month), small(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_there_and_back() {
        let mut expected = (1969, 12, 31);
        for days in -1..84_100 {
            let (year, month, day) = date_of(days);
            assert_eq!((year, month, day), expected);
            assert_eq!(days_to(year, month, day), days);
            expected = if day < days_in_month(year, month) {
                (year, month, day + 1)
            } else if month < 12 {
                (year, month + 1, 1)
            } else {
                (year + 1, 1, 1)
            };
        }
    }

    #[test]
    fn fields_carry_over() {
        let odd =
            Civil { year: 2023, month: 13, day: 31, hour: 23, minute: 59, microsecond: 60_000_000 };
        let expected = Civil { year: 2024, month: 2, day: 1, hour: 0, minute: 0, microsecond: 0 };
        assert_eq!(odd.normal(), expected);
        assert_eq!(expected.weekday(), 3);
        assert_eq!(days_in_month(2024, 2), 29);
        assert_eq!(days_in_month(2100, 2), 28);
    }
}
