//! When a timer elapses: pure arithmetic on its times and its memory.

use std::time::Duration;

use crate::backoff::spread;
use crate::limits::CLOCK_STEP_SMALL_MAX;
use crate::triggers::{Elapse, Timer};

/// A timer unit's memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TimerNow {
    /// When it came up.
    pub(crate) began: Duration,
    /// When it last elapsed.
    pub(crate) last: Option<Duration>,
    /// Calendar times up to this one (unix time, microseconds) are dealt with.
    pub(crate) base_unix_us: i64,
    /// The times of `Timer::elapses`, by place, that come once and have come.
    pub(crate) spent: u32,
    /// How often it elapsed.
    pub(crate) count: u32,
    /// When it elapses next.
    pub(crate) next: Option<Duration>,
}

/// What the arithmetic needs to know besides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) now: Duration,
    pub(crate) boot_unix_us: i64,
    pub(crate) utc_offset_s: i32,
    pub(crate) seed: u64,
    /// The timer's name.
    pub(crate) name: &'a str,
    /// When the unit that it starts last left rest, and last came to rest.
    pub(crate) woke: Option<Duration>,
    pub(crate) rested: Option<Duration>,
}

impl TimerNow {
    /// It came up.
    pub(crate) fn began(&mut self, now: Duration) {
        self.began = now;
        self.spent = 0;
    }

    /// It elapses.
    pub(crate) fn elapsed(&mut self, timer: &Timer, around: Surroundings<'_>) {
        for (place, elapse) in timer.elapses.iter().enumerate() {
            if self.single(elapse).is_some_and(|at| at <= around.now) {
                self.spent |= mask(place);
            }
        }
        self.last = Some(around.now);
        self.base_unix_us = unix(around.boot_unix_us, around.now);
        self.count = self.count.wrapping_add(1);
        self.next = None;
    }

    /// The clock on the wall was set. As cron(8) does it, a small step loses nothing and repeats nothing; a large
    /// one is a new time, in which only persistent timers catch up.
    pub(crate) fn clock_stepped(&mut self, step_us: i64, now_unix_us: i64, persistent: bool) {
        let small = i64::try_from(CLOCK_STEP_SMALL_MAX.as_micros()).unwrap_or(i64::MAX);
        let catches_up = persistent && self.base_unix_us <= now_unix_us;
        if step_us.saturating_abs() > small && !catches_up {
            self.base_unix_us = now_unix_us;
        }
    }

    /// When it elapses next, if nothing happens before.
    pub(crate) fn plan(&self, timer: &Timer, around: Surroundings<'_>) -> Option<Duration> {
        let times = timer.elapses.iter().enumerate();
        let next = times.filter_map(|(place, elapse)| self.time_of(place, elapse, around)).min()?;
        let number = if timer.fixed_random_delay { 0 } else { self.count.wrapping_add(1) };
        let range = u64::try_from(timer.randomized_delay.as_micros()).unwrap_or(u64::MAX);
        let random = spread(around.seed, around.name, number) % range.saturating_add(1);
        let earliest = next.saturating_add(Duration::from_micros(random));
        Some(coalesce(earliest, timer.accuracy, around.seed))
    }

    fn time_of(&self, place: usize, elapse: &Elapse, around: Surroundings<'_>) -> Option<Duration> {
        match elapse {
            Elapse::Active(_) | Elapse::Boot(_) | Elapse::Startup(_) => {
                let spent = self.spent & mask(place) != 0;
                self.single(elapse).filter(|_| !spent)
            }
            Elapse::UnitActive(span) => after(around.woke.max(self.last), *span),
            Elapse::UnitInactive(span) => after(around.rested.max(self.last), *span),
            Elapse::Calendar(calendar) => {
                let at = calendar.next_after(self.base_unix_us, around.utc_offset_s)?;
                let since_boot = at.saturating_sub(around.boot_unix_us);
                Some(u64::try_from(since_boot).map_or(Duration::ZERO, Duration::from_micros))
            }
        }
    }

    /// The time of an elapse that comes once per start of the timer.
    fn single(&self, elapse: &Elapse) -> Option<Duration> {
        match elapse {
            Elapse::Active(span) => Some(self.began.saturating_add(*span)),
            Elapse::Boot(span) | Elapse::Startup(span) => Some(*span),
            Elapse::UnitActive(_) | Elapse::UnitInactive(_) | Elapse::Calendar(_) => None,
        }
    }
}

/// Unix time in microseconds.
pub(crate) fn unix(boot_unix_us: i64, now: Duration) -> i64 {
    boot_unix_us.saturating_add(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

fn after(base: Option<Duration>, span: Duration) -> Option<Duration> {
    base.map(|base| base.saturating_add(span))
}

fn mask(place: usize) -> u32 {
    u32::try_from(place).ok().and_then(|place| 1_u32.checked_shl(place)).unwrap_or(0)
}

/// Moves a time within its accuracy to a point that the timers of this machine share, the coarsest that fits,
/// so that the machine wakes once for many. Another machine's points are elsewhere.
fn coalesce(earliest: Duration, accuracy: Duration, seed: u64) -> Duration {
    let grids_ms: [u64; 4] = [60_000, 10_000, 1000, 250];
    let latest = earliest.saturating_add(accuracy);
    for grid_ms in grids_ms {
        let grid_us = u128::from(grid_ms) * 1000;
        let offset_us = u128::from(seed % 60_000_000) % grid_us;
        let steps = (earliest.as_micros() + grid_us - offset_us).div_ceil(grid_us);
        let point_us = steps * grid_us + offset_us - grid_us;
        let point = u64::try_from(point_us).map_or(Duration::MAX, Duration::from_micros);
        if point >= earliest && point <= latest {
            return point;
        }
    }
    earliest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_of_one_machine_meet_within_their_accuracy() {
        let minute = Duration::from_secs(60);
        for seed in [0, 7, 123_456_789, u64::MAX] {
            let first = coalesce(Duration::from_secs(100), minute, seed);
            let second = coalesce(Duration::from_millis(100_300), minute, seed);
            assert!(first >= Duration::from_secs(100) && first <= Duration::from_secs(160));
            assert!(second >= Duration::from_millis(100_300));
            assert!(first == second || second - first == minute);
        }
        let exact = Duration::from_micros(1_234_567);
        assert_eq!(coalesce(exact, Duration::from_micros(1), 99), exact);
    }
}
