//! Writing back what is still in memory, as long as that makes progress.

use std::time::Duration;

use super::child::Child;
use crate::sys::boot::since_boot;
use crate::sys::files::read_small;

/// A sync that brings nothing to the disk for this long is given up.
const STALL_MAX: Duration = Duration::from_secs(10);

/// How often the progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Begins to sync, in a child.
pub(super) fn start() -> rustix::io::Result<Child> {
    Child::start(|| {
        rustix::fs::sync();
        0
    })
}

/// Syncs as [`watch`] does.
pub(super) fn sync(until: Duration, feed: &mut dyn FnMut()) -> bool {
    start().is_ok_and(|child| watch(child, until, feed))
}

/// Waits for a sync; gives up at `until`, or when nothing moves. Says whether it was completed.
pub(super) fn watch(child: Child, until: Duration, feed: &mut dyn FnMut()) -> bool {
    let mut progress = Progress { least: u64::MAX, since: since_boot() };
    let mut given_up = false;
    let mut watched = || {
        feed();
        given_up |= progress.has_stalled(unwritten_kb(), since_boot());
        given_up
    };
    child.wait_unless(until, LOOK_EVERY, &mut watched).is_ok()
}

/// The least that was ever left to be written, and since when.
#[derive(Debug)]
struct Progress {
    least: u64,
    since: Duration,
}

impl Progress {
    fn has_stalled(&mut self, left: u64, now: Duration) -> bool {
        if left < self.least {
            *self = Progress { least: left, since: now };
        }
        now.saturating_sub(self.since) >= STALL_MAX
    }
}

/// Kilobytes that wait to be written, or are being written; the kernel answers from memory.
fn unwritten_kb() -> u64 {
    let text = read_small("/proc/meminfo").unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    ["Dirty:", "Writeback:"].into_iter().filter_map(field).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_sync_that_moves_goes_on_and_one_that_stands_is_given_up() {
        let mut progress = Progress { least: u64::MAX, since: s(0) };
        assert!(!progress.has_stalled(100, s(1)));
        assert!(!progress.has_stalled(90, s(9)));
        assert!(!progress.has_stalled(95, s(18)));
        assert!(progress.has_stalled(90, s(19)));
    }
}
