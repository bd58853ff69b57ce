//! Text → expression.

use super::{
    ALL_WEEKDAYS, Calendar, Chain, Component, SECOND_US, YEAR_MAX, YEAR_MIN, format::WEEKDAYS,
};
use crate::limits::CALENDAR_COMPONENTS_MAX;
use crate::text::BadValue;

const ADVICE: &str = "write `weekdays year-month-day hour:minute:second`, such as \
                      `Mon..Fri *-*-* 08:00`, or a word such as `daily`; try it with \
                      `keelctl check`";

pub(super) fn parse(text: &str) -> Result<Calendar, BadValue> {
    let bad = || BadValue::new(format!("`{text}` is no calendar expression")).advise(ADVICE);
    let (local, utc) = match strip_suffix_no_case(text, " UTC") {
        Some(local) => (local, true),
        None => (text, false),
    };
    let parsed = match shorthand(local) {
        Some(calendar) => Some(calendar),
        None => Reader { rest: local }.read(),
    };
    if let Some(mut calendar) = parsed {
        calendar.utc |= utc;
        return normal(calendar).ok_or_else(bad);
    }
    match zone_of(local) {
        Some(zone) if !utc => {
            Err(BadValue::new(format!("the time zone `{zone}` is not known here"))
                .advise("write `UTC`, or leave the zone out for the machine's own clock")
                .at(text.len() - zone.len(), zone.len()))
        }
        _ => Err(bad()),
    }
}

fn strip_suffix_no_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    let tail = text.get(at..)?;
    tail.eq_ignore_ascii_case(suffix).then(|| &text[..at])
}

/// The last word, if what stands before it is an expression of its own.
fn zone_of(text: &str) -> Option<&str> {
    let (before, zone) = text.rsplit_once(' ')?;
    let zone_like = zone.starts_with(|c: char| c.is_ascii_alphabetic());
    let known = shorthand(before).or_else(|| Reader { rest: before }.read());
    known.filter(|_| zone_like).map(|_| zone)
}

fn any() -> Calendar {
    Calendar {
        weekdays: ALL_WEEKDAYS,
        years: Chain::default(),
        months: Chain::default(),
        days: Chain::default(),
        hours: Chain::default(),
        minutes: Chain::default(),
        microseconds: only(0),
        from_month_end: false,
        utc: false,
    }
}

fn one(value: i32) -> Component {
    Component { start: value, stop: -1, repeat: 0 }
}

fn only(value: i32) -> Chain {
    Box::new([one(value)])
}

fn shorthand(text: &str) -> Option<Calendar> {
    let hourly = || Calendar { minutes: only(0), ..any() };
    let daily = || Calendar { hours: only(0), ..hourly() };
    let monthly = || Calendar { days: only(1), ..daily() };
    let months = |list: &[i32]| list.iter().copied().map(one).collect();
    Some(match text.to_ascii_lowercase().as_str() {
        "minutely" => any(),
        "hourly" => hourly(),
        "daily" => daily(),
        "weekly" => Calendar { weekdays: 1, ..daily() },
        "monthly" => monthly(),
        "quarterly" => Calendar { months: months(&[1, 4, 7, 10]), ..monthly() },
        "biannually" | "bi-annually" | "semiannually" | "semi-annually" => {
            Calendar { months: months(&[1, 7]), ..monthly() }
        }
        "annually" | "yearly" | "anually" => Calendar { months: only(1), ..monthly() },
        _ => return None,
    })
}

