//! Calendar expressions (systemd.time(7)): the times of a clock on the wall.

mod civil;
mod format;
mod next;
mod parse;

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::text::BadValue;

pub use civil::Civil;

/// A parsed `OnCalendar=` expression.
///
/// Prints as `systemd-analyze calendar` normalises it, and is that text wherever it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Calendar {
    /// Bit 0 is Monday; all seven when the weekday does not matter.
    weekdays: u8,
    years: Chain,
    months: Chain,
    days: Chain,
    hours: Chain,
    minutes: Chain,
    microseconds: Chain,
    /// Days count back from the end of the month, 1 being the last.
    from_month_end: bool,
    /// The clock is UTC's, not the machine's own.
    utc: bool,
}

/// The values that one field may have; empty: any.
type Chain = Box<[Component]>;

/// Values of a field: `start`, `start..stop`, `start/repeat`, or `start..stop/repeat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Component {
    start: i32,
    /// -1: none was given.
    stop: i32,
    /// 0: only `start` itself.
    repeat: i32,
}

const ALL_WEEKDAYS: u8 = 0x7f;
const SECOND_US: i32 = 1_000_000;
/// The years that an expression can tell of.
const YEAR_MIN: i32 = 1970;
const YEAR_MAX: i32 = 2199;

impl Calendar {
    /// Reads an expression such as `Mon..Fri *-*-* 08:00`, `daily`, `*-02~01 UTC`.
    ///
    /// # Errors
    /// When the text is none, or names a time zone other than UTC: there is no zone database here.
    pub fn parse(text: &str) -> Result<Calendar, BadValue> {
        parse::parse(text)
    }

    /// Whether the expression is of UTC rather than of the machine's own clock.
    #[must_use]
    pub fn is_utc(&self) -> bool {
        self.utc
    }
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        format::write(self, f)
    }
}

impl TryFrom<String> for Calendar {
    type Error = String;
    fn try_from(text: String) -> Result<Calendar, String> {
        Calendar::parse(&text).map_err(|bad| bad.message)
    }
}

impl From<Calendar> for String {
    fn from(calendar: Calendar) -> String {
        calendar.to_string()
    }
}

#[cfg(test)]
mod tests;
