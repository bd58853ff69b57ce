//! What a socket unit remembers while it listens.

use std::time::Duration;

use crate::run::UnitId;

/// A socket unit's memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SocketNow {
    /// The shore tells us when somebody calls.
    pub(crate) watching: bool,
    /// When the present window of the trigger limit began.
    pub(crate) window_since: Duration,
    /// Triggers in that window.
    pub(crate) window_triggers: u32,
    /// Instances that serve its connections.
    pub(crate) serving: Vec<UnitId>,
    /// It was said that there is no room for another connection; again once there was room.
    pub(crate) full_told: bool,
}

impl SocketNow {
    /// Counts a trigger, unless there were too many of them.
    pub(crate) fn admits(&mut self, now: Duration, interval: Duration, burst: u32) -> bool {
        if interval.is_zero() || burst == 0 {
            return true;
        }
        if self.window_triggers == 0 || now >= self.window_since + interval {
            self.window_since = now;
            self.window_triggers = 0;
        }
        if self.window_triggers >= burst {
            return false;
        }
        self.window_triggers += 1;
        true
    }
}
