//! The node: the whole machine as one state machine, without a clock, a file or a process.
//!
//! It joins the islands, translates between them and the shore, and answers people. It is told facts
//! ([`Event`]) and gives orders ([`Action`]); a run of a machine is a list of `(now, event)`.

pub mod action;
mod answers;
mod api;
mod applying;
mod asking;
mod clients;
pub mod event;
mod exec;
pub(crate) mod journal;
mod limiting;
mod loading;
mod logging;
mod notified;
mod orders;
mod power;
mod report;
pub mod resuming;
mod settings;
mod transitions;
mod translate;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use units::UnitName;
use units::note::StateName;
use units::plan::ImageFacts;
use units::run::{Run, UnitId};
use units::triggers::Socket;
use units::{Body, Spec, Supervisor};

pub use action::{Action, Outbox};
pub use event::Event;

use crate::logs::LogStore;
use crate::node::api::Question;
use crate::node::applying::Applying;
use crate::node::clients::Clients;
use crate::node::loading::Loading;
use crate::node::logging::Logging;
use crate::node::orders::Orders;
use crate::node::power::Phase;
use crate::node::resuming::NodeNote;
use crate::node::transitions::Transitions;
use crate::vault::Operation;

/// What the node is told of its machine at the start.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What unit files may refer to.
    pub units: units::source::Facts,
    /// The kernel command line's words about us.
    pub options: crate::cmdline::Options,
    /// What this binary was built from.
    pub build: Box<str>,
    /// The steps of early boot.
    pub boot_steps: Vec<BootStep>,
    /// How often PID 1 was replaced before.
    pub life: Life,
    /// The group whose members may look.
    pub readers: Option<u32>,
    /// PID 1 of a machine, or of somebody's container.
    pub is_machine: bool,
    /// Unix time at boot in microseconds, as the wall clock stands at the start.
    pub boot_unix_us: i64,
    /// The limits and quotas of the machine's configuration.
    pub machine: crate::machine::MachineConfig,
    /// Somebody looks on: the supervisor's own orders are kept for [`Node::take_observed`].
    pub observed: bool,
}

/// One step of early boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootStep {
    /// Its name.
    pub name: &'static str,
    /// When it began.
    pub started: Duration,
    /// How long it took.
    pub took: Duration,
    /// Why it failed; empty if it did not.
    pub fault: String,
}

/// Which life of PID 1 this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Life {
    /// How often PID 1 was replaced since boot.
    pub reexecs: u32,
    /// How many of those were faults.
    pub faults: u32,
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
    /// A change that waits for its confirmation.
    applying: Applying,
    /// What is written down.
    logging: Logging,
    /// Who is connected.
    clients: Clients,
    /// The boot's story.
    transitions: Transitions,
    /// Facts for the supervisor that arose while it was not being told one.
    inbox: VecDeque<units::Event>,
    /// The longest time that the loop was away between two polls.
    pause_max: Duration,
    /// Counters by name, for `keelctl metrics`.
    counters: BTreeMap<String, u64>,
    /// What a person should know.
    warnings: Vec<String>,
    /// Turns of the loop.
    turns: u64,
    /// Facts told.
    events: u64,
    /// Orders given.
    actions: u64,
    /// When the goal was reached for the first time.
    booted_at: Option<Duration>,
    /// Unix time at boot, as the clock stands.
    boot_unix_us: i64,
    /// Processes that ended and were nobody's.
    orphans: u64,
    /// The goal of the boot was asked for.
    goal_asked: bool,
    /// What was last written down for the next life.
    noted: Option<NodeNote>,
    /// What crashed us twice.
    quarantined: Vec<Operation>,
    /// The supervisor's orders since somebody who looks on took them.
    observed: Vec<units::Action>,
}

impl Node {
    /// A node that has not been told anything yet.
    #[must_use]
    pub fn new(facts: Facts, logs: LogStore) -> Node {
        let supervisor = Supervisor::new(supervisor_facts(&facts));
        let boot_unix_us = facts.boot_unix_us;
        Node {
            facts,
            supervisor,
            orders: Orders::default(),
            loading: Loading::default(),
            phase: Phase::Booting,
            images: BTreeMap::new(),
            end_by: None,
            presses: Vec::new(),
            applying: Applying::default(),
            logging: Logging::new(logs),
            clients: Clients::default(),
            counters: BTreeMap::new(),
            warnings: Vec::new(),
            turns: 0,
            events: 0,
            actions: 0,
            booted_at: None,
            boot_unix_us,
            transitions: Transitions::default(),
            inbox: VecDeque::new(),
            pause_max: Duration::ZERO,
            orphans: 0,
            goal_asked: false,
            noted: None,
            quarantined: Vec::new(),
            observed: Vec::new(),
        }
    }

    /// Takes one fact and gives the orders that follow from it.
    pub fn step(&mut self, event: Event<'_>, now: Duration, out: &mut Outbox) {
        self.events += 1;
        if self.is_quarantined(&event) {
            self.turn_away(event, out);
        } else {
            self.take(event, now, out);
        }
        self.settle(now, out);
        self.look_whether_booted(now, out);
        self.wake_log_waiters(out);
        self.write_note(out);
        self.actions += u64::try_from(out.len()).unwrap_or(0);
    }

