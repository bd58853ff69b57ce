//! From spec to plan.

use std::fmt;

use crate::container::{Container, SeccompChoice};
use crate::event::Errand;
use crate::execution::{Execution, ProtectHome, ProtectSystem, Sandbox};
use crate::plan::{
    NEW_MOUNTS, NEW_PIDS, Plan, PlanCommand, PlanDirectory, PlanFacts, PlanLimits, PlanStdio,
    Privileges, Profile, Root, Seccomp, capabilities, command, container, devices, environment,
    identity, sandbox,
};
use crate::run::{Phase, Run};
use crate::service::{Command, Service};
use crate::spec::Spec;

/// Why a spec cannot be made exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// The unit has no processes.
    NoProcess,
    /// It has no such command.
    NoCommand(Errand),
    /// Its image is not ready: `PlanFacts::image` is missing.
    NoImage,
    /// Neither the unit nor its image says what to run.
    NothingToRun,
    /// No such capability.
    UnknownCapability(Box<str>),
    /// A mount over the kernel's own trees.
    ForbiddenTarget(Box<str>),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::NoProcess => f.write_str("the unit runs no process"),
            PlanError::NoCommand(errand) => {
                write!(f, "the unit has no command {} in {:?}", errand.index, errand.phase)
            }
            PlanError::NoImage => f.write_str("the image is not prepared"),
            PlanError::NothingToRun => f.write_str(
                "neither the unit nor its image names a program: set `command` in the unit",
            ),
            PlanError::UnknownCapability(name) => write!(f, "unknown capability {name:?}"),
            PlanError::ForbiddenTarget(path) => {
                write!(f, "nothing may be mounted at {path:?}: it belongs to the kernel")
            }
        }
    }
}

impl std::error::Error for PlanError {}

/// Makes the plan of one process of a unit.
///
/// `extra` are the variables that the supervisor adds for this process.
///
/// # Errors
/// When the spec asks for what cannot be: see [`PlanError`].
pub fn plan(
    spec: &Spec,
    run: Run,
    errand: Errand,
    extra: &[(Box<str>, Box<str>)],
    facts: &PlanFacts<'_>,
) -> Result<Plan, PlanError> {
    let service = spec.service().ok_or(PlanError::NoProcess)?;
    let command = command_of(service, errand)?;
    let bare = command.is_some_and(|c| c.full_privileges);
    let mut plan = match service.container.as_deref().filter(|_| !bare) {
        Some(own) => in_container(spec, service, own, errand, command, facts)?,
        None => on_machine(spec, service, command.ok_or(PlanError::NothingToRun)?, bare),
    };
    plan.unit = spec.name.as_str().into();
    // Whatever process makes the group: the list is the group's.
    plan.device_access = service.container.as_deref().and_then(devices::of_container);
    environment::compose(&mut plan, spec, run, service, extra, facts);
    plan.command.search = match plan.root {
        Root::Overlay { .. } => None,
        Root::Machine if plan.enters => None,
        Root::Machine | Root::Directory { .. } => Some(super::SEARCH_PATH.into()),
    };
    Ok(plan)
}

/// The command of an errand; `None` is a container's own program.
fn command_of(service: &Service, errand: Errand) -> Result<Option<&Command>, PlanError> {
    let commands = &service.commands;
    let list = match errand.phase {
        Phase::Condition => &commands.condition,
        Phase::StartPre => &commands.start_pre,
        Phase::Start => &commands.start,
        Phase::StartPost => &commands.start_post,
        Phase::Reload => &commands.reload,
        Phase::Stop => &commands.stop,
        Phase::StopPost => &commands.stop_post,
    };
    match list.get(usize::from(errand.index)) {
        Some(command) => Ok(Some(command)),
        None if errand == Errand { phase: Phase::Start, index: 0 } => match service.container {
            Some(_) => Ok(None),
            None => Err(PlanError::NothingToRun),
        },
        None => Err(PlanError::NoCommand(errand)),
    }
}

/// A unit that sees the machine's files, with or without a sandbox.
fn on_machine(spec: &Spec, service: &Service, command: &Command, bare: bool) -> Plan {
    let execution = &*service.execution;
    let mut plan = Plan {
        command: command::plain(command),
        identity: identity::of(execution, command.full_privileges || command.keep_user, &spec.name),
        privileges: privileges(execution, bare),
        ..Plan::default()
    };
    if let Some(path) = execution.root_directory.clone() {
        plan.root = Root::Directory { path };
        plan.namespaces |= NEW_MOUNTS;
    }
    surround(&mut plan, execution, spec);
    if !bare && let Some(sandbox) = effective_sandbox(execution) {
        sandbox::apply(&mut plan, &sandbox, spec);
    }
    plan
}

