//! The world of one seed: time, wires, clients, and what happens next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kv::replica::members::{Member, Members};
use kv::replica::{Action, Event, Refusal, Ticket};
use kv::wal::log::Order;

use super::cells::{Command, Reply};
use super::disk::{Job, Outcome};
use super::node::{Node, Out};
use super::truth::{Question, Truth};
use super::{Plan, Report};
use crate::check::Violation;
use crate::prng::Prng;

/// Clients that ask one question after another.
const CLIENTS: u64 = 8;
/// Cells that they quarrel about.
const CELLS: u64 = 4;

/// What lies ahead.
#[derive(Debug)]
enum Item {
    Frame(u64, Vec<u8>),
    Disk(u64, u64),
    Wake(u64, u64),
    Boot(u64),
    Client(u64),
    Trouble,
}

/// The wires between nodes.
#[derive(Debug, Default)]
pub(super) struct Wires {
    /// From, to: nothing passes.
    pub(super) cut: BTreeSet<(u64, u64)>,
    pub(super) loss_percent: u32,
    pub(super) echo_percent: u32,
    pub(super) slowest_ms: u64,
}

/// Everything.
#[derive(Debug)]
pub struct World {
    pub(super) plan: Plan,
    pub(super) prng: Prng,
    now: Duration,
    items: BTreeMap<(Duration, u64), Item>,
    sequence: u64,
    pub(super) nodes: BTreeMap<u64, Node>,
    pub(super) wires: Wires,
    pub(super) members: Members,
    members_as_of: u64,
    waiting: BTreeMap<u64, (u64, u64, Question)>,
    next_ticket: u64,
    truth: Truth,
    pub(super) report: Report,
    pub(super) healed: bool,
    answered_since_healing: u64,
    /// What a checker found while trouble was being made.
    pub(super) found: Option<Violation>,
    /// How much longer than usual trouble pauses.
    pub(super) calm: u32,
}

impl World {
    /// A world in which the first members are about to start.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let member = |id| Member { id, name: format!("n{id}"), ..Member::default() };
        let members = Members::of((1..=plan.nodes).map(member));
        let first = |id| (id, Node::new(id, Some(members.clone())));
        let mut world = Self {
            prng: Prng::new(plan.seed),
            plan,
            now: Duration::ZERO,
            items: BTreeMap::new(),
            sequence: 0,
            nodes: (1..=plan.nodes).map(first).collect(),
            wires: Wires { slowest_ms: 10, ..Wires::default() },
            members,
            members_as_of: 0,
            waiting: BTreeMap::new(),
            next_ticket: 0,
            truth: Truth::default(),
            report: Report::default(),
            healed: false,
            answered_since_healing: 0,
            found: None,
            calm: 1 + u32::try_from(plan.seed % 5).unwrap_or(0),
        };
        for id in 1..=plan.nodes {
            world.plan_in(Duration::from_millis(id), Item::Boot(id));
        }
        for client in 0..CLIENTS {
            world.plan_in(Duration::from_millis(500 + client), Item::Client(client));
        }
        world.plan_in(Duration::from_secs(2), Item::Trouble);
        world
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// What the run was about so far.
    #[must_use]
    pub fn report(&self) -> Report {
        let (commands, acknowledged) = self.truth.counts();
        Report { lived: self.now, commands, acknowledged, ..self.report.clone() }
    }

    fn plan_in(&mut self, delay: Duration, item: Item) {
        self.sequence += 1;
        self.items.insert((self.now + delay, self.sequence), item);
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// What must not be.
    pub fn run_until(&mut self, end: Duration) -> Result<(), Violation> {
        while let Some(entry) = self.items.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((at, _), item) = entry.remove_entry();
            self.now = at;
            self.happen(item)?;
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, item: Item) -> Result<(), Violation> {
        match item {
            Item::Frame(to, bytes) => self.step(to, Event::PeerSaid { bytes }),
            Item::Disk(id, incarnation) => self.on_disk(id, incarnation),
            Item::Wake(id, incarnation) if self.is_current(id, incarnation) => {
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.wake_at = None;
                }
                self.step(id, Event::Tick)
            }
            Item::Wake(..) => Ok(()),
            Item::Boot(id) => self.boot(id),
            Item::Client(client) => self.on_client(client),
            Item::Trouble => {
                let pause = self.trouble();
                self.plan_in(pause, Item::Trouble);
                self.found.take().map_or(Ok(()), Err)
            }
        }
    }

