//! The contract at its door; the behaviour is in `tests/scripts` and in the simulator.

use std::time::Duration;

use super::{Facts, Supervisor};
use crate::action::{Action, Answer, Outbox};
use crate::event::{Event, Outcome, Request};
use crate::name::UnitName;
use crate::note::StateName;
use crate::record::{RECORD_BYTES_MAX, Record};
use crate::run::{ExitStatus, Role, Run, Ticket, UnitId};
use crate::service::{Command, Service, Signal};
use crate::spec::{Body, Relation, RelationKind, Spec};
use crate::unit::Unit;

fn name(text: &str) -> UnitName {
    UnitName::new(text).unwrap()
}

fn service(text: &str) -> Spec {
    let mut service = Service::default();
    service.commands.start.push(Command {
        program: "/bin/program".into(),
        arguments: Vec::new(),
        ignore_failure: false,
        full_privileges: false,
        keep_user: false,
    });
    Spec::new(name(text), Body::Service(Box::new(service)))
}

fn related(mut spec: Spec, kind: RelationKind, unit: &str) -> Spec {
    spec.relations.push(Relation { kind, unit: name(unit) });
    spec
}

fn target(text: &str) -> Spec {
    Spec::new(name(text), Body::Target)
}

struct Bench {
    supervisor: Supervisor,
    now: Duration,
}

impl Bench {
    fn with(specs: Vec<Spec>) -> Bench {
        let supervisor = Supervisor::new(Facts::default());
        let mut bench = Bench { supervisor, now: Duration::from_secs(1) };
        bench.tell(Event::Defined { specs });
        bench
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        let mut out = Outbox::new();
        self.supervisor.step(event, self.now, &mut out);
        out.drain().collect()
    }

    fn ask(&mut self, request: Request) -> Vec<Action> {
        self.tell(Event::Asked { ticket: Ticket(7), request })
    }

    fn state(&self, unit: &str) -> StateName {
        let id = self.supervisor.id(&name(unit)).unwrap();
        self.supervisor.view().unit(id).unwrap().state
    }
}

/// Whether the bench's request was answered so.
fn answered(actions: &[Action], with: &Answer) -> bool {
    actions.iter().any(|action| matches!(action, Action::Answer { answer, .. } if answer == with))
}

fn spawned(actions: &[Action]) -> Option<(Ticket, Run)> {
    actions.iter().find_map(|action| {
        if let Action::Spawn { ticket, run, .. } = action { Some((*ticket, *run)) } else { None }
    })
}

#[test]
fn a_simple_life() {
    let mut bench = Bench::with(vec![service("web.service")]);
    let actions = bench.ask(Request::Start(name("web.service")));
    let (ticket, run) = spawned(&actions).unwrap();
    assert_eq!(actions[0], Action::Record { unit: run.unit });
    let actions = bench.tell(Event::Done { ticket, outcome: Outcome::Process { pid: 100 } });
    assert!(actions.contains(&Action::Answer { ticket: Ticket(7), answer: Answer::Ok }));
    assert_eq!(bench.state("web.service"), StateName::Up);
    let actions = bench.ask(Request::Stop(name("web.service")));
    let term = |action: &Action| matches!(action, Action::Signal { signal: Signal::TERM, .. });
    assert!(actions.iter().any(term));
    bench.tell(Event::Exited { run, role: Role::Main, status: ExitStatus::Code(0) });
    assert_eq!(bench.state("web.service"), StateName::Stopping);
    let actions = bench.tell(Event::Emptied { run });
    assert!(actions.contains(&Action::Answer { ticket: Ticket(7), answer: Answer::Ok }));
    assert_eq!(bench.state("web.service"), StateName::Down);
    assert_eq!(bench.supervisor.deadline(), None);
}

#[test]
fn a_held_unit_sees_a_need_that_comes_up_in_the_same_step() {
    let bound = related(target("bound.target"), RelationKind::BindsTo, "need.target");
    let mut bench = Bench::with(vec![bound, target("need.target")]);
    bench.ask(Request::Start(name("bound.target")));
    bench.ask(Request::Stop(name("need.target")));
    assert_eq!(bench.state("bound.target"), StateName::Waiting);
    let actions = bench.ask(Request::Start(name("bound.target")));
    assert!(answered(&actions, &Answer::Ok), "{actions:?}");
    assert_eq!(bench.state("bound.target"), StateName::Up);
}

