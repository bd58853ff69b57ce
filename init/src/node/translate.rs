//! The supervisor's orders in the shore's words.

use std::time::Duration;

use units::event::{Outcome, Refusal};
use units::execution::DirectoryPlace;
use units::plan::{PlanError, PlanFacts, plan};
use units::resources::Resources;
use units::run::{Run, Ticket, UnitId};
use units::service::PreserveMode;
use units::{Action as UnitAction, Body, UnitName};

use crate::node::action::{Action, Outbox};
use crate::node::event::{Fault, WorkerFault};
use crate::node::orders::Order;
use crate::node::{Node, work};

impl Node {
    /// Carries one order of the supervisor on.
    pub(super) fn translate(&mut self, order: UnitAction, now: Duration, out: &mut Outbox) {
        if self.facts.observed {
            self.observed.push(order.clone());
        }
        match order {
            UnitAction::Prepare { ticket, run, conditions, image } => {
                self.prepare(ticket, run, conditions, image, out);
            }
            UnitAction::Spawn { ticket, run, role, errand, environment, connection } => {
                let spec = self.supervisor.spec(run.unit).cloned();
                let planned = spec.ok_or(PlanError::NoProcess).and_then(|spec| {
                    let facts = self.plan_facts(run.unit);
                    let plan = plan(&spec, run, errand, &environment, &facts)?;
                    Ok((
                        plan,
                        spec.service().map(|s| Resources::clone(&s.resources)).unwrap_or_default(),
                    ))
                });
                match planned {
                    Ok((plan, resources)) => {
                        self.orders.follow(ticket, Order::Spawn { run });
                        out.push(Action::Spawn {
                            ticket,
                            run,
                            role,
                            plan: Box::new(plan),
                            resources: Box::new(resources),
                            connection,
                        });
                    }
                    Err(error) => self.refuse(ticket, 0, &error.to_string()),
                }
            }
            UnitAction::Signal { run, target, signal } => {
                out.push(Action::Signal { run, target, signal });
            }
            UnitAction::KillGroup { run } => out.push(Action::KillGroup { run }),
            UnitAction::Release { run, drop_descriptors, restarting } => {
                let directories = self.directories_to_remove(run, restarting);
                out.push(Action::Release { run, drop_descriptors, directories });
            }
            UnitAction::FindMain { ticket, run } => {
                let pid_file = self.pid_file(run.unit);
                out.push(Action::FindMain { ticket, run, pid_file });
            }
            UnitAction::AdoptMain { run, pid } => out.push(Action::AdoptMain { run, pid }),
            UnitAction::Probe { ticket, run, kind } => self.probe(ticket, run, kind, out),
            UnitAction::SetLimits { run } => {
                let spec = self.supervisor.spec(run.unit);
                if let Some(service) = spec.and_then(|spec| spec.service()) {
                    let resources = Box::new(Resources::clone(&service.resources));
                    out.push(Action::SetLimits { run, resources });
                }
            }
            UnitAction::Mount { ticket, unit } => self.mount(ticket, unit, "mount", out),
            UnitAction::Unmount { ticket, unit } => self.mount(ticket, unit, "unmount", out),
            UnitAction::Listen { ticket, unit } => match self.socket_of(unit) {
                Some(socket) => {
                    out.push(Action::Listen { ticket, unit, socket: Box::new(socket.clone()) });
                }
                None => self.refuse(ticket, 0, "the unit is no socket"),
            },
            UnitAction::Watch { unit, on } => out.push(Action::Watch { unit, on }),
            UnitAction::Close { unit } => out.push(Action::Close { unit }),
            UnitAction::Hang { connection } => out.push(Action::Hang { connection }),
            UnitAction::Keep { unit, number, name, poll } => {
                out.push(Action::Keep { unit, number, name, poll });
            }
            UnitAction::Drop { unit: _, number } => out.push(Action::Drop { number }),
            UnitAction::Stamp { unit, unix_us } => self.stamp(unit, unix_us, out),
            UnitAction::Instantiate { unit, then } => self.instantiate(unit, then, out),
            UnitAction::Answer { ticket, answer } => self.on_answer(ticket, answer, now, out),
            UnitAction::Power { unit, action } => self.on_unit_power(unit, action, now, out),
            UnitAction::Record { unit } => self.record(unit, out),
            UnitAction::Forgotten { unit, name } => self.on_forgotten(unit, &name, out),
            UnitAction::Note(note) => self.on_note(&note, now, out),
        }
    }

