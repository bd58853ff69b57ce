//! The transition function: for each state and each cause, what to do.
//!
//! `next` knows no spec and no clock. It says in which direction to go; `climb`, `descend` and `rest` know the
//! steps. No arm here is a wildcard: a new state or a new cause does not compile until it was thought through
//! everywhere. The last arm of each function lists what changes nothing in that state.

use crate::state::{Reload, State};

/// Why a unit may have to change its state: a fact, digested by the spec and the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Somebody wants it up, now.
    Wanted,
    /// It may start: the goal is up and nothing stands in the way.
    Clear,
    /// It must stop: the goal is down, or a need is lost, and it is its turn.
    Unwanted,
    /// Conditions hold and the image is there.
    Prepared,
    /// A condition does not hold.
    Declined,
    /// An assertion does not hold, or an order that the way up depends on was refused.
    Refused,
    /// A process exists.
    Spawned,
    /// The main process counts as started, by the unit's type.
    Started,
    /// The main process ended, and that is not the end of the run (it lingers, or its group lives on).
    MainGone,
    /// The run is over by itself, well.
    Finished,
    /// The run is over by itself, with a fault.
    Crashed,
    /// The command ended well (or its failure does not matter).
    CommandOk,
    /// The command failed.
    CommandFailed,
    /// Nothing lives in the group.
    Emptied,
    /// The main process of a forking unit is known.
    Found,
    /// It is not known yet.
    NotFound,
    /// `READY=1`.
    Ready,
    /// `RELOADING=1`.
    Reloading,
    /// `STOPPING=1`.
    Stopping,
    /// Somebody wants it to read its configuration again.
    ReloadAsked,
    /// All probes that gate `Up` passed.
    Healthy,
    /// The startup or liveness probe gave up.
    Unhealthy,
    /// The watchdog was not fed, or was triggered.
    Lapsed,
    /// The kernel killed for lack of memory, and the policy is to stop.
    OutOfMemory,
    /// The state's deadline is reached.
    Deadline,
    /// A mount or socket is there.
    Opened,
    /// It is gone.
    Closed,
    /// It could not be made to go.
    Stuck,
}

/// In which direction to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// Nowhere.
    Stay,
    /// To `Waiting`.
    Wait,
    /// From `Waiting` into a new run.
    Begin,
    /// The present step of the way up is done: on to the next.
    Climb,
    /// Up and started by an answer that skips the steps (sockets, mounts).
    Arrive,
    /// Look for the main process again, later or now.
    Seek,
    /// Up, or on the way: down in order, with the stop commands.
    Retire,
    /// Down without the stop commands.
    Fall,
    /// It stops by itself: only watch that it does so in time.
    Yield,
    /// Down, beginning with the watchdog's signal.
    Abort,
    /// A start took too long: down, in the way its failure mode says.
    Overrun,
    /// A step on the way down is done: on to the next.
    Descend,
    /// A process ended on the way down: see whether the step is done.
    Check,
    /// Nothing that the gentle signal could reach is left: the final one.
    Kill,
    /// A process came late on the way down: it gets the signal that the others got.
    Resend,
    /// A step on the way down took too long: on to a harsher one.
    Escalate,
    /// No process is left: rest.
    Rest,
    /// It cannot be ended: rest as failed, and leave the group as it is.
    Abandon,
    /// Begin to reload.
    Reload,
    /// It reloads by itself.
    ReloadSaid,
    /// On to the next step of the reload.
    ReloadOn,
    /// The reload is over, well.
    ReloadOk,
    /// The reload is over, badly.
    ReloadFailed,
    /// The reload's command is overdue: kill it.
    ReloadKill,
}

