//! Checkers: each looks at all facts and orders of a run and knows one thing that must hold.
//!
//! They read the definitions and what happened, not the supervisor's own reasoning. A checker counts only
//! because a planted fault made it fail: see `tests/planted.rs`.

pub mod answers;
pub mod backoff;
pub mod deadlines;
pub mod goals;
pub mod healthy;
pub mod order;
pub mod orphans;
pub mod records;
pub mod runs;
pub mod stops;

use std::collections::BTreeMap;
use std::time::Duration;

use units::action::Action;
use units::event::Event;
use units::record::Record;
use units::run::UnitId;
use units::spec::Spec;
use units::supervisor::Supervisor;

use crate::kernel_model::Kernel;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which checker says so.
    pub checker: &'static str,
    /// What it saw.
    pub text: String,
}

/// What a checker may look at.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Time since boot.
    pub now: Duration,
    /// The definitions as their author meant them.
    pub specs: &'a [Spec],
    /// The supervisor's public face.
    pub supervisor: &'a Supervisor,
    /// When it wants to be woken.
    pub deadline: Option<Duration>,
    /// The truth about processes.
    pub kernel: &'a Kernel,
    /// What would survive its death.
    pub records: &'a BTreeMap<UnitId, Record>,
}

impl<'a> Seen<'a> {
    /// The definition of a unit.
    #[must_use]
    pub fn spec(&self, id: UnitId) -> Option<&'a Spec> {
        let name = &self.supervisor.spec(id)?.name;
        self.specs.iter().find(|spec| spec.name == *name)
    }
}

/// Looks over the supervisor's shoulder.
pub trait Checker: std::fmt::Debug {
    /// A fact is about to be told.
    ///
    /// # Errors
    /// What must not be.
    fn on_fact(&mut self, _seen: &Seen<'_>, _event: &Event) -> Result<(), Violation> {
        Ok(())
    }

    /// An order is about to be carried out.
    ///
    /// # Errors
    /// What must not be.
    fn on_order(&mut self, _seen: &Seen<'_>, _order: &Action) -> Result<(), Violation> {
        Ok(())
    }

    /// All orders of a step are carried out.
    ///
    /// # Errors
    /// What must not be.
    fn on_settled(&mut self, _seen: &Seen<'_>) -> Result<(), Violation> {
        Ok(())
    }

    /// All that is due now is dealt with.
    ///
    /// # Errors
    /// What must not be.
    fn on_turn_end(&mut self, _seen: &Seen<'_>) -> Result<(), Violation> {
        Ok(())
    }

    /// PID 1 died.
    ///
    /// # Errors
    /// What must not be.
    fn on_death(&mut self, _seen: &Seen<'_>) -> Result<(), Violation> {
        Ok(())
    }
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::<answers::Answers>::default(),
        Box::<backoff::Backoff>::default(),
        Box::<deadlines::Deadlines>::default(),
        Box::<goals::Goals>::default(),
        Box::<healthy::Healthy>::default(),
        Box::<order::Order>::default(),
        Box::<orphans::Orphans>::default(),
        Box::<records::Records>::default(),
        Box::<runs::Runs>::default(),
        Box::<stops::Stops>::default(),
    ]
}