#[test]
fn a_part_can_be_started_while_its_whole_is_held() {
    let whole = related(target("whole.target"), RelationKind::BindsTo, "need.target");
    let part = related(target("part.target"), RelationKind::PartOf, "whole.target");
    let mut bench = Bench::with(vec![whole, part, target("need.target")]);
    bench.ask(Request::Start(name("whole.target")));
    bench.ask(Request::Start(name("part.target")));
    bench.ask(Request::Stop(name("need.target")));
    assert_eq!(bench.state("part.target"), StateName::Waiting);
    let actions = bench.ask(Request::Start(name("part.target")));
    assert!(answered(&actions, &Answer::Ok), "{actions:?}");
    assert_eq!(bench.state("whole.target"), StateName::Waiting);
}

#[test]
fn a_oneshot_that_is_tried_again_did_its_work() {
    use crate::service::{RestartPolicy, Startup};
    let mut job = service("job.service");
    if let Body::Service(service) = &mut job.body {
        service.startup = Startup::Oneshot;
        service.restart.policy = RestartPolicy::Always;
        service.restart.delay = Duration::from_secs(60);
    }
    let user = related(target("user.target"), RelationKind::Requires, "job.service");
    let user = related(user, RelationKind::After, "job.service");
    let mut bench = Bench::with(vec![job, user]);
    let actions = bench.ask(Request::Start(name("user.target")));
    let (ticket, run) = spawned(&actions).unwrap();
    bench.tell(Event::Done { ticket, outcome: Outcome::Process { pid: 100 } });
    bench.tell(Event::Exited { run, role: Role::Main, status: ExitStatus::Code(0) });
    let actions = bench.tell(Event::Emptied { run });
    assert_eq!(bench.state("job.service"), StateName::Backoff);
    assert!(answered(&actions, &Answer::Ok), "{actions:?}");
}

#[test]
fn a_death_between_two_records_stops_nobody() {
    let middle = related(target("middle.target"), RelationKind::Requires, "need.target");
    let user = related(service("user.service"), RelationKind::Requires, "middle.target");
    let user = related(user, RelationKind::After, "middle.target");
    let specs = vec![target("need.target"), middle, user];
    let mut bench = Bench::with(specs.clone());
    let actions = bench.ask(Request::Start(name("user.service")));
    let (ticket, _) = spawned(&actions).unwrap();
    bench.tell(Event::Done { ticket, outcome: Outcome::Process { pid: 100 } });
    let need = bench.supervisor.id(&name("need.target")).unwrap();
    let before = bench.supervisor.record(need).unwrap();
    bench.ask(Request::Stop(name("need.target")));
    let ids: Vec<UnitId> = bench.supervisor.ids().filter(|id| *id != need).collect();
    let records = ids.iter().map(|id| bench.supervisor.record(*id).unwrap()).chain([before]);
    let mut out = Outbox::new();
    let records = records.collect();
    bench.supervisor = Supervisor::restore(Facts::default(), specs, records, bench.now, &mut out);
    assert_eq!(bench.state("need.target"), StateName::Up);
    assert_eq!(bench.state("middle.target"), StateName::Up);
    let middle = bench.supervisor.id(&name("middle.target")).unwrap();
    assert_eq!(bench.supervisor.view().unit(middle).unwrap().held_by, None);
}

#[test]
fn a_record_fits_into_its_slot() {
    let longest = format!("{}.service", "x".repeat(247));
    let mut bench = Bench::with(vec![service(&longest)]);
    bench.now = Duration::from_secs(10 * 365 * 24 * 3600);
    let actions = bench.ask(Request::Start(name(&longest)));
    let (ticket, run) = spawned(&actions).unwrap();
    bench.tell(Event::Done { ticket, outcome: Outcome::Process { pid: 4_194_304 } });
    bench.tell(Event::Exited { run, role: Role::Main, status: ExitStatus::Code(3) });
    let mut record = bench.supervisor.record(UnitId(0)).unwrap();
    record.fill();
    let bytes = postcard::to_allocvec(&record).unwrap();
    assert!(bytes.len() <= RECORD_BYTES_MAX, "{} bytes", bytes.len());
    assert_eq!(postcard::from_bytes::<Record>(&bytes).unwrap(), record);
}

#[test]
fn a_unit_is_small() {
    assert!(size_of::<Unit>() <= 600, "{} bytes", size_of::<Unit>());
}