/// Reads an expression from left to right; `None` anywhere: it is none.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn read(mut self) -> Option<Calendar> {
        if self.rest.is_empty() {
            return None;
        }
        let mut calendar = any();
        calendar.weekdays = self.weekdays()?;
        if let Some(after) = self.rest.strip_prefix('@') {
            return at_epoch(after, calendar);
        }
        self.date(&mut calendar)?;
        self.time(&mut calendar)?;
        self.rest.is_empty().then_some(calendar)
    }

    fn next_is(&self, characters: &[char]) -> bool {
        self.rest.is_empty() || self.rest.starts_with(characters)
    }

    fn skip(&mut self, prefix: &str) -> bool {
        let after = self.rest.strip_prefix(prefix);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Days and ranges of them, up to the first blank. All of them when there are none.
    fn weekdays(&mut self) -> Option<u8> {
        let mut mask = 0u8;
        let mut from: Option<usize> = None;
        loop {
            let Some(day) = self.weekday()? else {
                return (mask == 0 && from.is_none()).then_some(ALL_WEEKDAYS);
            };
            match from {
                Some(first) if first > day => return None,
                Some(first) => (first..=day).for_each(|day| mask |= 1 << day),
                None => mask |= 1 << day,
            }
            if self.skip("..") || self.skip("-") {
                if from.replace(day).is_some() {
                    return None;
                }
            } else {
                from = None;
                if !self.skip(",") && !self.next_is(&[' ']) {
                    return None;
                }
            }
            if self.next_is(&[' ']) {
                self.rest = self.rest.trim_start_matches(' ');
                return from.is_none().then_some(mask);
            }
        }
    }

    /// A weekday at the start of the rest; the outer `None` is a word that only begins like one.
    fn weekday(&mut self) -> Option<Option<usize>> {
        for (index, full) in WEEKDAYS.iter().enumerate() {
            for name in [full, &full[..3]] {
                let Some(head) = self.rest.get(..name.len()) else { continue };
                if head.eq_ignore_ascii_case(name) {
                    self.rest = &self.rest[name.len()..];
                    return self.next_is(&['-', '.', ',', ' ']).then_some(Some(index));
                }
            }
        }
        Some(None)
    }

    /// `year-month-day` or `month-day`, with `~` for `-` before a day from the month's end. Leaves
    /// the rest alone when it is a time.
    fn date(&mut self, calendar: &mut Calendar) -> Option<()> {
        let start = self.rest;
        if start.is_empty() {
            return Some(());
        }
        let first = self.chain(false)?;
        if self.rest.is_empty() || self.rest.starts_with(':') {
            self.rest = start;
            return Some(());
        }
        calendar.from_month_end = self.dash()?;
        let second = self.chain(false)?;
        if self.next_is(&[' ']) {
            (calendar.months, calendar.days) = (first, second);
        } else {
            if calendar.from_month_end {
                return None;
            }
            calendar.from_month_end = self.dash()?;
            calendar.days = self.chain(false)?;
            (calendar.years, calendar.months) = (first, second);
        }
        if !self.next_is(&[' ']) {
            return None;
        }
        self.rest = self.rest.trim_start_matches(' ');
        Some(())
    }

    /// Whether the separator is `~`.
    fn dash(&mut self) -> Option<bool> {
        let from_end = self.skip("~");
        (from_end || self.skip("-")).then_some(from_end)
    }

    fn time(&mut self, calendar: &mut Calendar) -> Option<()> {
        if self.rest.is_empty() {
            (calendar.hours, calendar.minutes) = (only(0), only(0));
            return Some(());
        }
        calendar.hours = self.chain(false)?;
        if !self.skip(":") {
            return None;
        }
        calendar.minutes = self.chain(false)?;
        if self.rest.is_empty() {
            return Some(());
        }
        if !self.skip(":") {
            return None;
        }
        calendar.microseconds = self.chain(true)?;
        Some(())
    }

    /// `*`, or components parted by commas. Seconds are counted in microseconds.
    fn chain(&mut self, seconds: bool) -> Option<Chain> {
        if self.skip("*") {
            let every_second = [Component { start: 0, stop: -1, repeat: SECOND_US }];
            return Some(if seconds { Box::new(every_second) } else { Chain::default() });
        }
        let mut components = Vec::new();
        loop {
            components.push(self.component(seconds)?);
            if components.len() > CALENDAR_COMPONENTS_MAX {
                return None;
            }
            if !self.skip(",") {
                return Some(components.into());
            }
        }
    }

    fn component(&mut self, seconds: bool) -> Option<Component> {
        let mut component = one(self.decimal(seconds)?);
        let range = self.skip("..");
        if range {
            component.stop = self.decimal(seconds)?;
            component.repeat = if seconds { SECOND_US } else { 1 };
        }
        if self.skip("/") {
            component.repeat = self.decimal(seconds)?;
            if component.repeat == 0 {
                return None;
            }
        } else if range && seconds && component.start.checked_add(SECOND_US)? > component.stop {
            // A range of seconds steps by whole ones unless it says otherwise.
            return None;
        }
        self.next_is(&[' ', ',', '-', '~', ':']).then_some(component)
    }

    fn decimal(&mut self, seconds: bool) -> Option<i32> {
        let digits = self.digits();
        let whole: i32 = digits.parse().ok()?;
        if !seconds {
            return Some(whole);
        }
        let whole = whole.checked_mul(SECOND_US)?;
        // One point is decimal, two are a range.
        if !self.rest.starts_with('.') || self.rest.starts_with("..") {
            return Some(whole);
        }
        self.rest = &self.rest[1..];
        let digits = self.digits();
        if digits.is_empty() {
            return None;
        }
        let kept: i32 = format!("{digits:0<6}")[..6].parse().ok()?;
        let up = digits.as_bytes().get(6).is_some_and(|digit| *digit >= b'5');
        whole.checked_add(kept + i32::from(up))
    }

    fn digits(&mut self) -> &str {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits
    }
}

