//! The node: the whole machine as one state machine, without a clock, a file or a process.
//!
//! It joins the islands, translates between them and the shore, and answers people. It is told facts
//! ([`Event`]) and gives orders ([`Action`]); a run of a machine is a list of `(now, event)`.

pub mod action;
mod api;
mod asking;
pub mod event;
mod loading;
mod notified;
mod orders;
mod power;
mod report;
mod transitions;
mod translate;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use units::plan::ImageFacts;
use units::run::UnitId;
use units::triggers::Socket;
use units::{Body, Supervisor};

pub use action::{Action, Outbox};
pub use event::Event;

use crate::node::loading::Loading;
use crate::node::orders::Orders;
use crate::node::power::Phase;
use crate::node::transitions::Transitions;

/// What the node is told of its machine at the start, and does not change.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What unit files may refer to.
    pub units: units::source::Facts,
    /// The kernel command line's words about us.
    pub options: crate::cmdline::Options,
    /// PID 1 of a machine, or of somebody's container.
    pub is_machine: bool,
    /// Unix time at boot in microseconds, as the wall clock stands at the start.
    pub boot_unix_us: i64,
    /// The limits and quotas of the machine's configuration.
    pub machine: crate::machine::MachineConfig,
}

/// The machine as a state machine.
#[derive(Debug)]
pub struct Node {
    facts: Facts,
    supervisor: Supervisor,
    orders: Orders,
    loading: Loading,
    phase: Phase,
    /// What preparing each unit's image brought; forgotten when its definition changes.
    images: BTreeMap<UnitId, ImageFacts>,
    /// When the machine must be down, once it goes down.
    end_by: Option<Duration>,
    /// When ctrl-alt-del was pressed, lately.
    presses: Vec<Duration>,
    /// The boot's story.
    transitions: Transitions,
    /// Facts for the supervisor that arose while it was not being told one.
    inbox: VecDeque<units::Event>,
    /// The longest time that the loop was away between two polls.
    pause_max: Duration,
    /// Processes that ended and were nobody's.
    orphans: u64,
}

impl Node {
    /// A node that has not been told anything yet.
    #[must_use]
    pub fn new(facts: Facts) -> Node {
        let supervisor = Supervisor::new(units::supervisor::Facts {
            machine_seed: seed(&facts.units.machine_id),
            boot_unix_us: facts.boot_unix_us,
            utc_offset_s: 0,
            life: 0,
        });
        Node {
            facts,
            supervisor,
            orders: Orders::default(),
            loading: Loading::default(),
            phase: Phase::Booting,
            images: BTreeMap::new(),
            end_by: None,
            presses: Vec::new(),
            transitions: Transitions::default(),
            inbox: VecDeque::new(),
            pause_max: Duration::ZERO,
            orphans: 0,
        }
    }

    /// Takes one fact and gives the orders that follow from it.
    pub fn step(&mut self, event: Event<'_>, now: Duration, out: &mut Outbox) {
        self.take(event, now, out);
        self.settle(now, out);
    }

    /// When the node wants a `Tick` at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        [self.supervisor.deadline(), self.phase.deadline()].into_iter().flatten().min()
    }

    fn take(&mut self, event: Event<'_>, now: Duration, out: &mut Outbox) {
        match event {
            Event::Started => self.on_started(now, out),
            Event::Tick => self.on_tick(now, out),
            Event::Unit(event) => self.inbox.push_back(event),
            Event::Spawned { ticket, result } => self.on_spawned(ticket, result, out),
            Event::Worked { ticket, result } => self.on_worked(ticket, result, now, out),
            Event::Orphaned { .. } => self.orphans += 1,
            Event::Wrote { unit, stream, bytes } => self.on_wrote(unit, stream, bytes, now),
            Event::KernelWrote { record } => self.on_kernel_wrote(record, now),
            Event::Notified { run, role, pid: _, text, descriptors } => {
                self.on_notified(run, role, text, &descriptors, out);
            }
            Event::DescriptorGone { unit, number } => self.on_descriptor_gone(unit, number),
            Event::GuestExited { ticket, status } => self.on_guest_exited(ticket, status, out),
            Event::Connected { client, peer } => self.on_connected(client, peer),
            Event::Asked { client, id, request, descriptors } => {
                self.on_asked(client, id, *request, &descriptors, now, out);
            }
            Event::Left { client } => self.on_left(client, out),
            Event::Signalled { signal } => self.on_signalled(signal, now, out),
            Event::Device(uevent) => self.on_device(&uevent, out),
        }
    }

    fn on_tick(&mut self, now: Duration, out: &mut Outbox) {
        self.inbox.push_back(units::Event::Tick);
        self.on_power_tick(now, out);
    }

    /// Tells the supervisor what is in the inbox, and translates its orders, until nothing is left.
    fn settle(&mut self, now: Duration, out: &mut Outbox) {
        let mut orders = units::Outbox::new();
        while let Some(event) = self.inbox.pop_front() {
            self.supervisor.step(event, now, &mut orders);
            let given: Vec<units::Action> = orders.drain().collect();
            for order in given {
                self.translate(order, now, out);
            }
        }
    }

    /// The sockets whose descriptors a unit gets: those that its spec names, then those that name it.
    pub(crate) fn sockets_of(&self, unit: UnitId) -> Vec<UnitId> {
        let Some(spec) = self.supervisor.spec(unit) else { return Vec::new() };
        let Some(service) = spec.service() else { return Vec::new() };
        let named = service.sockets.iter().filter_map(|name| self.supervisor.id(name));
        let calling = self.loading.listeners.get(&spec.name).into_iter().flatten().copied();
        let mut sockets: Vec<UnitId> = Vec::new();
        for id in named.chain(calling) {
            if !sockets.contains(&id) {
                sockets.push(id);
            }
        }
        sockets
    }

    /// The socket part of a unit, if it is one.
    pub(crate) fn socket_of(&self, unit: UnitId) -> Option<&Socket> {
        match &self.supervisor.spec(unit)?.body {
            Body::Socket(socket) => Some(socket),
            Body::Service(_) | Body::Timer(_) | Body::Target | Body::Mount(_) => None,
        }
    }

    /// A unit's name; empty for none.
    pub(crate) fn name_of(&self, unit: UnitId) -> &str {
        self.supervisor.spec(unit).map_or("", |spec| spec.name.as_str())
    }

    /// The loop was away this long between two polls.
    pub(crate) fn note_pause(&mut self, pause: Duration) {
        self.pause_max = self.pause_max.max(pause);
    }

    fn on_device(&mut self, uevent: &crate::uevent::Uevent, out: &mut Outbox) {
        if let Some(alias) = &uevent.modalias {
            let ticket = self.orders.issue(orders::Order::Errand { name: "modprobe" });
            out.push(work::order(ticket, &["modprobe", alias], &[], None));
        }
    }
}

/// A machine id as a number: spreads what is random by a hash differently on each machine.
fn seed(machine_id: &str) -> u64 {
    u64::from_str_radix(machine_id.get(..16).unwrap_or("0"), 16).unwrap_or(0)
}