/// A unit with a root of its own.
fn in_container(
    spec: &Spec,
    service: &Service,
    own: &Container,
    errand: Errand,
    command: Option<&Command>,
    facts: &PlanFacts<'_>,
) -> Result<Plan, PlanError> {
    let execution = &*service.execution;
    let mut plan = Plan {
        command: container_command(own, command, facts)?,
        identity: identity::in_image(execution, facts.image, &spec.name),
        privileges: container_privileges(own, execution)?,
        ..Plan::default()
    };
    if let Phase::StartPost | Phase::Reload | Phase::Stop = errand.phase {
        plan.enters = true;
        plan.namespaces = container::namespaces(own);
    } else {
        container::furnish(&mut plan, own, spec, service, facts)?;
    }
    surround(&mut plan, execution, spec);
    if execution.working_directory.is_none()
        && let Some(image) = facts.image.filter(|i| !i.working_directory.is_empty())
    {
        plan.working_directory = image.working_directory.clone();
        plan.makes_working_directory = true;
    }
    plan.seccomp.profile = match &own.seccomp {
        SeccompChoice::Unconfined => Profile::None,
        SeccompChoice::Default if own.privileged => Profile::None,
        SeccompChoice::Default => Profile::Default { capabilities: plan.privileges.bounding },
        SeccompChoice::File(path) => Profile::File(path.clone()),
    };
    if let Some(sandbox) = effective_sandbox(execution) {
        sandbox::apply(&mut plan, &sandbox, spec);
    }
    Ok(plan)
}

fn container_command(
    own: &Container,
    command: Option<&Command>,
    facts: &PlanFacts<'_>,
) -> Result<PlanCommand, PlanError> {
    match command {
        Some(command) => Ok(command::plain(command)),
        None => command::of_image(own, facts.image),
    }
}

/// What is the same for all: descriptors, limits, directories.
fn surround(plan: &mut Plan, execution: &Execution, spec: &Spec) {
    plan.stdio = PlanStdio {
        input: execution.stdin.clone(),
        output: execution.stdout.clone(),
        error: execution.stderr.clone(),
        terminal: execution.tty_path.clone().unwrap_or_else(|| "/dev/console".into()),
        control_terminal: false,
    };
    plan.limits = limits(execution);
    plan.directories = directories(execution);
    plan.credentials = execution.credentials.to_vec();
    plan.working_directory = execution.working_directory.clone().unwrap_or_else(|| "/".into());
    plan.working_directory_optional = execution.working_directory_optional;
    plan.ignore_sigpipe = execution.ignore_sigpipe.unwrap_or(spec.service().is_some_and(|s| {
        // Programs in containers expect what Docker gives them: the default disposition.
        s.container.is_none()
    }));
}

fn limits(execution: &Execution) -> PlanLimits {
    PlanLimits {
        rlimits: execution.rlimits.to_vec(),
        umask: execution.umask,
        nice: execution.nice,
        oom_score_adjust: execution.oom_score_adjust,
        scheduling: execution.scheduling,
        io_priority: execution.io_priority,
        cpu_affinity: execution.cpu_affinity.to_vec(),
        personality: execution.personality.as_deref().and_then(command::personality),
    }
}

fn directories(execution: &Execution) -> Vec<PlanDirectory> {
    let own = execution.directories.iter();
    own.map(|directory| {
        let top = identity::directory_place(directory.place);
        PlanDirectory {
            path: format!("{top}/{}", directory.path).into(),
            place: directory.place,
            mode: directory.mode,
            links: directory.links.iter().map(|link| format!("{top}/{link}").into()).collect(),
        }
    })
    .collect()
}

fn privileges(execution: &Execution, bare: bool) -> Privileges {
    if bare {
        return Privileges::default();
    }
    Privileges {
        bounding: execution.capabilities_bounding.unwrap_or(u64::MAX),
        ambient: execution.capabilities_ambient,
        secure_bits: execution.secure_bits,
        no_new: execution.no_new_privileges || execution.dynamic_user,
    }
}

fn container_privileges(own: &Container, execution: &Execution) -> Result<Privileges, PlanError> {
    let mask = |names: &[Box<str>]| {
        capabilities::capability_mask(names)
            .map_err(|name| PlanError::UnknownCapability(name.into()))
    };
    let start = match own.privileged {
        true => capabilities::CAPABILITIES_FULL,
        false => capabilities::CAPABILITIES_DEFAULT,
    };
    let granted = start & !mask(&own.capabilities_drop)? | mask(&own.capabilities_add)?;
    Ok(Privileges {
        bounding: granted & execution.capabilities_bounding.unwrap_or(u64::MAX),
        ambient: execution.capabilities_ambient,
        secure_bits: execution.secure_bits,
        no_new: !own.privileged,
    })
}

/// The unit's sandbox, with what `DynamicUser=` implies.
fn effective_sandbox(execution: &Execution) -> Option<Sandbox> {
    let mut sandbox = execution.sandbox.as_deref().cloned();
    if execution.dynamic_user {
        let own = sandbox.get_or_insert_default();
        own.protect_system = ProtectSystem::Strict;
        if own.protect_home == ProtectHome::No {
            own.protect_home = ProtectHome::ReadOnly;
        }
        own.private_tmp = true;
        own.remove_ipc = true;
        own.restrict_suid_sgid = true;
    }
    sandbox
}

impl Plan {
    /// Name spaces that the spawner must make: a process is in the pid name space that it was born
    /// into. All others the stage makes itself, so that their cost is not PID 1's.
    #[must_use]
    pub fn namespaces_at_birth(&self) -> u32 {
        match self.enters {
            true => 0,
            false => self.namespaces & NEW_PIDS,
        }
    }

    /// No system call is filtered.
    #[must_use]
    pub fn is_unfiltered(&self) -> bool {
        self.seccomp == Seccomp::default()
    }
}
