//! One machine on a virtual clock that jumps: the real supervisor over a model of the kernel.
//!
//! The world keeps the shore's promises (drain each outbox before the next fact, one answer per ticket, records
//! into the memory file as they are ordered) and kills PID 1 in the middle of an outbox where it is told to.

use std::collections::BTreeMap;
use std::time::Duration;

use units::action::{Action, Answer, Outbox};
use units::event::{Errand, Event, Outcome, Refusal, Request};
use units::record::Record;
use units::run::{Run, Ticket, UnitId};
use units::spec::{Body, Spec};
use units::supervisor::{Facts, Supervisor};
use units::{UnitKind, UnitName};

use crate::agenda::{Agenda, Item};
use crate::check::{Checker, Seen, Violation};
use crate::kernel_model::Kernel;
use crate::temper::Temper;

/// What is tested: a machine with the three verbs, and a way to come back from its records.
pub trait Brain {
    /// Takes one fact.
    fn step(&mut self, event: Event, now: Duration, out: &mut Outbox);
    /// When a `Tick` is due.
    fn deadline(&self) -> Option<Duration>;
    /// A look inside.
    fn supervisor(&self) -> &Supervisor;
    /// Goes on after a death.
    fn reborn(
        &self,
        facts: Facts,
        specs: Vec<Spec>,
        records: Vec<Record>,
        now: Duration,
        out: &mut Outbox,
    ) -> Self;
}

impl Brain for Supervisor {
    fn step(&mut self, event: Event, now: Duration, out: &mut Outbox) {
        Supervisor::step(self, event, now, out);
    }

    fn deadline(&self) -> Option<Duration> {
        Supervisor::deadline(self)
    }

    fn supervisor(&self) -> &Supervisor {
        self
    }

    fn reborn(
        &self,
        facts: Facts,
        specs: Vec<Spec>,
        records: Vec<Record>,
        now: Duration,
        out: &mut Outbox,
    ) -> Supervisor {
        Supervisor::restore(facts, specs, records, now, out)
    }
}

/// Who decides what the model leaves open: a script or a seed.
pub trait Director {
    /// What the program of a command does this time.
    fn temper(&mut self, unit: &UnitName, run: Run, errand: Errand) -> Temper;
    /// Whether a process cannot even be made.
    fn refuses(&mut self, unit: &UnitName, errand: Errand) -> Option<Refusal>;
    /// How long a look at conditions and image takes, and how it ends.
    fn prepare(&mut self, spec: &Spec, conditions: bool, image: bool) -> (Duration, Outcome);
    /// How long mounting, unmounting or listening takes, and how it ends.
    fn open(&mut self, spec: &Spec, closing: bool) -> (Duration, Outcome);
    /// How long a probe takes.
    fn probe(&mut self) -> Duration;
    /// The definition of an instance, if there is one.
    fn instance(&mut self, name: &UnitName) -> Option<Spec>;
}

/// One thing that a transcript tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// An order was carried out.
    Order(Action),
    /// Somebody asked for something.
    Asked(Ticket, Request),
    /// PID 1 died and came back.
    Death,
}

/// The machine and all around it.
#[derive(Debug)]
pub struct World<B, D> {
    /// Time since boot.
    pub now: Duration,
    /// The supervisor.
    pub brain: B,
    /// The kernel.
    pub kernel: Kernel,
    /// What lies ahead.
    pub agenda: Agenda,
    /// Who decides the rest.
    pub director: D,
    /// The definitions on disk.
    pub specs: Vec<Spec>,
    /// What was told about the machine.
    pub facts: Facts,
    /// What would be in the memory that outlives PID 1.
    pub records: BTreeMap<UnitId, Record>,
    /// Answers that came.
    pub answers: BTreeMap<Ticket, Answer>,
    /// PID 1 dies after so many more orders.
    pub dies_after: Option<u32>,
    /// How often it died.
    pub deaths: u32,
    /// Callers of sockets that nobody answered yet.
    pub callers: BTreeMap<UnitId, u32>,
    /// Who looks over the shoulder.
    pub checkers: Vec<Box<dyn Checker>>,
    /// Everything that was ordered since it was last taken, for transcripts.
    pub transcript: Vec<(Duration, Entry)>,
    /// Facts told.
    pub facts_told: u64,
    tickets: u64,
    outstanding: BTreeMap<Ticket, Request>,
}

