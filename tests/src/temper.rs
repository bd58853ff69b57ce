//! What a program does, as data: the part that a process plays in the model of the kernel.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use units::event::Notification;
use units::run::{ExitStatus, StageFault};
use units::service::Signal;

/// A program's behaviour from its execution on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Temper {
    /// The stage cannot set it up.
    pub stage: Option<StageFault>,
    /// What it does by itself, and when.
    pub acts: Vec<(Duration, Act)>,
    /// How it takes signals; without an entry it dies of them.
    pub reactions: BTreeMap<Signal, Reaction>,
    /// When what probes ask of it changes; ill before the first entry, healthy without any.
    pub health: Vec<(Duration, bool)>,
    /// How often it feeds its watchdog, and until when.
    pub feeds: Option<(Duration, Option<Duration>)>,
    /// SIGKILL and all others wait until this time (uninterruptible sleep).
    pub stuck_until: Option<Duration>,
    /// When its PID file names it.
    pub pid_file: Duration,
}

/// One thing that a program does.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// It ends.
    End(ExitStatus),
    /// It says something to its supervisor.
    Say(Notification),
    /// It makes a child in its group, which outlives it.
    Fork(Rc<Temper>),
    /// It makes a child that is the daemon, and ends well itself.
    Daemonise(Rc<Temper>),
    /// The kernel kills it for lack of memory.
    EatMemory,
}

/// How a program takes a signal.
#[derive(Debug, Clone, PartialEq)]
pub enum Reaction {
    /// Not at all.
    Ignore,
    /// It ends after a while.
    End(Duration, ExitStatus),
    /// It says `RELOADING=1`, and `READY=1` after a while.
    Reload(Duration),
}

impl Temper {
    /// A program that runs until it is told to end.
    #[must_use]
    pub fn stay() -> Temper {
        Temper::default()
    }

    /// A program that exits.
    #[must_use]
    pub fn exit(after: Duration, code: u8) -> Temper {
        Temper::stay().act(after, Act::End(ExitStatus::Code(code)))
    }

    /// The same program, doing one thing more.
    #[must_use]
    pub fn act(mut self, after: Duration, act: Act) -> Temper {
        self.acts.push((after, act));
        self
    }

    /// The same program, taking a signal in another way.
    #[must_use]
    pub fn on(mut self, signal: Signal, reaction: Reaction) -> Temper {
        self.reactions.insert(signal, reaction);
        self
    }

    /// Whether a probe succeeds so long after the execution.
    #[must_use]
    pub fn is_healthy(&self, age: Duration) -> bool {
        let last = self.health.iter().rev().find(|(from, _)| *from <= age);
        last.map_or(self.health.is_empty(), |(_, healthy)| *healthy)
    }
}