/// What follows from a cause in a state.
pub(crate) fn next(state: State, cause: Cause) -> Move {
    match state {
        State::Down | State::Skipped | State::Failed => at_rest(cause),
        State::Waiting => waiting(cause),
        State::Backoff { .. } => backoff(cause),
        State::Preparing => preparing(cause),
        State::StartPre { .. } => start_pre(cause),
        State::Launching { .. } => launching(cause),
        State::Finding { .. } => finding(cause),
        State::StartPost { .. } => start_post(cause),
        State::Probing { .. } => probing(cause),
        State::Opening { .. } => opening(cause),
        State::Up { .. } => up(cause),
        State::Reloading { step, .. } => reloading(step, cause),
        State::StopCommand { .. } => stop_command(cause),
        State::Terminating { .. } => terminating(cause),
        State::Killing { .. } => killing(cause),
        State::StopPost { .. } => stop_post(cause),
        State::Emptying { .. } => emptying(cause),
        State::Closing { .. } => closing(cause),
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn at_rest(cause: Cause) -> Move {
    match cause {
        Cause::Wanted => Move::Wait,
        Cause::Clear | Cause::Unwanted | Cause::Prepared | Cause::Declined | Cause::Refused
        | Cause::Spawned | Cause::Started | Cause::MainGone | Cause::Finished | Cause::Crashed
        | Cause::CommandOk | Cause::CommandFailed | Cause::Emptied | Cause::Found
        | Cause::NotFound | Cause::Ready | Cause::Reloading | Cause::Stopping
        | Cause::ReloadAsked | Cause::Healthy | Cause::Unhealthy | Cause::Lapsed
        | Cause::OutOfMemory | Cause::Deadline | Cause::Opened | Cause::Closed
        | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn waiting(cause: Cause) -> Move {
    match cause {
        Cause::Clear => Move::Begin,
        Cause::Unwanted => Move::Rest,
        Cause::Wanted | Cause::Prepared | Cause::Declined | Cause::Refused | Cause::Spawned
        | Cause::Started | Cause::MainGone | Cause::Finished | Cause::Crashed
        | Cause::CommandOk | Cause::CommandFailed | Cause::Emptied | Cause::Found
        | Cause::NotFound | Cause::Ready | Cause::Reloading | Cause::Stopping
        | Cause::ReloadAsked | Cause::Healthy | Cause::Unhealthy | Cause::Lapsed
        | Cause::OutOfMemory | Cause::Deadline | Cause::Opened | Cause::Closed
        | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn backoff(cause: Cause) -> Move {
    match cause {
        Cause::Wanted | Cause::Deadline => Move::Wait,
        Cause::Unwanted => Move::Rest,
        Cause::Clear | Cause::Prepared | Cause::Declined | Cause::Refused | Cause::Spawned
        | Cause::Started | Cause::MainGone | Cause::Finished | Cause::Crashed
        | Cause::CommandOk | Cause::CommandFailed | Cause::Emptied | Cause::Found
        | Cause::NotFound | Cause::Ready | Cause::Reloading | Cause::Stopping
        | Cause::ReloadAsked | Cause::Healthy | Cause::Unhealthy | Cause::Lapsed
        | Cause::OutOfMemory | Cause::Opened | Cause::Closed | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn preparing(cause: Cause) -> Move {
    match cause {
        Cause::Prepared => Move::Climb,
        // Nothing was started, so there is nothing to stop: the shore's work ends with the run's release.
        Cause::Declined | Cause::Refused | Cause::Unwanted => Move::Rest,
        Cause::Wanted | Cause::Clear | Cause::Spawned | Cause::Started | Cause::MainGone
        | Cause::Finished | Cause::Crashed | Cause::CommandOk | Cause::CommandFailed
        | Cause::Emptied | Cause::Found | Cause::NotFound | Cause::Ready | Cause::Reloading
        | Cause::Stopping | Cause::ReloadAsked | Cause::Healthy | Cause::Unhealthy
        | Cause::Lapsed | Cause::OutOfMemory | Cause::Deadline | Cause::Opened | Cause::Closed
        | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn start_pre(cause: Cause) -> Move {
    match cause {
        Cause::CommandOk => Move::Climb,
        Cause::Declined
        | Cause::Refused
        | Cause::CommandFailed
        | Cause::Unwanted
        | Cause::OutOfMemory => Move::Fall,
        Cause::Deadline => Move::Overrun,
        Cause::Wanted | Cause::Clear | Cause::Prepared | Cause::Spawned | Cause::Started
        | Cause::MainGone | Cause::Finished | Cause::Crashed | Cause::Emptied | Cause::Found
        | Cause::NotFound | Cause::Ready | Cause::Reloading | Cause::Stopping
        | Cause::ReloadAsked | Cause::Healthy | Cause::Unhealthy | Cause::Lapsed
        | Cause::Opened | Cause::Closed | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn launching(cause: Cause) -> Move {
    match cause {
        Cause::Started => Move::Climb,
        Cause::Refused
        | Cause::Finished
        | Cause::Crashed
        | Cause::CommandFailed
        | Cause::Unwanted
        | Cause::OutOfMemory => Move::Fall,
        Cause::Deadline => Move::Overrun,
        Cause::Wanted | Cause::Clear | Cause::Prepared | Cause::Declined | Cause::Spawned
        | Cause::MainGone | Cause::CommandOk | Cause::Emptied | Cause::Found | Cause::NotFound
        | Cause::Ready | Cause::Reloading | Cause::Stopping | Cause::ReloadAsked
        | Cause::Healthy | Cause::Unhealthy | Cause::Lapsed | Cause::Opened | Cause::Closed
        | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn finding(cause: Cause) -> Move {
    match cause {
        Cause::Found => Move::Climb,
        Cause::NotFound | Cause::Deadline => Move::Seek,
        Cause::Refused
        | Cause::Finished
        | Cause::Crashed
        | Cause::Emptied
        | Cause::Unwanted
        | Cause::OutOfMemory => Move::Fall,
        Cause::Wanted | Cause::Clear | Cause::Prepared | Cause::Declined | Cause::Spawned
        | Cause::Started | Cause::MainGone | Cause::CommandOk | Cause::CommandFailed
        | Cause::Ready | Cause::Reloading | Cause::Stopping | Cause::ReloadAsked
        | Cause::Healthy | Cause::Unhealthy | Cause::Lapsed | Cause::Opened | Cause::Closed
        | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn start_post(cause: Cause) -> Move {
    match cause {
        // Where the run ended meanwhile, climbing finds out.
        Cause::CommandOk => Move::Climb,
        Cause::Refused | Cause::CommandFailed | Cause::Unwanted
        | Cause::Unhealthy | Cause::OutOfMemory => Move::Fall,
        Cause::Lapsed => Move::Abort,
        Cause::Deadline => Move::Overrun,
        Cause::Wanted | Cause::Clear | Cause::Prepared | Cause::Declined | Cause::Spawned
        | Cause::Started | Cause::MainGone | Cause::Finished | Cause::Crashed | Cause::Emptied
        | Cause::Found | Cause::NotFound | Cause::Ready | Cause::Reloading | Cause::Stopping
        | Cause::ReloadAsked | Cause::Healthy | Cause::Opened
        | Cause::Closed | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn probing(cause: Cause) -> Move {
    match cause {
        Cause::Healthy => Move::Climb,
        Cause::Finished | Cause::Unwanted => Move::Retire,
        Cause::Crashed | Cause::Unhealthy | Cause::OutOfMemory => Move::Fall,
        Cause::Lapsed => Move::Abort,
        Cause::Deadline => Move::Overrun,
        Cause::Wanted | Cause::Clear | Cause::Prepared | Cause::Declined | Cause::Refused
        | Cause::Spawned | Cause::Started | Cause::MainGone | Cause::CommandOk
        | Cause::CommandFailed | Cause::Emptied | Cause::Found | Cause::NotFound | Cause::Ready
        | Cause::Reloading | Cause::Stopping | Cause::ReloadAsked | Cause::Opened
        | Cause::Closed | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn opening(cause: Cause) -> Move {
    match cause {
        Cause::Opened => Move::Arrive,
        Cause::Refused | Cause::Deadline => Move::Rest,
        // A mount on its way cannot be called back: it comes up first and goes down then.
        Cause::Unwanted | Cause::Wanted | Cause::Clear | Cause::Prepared | Cause::Declined
        | Cause::Spawned | Cause::Started | Cause::MainGone | Cause::Finished | Cause::Crashed
        | Cause::CommandOk | Cause::CommandFailed | Cause::Emptied | Cause::Found
        | Cause::NotFound | Cause::Ready | Cause::Reloading | Cause::Stopping
        | Cause::ReloadAsked | Cause::Healthy | Cause::Unhealthy | Cause::Lapsed
        | Cause::OutOfMemory | Cause::Closed | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn up(cause: Cause) -> Move {
    match cause {
        // A run that ended well by itself gets its stop commands, one that crashed does not (systemd.service(5)).
        Cause::Unwanted | Cause::Finished | Cause::Unhealthy | Cause::Deadline => Move::Retire,
        Cause::Crashed | Cause::OutOfMemory => Move::Fall,
        Cause::Lapsed => Move::Abort,
        Cause::ReloadAsked => Move::Reload,
        Cause::Reloading => Move::ReloadSaid,
        Cause::Stopping => Move::Yield,
        Cause::Wanted | Cause::Clear | Cause::Prepared | Cause::Declined | Cause::Refused
        | Cause::Spawned | Cause::Started | Cause::MainGone | Cause::CommandOk
        | Cause::CommandFailed | Cause::Emptied | Cause::Found | Cause::NotFound | Cause::Ready
        | Cause::Healthy | Cause::Opened | Cause::Closed | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn reloading(step: Reload, cause: Cause) -> Move {
    match cause {
        Cause::CommandOk => match step {
            Reload::Command(_) => Move::ReloadOn,
            Reload::Overdue => Move::ReloadFailed,
            Reload::Asked | Reload::Said => Move::Stay,
        },
        Cause::CommandFailed | Cause::Refused => Move::ReloadFailed,
        Cause::Reloading => match step {
            Reload::Asked => Move::ReloadSaid,
            Reload::Command(_) | Reload::Overdue | Reload::Said => Move::Stay,
        },
        Cause::Ready => match step {
            Reload::Said => Move::ReloadOk,
            Reload::Command(_) | Reload::Overdue | Reload::Asked => Move::Stay,
        },
        Cause::Deadline => match step {
            Reload::Command(_) => Move::ReloadKill,
            Reload::Asked | Reload::Said | Reload::Overdue => Move::ReloadFailed,
        },
        Cause::Unwanted | Cause::Finished | Cause::Unhealthy => Move::Retire,
        Cause::Crashed | Cause::OutOfMemory => Move::Fall,
        Cause::Lapsed => Move::Abort,
        Cause::Stopping => Move::Yield,
        Cause::Wanted | Cause::Clear | Cause::Prepared | Cause::Declined | Cause::Spawned
        | Cause::Started | Cause::MainGone | Cause::Emptied | Cause::Found | Cause::NotFound
        | Cause::ReloadAsked | Cause::Healthy | Cause::Opened | Cause::Closed
        | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn stop_command(cause: Cause) -> Move {
    match cause {
        Cause::CommandOk => Move::Descend,
        Cause::CommandFailed | Cause::Refused => Move::Fall,
        Cause::Deadline => Move::Escalate,
        // The end of the main process is what the commands are for; they may finish.
        Cause::Wanted | Cause::Clear | Cause::Unwanted | Cause::Prepared | Cause::Declined
        | Cause::Spawned | Cause::Started | Cause::MainGone | Cause::Finished | Cause::Crashed
        | Cause::Emptied | Cause::Found | Cause::NotFound | Cause::Ready | Cause::Reloading
        | Cause::Stopping | Cause::ReloadAsked | Cause::Healthy | Cause::Unhealthy
        | Cause::Lapsed | Cause::OutOfMemory | Cause::Opened | Cause::Closed
        | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn terminating(cause: Cause) -> Move {
    match cause {
        Cause::Emptied => Move::Descend,
        Cause::MainGone
        | Cause::Finished
        | Cause::Crashed
        | Cause::CommandOk
        | Cause::CommandFailed
        | Cause::Declined
        | Cause::Started => Move::Check,
        Cause::Refused => Move::Kill,
        Cause::Spawned | Cause::Found => Move::Resend,
        Cause::Deadline => Move::Escalate,
        Cause::Wanted | Cause::Clear | Cause::Unwanted | Cause::Prepared | Cause::NotFound
        | Cause::Ready | Cause::Reloading | Cause::Stopping | Cause::ReloadAsked
        | Cause::Healthy | Cause::Unhealthy | Cause::Lapsed | Cause::OutOfMemory
        | Cause::Opened | Cause::Closed | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn killing(cause: Cause) -> Move {
    match cause {
        Cause::Emptied => Move::Descend,
        Cause::MainGone
        | Cause::Finished
        | Cause::Crashed
        | Cause::CommandOk
        | Cause::CommandFailed
        | Cause::Declined
        | Cause::Started => Move::Check,
        Cause::Refused => Move::Kill,
        Cause::Spawned | Cause::Found => Move::Resend,
        Cause::Deadline => Move::Escalate,
        Cause::Wanted | Cause::Clear | Cause::Unwanted | Cause::Prepared | Cause::NotFound
        | Cause::Ready | Cause::Reloading | Cause::Stopping | Cause::ReloadAsked
        | Cause::Healthy | Cause::Unhealthy | Cause::Lapsed | Cause::OutOfMemory
        | Cause::Opened | Cause::Closed | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn stop_post(cause: Cause) -> Move {
    match cause {
        Cause::CommandOk => Move::Descend,
        Cause::CommandFailed | Cause::Refused | Cause::Deadline => Move::Escalate,
        Cause::Wanted | Cause::Clear | Cause::Unwanted | Cause::Prepared | Cause::Declined
        | Cause::Spawned | Cause::Started | Cause::MainGone | Cause::Finished | Cause::Crashed
        | Cause::Emptied | Cause::Found | Cause::NotFound | Cause::Ready | Cause::Reloading
        | Cause::Stopping | Cause::ReloadAsked | Cause::Healthy | Cause::Unhealthy
        | Cause::Lapsed | Cause::OutOfMemory | Cause::Opened | Cause::Closed
        | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn emptying(cause: Cause) -> Move {
    match cause {
        Cause::Emptied => Move::Rest,
        Cause::CommandOk | Cause::CommandFailed | Cause::MainGone | Cause::Finished | Cause::Crashed | Cause::Declined | Cause::Refused => Move::Check,
        Cause::Spawned | Cause::Found => Move::Resend,
        Cause::Deadline => Move::Abandon,
        Cause::Wanted | Cause::Clear | Cause::Unwanted | Cause::Prepared | Cause::Started
        | Cause::NotFound | Cause::Ready | Cause::Reloading | Cause::Stopping
        | Cause::ReloadAsked | Cause::Healthy | Cause::Unhealthy | Cause::Lapsed
        | Cause::OutOfMemory | Cause::Opened | Cause::Closed | Cause::Stuck => Move::Stay,
    }
}

#[rustfmt::skip] // what changes nothing reads as one list
fn closing(cause: Cause) -> Move {
    match cause {
        Cause::Closed => Move::Rest,
        Cause::Stuck | Cause::Deadline => Move::Abandon,
        Cause::Wanted | Cause::Clear | Cause::Unwanted | Cause::Prepared | Cause::Declined
        | Cause::Refused | Cause::Spawned | Cause::Started | Cause::MainGone | Cause::Finished
        | Cause::Crashed | Cause::CommandOk | Cause::CommandFailed | Cause::Emptied
        | Cause::Found | Cause::NotFound | Cause::Ready | Cause::Reloading | Cause::Stopping
        | Cause::ReloadAsked | Cause::Healthy | Cause::Unhealthy | Cause::Lapsed
        | Cause::OutOfMemory | Cause::Opened => Move::Stay,
    }
}