    /// Says no to one of the supervisor's orders.
    pub(super) fn refuse(&mut self, ticket: Ticket, errno: u16, text: &str) {
        let refusal = Refusal { stage: None, errno, text: text.into() };
        self.done(ticket, Outcome::Refused(refusal));
    }

    /// Tells the supervisor how one of its orders went.
    pub(super) fn done(&mut self, ticket: Ticket, outcome: Outcome) {
        self.inbox.push_back(units::Event::Done { ticket, outcome });
    }

    pub(super) fn plan_facts(&self, unit: UnitId) -> PlanFacts<'_> {
        PlanFacts {
            environment: &[],
            image: self.images.get(&unit),
            state: crate::paths::STATE,
            notify_socket: crate::paths::NOTIFY_SOCKET,
        }
    }

    fn prepare(
        &mut self,
        ticket: Ticket,
        run: Run,
        conditions: bool,
        image: bool,
        out: &mut Outbox,
    ) {
        let Some(spec) = self.supervisor.spec(run.unit) else {
            return self.refuse(ticket, 0, "the unit is no longer defined");
        };
        let image = image && !self.images.contains_key(&run.unit);
        let request = work::prepare_request(spec, conditions, image, self.facts.is_machine);
        let Some(request) = request else {
            return self.done(ticket, Outcome::Ok);
        };
        self.orders.follow(ticket, Order::Prepare { run });
        out.push(work::order_with(ticket, &["prepare"], &request, None));
    }

    fn probe(
        &mut self,
        ticket: Ticket,
        run: Run,
        kind: units::action::ProbeKind,
        out: &mut Outbox,
    ) {
        let spec = self.supervisor.spec(run.unit);
        let Some(service) = spec.and_then(|spec| spec.service()) else {
            return self.refuse(ticket, 0, "the unit is no longer defined");
        };
        let Some(request) = work::probe_request(service, kind) else {
            return self.refuse(ticket, 0, "the unit has no such probe");
        };
        self.orders.follow(ticket, Order::Probe { run, kind });
        out.push(work::order_with(ticket, &["probe"], &request, Some(run)));
    }

    fn mount(&mut self, ticket: Ticket, unit: UnitId, verb: &str, out: &mut Outbox) {
        let body = self.supervisor.spec(unit).map(|spec| &spec.body);
        let Some(Body::Mount(mount)) = body else {
            return self.refuse(ticket, 0, "the unit is no mount");
        };
        let mount = (**mount).clone();
        self.orders.follow(ticket, Order::Mount { unit });
        out.push(work::order_with(ticket, &[verb], &mount, None));
    }

    fn stamp(&mut self, unit: UnitId, unix_us: i64, out: &mut Outbox) {
        let name = self.name_of(unit).to_owned();
        let ticket = self.orders.issue(Order::Errand { name: "stamp" });
        out.push(work::order(ticket, &["stamp", &name, &unix_us.to_string()], &[], None));
    }

    fn pid_file(&self, unit: UnitId) -> Option<Box<str>> {
        match &self.supervisor.spec(unit)?.service()?.startup {
            units::service::Startup::Forking { pid_file, .. } => pid_file.clone(),
            units::service::Startup::Simple
            | units::service::Startup::Exec
            | units::service::Startup::Oneshot
            | units::service::Startup::Notify
            | units::service::Startup::NotifyReload { .. }
            | units::service::Startup::Idle => None,
        }
    }

    fn directories_to_remove(&self, run: Run, restarting: bool) -> Vec<String> {
        let spec = self.supervisor.spec(run.unit);
        let Some(service) = spec.and_then(|spec| spec.service()) else { return Vec::new() };
        let kept = match service.execution.runtime_directory_preserve {
            PreserveMode::No => false,
            PreserveMode::Restart => restarting,
            PreserveMode::Yes => true,
        };
        let directories = service.execution.directories.iter();
        directories
            .filter(|directory| !kept && directory.place == DirectoryPlace::Runtime)
            .map(|directory| format!("/run/{}", directory.path))
            .collect()
    }

    fn record(&self, unit: UnitId, out: &mut Outbox) {
        let record = self.supervisor.record(unit);
        let bytes = record.map(|record| work::encode(&record)).unwrap_or_default();
        out.push(Action::Record { slot: unit.0, bytes });
    }

    /// A unit is no longer defined and its number will be another's.
    fn on_forgotten(&mut self, unit: UnitId, name: &UnitName, out: &mut Outbox) {
        self.want_instance_no_more(name);
        self.images.remove(&unit);
        out.push(Action::Record { slot: unit.0, bytes: Vec::new() });
        out.push(Action::Forget { unit });
    }

    pub(super) fn on_spawned(
        &mut self,
        ticket: Ticket,
        result: Result<u32, Fault>,
        out: &mut Outbox,
    ) {
        match self.orders.settle(ticket) {
            Some(Order::Exec { run, question }) => {
                self.on_exec_spawned(ticket, run, question, result, out);
            }
            _ => match result {
                Ok(pid) => self.done(ticket, Outcome::Process { pid }),
                Err(fault) => {
                    let stage = units::StageFault {
                        step: units::StageStep::Clone,
                        errno: fault.errno,
                        item: 0,
                    };
                    let errno = fault.errno;
                    let refusal = Refusal { stage: Some(stage), errno, text: "".into() };
                    self.done(ticket, Outcome::Refused(refusal));
                }
            },
        }
    }

    pub(super) fn on_worked(
        &mut self,
        ticket: Ticket,
        result: Result<&[u8], WorkerFault>,
        now: Duration,
        out: &mut Outbox,
    ) {
        match self.orders.settle(ticket) {
            Some(Order::Prepare { run }) => self.on_prepared(ticket, run, result, out),
            Some(Order::Probe { .. } | Order::Mount { .. }) => {
                let outcome = match result {
                    Ok(bytes) => work::decode_outcome(bytes),
                    Err(fault) => work::refusal(&fault),
                };
                self.done(ticket, outcome);
            }
            Some(Order::Load { then }) => self.on_loaded(result, then, now, out),
            Some(Order::Flush) => self.on_flushed(result, now, out),
            Some(Order::Apply(errand)) => self.on_applied(&errand, result, now, out),
            Some(Order::Cat(question)) => self.on_cat_read(question, result, out),
            Some(Order::Errand { name }) => {
                if let Err(fault) = result {
                    self.warn(&format!("worker {name}: {}", work::describe(&fault)), now, out);
                }
            }
            Some(Order::Spawn { .. } | Order::Exec { .. } | Order::Ask(_)) | None => {}
        }
    }

    fn on_prepared(
        &mut self,
        ticket: Ticket,
        run: Run,
        result: Result<&[u8], WorkerFault>,
        out: &mut Outbox,
    ) {
        let outcome = match result.map(work::decode_prepared) {
            Ok((outcome, image)) => {
                if let Some(image) = image {
                    out.push(Action::Image { unit: run.unit, bytes: work::encode(&image) });
                    self.images.insert(run.unit, image);
                }
                outcome
            }
            Err(fault) => work::refusal(&fault),
        };
        self.done(ticket, outcome);
    }
}
