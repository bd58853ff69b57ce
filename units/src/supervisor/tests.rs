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
use crate::spec::{Body, Spec};
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
