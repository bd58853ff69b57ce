//! Where a unit is. Each state owns its deadline, so that a timer cannot outlive its reason.
//!
//! ```text
//!   Down ─wanted→ Waiting ─needs met→ Preparing → StartPre → Launching → (Finding) → StartPost → (Probing) → Up
//!   Up ─goal down, need lost, fault→ StopCommand → Terminating → Killing → StopPost → Emptying
//!   Emptying ─group empty→ Down | Waiting | Backoff{until} | Failed      (the last two: see `rest.rs`)
//! ```
//!
//! Units without processes skip what they have no use for: a target goes from `Waiting` to `Up` at once, mounts
//! and sockets pass through `Opening`, mounts leave through `Closing`.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::event::Errand;
use crate::note::StateName;

/// Until when; `None`: for ever.
pub(crate) type Until = Option<Duration>;

/// A unit's place in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    /// At rest.
    Down,
    /// At rest: a condition did not hold.
    Skipped,
    /// At rest: a fault that nobody dealt with.
    Failed,
    /// Meant to run; the next step of the settling decides whether it may.
    Waiting,
    /// Meant to run again then.
    Backoff { until: Duration },
    /// Its conditions are asked, its image is made ready.
    Preparing,
    /// A command of `ExecCondition=` or `ExecStartPre=`.
    StartPre { errand: Errand, until: Until },
    /// Its main process is made, and is not yet what its type calls started.
    Launching { index: u16, until: Until },
    /// A forking unit's main process is looked for: now, or at `again` the next time.
    Finding { again: Until, until: Until },
    /// A command of `ExecStartPost=`.
    StartPost { index: u16, until: Until },
    /// Started; the probes that gate `Up` did not pass yet.
    Probing { until: Until },
    /// A mount or socket is ordered.
    Opening { until: Duration },
    /// It runs, or did its work and lingers; `until` is `RuntimeMaxSec=`.
    Up { until: Until },
    /// It reads its configuration again.
    Reloading { step: Reload, until: Until },
    /// A command of `ExecStop=`.
    StopCommand { index: u16, until: Until },
    /// The stop signal is sent.
    Terminating { until: Until },
    /// The final signal is sent.
    Killing { until: Until },
    /// A command of `ExecStopPost=`.
    StopPost { index: u16, until: Until },
    /// The final signal once more, for what `ExecStopPost=` left.
    Emptying { until: Until },
    /// An unmount is ordered.
    Closing { until: Duration },
}

/// How far a reload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reload {
    /// A command of `ExecReload=` runs.
    Command(u16),
    /// The command took too long and was killed; its end is awaited.
    Overdue,
    /// The signal is sent; `RELOADING=1` is awaited.
    Asked,
    /// It said `RELOADING=1`; `READY=1` is awaited.
    Said,
}

impl State {
    /// The name that people read.
    pub(crate) fn name(self) -> StateName {
        match self {
            State::Down => StateName::Down,
            State::Skipped => StateName::Skipped,
            State::Failed => StateName::Failed,
            State::Waiting => StateName::Waiting,
            State::Backoff { .. } => StateName::Backoff,
            State::Preparing
            | State::StartPre { .. }
            | State::Launching { .. }
            | State::Finding { .. }
            | State::StartPost { .. }
            | State::Probing { .. }
            | State::Opening { .. } => StateName::Starting,
            State::Up { .. } => StateName::Up,
            State::Reloading { .. } => StateName::Reloading,
            State::StopCommand { .. }
            | State::Terminating { .. }
            | State::Killing { .. }
            | State::StopPost { .. }
            | State::Emptying { .. }
            | State::Closing { .. } => StateName::Stopping,
        }
    }

    /// When something is due if nothing happens before.
    pub(crate) fn until(self) -> Until {
        match self {
            State::Down | State::Skipped | State::Failed | State::Waiting | State::Preparing => {
                None
            }
            State::Backoff { until } | State::Opening { until } | State::Closing { until } => {
                Some(until)
            }
            State::Finding { again, until } => again.into_iter().chain(until).min(),
            State::StartPre { until, .. }
            | State::Launching { until, .. }
            | State::StartPost { until, .. }
            | State::Probing { until }
            | State::Up { until }
            | State::Reloading { until, .. }
            | State::StopCommand { until, .. }
            | State::Terminating { until }
            | State::Killing { until }
            | State::StopPost { until, .. }
            | State::Emptying { until } => until,
        }
    }

    /// The same place with a later deadline (`EXTEND_TIMEOUT_USEC=`). Never makes it earlier, and gives none
    /// to a state that waits for ever.
    pub(crate) fn extended(mut self, later: Duration) -> State {
        match &mut self {
            State::Finding { until, .. }
            | State::StartPre { until, .. }
            | State::Launching { until, .. }
            | State::StartPost { until, .. }
            | State::Probing { until }
            | State::Up { until }
            | State::Reloading { until, .. }
            | State::StopCommand { until, .. }
            | State::Terminating { until }
            | State::Killing { until }
            | State::StopPost { until, .. }
            | State::Emptying { until } => *until = until.map(|until| until.max(later)),
            State::Down
            | State::Skipped
            | State::Failed
            | State::Waiting
            | State::Backoff { .. }
            | State::Preparing
            | State::Opening { .. }
            | State::Closing { .. } => {}
        }
        self
    }

    /// Nothing runs and nothing is going to without a new cause.
    pub(crate) fn at_rest(self) -> bool {
        matches!(self, State::Down | State::Skipped | State::Failed)
    }

    /// There may be processes, mounts or sockets.
    pub(crate) fn is_active(self) -> bool {
        !self.at_rest() && !matches!(self, State::Waiting | State::Backoff { .. })
    }

    /// On the way up.
    pub(crate) fn is_starting(self) -> bool {
        self.name() == StateName::Starting
    }

    /// On the way down.
    pub(crate) fn is_stopping(self) -> bool {
        self.name() == StateName::Stopping
    }

    /// Which of its main processes is being started.
    pub(crate) fn launching(self) -> Option<u16> {
        if let State::Launching { index, .. } = self { Some(index) } else { None }
    }

    /// Up, perhaps reloading.
    pub(crate) fn is_up(self) -> bool {
        matches!(self, State::Up { .. } | State::Reloading { .. })
    }
}
