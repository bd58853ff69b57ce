//! Expression → text, as `systemd-analyze calendar` prints it.

use std::fmt::{Formatter, Result};

use super::{ALL_WEEKDAYS, Calendar, Component, SECOND_US};

pub(super) const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub(super) fn write(calendar: &Calendar, f: &mut Formatter<'_>) -> Result {
    if calendar.weekdays != ALL_WEEKDAYS {
        write!(f, "{} ", weekdays(calendar.weekdays))?;
    }
    write_chain(f, 4, &calendar.years, 1)?;
    f.write_str("-")?;
    write_chain(f, 2, &calendar.months, 1)?;
    f.write_str(if calendar.from_month_end { "~" } else { "-" })?;
    write_chain(f, 2, &calendar.days, 1)?;
    f.write_str(" ")?;
    write_chain(f, 2, &calendar.hours, 1)?;
    f.write_str(":")?;
    write_chain(f, 2, &calendar.minutes, 1)?;
    f.write_str(":")?;
    write_chain(f, 2, &calendar.microseconds, SECOND_US)?;
    if calendar.utc { f.write_str(" UTC") } else { Ok(()) }
}

/// Three days or more in a row are a range: `Mon..Wed`, but `Sat,Sun`.
fn weekdays(mask: u8) -> String {
    let mut parts = Vec::new();
    let mut day = 0;
    while day < 7 {
        let length = (day..7).take_while(|day| mask & (1 << day) != 0).count();
        let name = |day: usize| &WEEKDAYS[day][..3];
        match length {
            0 => {}
            1 => parts.push(name(day).to_owned()),
            2 => parts.push(format!("{},{}", name(day), name(day + 1))),
            _ => parts.push(format!("{}..{}", name(day), name(day + length - 1))),
        }
        day += length + 1;
    }
    parts.join(",")
}

fn write_chain(f: &mut Formatter<'_>, width: usize, chain: &[Component], scale: i32) -> Result {
    let every = [Component { start: 0, stop: -1, repeat: SECOND_US }];
    if chain.is_empty() || (scale == SECOND_US && chain == every) {
        return f.write_str("*");
    }
    for (index, component) in chain.iter().enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        write_value(f, width, component.start, scale)?;
        if component.stop > 0 {
            f.write_str("..")?;
            write_value(f, width, component.stop, scale)?;
        }
        if component.repeat > 0 && !(component.stop > 0 && component.repeat == scale) {
            f.write_str("/")?;
            write_value(f, 0, component.repeat, scale)?;
        }
    }
    Ok(())
}

fn write_value(f: &mut Formatter<'_>, width: usize, value: i32, scale: i32) -> Result {
    write!(f, "{:0width$}", value / scale)?;
    match value % scale {
        0 => Ok(()),
        fraction => write!(f, ".{fraction:06}"),
    }
}