    /// When the node wants a `Tick` at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let deadlines = [
            self.supervisor.deadline(),
            self.phase.deadline(),
            self.clients.deadline(),
            self.applying.revert_at(),
            self.logging.deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The supervisor inside.
    #[must_use]
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// What the supervisor ordered since the last time, before it was translated; nothing unless the facts say
    /// that somebody looks on. So a simulator can tell whether the node hands on each order, and knows
    /// what for.
    #[must_use]
    pub fn take_observed(&mut self) -> Vec<units::Action> {
        std::mem::take(&mut self.observed)
    }

    fn take(&mut self, event: Event<'_>, now: Duration, out: &mut Outbox) {
        match event {
            Event::Started => self.on_started(now, out),
            Event::Resumed { cause, gap } => self.on_resumed(&cause, gap, now, out),
            Event::Tick => self.on_tick(now, out),
            Event::Unit(event) => {
                if let units::Event::ClockStepped { boot_unix_us, .. } = &event {
                    self.boot_unix_us = *boot_unix_us;
                }
                self.inbox.push_back(event);
            }
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
            Event::LimitsChanged { client, id, refused } => {
                limiting::on_limits_changed(Question { client, id }, refused, out);
            }
            Event::Connected { client, peer } => self.on_connected(client, peer),
            Event::Asked { client, id, request, descriptors } => {
                let question = Question { client, id };
                self.on_asked(question, *request, &descriptors, now, out);
            }
            Event::Interrupted { client, id, replaced } => {
                self.on_interrupted(Question { client, id }, replaced, out);
            }
            Event::Left { client } => self.on_left(client, now, out),
            Event::Signalled { signal } => self.on_signalled(signal, now, out),
            Event::DevicesLost => self.on_devices_lost(out),
            Event::Device(uevent) => self.on_device(&uevent, out),
        }
    }

    fn on_tick(&mut self, now: Duration, out: &mut Outbox) {
        self.inbox.push_back(units::Event::Tick);
        self.on_power_tick(now, out);
        self.on_clients_tick(now, out);
        self.on_applying_tick(now, out);
        self.on_logging_tick(now, out);
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

    /// Every definition that is in force, by its unit's number.
    pub fn definitions(&self) -> impl Iterator<Item = (u16, &Spec)> + Clone {
        let ids = self.supervisor.ids().collect::<Vec<_>>().into_iter();
        ids.filter_map(|id| Some((id.0, self.supervisor.spec(id)?)))
    }

    /// The unit of that name.
    pub(crate) fn unit_named(&self, name: &str) -> Option<UnitId> {
        self.supervisor.id(&UnitName::new(name).ok()?)
    }

    /// Whether that is a unit's present run, and not over.
    pub(crate) fn is_current(&self, run: Run) -> bool {
        let view = self.supervisor.view().unit(run.unit);
        view.is_some_and(|view| {
            let over =
                matches!(view.state, StateName::Down | StateName::Failed | StateName::Skipped);
            view.run == run.number && !over
        })
    }

    /// A unit's name; empty for none.
    pub(crate) fn name_of(&self, unit: UnitId) -> &str {
        self.supervisor.spec(unit).map_or("", |spec| spec.name.as_str())
    }

    /// The loop was away this long between two polls.
    pub(crate) fn note_pause(&mut self, pause: Duration) {
        self.turns += 1;
        self.pause_max = self.pause_max.max(pause);
    }

    /// Drivers of all devices are looked for again.
    fn on_devices_lost(&mut self, out: &mut Outbox) {
        let ticket = self.orders.issue(orders::Order::Errand { name: "coldplug" });
        out.push(work::order(ticket, &["coldplug"], &[], None));
    }

    fn on_device(&mut self, uevent: &crate::uevent::Uevent, out: &mut Outbox) {
        let is_watchdog = uevent.devname.as_deref() == Some(self.watchdog_name());
        if is_watchdog && uevent.action == crate::uevent::Action::Add {
            self.arm_watchdog(out);
        }
        // While the machine comes up, coldplug looks for the drivers of all devices at once.
        let is_new = uevent.action == crate::uevent::Action::Add && self.phase != Phase::Booting;
        if let (true, Some(alias)) = (is_new, &uevent.modalias) {
            let ticket = self.orders.issue(orders::Order::Errand { name: "modprobe" });
            out.push(work::order(ticket, &["modprobe", alias], &[], None));
        }
    }
}

impl Node {
    fn watchdog_name(&self) -> &str {
        let device = &*self.facts.machine.watchdog.device;
        device.strip_prefix("/dev/").unwrap_or(device)
    }

    /// Arms the watchdog if one is configured, with the timeout that holds now.
    pub(super) fn arm_watchdog(&self, out: &mut Outbox) {
        let configured = self.facts.machine.watchdog.timeout.0;
        let timeout = self.facts.options.watchdog.unwrap_or(configured);
        if self.facts.is_machine {
            let path = self.facts.machine.watchdog.device.to_string();
            out.push(Action::ArmWatchdog { path, timeout });
        }
    }
}

fn supervisor_facts(facts: &Facts) -> units::supervisor::Facts {
    units::supervisor::Facts {
        machine_seed: seed(&facts.units.machine_id),
        boot_unix_us: facts.boot_unix_us,
        utc_offset_s: 0,
        // Only neighbouring lives must differ.
        life: u16::try_from(facts.life.reexecs & 0xffff).unwrap_or(0),
    }
}

/// A machine id as a number: spreads what is random by a hash differently on each machine.
fn seed(machine_id: &str) -> u64 {
    u64::from_str_radix(machine_id.get(..16).unwrap_or("0"), 16).unwrap_or(0)
}
