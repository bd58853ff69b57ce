//! What the next boot wants to know from this one: the time, and randomness.

use std::time::Duration;

use super::FEED_EVERY;
use super::child;
use crate::sys::state;

/// Keeps both on the state partition, while it can still be written.
pub(super) fn keep(until: Duration, feed: &mut dyn FnMut()) -> bool {
    child::run(until, FEED_EVERY, feed, || {
        let kept = state::keep_clock().and_then(|()| state::keep_seed());
        // Without a state partition there is nowhere to keep anything, and that is no fault.
        i32::from(kept.is_err() && state::is_present())
    })
    .is_ok()
}
