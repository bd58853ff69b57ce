//! A plan for one more process in a running unit (`keelctl exec`, exec probes).

use crate::event::Errand;
use crate::execution::{Input, Output};
use crate::plan::compose::{PlanError, plan};
use crate::plan::{Plan, PlanFacts, command};
use crate::run::{Phase, Run, UnitId};
use crate::service::Command;
use crate::spec::{Body, Spec};

/// What somebody wants to run in a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Program and arguments.
    pub arguments: Vec<Box<str>>,
    /// More variables, such as `TERM`.
    pub environment: Vec<(Box<str>, Box<str>)>,
    /// Another directory than the unit's.
    pub directory: Option<Box<str>>,
    /// Another user than the unit's.
    pub user: Option<Box<str>>,
    /// Descriptor 0 is a terminal.
    pub terminal: bool,
}

/// Makes the plan of a process that enters a running unit: its name spaces, root, user,
/// capabilities and filter; a unit on the machine's own root gets the group alone.
///
/// # Errors
/// As [`plan`]; `NothingToRun` without words.
pub fn join(spec: &Spec, entry: &Entry, facts: &PlanFacts<'_>) -> Result<Plan, PlanError> {
    let mut spec = spec.clone();
    let Body::Service(service) = &mut spec.body else { return Err(PlanError::NoProcess) };
    let words: Vec<&Box<str>> = entry.arguments.iter().collect();
    let program = (*words.first().ok_or(PlanError::NothingToRun)?).clone();
    // As a reload command would: those enter the running container.
    service.commands.reload = vec![Command {
        program,
        arguments: command::literal(words.into_iter()),
        ignore_failure: false,
        full_privileges: false,
        keep_user: false,
    }]
    .into();
    let execution = &mut service.execution;
    (execution.stdin, execution.stdout, execution.stderr) = (Input::Null, Output::Log, Output::Log);
    execution.directories.clear();
    execution.credentials.clear();
    if let Some(user) = &entry.user {
        execution.user = Some(user.clone());
        execution.group = None;
    }
    if let Some(path) = &entry.directory {
        execution.working_directory = Some(path.clone());
    }
    let errand = Errand { phase: Phase::Reload, index: 0 };
    // No incarnation of its own: only the invocation's number hangs on it.
    let run = Run { unit: UnitId(0), number: 0 };
    let mut plan = plan(&spec, run, errand, &entry.environment, facts)?;
    plan.stdio.control_terminal = entry.terminal;
    if !plan.enters && plan.namespaces != 0 {
        // A sandboxed unit on the machine's root: its view is the main process's.
        plan.enters = true;
        plan.mounts.clear();
    }
    Ok(plan)
}