    fn is_current(&self, id: u64, incarnation: u64) -> bool {
        self.nodes
            .get(&id)
            .is_some_and(|node| node.replica.is_some() && node.incarnation == incarnation)
    }

    fn boot(&mut self, id: u64) -> Result<(), Violation> {
        let (plan, now) = (self.plan, self.now);
        let Some(node) = self.nodes.get_mut(&id) else { return Ok(()) };
        if node.replica.is_some() || node.damaged {
            return Ok(());
        }
        node.ahead = Duration::from_millis(self.prng.draw() % 1_000_000);
        let mut out = Out::default();
        if let Err(bad) = node.boot(&plan, now, &mut out) {
            node.damaged = true;
            self.report.damaged += 1;
            self.tell(|| format!("node {id} must not start: {bad}"));
            return Ok(());
        }
        self.tell(|| format!("node {id} starts"));
        self.after_step(id, out)
    }

    /// A node hears something.
    pub(super) fn step(&mut self, id: u64, event: Event) -> Result<(), Violation> {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&id) else { return Ok(()) };
        if node.paused_until > now {
            let wait = node.paused_until - now;
            match event {
                Event::PeerSaid { bytes } => self.plan_in(wait, Item::Frame(id, bytes)),
                Event::Tick => {
                    let incarnation = node.incarnation;
                    self.plan_in(wait, Item::Wake(id, incarnation));
                }
                _ => {}
            }
            return Ok(());
        }
        let local = now + node.ahead;
        let Some(replica) = &mut node.replica else { return Ok(()) };
        let mut out = Out::default();
        replica.step(event, local, &mut out);
        self.after_step(id, out)
    }

    fn after_step(&mut self, id: u64, out: Out) -> Result<(), Violation> {
        for (index, command) in out.happened {
            self.truth.on_applied(id, index, command)?;
        }
        for action in out.actions {
            self.perform(id, action)?;
        }
        self.kick(id);
        let Some(node) = self.nodes.get_mut(&id) else { return Ok(()) };
        let Some(replica) = &node.replica else { return Ok(()) };
        let mixed = self.report.digest.rotate_left(5) ^ replica.applied() ^ (id << 48);
        self.report.digest =
            mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(self.now.subsec_nanos());
        self.truth.on_state(id, replica.applied(), replica.machine())?;
        let wake = replica.deadline().map(|at| at.saturating_sub(node.ahead).max(self.now));
        if wake != node.wake_at {
            node.wake_at = wake;
            let incarnation = node.incarnation;
            if let Some(at) = wake {
                self.plan_in(at - self.now, Item::Wake(id, incarnation));
            }
        }
        Ok(())
    }

    fn perform(&mut self, id: u64, action: Action<Reply>) -> Result<(), Violation> {
        let size = |bytes: u64| usize::try_from(bytes).expect("small files");
        match action {
            Action::Segment(Order::Open { segment, bytes }) => {
                self.queue(id, Job::Open(segment, size(bytes)));
            }
            Action::Segment(Order::Remove { segment, .. }) => self.queue(id, Job::Remove(segment)),
            Action::Segment(Order::Write { .. }) => {}
            Action::Write { ticket, segment, offset, bytes } => {
                self.queue(id, Job::Write(ticket, segment, size(offset), bytes));
            }
            Action::SnapshotWrite { ticket, file, offset, bytes, last } => {
                self.report.snapshots += u64::from(last);
                self.queue(id, Job::SnapshotWrite(ticket, file, size(offset), bytes));
            }
            Action::SnapshotRead { ticket, file, offset, bytes } => {
                self.queue(id, Job::SnapshotRead(ticket, file, size(offset), bytes));
            }
            Action::SnapshotRemove { file } => self.queue(id, Job::SnapshotRemove(file)),
            Action::Send { peer, bytes } => self.send(id, peer, &bytes),
            Action::Applied { ticket, index, reply } => {
                if let Some((client, question)) = self.answered(id, ticket) {
                    self.truth.on_acknowledged(&question, index, reply)?;
                    self.answered_since_healing += u64::from(self.healed);
                    self.next_question(client);
                }
            }
            Action::ReadReady { ticket } => self.on_read_ready(id, ticket)?,
            Action::Refused { ticket, why } => {
                if let Some((client, question)) = self.answered(id, ticket) {
                    if matches!(why, Refusal::NoLeader | Refusal::Busy | Refusal::TooLarge) {
                        self.truth.on_refused(&question);
                    }
                    self.next_question(client);
                }
            }
            Action::Changed { .. } => self.report.changes += 1,
            Action::Members(members) => self.on_members(id, members),
            Action::Leader { leader, term } => {
                self.report.elections += u64::from(leader == id);
                self.tell(|| format!("node {id} follows {leader} in term {term}"));
            }
            Action::Broken { why } => self.on_broken(id, &why),
        }
        Ok(())
    }

    fn queue(&mut self, id: u64, job: Job) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.disk.queue.push_back(job);
        }
    }

    fn kick(&mut self, id: u64) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if node.working || node.disk.queue.is_empty() {
            return;
        }
        node.working = true;
        let slowest = if node.slow_until > now { 3_000_000 } else { 2_000 };
        let delay = Duration::from_micros(50 + self.prng.draw() % slowest);
        let incarnation = node.incarnation;
        self.plan_in(delay, Item::Disk(id, incarnation));
    }

    fn on_disk(&mut self, id: u64, incarnation: u64) -> Result<(), Violation> {
        if !self.is_current(id, incarnation) {
            return Ok(());
        }
        let Some(node) = self.nodes.get_mut(&id) else { return Ok(()) };
        if node.paused_until > self.now {
            let wait = node.paused_until - self.now;
            self.plan_in(wait, Item::Disk(id, incarnation));
            return Ok(());
        }
        node.working = false;
        let write = match node.disk.queue.front() {
            Some(Job::Write(ticket, ..) | Job::SnapshotWrite(ticket, ..)) => Some(*ticket),
            _ => None,
        };
        let event = match write.filter(|_| std::mem::take(&mut node.fails)) {
            Some(ticket) => {
                node.disk.fail(&mut self.prng);
                Some(Event::Failed { ticket, why: "input/output error".into() })
            }
            None => match node.disk.work() {
                Outcome::Silent => None,
                Outcome::Done(ticket) => Some(Event::Done { ticket }),
                Outcome::Read(ticket, bytes) => Some(Event::DiskRead { ticket, bytes }),
            },
        };
        self.kick(id);
        event.map_or(Ok(()), |event| self.step(id, event))
    }

    fn send(&mut self, from: u64, to: u64, bytes: &[u8]) {
        if self.wires.cut.contains(&(from, to)) || self.prng.chance(self.wires.loss_percent) {
            return;
        }
        let copies = 1 + u32::from(self.prng.chance(self.wires.echo_percent));
        for _ in 0..copies {
            let slowest = self.wires.slowest_ms * 1000;
            let delay = Duration::from_micros(100 + self.prng.draw() % slowest);
            self.plan_in(delay, Item::Frame(to, bytes.to_vec()));
        }
    }

    /// The latest members that anybody knows; a newcomer is started.
    fn on_members(&mut self, id: u64, members: Members) {
        let applied = self.nodes.get(&id).and_then(|node| node.replica.as_ref());
        let applied = applied.map_or(0, |replica| replica.applied());
        if applied < self.members_as_of || members.present.is_empty() {
            return;
        }
        self.members_as_of = applied;
        for newcomer in members.present.keys() {
            if !self.nodes.contains_key(newcomer) {
                self.nodes.insert(*newcomer, Node::new(*newcomer, None));
                self.plan_in(Duration::from_millis(20), Item::Boot(*newcomer));
            }
        }
        if members != self.members {
            self.tell(|| format!("node {id}: voters {:?}", members.voters()));
        }
        self.members = members;
    }

    fn on_broken(&mut self, id: u64, why: &str) {
        self.tell(|| format!("node {id} is broken: {why}"));
        if !self.members.removed.contains(&id) {
            self.cut(id, Duration::from_secs(1));
        }
    }

    /// The power goes, and comes back later.
    pub(super) fn cut(&mut self, id: u64, back_after: Duration) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        if node.replica.take().is_none() {
            return;
        }
        node.disk.cut(&mut self.prng);
        self.report.cuts += 1;
        self.plan_in(back_after, Item::Boot(id));
        let lost: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, (node, ..))| *node == id)
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in lost {
            if let Some((_, client, _)) = self.waiting.remove(&ticket) {
                self.next_question(client);
            }
        }
    }

    fn next_question(&mut self, client: u64) {
        let pause = Duration::from_millis(2 + self.prng.draw() % 60);
        self.plan_in(pause, Item::Client(client));
    }

    fn on_client(&mut self, client: u64) -> Result<(), Violation> {
        let up: Vec<u64> = self
            .nodes
            .values()
            .filter(|node| node.serving().is_some() && node.paused_until <= self.now)
            .map(|node| node.id)
            .collect();
        if up.is_empty() {
            self.next_question(client);
            return Ok(());
        }
        let id = *self.prng.pick(&up);
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        let cell = self.prng.draw() % CELLS;
        let filler_max = if self.prng.chance(3) { 5000 } else { 200 };
        let command = (!self.prng.chance(40)).then(|| Command {
            id: ticket.0,
            cell,
            value: ticket.0,
            only_if: self.prng.chance(20).then(|| self.prng.draw() % 50),
            filler: self.prng.below(filler_max),
        });
        let question = Question { floor: self.truth.told, command, cell };
        self.waiting.insert(ticket.0, (id, client, question));
        let event = match command {
            Some(command) => Event::Asked { ticket, command: command.encode() },
            None => Event::ReadAsked { ticket },
        };
        self.step(id, event)
    }

    fn answered(&mut self, id: u64, ticket: Ticket) -> Option<(u64, Question)> {
        let (node, client, question) = self.waiting.remove(&ticket.0)?;
        assert_eq!(node, id, "an answer from a node that was not asked");
        Some((client, question))
    }

    fn on_read_ready(&mut self, id: u64, ticket: Ticket) -> Result<(), Violation> {
        let Some((client, question)) = self.answered(id, ticket) else { return Ok(()) };
        self.next_question(client);
        let replica = self.nodes.get(&id).and_then(|node| node.replica.as_ref());
        let Some(replica) = replica else { return Ok(()) };
        self.report.reads += 1;
        let (at, value) = (replica.applied(), replica.machine().get(question.cell));
        self.truth.on_read(&question, at, value)
    }

    /// A ticket for a question that nobody waits for.
    pub(super) fn loose_ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    /// Whether all members agree and clients get answers again.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let applied: BTreeSet<Option<u64>> = self
            .members
            .present
            .keys()
            .filter_map(|id| self.nodes.get(id))
            .filter(|node| !node.damaged)
            .map(|node| node.serving().map(|replica| replica.applied()))
            .collect();
        self.answered_since_healing > 20 && applied.len() == 1 && !applied.contains(&None)
    }

    /// Why it is not settled.
    #[must_use]
    pub fn complaint(&self) -> String {
        let views = self.nodes.values().map(|node| {
            let view = node.replica.as_ref().map(|replica| replica.view());
            format!("{}: damaged {} {view:?}", node.id, node.damaged)
        });
        let answered = self.answered_since_healing;
        format!("{answered} answers\n{}", views.collect::<Vec<_>>().join("\n"))
    }

    /// What must hold when all is over.
    ///
    /// # Errors
    /// What does not.
    pub fn at_end(&self) -> Result<(), Violation> {
        let serving = self.nodes.values().filter_map(Node::serving);
        let applied = serving.map(|replica| replica.applied()).max().unwrap_or(0);
        self.truth.at_end(applied)
    }

    pub(super) fn tell(&self, text: impl Fn() -> String) {
        if self.plan.told {
            println!("{:>10.3} {}", self.now.as_secs_f64(), text());
        }
    }

    /// Boots whatever is off and may start.
    pub(super) fn boot_all(&mut self) {
        let off: Vec<u64> = self.nodes.keys().copied().collect();
        for id in off {
            self.plan_in(Duration::from_millis(1), Item::Boot(id));
        }
    }
}
