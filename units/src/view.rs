//! What there is to see of the units, for `keelctl status` and the dashboard.

use std::time::Duration;

use crate::goal::Goal;
use crate::name::UnitName;
use crate::note::StateName;
use crate::run::UnitId;
use crate::spec::Spec;
use crate::supervisor::Supervisor;

/// A look at all units; borrows the supervisor and costs nothing until it is asked.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    supervisor: &'a Supervisor,
}

/// One unit as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitView<'a> {
    /// Its place in the table.
    pub id: UnitId,
    /// Its name.
    pub name: &'a UnitName,
    /// The spec in effect.
    pub spec: &'a Spec,
    /// Where it is meant to be.
    pub goal: Goal,
    /// Where it is.
    pub state: StateName,
    /// Since when.
    pub since: Duration,
    /// Up, and its readiness probe (if any) agrees.
    pub ready: bool,
    /// The number of its present or last run; 0: never ran.
    pub run: u32,
    /// Its main process.
    pub main_pid: Option<u32>,
    /// How often it came back by itself since somebody asked for it.
    pub restarts: u32,
    /// Why it is not up, or what went wrong last, in one line for people.
    pub fault: Option<Box<str>>,
    /// What it says of itself (`STATUS=`).
    pub status: Option<&'a str>,
    /// A timer's next elapse; the end of a back-off.
    pub next_elapse: Option<Duration>,
    /// The need that keeps it from running.
    pub held_by: Option<&'a UnitName>,
    /// Its files changed; a restart brings the new definition into effect.
    pub changed: bool,
}

impl<'a> View<'a> {
    pub(crate) fn new(supervisor: &'a Supervisor) -> View<'a> {
        View { supervisor }
    }

    /// Every unit, by id.
    pub fn units(self) -> impl Iterator<Item = UnitView<'a>> {
        self.supervisor.ids().filter_map(move |id| self.unit(id))
    }

    /// One unit.
    #[must_use]
    pub fn unit(self, id: UnitId) -> Option<UnitView<'a>> {
        self.supervisor.look(id)
    }

    /// Everything goes down, and nothing starts any more.
    #[must_use]
    pub fn shutting_down(self) -> bool {
        self.supervisor.shutting_down()
    }
}
