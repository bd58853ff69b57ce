//! The whole node as what a seed drives: facts go in as the shore tells them, and what the supervisor inside
//! orders counts only if the node ordered it of the shore too.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use init::logs::LogStore;
use init::machine::{MachineConfig, Settings};
use init::node::action::{Action as NodeAction, Outbox as NodeOutbox};
use init::node::event::{ClientId, Event as NodeEvent, Fault, Peer};
use init::node::resuming::{Left, NOTE};
use init::node::{Facts as NodeFacts, Life, Node};
use init::vault::check::Units;
use init::wire::response::RefusalKind;
use init::wire::{KillWhom, PowerKind, Request as Ask, Response};
use init::work::{FlushReply, LoadReply, PrepareReply, encode};
use units::action::{Action, Answer, Outbox};
use units::event::{Event, KillTarget, Outcome, Request};
use units::load::Loaded;
use units::record::Record;
use units::run::Ticket;
use units::spec::Spec;
use units::supervisor::{Facts, Supervisor};

use crate::world::Brain;

/// The log's memory: small, so that it is always full.
const LOG_BYTES: u64 = 64 << 10;

/// The node and what lies around it: the files on the disk, the memory that outlives it, one client.
#[derive(Debug)]
pub struct NodeBrain {
    node: Node,
    /// The unit files, read already.
    files: Vec<Spec>,
    kept: Kept,
    /// What each of the supervisor's orders is, until it is answered.
    orders: BTreeMap<Ticket, OrderKind>,
    client: ClientId,
    asked: u32,
    /// The simulator's tickets by the client's numbers.
    questions: BTreeMap<u32, Ticket>,
    /// Who wanted the machine to go down.
    power: Option<Ticket>,
}

/// What the vault keeps besides records.
#[derive(Debug, Default, Clone)]
struct Kept {
    note: Option<Vec<u8>>,
    specs: Vec<(u16, Spec)>,
    images: BTreeMap<u16, Vec<u8>>,
}

/// How the answer to one of the supervisor's orders reaches the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OrderKind {
    /// As `Spawned`.
    Spawn,
    /// As the result of the worker `prepare`.
    Prepare,
    /// As the result of another worker.
    Work,
    /// As it is.
    Plain,
}

impl NodeBrain {
    /// A node that was told nothing yet.
    #[must_use]
    pub fn new(facts: &Facts) -> NodeBrain {
        let node = Node::new(node_facts(facts), log());
        NodeBrain::around(node, Vec::new(), Kept::default(), ClientId(1))
    }

    fn around(node: Node, files: Vec<Spec>, kept: Kept, client: ClientId) -> NodeBrain {
        NodeBrain {
            node,
            files,
            kept,
            orders: BTreeMap::new(),
            client,
            asked: 0,
            questions: BTreeMap::new(),
            power: None,
        }
    }

    /// Tells the node one fact, answers at once what the disk answers, and hands on what is ordered.
    fn tell(&mut self, event: NodeEvent<'_>, now: Duration, out: &mut Outbox) {
        let mut orders = NodeOutbox::default();
        self.node.step(event, now, &mut orders);
        self.hand_on(orders, now, out);
    }

    fn hand_on(&mut self, mut orders: NodeOutbox, now: Duration, out: &mut Outbox) {
        let given: VecDeque<NodeAction> = orders.drain().collect();
        let observed = self.node.take_observed();
        for action in observed {
            self.pair(action, &given, out);
        }
        for order in given {
            self.on_order(order, now, out);
        }
    }

    /// What the supervisor ordered goes to the world if the node gave the same order, or has none to give.
    fn pair(&mut self, action: Action, given: &VecDeque<NodeAction>, out: &mut Outbox) {
        let ordered = given.iter().any(|order| is_same(&action, order));
        match &action {
            // The node answers these itself when there is nothing to do, or no plan can be made.
            Action::Spawn { ticket, .. } => self.expect(*ticket, OrderKind::Spawn, ordered),
            Action::Prepare { ticket, .. } => self.expect(*ticket, OrderKind::Prepare, ordered),
            Action::Probe { ticket, .. }
            | Action::Mount { ticket, .. }
            | Action::Unmount { ticket, .. } => self.expect(*ticket, OrderKind::Work, ordered),
            Action::Listen { ticket, .. } | Action::FindMain { ticket, .. } => {
                self.expect(*ticket, OrderKind::Plain, ordered);
            }
            // To the node's own questions; clients' answers are replies. Definitions are the node's matter.
            Action::Answer { .. } | Action::Instantiate { .. } => return,
            Action::Note(_) | Action::Power { .. } | Action::Stamp { .. } => {}
            Action::Signal { .. }
            | Action::KillGroup { .. }
            | Action::Release { .. }
            | Action::AdoptMain { .. }
            | Action::SetLimits { .. }
            | Action::Watch { .. }
            | Action::Close { .. }
            | Action::Hang { .. }
            | Action::Keep { .. }
            | Action::Drop { .. }
            | Action::Record { .. }
            | Action::Forgotten { .. } => {
                assert!(ordered, "the node did not hand on {action:?}");
            }
        }
        let told = matches!(action, Action::Note(_) | Action::Power { .. } | Action::Stamp { .. });
        if ordered || told {
            out.push(action);
        }
    }