impl<B: Brain, D: Director> World<B, D> {
    /// A machine that just booted.
    pub fn new(brain: B, director: D, facts: Facts) -> World<B, D> {
        World {
            now: Duration::ZERO,
            brain,
            kernel: Kernel::default(),
            agenda: Agenda::default(),
            director,
            specs: Vec::new(),
            facts,
            records: BTreeMap::new(),
            answers: BTreeMap::new(),
            dies_after: None,
            deaths: 0,
            callers: BTreeMap::new(),
            checkers: Vec::new(),
            transcript: Vec::new(),
            facts_told: 0,
            tickets: 0,
            outstanding: BTreeMap::new(),
        }
    }

    /// The definitions become these.
    ///
    /// # Errors
    /// What a checker found.
    pub fn define(&mut self, specs: Vec<Spec>) -> Result<(), Violation> {
        self.specs.clone_from(&specs);
        self.tell(Event::Defined { specs })
    }

    /// Somebody asks for something; the answer will be in `answers`.
    ///
    /// # Errors
    /// What a checker found.
    pub fn ask(&mut self, request: Request) -> Result<Ticket, Violation> {
        self.tickets += 1;
        let ticket = Ticket(self.tickets | 1 << 63);
        self.outstanding.insert(ticket, request.clone());
        self.transcript.push((self.now, Entry::Asked(ticket, request.clone())));
        self.tell(Event::Asked { ticket, request })?;
        Ok(ticket)
    }

    /// Requests without an answer.
    pub fn unanswered(&self) -> impl Iterator<Item = (Ticket, &Request)> + '_ {
        self.outstanding.iter().map(|(ticket, request)| (*ticket, request))
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<Duration> {
        let next = [self.agenda.next_at(), self.brain.deadline()];
        next.into_iter().flatten().min()
    }

