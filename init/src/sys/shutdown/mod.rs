//! From the last unit's end to the machine's.
//!
//! ```text
//! sync ∥ ask (TERM) → kill → keep clock and seed → read-only, unmount, swap, loops → sync → reboot(2)
//! ```
//!
//! Whatever may hang (a sync, an unmount, a look at a stuck process, reboot(2) itself) runs in a child
//! with a deadline; PID 1 only polls, feeds the watchdog, and goes on. So the whole is bounded whatever
//! a process, a mount or a disk does, and each phase ends as soon as it has nothing left to do. We run
//! from memory (the initial root), so no second program is needed to unmount the rest from.

mod child;
mod kill;
mod leave;
mod persist;
mod storage;
mod sync;

use child::Child;
use kill::Killing;
use rustix::mount::{MountPropagationFlags, mount_change};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use crate::node::action::Power;
use crate::sys::boot::{Recorder, Setting, since_boot};
use crate::sys::kmsg::{Kmsg, Level};
use crate::sys::watchdog::Watchdog;

/// Everything that the end needs.
#[derive(Debug)]
pub struct Ending {
    /// What becomes of the machine.
    pub power: Power,
    /// Where we are PID 1.
    pub setting: Setting,
    /// All of it together takes no longer than this (the last call not counted).
    pub budget: Duration,
    /// Fed throughout, and still armed at the end.
    pub watchdog: Option<Watchdog>,
    /// Told what happens.
    pub kmsg: Option<Kmsg>,
}

/// The longest that processes may take to end after they were asked to.
const ASK_MAX: Duration = Duration::from_secs(3);
/// The longest that processes may take to go after they were killed.
const KILL_MAX: Duration = Duration::from_secs(3);
/// The longest that keeping the clock and the seed may take.
const KEEP_MAX: Duration = Duration::from_secs(2);
/// How often the watchdog is fed meanwhile.
const FEED_EVERY: Duration = Duration::from_secs(1);

/// Ends the machine. The units have been stopped, or their time is over.
///
/// All descriptors but the watchdog's and the log's are closed, whoever owns them: this process has
/// nothing else to do any more.
///
/// # Panics
/// If this process is not PID 1: anywhere else it would kill the wrong machine's processes.
pub fn finish(ending: Ending) -> ! {
    assert!(rustix::process::getpid().is_init(), "only PID 1 may end the machine");
    close_all_but(&ending);
    let start = since_boot();
    let until = |part: u32| start + ending.budget * part / 100;
    let mut feed = || {
        if let Some(watchdog) = &ending.watchdog {
            // A watchdog that fails now can only do what it is for.
            let _ = watchdog.ping();
        }
    };
    let mut phases = Phases { kmsg: ending.kmsg.as_ref(), recorder: Recorder::default() };
    let syncing = (ending.setting == Setting::Machine).then(sync::start).and_then(Result::ok);
    phases.run("kill", || {
        let ask_until = until(25).min(start + ASK_MAX);
        let spared = syncing.as_ref().map(Child::pid);
        let mut killing = Killing { spared, feed: &mut feed };
        killing.kill_all(ask_until, until(40).min(ask_until + KILL_MAX))
    });
    if let (Power::Exit(code), Setting::Container) = (&ending.power, ending.setting) {
        std::process::exit(*code);
    }
    if ending.setting == Setting::Machine {
        let keep_until = until(45).min(since_boot() + KEEP_MAX);
        phases.run("keep", || persist::keep(keep_until, &mut feed));
        if let Some(syncing) = syncing {
            phases.run("sync", || sync::watch(syncing, until(65), &mut feed));
        }
        phases.run("unmount", || take_apart(until(85), &mut feed));
        phases.run("last-sync", || sync::sync(until(100), &mut feed));
    }
    leave::leave(&ending.power, ending.kmsg.as_ref(), &mut feed)
}

fn take_apart(until: Duration, feed: &mut dyn FnMut()) -> bool {
    // What is unmounted here must not be waiting for anybody else's copy of the tree.
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    let _ = mount_change("/", private);
    child::run(until, FEED_EVERY, feed, || storage::take_apart(until)).is_ok()
}

/// Runs the phases and says how each went.
struct Phases<'a> {
    kmsg: Option<&'a Kmsg>,
    recorder: Recorder,
}

impl Phases<'_> {
    fn run(&mut self, name: &'static str, phase: impl FnOnce() -> bool) {
        self.recorder.step(name, |faults| {
            if !phase() {
                faults.note("not complete", "going on");
            }
        });
        if let (Some(kmsg), Some(step)) = (self.kmsg, self.recorder.steps.last()) {
            kmsg.log(Level::Info, &step.to_string().replacen("boot step", "shutdown step", 1));
        }
    }
}

/// Closes every descriptor above 2 but the two that are still used: an open file keeps its file
/// system busy.
fn close_all_but(ending: &Ending) {
    let watchdog = ending.watchdog.as_ref().map(|watchdog| watchdog.as_fd().as_raw_fd());
    let kmsg = ending.kmsg.as_ref().map(|kmsg| kmsg.as_fd().as_raw_fd());
    let mut kept: Vec<i32> = [watchdog, kmsg].into_iter().flatten().collect();
    kept.sort_unstable();
    let mut first = 3;
    for fd in kept.into_iter().map(i32::cast_unsigned).chain([u32::MAX]) {
        if fd > first {
            // SAFETY: the owners of these descriptors are never run again: this function's caller
            // does not return.
            unsafe { libc::syscall(libc::SYS_close_range, first, fd - 1, 0) };
        }
        first = fd.saturating_add(1);
    }
    // Our own place must not be in a mount either.
    let _ = rustix::process::chdir("/");
}
