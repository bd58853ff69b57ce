//! `[Timer]` (systemd.timer(5)).

use crate::calendar::Calendar;
use crate::draft::Draft;
use crate::limits::ELAPSES_MAX;
use crate::name::UnitKind;
use crate::systemd::setting::{Setting, fill, put};
use crate::systemd::{Directive, Place, Treatment, passive, row};
use crate::text::BadValue;
use crate::triggers::Elapse;

type Set = fn(&mut Draft, &mut Setting<'_>) -> Result<(), BadValue>;

/// An empty time of any kind takes back all times.
const fn time(name: &'static str, set: Set) -> Directive {
    row(Place::Timer, name, set).group("On")
}

pub(super) const ROWS: &[Directive] = &[
    time("OnActiveSec", |d, s| {
        let span = s.span()?;
        add(d, Elapse::Active(span))
    }),
    time("OnBootSec", |d, s| {
        let span = s.span()?;
        add(d, Elapse::Boot(span))
    }),
    time("OnStartupSec", |d, s| {
        let span = s.span()?;
        add(d, Elapse::Startup(span))
    }),
    time("OnUnitActiveSec", |d, s| {
        let span = s.span()?;
        add(d, Elapse::UnitActive(span))
    }),
    time("OnUnitInactiveSec", |d, s| {
        let span = s.span()?;
        add(d, Elapse::UnitInactive(span))
    }),
    time("OnCalendar", |d, s| {
        let text = s.text()?;
        add(d, Elapse::Calendar(Box::new(Calendar::parse(&text)?)))
    }),
    row(Place::Timer, "AccuracySec", |d, s| put(&mut d.timer.accuracy, s.span())),
    row(Place::Timer, "RandomizedDelaySec", |d, s| put(&mut d.timer.randomized_delay, s.span())),
    row(Place::Timer, "FixedRandomDelay", |d, s| put(&mut d.timer.fixed_random_delay, s.boolean())),
    row(Place::Timer, "OnClockChange", |d, s| put(&mut d.timer.on_clock_change, s.boolean())),
    row(Place::Timer, "OnTimezoneChange", |d, s| put(&mut d.timer.on_timezone_change, s.boolean())),
    row(Place::Timer, "Unit", |d, s| fill(&mut d.triggers, s.unit(&UnitKind::ALL))),
    row(Place::Timer, "Persistent", |d, s| put(&mut d.timer.persistent, s.boolean())),
    passive(Place::Timer, "WakeSystem", Treatment::Ignored("these machines do not sleep")),
    row(Place::Timer, "RemainAfterElapse", |d, s| {
        put(&mut d.timer.remain_after_elapse, s.boolean())
    }),
    passive(
        Place::Timer,
        "DeferReactivation",
        Treatment::NotHonoured("a time that passes while the unit runs is passed over", ""),
    ),
];

pub(crate) fn add(d: &mut Draft, elapse: Elapse) -> Result<(), BadValue> {
    if d.timer.elapses.len() == ELAPSES_MAX {
        return Err(BadValue::new(format!("more than {ELAPSES_MAX} times in one timer")));
    }
    d.timer.elapses.push(elapse);
    Ok(())
}