    fn expect(&mut self, ticket: Ticket, kind: OrderKind, ordered: bool) {
        if ordered {
            self.orders.insert(ticket, kind);
        }
    }

    /// What the node orders for itself.
    fn on_order(&mut self, order: NodeAction, now: Duration, out: &mut Outbox) {
        match order {
            NodeAction::Work { ticket, arguments, .. } if !self.orders.contains_key(&ticket) => {
                let reply = match arguments.first().map(String::as_str) {
                    Some("load") => encode(&self.loaded()),
                    _ => Vec::new(),
                };
                self.tell(NodeEvent::Worked { ticket, result: Ok(&reply) }, now, out);
            }
            NodeAction::Flush { ticket, .. } => {
                let reply = encode(&FlushReply::default());
                self.tell(NodeEvent::Worked { ticket, result: Ok(&reply) }, now, out);
            }
            NodeAction::Definitions => {
                let specs = self.node.definitions();
                self.kept.specs = specs.map(|(unit, spec)| (unit, spec.clone())).collect();
            }
            NodeAction::Note { number: NOTE, bytes } => self.kept.note = Some(bytes),
            NodeAction::Image { unit, bytes } => {
                self.kept.images.insert(unit.0, bytes);
            }
            NodeAction::Reply { id, response, .. } => self.on_reply(id, *response, out),
            NodeAction::Power(_) => {
                let ticket = self.power.take();
                ticket.into_iter().for_each(|ticket| answer(ticket, Answer::Ok, out));
            }
            _ => {}
        }
    }

    fn loaded(&self) -> LoadReply {
        let loaded = Loaded { specs: self.files.clone(), ..Loaded::default() };
        LoadReply {
            loaded,
            stamps: Vec::new(),
            settings: Settings::of(&MachineConfig::default(), None),
            hostname: "localhost".into(),
        }
    }

    fn on_reply(&mut self, id: u32, response: Response, out: &mut Outbox) {
        let Some(ticket) = self.questions.remove(&id) else { return };
        let told = match response {
            Response::Done(told) => told,
            Response::Refused(refusal) if refusal.kind == RefusalKind::UnknownUnit => {
                Answer::Unknown
            }
            Response::Refused(refusal) => Answer::Refused(refusal.text.into()),
            other => panic!("an order was answered with {other:?}"),
        };
        answer(ticket, told, out);
    }

    fn on_asked(&mut self, ticket: Ticket, request: Request, now: Duration, out: &mut Outbox) {
        if self.asked == 0 {
            let peer = Peer { pid: 100, uid: 0, gids: Vec::new() };
            self.tell(NodeEvent::Connected { client: self.client, peer }, now, out);
        }
        self.asked += 1;
        let (client, id) = (self.client, self.asked);
        if request == Request::ShutDown {
            self.power = Some(ticket);
        } else {
            self.questions.insert(id, ticket);
        }
        let request = Box::new(ask(request));
        self.tell(NodeEvent::Asked { client, id, request, descriptors: Vec::new() }, now, out);
    }

    fn on_done(&mut self, ticket: Ticket, outcome: Outcome, now: Duration, out: &mut Outbox) {
        match self.orders.remove(&ticket) {
            Some(OrderKind::Spawn) => {
                let result = match outcome {
                    Outcome::Process { pid } => Ok(pid),
                    Outcome::Refused(refusal) => Err(Fault { errno: refusal.errno }),
                    other => panic!("a spawn ends with {other:?}"),
                };
                self.tell(NodeEvent::Spawned { ticket, result }, now, out);
            }
            Some(OrderKind::Prepare) => {
                let reply = encode(&PrepareReply { outcome, image: None });
                self.tell(NodeEvent::Worked { ticket, result: Ok(&reply) }, now, out);
            }
            Some(OrderKind::Work) => {
                let reply = encode(&outcome);
                self.tell(NodeEvent::Worked { ticket, result: Ok(&reply) }, now, out);
            }
            Some(OrderKind::Plain) | None => {
                self.tell(NodeEvent::Unit(Event::Done { ticket, outcome }), now, out);
            }
        }
    }
}

impl Brain for NodeBrain {
    fn step(&mut self, event: Event, now: Duration, out: &mut Outbox) {
        match event {
            Event::Tick => self.tell(NodeEvent::Tick, now, out),
            Event::Defined { specs } => {
                self.files = specs;
                self.tell(NodeEvent::Started, now, out);
            }
            Event::Asked { ticket, request } => self.on_asked(ticket, request, now, out),
            Event::Done { ticket, outcome } => self.on_done(ticket, outcome, now, out),
            other => self.tell(NodeEvent::Unit(other), now, out),
        }
    }

    fn deadline(&self) -> Option<Duration> {
        self.node.deadline()
    }

    fn supervisor(&self) -> &Supervisor {
        self.node.supervisor()
    }