/// `@SECONDS` since 1970, UTC.
fn at_epoch(digits: &str, mut calendar: Calendar) -> Option<Calendar> {
    let seconds: i64 = digits.parse().ok().filter(|_| !digits.starts_with(['+', '-']))?;
    let moment = super::Civil::from_us(seconds.checked_mul(i64::from(SECOND_US))?);
    calendar.years = only(moment.year);
    calendar.months = only(moment.month);
    calendar.days = only(moment.day);
    calendar.hours = only(moment.hour);
    calendar.minutes = only(moment.minute);
    calendar.microseconds = only(moment.microsecond);
    calendar.utc = true;
    Some(calendar)
}

/// Sorts, removes doubles, completes two-digit years; `None` when a value cannot be.
fn normal(mut calendar: Calendar) -> Option<Calendar> {
    if calendar.days.is_empty() {
        calendar.from_month_end = false;
    }
    for year in &mut calendar.years {
        year.start = full_year(year.start);
        year.stop = full_year(year.stop);
    }
    let days_max = if calendar.from_month_end { 28 } else { 31 };
    let from_end = calendar.from_month_end;
    calendar.years = normal_chain(calendar.years, YEAR_MIN, YEAR_MAX, false)?;
    calendar.months = normal_chain(calendar.months, 1, 12, false)?;
    calendar.days = normal_chain(calendar.days, 1, days_max, from_end)?;
    calendar.hours = normal_chain(calendar.hours, 0, 23, false)?;
    calendar.minutes = normal_chain(calendar.minutes, 0, 59, false)?;
    calendar.microseconds = normal_chain(calendar.microseconds, 0, 60 * SECOND_US - 1, false)?;
    Some(calendar)
}

/// 12 is 2012, 89 is 1989.
fn full_year(year: i32) -> i32 {
    match year {
        0..70 => year + 2000,
        70..100 => year + 1900,
        year => year,
    }
}

fn normal_chain(chain: Chain, from: i32, to: i32, from_end: bool) -> Option<Chain> {
    let mut components = chain.into_vec();
    for component in &mut components {
        if component.stop > component.start && component.repeat > 0 {
            component.stop -= (component.stop - component.start) % component.repeat;
        }
        // A range that holds only its start is that value.
        if component.stop == component.start {
            *component = one(component.start);
        }
    }
    components.sort_unstable();
    components.dedup();
    let valid = components.iter().all(|component| component.fits(from, to, from_end));
    valid.then(|| components.into())
}

impl Component {
    /// Whether all values lie within the range and at least one repetition falls into it.
    fn fits(&self, from: i32, to: i32, from_end: bool) -> bool {
        let within = |value| (from..=to).contains(&value);
        if !within(self.start) || self.repeat > to - from {
            return false;
        }
        match self.stop {
            stop if stop >= 0 => within(stop) && self.start + self.repeat <= stop,
            _ if from_end => self.start - self.repeat >= from,
            _ => self.start + self.repeat <= to,
        }
    }
}
