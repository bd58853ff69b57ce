//! The two clocks: since boot, and on the wall.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

fn duration(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanoseconds)
}

/// Time since boot, suspended time included; never goes back.
pub(crate) fn since_boot() -> Duration {
    duration(ClockId::Boottime)
}

/// Unix time in microseconds.
pub(crate) fn unix_us() -> i64 {
    i64::try_from(duration(ClockId::Realtime).as_micros()).unwrap_or(i64::MAX)
}

/// Unix time at boot in microseconds, as the wall clock stands now.
pub(crate) fn boot_unix_us() -> i64 {
    unix_us() - i64::try_from(since_boot().as_micros()).unwrap_or(0)
}

/// A timer that never rings, but that the kernel cancels when somebody sets the wall clock.
pub(crate) fn open_watch() -> io::Result<OwnedFd> {
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let timer = timerfd_create(TimerfdClockId::Realtime, flags)?;
    arm_watch(timer.as_fd())?;
    Ok(timer)
}

/// Arms the watch again after a cancellation.
pub(crate) fn arm_watch(timer: BorrowedFd<'_>) -> io::Result<()> {
    const FAR: Timespec = Timespec { tv_sec: i64::MAX / 2_000_000_000, tv_nsec: 0 };
    const NEVER: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    timerfd_settime(timer, flags, &Itimerspec { it_interval: NEVER, it_value: FAR })?;
    Ok(())
}
