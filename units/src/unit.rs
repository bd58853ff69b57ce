//! One unit in the supervisor's table: spec, goal, state and history, kept apart.

use serde::{Deserialize, Serialize};
use std::rc::Rc;
use std::time::Duration;

use crate::evidence::Evidence;
use crate::fault::Fault;
use crate::goal::{Aim, Goal};
use crate::run::{Run, Ticket, UnitId};
use crate::socket::SocketNow;
use crate::spec::{Service, Spec};
use crate::state::State;
use crate::timer::TimerNow;

/// Stands for a unit that is named somewhere and not defined.
pub(crate) const NOWHERE: UnitId = UnitId(u16::MAX);

/// One unit.
#[derive(Debug)]
pub(crate) struct Unit {
    /// The definition in effect.
    pub(crate) spec: Rc<Spec>,
    /// The definition that the next start brings into effect.
    pub(crate) changed: Option<Rc<Spec>>,
    /// Its definition is gone: forgotten once at rest.
    pub(crate) removed: bool,
    /// Where it is meant to be.
    pub(crate) goal: Goal,
    /// The need that keeps it down although the goal is up.
    pub(crate) held: Option<UnitId>,
    /// The need about which people were told; forgotten at the next run.
    pub(crate) told_held: Option<UnitId>,
    /// An operator stopped it; nothing but a start brings it back.
    pub(crate) pinned: bool,
    /// Where it is.
    pub(crate) state: State,
    /// When the state's name last changed.
    pub(crate) since: Duration,
    /// The number of the present or last run.
    pub(crate) run: u32,
    /// The order in flight that is not a spawn.
    pub(crate) order: Option<Ticket>,
    /// What is known of the present run of a service.
    pub(crate) now: Option<Box<Evidence>>,
    /// What is known of the past.
    pub(crate) history: History,
    /// The end of `JobTimeoutSec=`, while it is coming up.
    pub(crate) job_until: Option<Duration>,
    /// How far its waiting for others is, if it is of type idle.
    pub(crate) idle: Idle,
    /// Requests that wait for this unit.
    pub(crate) asks: Vec<Ask>,
    /// The unit whose change is awaited.
    pub(crate) blocked_on: Option<UnitId>,
    /// What the kind needs besides.
    pub(crate) part: Part,
    /// Descriptors that the shore keeps for it.
    pub(crate) kept: Vec<Kept>,
    /// It was said that it keeps as many as it may.
    pub(crate) kept_full_told: bool,
    /// Its entry in the index of deadlines.
    pub(crate) armed: Option<Duration>,
    /// It stands in the queue of the settling.
    pub(crate) queued: bool,
    /// It changed in this step.
    pub(crate) dirty: bool,
}

/// A unit of type idle lets others go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Idle {
    /// It does not wait, or not yet.
    #[default]
    No,
    /// Until then at the latest.
    Until(Duration),
    /// It waited long enough.
    Over,
}

impl Idle {
    pub(crate) fn until(self) -> Option<Duration> {
        if let Idle::Until(until) = self { Some(until) } else { None }
    }
}

/// What a kind keeps besides the common fields.
#[derive(Debug, Default)]
pub(crate) enum Part {
    /// Nothing.
    #[default]
    Plain,
    /// A timer.
    Timer(Box<TimerNow>),
    /// A socket.
    Socket(Box<SocketNow>),
    /// A service made for one connection.
    Instance(Box<Serving>),
}

/// Which connection an instance serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Serving {
    /// The socket unit.
    pub(crate) socket: UnitId,
    /// The shore's number; `None` once the process has it.
    pub(crate) connection: Option<u32>,
    /// The peer.
    pub(crate) peer: Box<str>,
}

/// A descriptor in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The shore's number.
    pub(crate) number: u32,
    /// Its name.
    pub(crate) name: Box<str>,
}

/// What is remembered over runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct History {
    /// When the present window of the start limit began.
    pub(crate) window_since: Duration,
    /// Starts in that window.
    pub(crate) window_starts: u32,
    /// Restarts since the last healthy run: the place on the back-off curve.
    pub(crate) tries: u32,
    /// Restarts since somebody asked for it.
    pub(crate) restarts: u32,
    /// When it last left rest.
    pub(crate) woke: Option<Duration>,
    /// When it last came to rest.
    pub(crate) rested: Option<Duration>,
    /// What went wrong last.
    pub(crate) fault: Option<Fault>,
    /// Its last run did what it was for.
    pub(crate) finished: bool,
    /// Its failure was final: it rests failed, or somebody tries again from there.
    pub(crate) gave_up: bool,
}

/// A request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Whom to answer.
    pub(crate) ticket: Ticket,
    /// What is awaited.
    pub(crate) kind: AskKind,
}

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AskKind {
    /// Up.
    Start,
    /// At rest.
    Stop,
    /// The end of the reload that goes on, or is about to.
    Reload,
    /// The end of the reload after that.
    ReloadNext,
}

impl Unit {
    pub(crate) fn new(spec: Rc<Spec>, run: u32, now: Duration) -> Unit {
        Unit {
            part: Part::of(&spec),
            spec,
            changed: None,
            removed: false,
            goal: Goal::Down,
            held: None,
            told_held: None,
            pinned: false,
            state: State::Down,
            since: now,
            run,
            order: None,
            now: None,
            history: History::default(),
            job_until: None,
            idle: Idle::No,
            asks: Vec::new(),
            blocked_on: None,
            kept: Vec::new(),
            kept_full_told: false,
            armed: None,
            queued: false,
            dirty: false,
        }
    }

    /// Goal and holds together: where it goes now.
    pub(crate) fn aim(&self) -> Aim {
        match (self.goal, self.held) {
            (Goal::Up, None) => Aim::Up,
            (Goal::Down, None | Some(_)) => Aim::Down,
            (Goal::Up, Some(_)) | (Goal::Again, None | Some(_)) => Aim::DownFirst,
        }
    }

    /// Up, and the readiness probe (if any) agrees.
    pub(crate) fn ready(&self) -> bool {
        self.state.is_up()
            && self.now.as_ref().is_none_or(|now| now.probes.as_ref().is_none_or(|p| p.ready()))
    }

    /// The run's number together with its unit's.
    pub(crate) fn run_of(&self, id: UnitId) -> Run {
        Run { unit: id, number: self.run }
    }

    /// The service part.
    pub(crate) fn service(&self) -> Option<&Service> {
        self.spec.service()
    }

    /// The evidence of the present run; only asked for where the state says that there is one.
    pub(crate) fn evidence(&mut self) -> &mut Evidence {
        self.now.as_mut().expect("a service that left `Waiting` has evidence")
    }

    /// The process may exist: alive, or ordered.
    pub(crate) fn main_lives(&self) -> bool {
        self.now.as_ref().is_some_and(|now| now.main.lives())
    }

    /// The same for the command around it.
    pub(crate) fn control_lives(&self) -> bool {
        self.now.as_ref().is_some_and(|now| now.control.lives())
    }
}

impl Part {
    pub(crate) fn of(spec: &Spec) -> Part {
        match &spec.body {
            crate::spec::Body::Timer(_) => Part::Timer(Box::default()),
            crate::spec::Body::Socket(_) => Part::Socket(Box::default()),
            crate::spec::Body::Service(_)
            | crate::spec::Body::Target
            | crate::spec::Body::Mount(_) => Part::Plain,
        }
    }
}
