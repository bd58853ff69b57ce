//! How long to wait before the next try.

use std::time::Duration;

use crate::limits::{BACKOFF_FROM_ZERO, BACKOFF_JITTER_DIVISOR};
use crate::service::Restart;

/// The wait before restart number `tries` (counted from 0 since the last healthy run).
///
/// Geometric from `delay` to `delay_max` in `steps` steps, as systemd's `RestartSteps=` has it, and never above
/// `delay_max`. Growing waits are shortened by up to an eighth, by the hash `spread`, so that units which failed
/// together do not come back together; a wait that does not grow is exactly what its author wrote.
pub(crate) fn delay(restart: &Restart, tries: u32, spread: u64) -> Duration {
    if restart.delay_max <= restart.delay {
        return restart.delay;
    }
    let wait = curve(restart, tries);
    let share = u32::try_from(spread % 1024).expect("below 1024");
    wait - wait / BACKOFF_JITTER_DIVISOR * share / 1024
}

fn curve(restart: &Restart, tries: u32) -> Duration {
    if tries == 0 {
        return restart.delay;
    }
    if tries >= restart.steps {
        return restart.delay_max;
    }
    // A curve cannot grow from zero: the second try of a unit that restarts at once waits a little.
    let from = restart.delay.max(BACKOFF_FROM_ZERO).min(restart.delay_max);
    let growth = restart.delay_max.as_secs_f64() / from.as_secs_f64();
    let exponent = f64::from(tries) / f64::from(restart.steps);
    let wait = from.as_secs_f64() * growth.powf(exponent);
    // Whole milliseconds: the last bits of a power are nobody's business.
    let wait = Duration::from_secs_f64((wait * 1000.0).round() / 1000.0);
    wait.clamp(restart.delay, restart.delay_max)
}

/// A hash that spreads delays over machines, units and incarnations. Not for secrets.
pub(crate) fn spread(seed: u64, name: &str, number: u32) -> u64 {
    let mut hash = seed ^ 0xcbf2_9ce4_8422_2325;
    for byte in name.bytes().chain(number.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    // The last multiplication leaves the low bits poor; one round of splitmix64 mixes them.
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{ExitSet, RestartPolicy};

    fn growing(delay_ms: u64, delay_max_ms: u64, steps: u32) -> Restart {
        Restart {
            policy: RestartPolicy::Always,
            delay: Duration::from_millis(delay_ms),
            delay_max: Duration::from_millis(delay_max_ms),
            steps,
            reset_after: Duration::from_secs(10),
            prevent: ExitSet::default(),
            force: ExitSet::default(),
            direct: false,
        }
    }

    #[test]
    fn grows_geometrically_and_stops_at_the_cap() {
        let restart = growing(100, 10_000, 2);
        let waits: Vec<u128> = (0..5).map(|tries| delay(&restart, tries, 0).as_millis()).collect();
        assert_eq!(waits, [100, 1000, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn grows_from_zero() {
        let restart = growing(0, 1000, 4);
        let waits: Vec<u128> = (0..6).map(|tries| delay(&restart, tries, 0).as_millis()).collect();
        assert_eq!(waits, [0, 32, 100, 316, 1000, 1000]);
    }

    #[test]
    fn jitter_shortens_by_an_eighth_at_most_and_only_growing_waits() {
        let restart = growing(800, 8000, 4);
        for spread in 0..2000 {
            let wait = delay(&restart, 9, spread);
            assert!(wait <= restart.delay_max);
            assert!(wait >= restart.delay_max - restart.delay_max / 8);
            assert_eq!(delay(&growing(5000, 5000, 0), 9, spread).as_millis(), 5000);
        }
    }
}
