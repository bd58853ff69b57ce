//! What is going to happen, in order of time; what was planned first comes first.

use std::collections::BTreeMap;
use std::time::Duration;

use units::event::Event;
use units::run::Run;

use crate::kernel_model::Step;

/// Everything that lies ahead.
#[derive(Debug, Default)]
pub struct Agenda {
    items: BTreeMap<(Duration, u64), Item>,
    sequence: u64,
}

/// One thing that lies ahead.
#[derive(Debug, Clone)]
pub enum Item {
    /// A fact reaches the supervisor.
    Fact(Event),
    /// The shore looks whether a group is empty, and tells if it is.
    LookEmpty(Run),
    /// A process takes its next step.
    Life(u32, Step),
    /// The next thing that the test's author, or the seed, thinks of.
    Whim,
}

impl Agenda {
    /// Plans something.
    pub fn plan(&mut self, at: Duration, item: Item) {
        self.sequence += 1;
        self.items.insert((at, self.sequence), item);
    }

    /// Plans a fact.
    pub fn tell(&mut self, at: Duration, event: Event) {
        self.plan(at, Item::Fact(event));
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next_at(&self) -> Option<Duration> {
        self.items.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next thing if it is due.
    pub fn take_due(&mut self, now: Duration) -> Option<Item> {
        if self.next_at()? > now {
            return None;
        }
        self.items.pop_first().map(|(_, item)| item)
    }

    /// Facts that were on their way to a PID 1 that died reach nobody.
    pub fn drop_facts(&mut self) {
        self.items.retain(|_, item| !matches!(item, Item::Fact(_) | Item::LookEmpty(_)));
    }
}