    fn reborn(
        &self,
        facts: Facts,
        _specs: Vec<Spec>,
        records: Vec<Record>,
        now: Duration,
        out: &mut Outbox,
    ) -> NodeBrain {
        let kept = self.kept.clone();
        let images = kept.images.iter().map(|(unit, bytes)| (*unit, bytes.clone())).collect();
        let units = Units { specs: kept.specs.clone(), images, records, ..Units::default() };
        let left = Left { units, note: kept.note.clone(), ..Left::default() };
        let mut orders = NodeOutbox::default();
        let node = Node::restore(node_facts(&facts), log(), left, now, &mut orders);
        let client = ClientId(self.client.0 + 1);
        let mut brain = NodeBrain::around(node, self.files.clone(), kept, client);
        brain.hand_on(orders, now, out);
        let resumed = NodeEvent::Resumed { cause: "died".into(), gap: Duration::ZERO };
        brain.tell(resumed, now, out);
        brain
    }
}

/// Whether the node's order is the supervisor's, in the shore's words.
fn is_same(action: &Action, order: &NodeAction) -> bool {
    use NodeAction as N;
    match (action, order) {
        (Action::Spawn { ticket, run, role, .. }, N::Spawn { ticket: t, run: r, role: o, .. }) => {
            (ticket, run, role) == (t, r, o)
        }
        (
            Action::Prepare { ticket, .. }
            | Action::Probe { ticket, .. }
            | Action::Mount { ticket, .. }
            | Action::Unmount { ticket, .. },
            N::Work { ticket: t, .. },
        ) => ticket == t,
        (Action::Signal { run, target, signal }, N::Signal { run: r, target: t, signal: s }) => {
            (run, target, signal) == (r, t, s)
        }
        (Action::KillGroup { run }, N::KillGroup { run: r })
        | (Action::Release { run, .. }, N::Release { run: r, .. })
        | (Action::SetLimits { run }, N::SetLimits { run: r, .. }) => run == r,
        (Action::FindMain { ticket, run }, N::FindMain { ticket: t, run: r, .. }) => {
            (ticket, run) == (t, r)
        }
        (Action::AdoptMain { run, pid }, N::AdoptMain { run: r, pid: p }) => (run, pid) == (r, p),
        (Action::Listen { ticket, unit }, N::Listen { ticket: t, unit: u, .. }) => {
            (ticket, unit) == (t, u)
        }
        (Action::Watch { unit, on }, N::Watch { unit: u, on: o }) => (unit, on) == (u, o),
        (Action::Close { unit }, N::Close { unit: u }) => unit == u,
        (Action::Hang { connection }, N::Hang { connection: c }) => connection == c,
        (Action::Keep { number, .. }, N::Keep { number: n, .. })
        | (Action::Drop { number, .. }, N::Drop { number: n }) => number == n,
        (Action::Record { unit } | Action::Forgotten { unit, .. }, N::Record { slot, .. }) => {
            unit.0 == *slot
        }
        _ => false,
    }
}

/// A request in the words of the control socket.
fn ask(request: Request) -> Ask {
    let wait = true;
    match request {
        Request::Start(unit) => Ask::Start { unit, wait },
        Request::Stop(unit) => Ask::Stop { unit, wait },
        Request::Restart(unit) => Ask::Restart { unit, wait, only_if_up: false },
        Request::TryRestart(unit) => Ask::Restart { unit, wait, only_if_up: true },
        Request::Reload(unit) => Ask::Reload { unit, wait, or_restart: false },
        Request::ReloadOrRestart(unit) => Ask::Reload { unit, wait, or_restart: true },
        Request::Isolate(unit) => Ask::Isolate { unit, wait },
        Request::ResetFailed(unit) => Ask::ResetFailed { unit },
        Request::Kill { unit, whom, signal } => {
            let whom = match whom {
                KillTarget::Main => KillWhom::Main,
                KillTarget::Control => KillWhom::Control,
                KillTarget::All => KillWhom::All,
            };
            Ask::Kill { unit, whom, signal: signal.0 }
        }
        Request::ShutDown => Ask::Power { kind: PowerKind::Poweroff, force: false },
    }
}

fn answer(ticket: Ticket, answer: Answer, out: &mut Outbox) {
    out.push(Action::Answer { ticket, answer });
}

fn log() -> LogStore {
    LogStore::new(LOG_BYTES, &[b'0'; 32])
}

fn node_facts(facts: &Facts) -> NodeFacts {
    let machine_id = format!("{:016x}{:016x}", facts.machine_seed, 0);
    let units = units::source::Facts { machine_id: machine_id.into(), ..Default::default() };
    NodeFacts {
        units,
        options: init::cmdline::Options::default(),
        build: "simulated".into(),
        boot_steps: Vec::new(),
        life: Life { reexecs: u32::from(facts.life), faults: 0 },
        readers: None,
        is_machine: true,
        boot_unix_us: facts.boot_unix_us,
        machine: MachineConfig::default(),
        observed: true,
    }
}
