//! When an expression is next true.

use super::civil::{Civil, days_in_month};
use super::{Calendar, Component, SECOND_US, YEAR_MAX};

/// What became of one field.
enum Field {
    /// It fits as it is.
    Same,
    /// This is the next value that fits; all smaller fields begin anew.
    Later(i32),
    /// Nothing fits any more: the larger field must go on.
    Over,
}

impl Calendar {
    /// The first moment after `unix_us` (microseconds since 1970, UTC) at which the expression
    /// holds on a clock that is `utc_offset_s` seconds ahead of UTC; `None` when it never will.
    ///
    /// The offset is that of now: a change to or from summer time in between is not foreseen, so
    /// a timer must ask again when the clock or the zone changes.
    #[must_use]
    pub fn next_after(&self, unix_us: i64, utc_offset_s: i32) -> Option<i64> {
        let offset_us = if self.utc { 0 } else { i64::from(utc_offset_s) * 1_000_000 };
        let from = unix_us.max(-1).checked_add(1)?.checked_add(offset_us)?;
        let found = self.search(Civil::from_us(from))?;
        Some(found.to_us() - offset_us)
    }

    /// Each turn moves the moment forward, by a day at least or to its end, and the years end.
    fn search(&self, from: Civil) -> Option<Civil> {
        let mut at = from;
        loop {
            at = at.normal();
            self.settle_year(&mut at)?;
            if self.settle_month(&mut at) && self.settle_day(&mut at) && self.settle_time(&mut at) {
                return Some(at);
            }
        }
    }

    fn settle_year(&self, at: &mut Civil) -> Option<()> {
        match find(&self.years, at.year, YEAR_MAX) {
            Field::Same => {}
            Field::Later(year) => *at = Civil { year, month: 1, ..start_of_month(*at) },
            Field::Over => return None,
        }
        (at.year <= YEAR_MAX).then_some(())
    }

    fn settle_month(&self, at: &mut Civil) -> bool {
        match find(&self.months, at.month, 12) {
            Field::Same => true,
            Field::Later(month) => {
                *at = Civil { month, ..start_of_month(*at) };
                true
            }
            Field::Over => {
                *at = Civil { year: at.year + 1, month: 1, ..start_of_month(*at) };
                false
            }
        }
    }

    fn settle_day(&self, at: &mut Civil) -> bool {
        let last = days_in_month(at.year, at.month);
        match self.find_day(at.day, last) {
            Field::Same => {}
            Field::Later(day) => *at = Civil { day, ..start_of_day(*at) },
            Field::Over => {
                *at = Civil { month: at.month + 1, ..start_of_month(*at) };
                return false;
            }
        }
        if self.weekdays & (1 << at.weekday()) != 0 {
            return true;
        }
        *at = Civil { day: at.day + 1, ..start_of_day(*at) };
        false
    }

    /// Days that count from the month's end become days that count from its start.
    fn find_day(&self, day: i32, last: i32) -> Field {
        if !self.from_month_end {
            return find(&self.days, day, last);
        }
        let turned = |component: &Component| {
            let turn = |value: i32| last + 1 - value;
            match component.stop {
                stop if stop > 0 => {
                    Component { start: turn(stop), stop: turn(component.start), ..*component }
                }
                _ => Component { start: turn(component.start), ..*component },
            }
        };
        find(&self.days.iter().map(turned).collect::<Vec<_>>(), day, last)
    }

    fn settle_time(&self, at: &mut Civil) -> bool {
        match find(&self.hours, at.hour, 23) {
            Field::Same => {}
            Field::Later(hour) => *at = Civil { hour, ..start_of_day(*at) },
            Field::Over => {
                *at = Civil { day: at.day + 1, ..start_of_day(*at) };
                return false;
            }
        }
        match find(&self.minutes, at.minute, 59) {
            Field::Same => {}
            Field::Later(minute) => *at = Civil { minute, microsecond: 0, ..*at },
            Field::Over => {
                *at = Civil { hour: at.hour + 1, minute: 0, microsecond: 0, ..*at };
                return false;
            }
        }
        match find(&self.microseconds, at.microsecond, 60 * SECOND_US - 1) {
            Field::Same => true,
            Field::Later(microsecond) => {
                at.microsecond = microsecond;
                true
            }
            Field::Over => {
                *at = Civil { minute: at.minute + 1, microsecond: 0, ..*at };
                false
            }
        }
    }
}

fn start_of_day(at: Civil) -> Civil {
    Civil { hour: 0, minute: 0, microsecond: 0, ..at }
}

fn start_of_month(at: Civil) -> Civil {
    Civil { day: 1, ..start_of_day(at) }
}

/// The smallest value of the chain that is not below `value` nor above `most`.
fn find(chain: &[Component], value: i32, most: i32) -> Field {
    if chain.is_empty() {
        return Field::Same;
    }
    match chain.iter().filter_map(|component| component.at_least(value)).min() {
        Some(found) if found == value => Field::Same,
        Some(found) if found <= most => Field::Later(found),
        Some(_) | None => Field::Over,
    }
}

impl Component {
    fn at_least(&self, value: i32) -> Option<i32> {
        if self.start >= value {
            return Some(self.start);
        }
        if self.repeat == 0 {
            return None;
        }
        let steps = (value - self.start + self.repeat - 1) / self.repeat;
        let found = self.start + steps * self.repeat;
        (self.stop < 0 || found <= self.stop).then_some(found)
    }
}