    /// Goes to that time, through all that happens before. Returns the whims that came due.
    ///
    /// # Errors
    /// What a checker found.
    pub fn run_until(
        &mut self,
        end: Duration,
        mut on_whim: impl FnMut(&mut World<B, D>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        while let Some(next) = self.next_at().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            while let Some(item) = self.agenda.take_due(self.now) {
                match item {
                    Item::Whim => on_whim(self)?,
                    item => self.happen(item)?,
                }
            }
            // A second time for a PID 1 that died of the first.
            for _ in 0..2 {
                if self.brain.deadline().is_some_and(|due| due <= self.now) {
                    self.tell(Event::Tick)?;
                }
            }
            self.check(|checker, seen| checker.on_turn_end(seen))?;
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, item: Item) -> Result<(), Violation> {
        match item {
            Item::Fact(event) => self.tell(event),
            Item::LookEmpty(run) => match self.kernel.is_empty(run) {
                true => self.tell(Event::Emptied { run }),
                false => Ok(()),
            },
            Item::Life(pid, step) => {
                self.kernel.live(self.now, &mut self.agenda, pid, step);
                Ok(())
            }
            Item::Whim => Ok(()),
        }
    }

    /// Tells the supervisor a fact and does what it orders.
    ///
    /// # Errors
    /// What a checker found.
    pub fn tell(&mut self, event: Event) -> Result<(), Violation> {
        self.facts_told += 1;
        self.check(|checker, seen| checker.on_fact(seen, &event))?;
        // Looked at first, reaped when all that follows from it is done (`waitid` with `WNOWAIT`).
        let zombie = if let Event::Exited { run, role, .. } = &event {
            self.kernel.zombie(*run, *role)
        } else {
            None
        };
        let mut out = Outbox::new();
        self.brain.step(event, self.now, &mut out);
        let alive = self.perform_all(out)?;
        if let (true, Some(pid)) = (alive, zombie) {
            self.kernel.reap(pid);
        }
        self.check(|checker, seen| checker.on_settled(seen))
    }

    /// Returns whether PID 1 lived through it.
    fn perform_all(&mut self, mut out: Outbox) -> Result<bool, Violation> {
        let mut actions = out.drain().collect::<Vec<Action>>().into_iter();
        while let Some(action) = actions.next() {
            if let Some(left) = &mut self.dies_after {
                if *left == 0 {
                    self.dies_after = None;
                    self.die()?;
                    return Ok(false);
                }
                *left -= 1;
            }
            self.transcript.push((self.now, Entry::Order(action.clone())));
            if let Err(violation) = self.check(|checker, seen| checker.on_order(seen, &action)) {
                // What else was ordered in the same breath often tells why.
                let rest = actions.map(|action| (self.now, Entry::Order(action)));
                self.transcript.extend(rest);
                return Err(violation);
            }
            self.perform(action);
        }
        Ok(true)
    }

    /// PID 1 dies and comes back with nothing but its records and the definitions.
    ///
    /// # Errors
    /// What a checker found.
    pub fn die(&mut self) -> Result<(), Violation> {
        self.deaths += 1;
        self.transcript.push((self.now, Entry::Death));
        self.facts.life += 1;
        self.agenda.drop_facts();
        self.outstanding.clear();
        self.check(|checker, seen| checker.on_death(seen))?;
        let records = self.records.values().cloned().collect();
        let mut out = Outbox::new();
        let (facts, specs) = (self.facts.clone(), self.specs.clone());
        self.brain = self.brain.reborn(facts, specs, records, self.now, &mut out);
        self.perform_all(out)?;
        self.kernel.tell_again(self.now, &mut self.agenda);
        self.check(|checker, seen| checker.on_settled(seen))
    }

    fn check(
        &mut self,
        mut ask: impl FnMut(&mut dyn Checker, &Seen<'_>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let seen = Seen {
            now: self.now,
            specs: &self.specs,
            supervisor: self.brain.supervisor(),
            deadline: self.brain.deadline(),
            kernel: &self.kernel,
            records: &self.records,
        };
        self.checkers.iter_mut().try_for_each(|checker| ask(checker.as_mut(), &seen))
    }

    fn name(&self, id: UnitId) -> UnitName {
        let spec = self.brain.supervisor().spec(id).expect("orders name units");
        spec.name.clone()
    }

    fn done(&mut self, after: Duration, ticket: Ticket, outcome: Outcome) {
        self.agenda.tell(self.now + after, Event::Done { ticket, outcome });
    }

    fn perform(&mut self, action: Action) {
        let (now, kernel, agenda) = (self.now, &mut self.kernel, &mut self.agenda);
        match action {
            Action::Signal { run, target, signal } => {
                kernel.signal(now, agenda, run, target, signal);
            }
            Action::KillGroup { run } => kernel.kill_group(now, agenda, run),
            Action::Release { run, .. } => kernel.release(run),
            Action::AdoptMain { run, pid } => kernel.adopt_main(run, pid),
            Action::FindMain { ticket, run } => {
                let by_file = self.has_pid_file(run);
                let found = self.kernel.find_main(now, run, by_file);
                let outcome = found.map_or(no("no main process"), |pid| Outcome::Process { pid });
                self.done(Duration::ZERO, ticket, outcome);
            }
            Action::Prepare { ticket, run, conditions, image } => {
                let spec = self.spec(run.unit);
                let (after, outcome) = self.director.prepare(&spec, conditions, image);
                self.done(after, ticket, outcome);
            }
            Action::Spawn { ticket, run, role, errand, .. } => {
                self.spawn(ticket, (run, role, errand));
            }
            Action::Probe { ticket, run, .. } => {
                let healthy = self.kernel.probe(now, run);
                let after = self.director.probe();
                let outcome = if healthy { Outcome::Ok } else { no("not healthy") };
                self.done(after, ticket, outcome);
            }
            Action::Mount { ticket, unit } | Action::Listen { ticket, unit } => {
                let (after, outcome) = self.director.open(&self.spec(unit), false);
                self.done(after, ticket, outcome);
            }
            Action::Unmount { ticket, unit } => {
                let (after, outcome) = self.director.open(&self.spec(unit), true);
                self.done(after, ticket, outcome);
            }
            Action::Watch { unit, on } => self.watch(unit, on),
            Action::Instantiate { unit, then } => self.instantiate(&unit, then),
            Action::Answer { ticket, answer } => {
                if self.outstanding.remove(&ticket).is_some() {
                    self.answers.insert(ticket, answer);
                }
            }
            Action::Record { unit } => self.record(unit),
            Action::Forgotten { unit, .. } => {
                self.records.remove(&unit);
            }
            Action::SetLimits { .. }
            | Action::Close { .. }
            | Action::Hang { .. }
            | Action::Keep { .. }
            | Action::Drop { .. }
            | Action::Stamp { .. }
            | Action::Power { .. }
            | Action::Note(_) => {}
        }
    }

    fn record(&mut self, unit: UnitId) {
        match self.brain.supervisor().record(unit) {
            Some(record) => self.records.insert(unit, record),
            None => self.records.remove(&unit),
        };
    }

    fn spec(&self, id: UnitId) -> Spec {
        self.brain.supervisor().spec(id).expect("orders name units").clone()
    }

    fn has_pid_file(&self, run: Run) -> bool {
        use units::service::Startup;
        let spec = self.brain.supervisor().spec(run.unit);
        let startup = spec.and_then(|spec| spec.service()).map(|service| &service.startup);
        matches!(startup, Some(Startup::Forking { pid_file: Some(_), .. }))
    }

    fn spawn(&mut self, ticket: Ticket, (run, role, errand): (Run, units::Role, Errand)) {
        let name = self.name(run.unit);
        let exists = self.kernel.has_process(run, role, errand);
        if let Some(refusal) = self.director.refuses(&name, errand).filter(|_| !exists) {
            return self.done(Duration::ZERO, ticket, Outcome::Refused(refusal));
        }
        self.take_calls(&name);
        let temper = self.director.temper(&name, run, errand);
        let (now, agenda) = (self.now, &mut self.agenda);
        let pid = self.kernel.spawn(now, agenda, (run, role, errand), temper);
        let spec = self.brain.supervisor().spec(run.unit);
        let contained = spec.and_then(|s| s.service()).is_some_and(|s| s.container.is_some());
        if contained {
            self.kernel.contain(run);
        }
        self.agenda.tell(self.now, Event::Done { ticket, outcome: Outcome::Process { pid } });
    }

    /// A process of a unit takes the calls that wait at its sockets.
    fn take_calls(&mut self, name: &UnitName) {
        let listens =
            |spec: &&Spec| matches!(&spec.body, Body::Socket(socket) if socket.unit == *name);
        let sockets: Vec<UnitName> =
            self.specs.iter().filter(listens).map(|spec| spec.name.clone()).collect();
        for socket in sockets {
            if let Some(id) = self.brain.supervisor().id(&socket) {
                self.callers.remove(&id);
            }
        }
    }

    fn watch(&mut self, unit: UnitId, on: bool) {
        if on && self.callers.get(&unit).is_some_and(|callers| *callers > 0) {
            self.agenda.tell(self.now, Event::Called { unit, connection: None });
        }
    }

    /// Somebody calls a socket unit.
    pub fn call(&mut self, unit: UnitId) {
        *self.callers.entry(unit).or_default() += 1;
        self.agenda.tell(self.now, Event::Called { unit, connection: None });
    }

    /// Whoever called a socket was answered.
    pub fn hang_up(&mut self, unit: UnitId) {
        self.callers.remove(&unit);
    }

    fn instantiate(&mut self, name: &UnitName, then: Request) {
        if let Some(spec) = self.director.instance(name) {
            self.specs.push(spec.clone());
            let spec = Box::new(spec);
            self.agenda.tell(self.now, Event::Added { spec });
        } else {
            // As the node does it: it reads all files again and asks once more.
            self.tickets += 1;
            let ticket = Ticket(self.tickets | 1 << 62);
            self.agenda.tell(self.now, Event::Asked { ticket, request: then });
        }
    }

    /// The unit of that name.
    pub fn id(&self, name: &str) -> Option<UnitId> {
        UnitName::new(name).ok().and_then(|name| self.brain.supervisor().id(&name))
    }

    /// Whether a unit is a service.
    pub fn is_service(&self, id: UnitId) -> bool {
        let spec = self.brain.supervisor().spec(id);
        spec.is_some_and(|spec| spec.name.kind() == UnitKind::Service)
    }

    /// Whether a unit is a socket that hands each connection to an instance.
    pub fn accepts(&self, id: UnitId) -> bool {
        let spec = self.brain.supervisor().spec(id);
        spec.is_some_and(|spec| matches!(&spec.body, Body::Socket(socket) if socket.accept))
    }
}

fn no(text: &str) -> Outcome {
    Outcome::Refused(Refusal { stage: None, errno: 0, text: text.into() })
}
