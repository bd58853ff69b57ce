//! When the watchdog is fed: a schedule, without the device.

use std::time::Duration;

/// Feeds at half of the timeout; both instants are times since boot (`CLOCK_BOOTTIME`: a step of the
/// wall clock must not let the machine die).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feeding {
    timeout: Duration,
    last: Duration,
}

impl Feeding {
    /// The device was opened, and so fed, at `now`; it bites after `timeout`.
    #[must_use]
    pub fn new(timeout: Duration, now: Duration) -> Feeding {
        assert!(!timeout.is_zero(), "a watchdog without a timeout is off");
        Feeding { timeout, last: now }
    }

    /// When it must be fed next.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.last + self.timeout / 2
    }

    /// Says whether to feed it now, and if so takes it as done: at half of the timeout, or from a
    /// quarter on when the loop is awake anyway, which saves a wakeup of its own.
    #[must_use]
    pub fn feed(&mut self, now: Duration) -> bool {
        let due = now >= self.last + self.timeout / 4;
        if due {
            self.last = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn fed_from_a_quarter_on_and_at_half_at_the_latest() {
        let mut feeding = Feeding::new(s(20), s(100));
        assert_eq!(feeding.deadline(), s(110));
        assert!(!feeding.feed(s(104)));
        assert!(feeding.feed(s(105)));
        assert_eq!(feeding.deadline(), s(115));
        assert!(feeding.feed(s(115)));
        assert!(!feeding.feed(s(116)));
    }
}
