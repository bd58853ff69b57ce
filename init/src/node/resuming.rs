//! A new life of PID 1: the node goes on from what the last one wrote down.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::action::Answer;
use units::event::Request;
use units::plan::ImageFacts;
use units::record::Record;
use units::run::UnitId;
use units::spec::Spec;
use units::{Supervisor, UnitName};

use crate::logs::LogStore;
use crate::machine::Settings;
use crate::node::Event;
use crate::node::action::{Action, Outbox, Power};
use crate::node::api::{Question, drop_all, reply};
use crate::node::journal::operation_of;
use crate::node::orders::Asker;
use crate::node::power::Phase;
use crate::node::{Facts, Node};
use crate::vault::check::Units;
use crate::vault::{Operation, Repairs};
use crate::wire::Response;
use crate::wire::response::RefusalKind;
use crate::work::{decode, encode};

/// The number of the node's note in the vault.
pub const NOTE: u8 = 0;

/// What the last life left.
#[derive(Debug, Default)]
pub struct Left {
    /// Definitions, records, images.
    pub units: Units,
    /// The node's own note.
    pub note: Option<Vec<u8>>,
    /// What was damaged.
    pub repairs: Repairs,
    /// What crashed the last life twice.
    pub quarantined: Vec<Operation>,
}

/// What of the node itself must survive, besides its units. Written by position: add at the end only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct NodeNote {
    /// When the goal was reached for the first time.
    booted_at: Option<Duration>,
    /// The machine goes down: how, and until when units have time.
    stopping: Option<(Power, Duration)>,
    /// When it must be down.
    end_by: Option<Duration>,
    /// The goal of the boot was asked for.
    goal_asked: bool,
    /// Definitions were being read.
    loading: bool,
    /// Instances that nothing names but people or sockets.
    wanted: Vec<UnitName>,
    /// When the last change goes back unless somebody confirms.
    revert_at: Option<Duration>,
    /// There is a disk for logs.
    log_disk: bool,
    /// The machine's own configuration.
    settings: Option<Settings>,
}

impl Node {
    /// The node of a new life. Orders that the last one gave and did not see done are given again.
    #[must_use]
    pub fn restore(
        facts: Facts,
        logs: LogStore,
        left: Left,
        now: Duration,
        out: &mut Outbox,
    ) -> Node {
        let mut node = Node::new(facts, logs);
        let note: NodeNote = left.note.and_then(|bytes| decode(&bytes).ok()).unwrap_or_default();
        let specs: Vec<Spec> = left.units.specs.into_iter().map(|(_, spec)| spec).collect();
        for (unit, image) in left.units.images {
            if let Ok(image) = decode::<ImageFacts>(&image) {
                node.images.insert(UnitId(unit), image);
            }
        }
        let mut orders = units::Outbox::new();
        let facts = super::supervisor_facts(&node.facts);
        let records: Vec<Record> = left.units.records;
        node.supervisor = Supervisor::restore(facts, specs, records, now, &mut orders);
        node.quarantined = left.quarantined;
        node.recall(&note);
        node.on_logs_recovered(now);
        let given: Vec<units::Action> = orders.drain().collect();
        for order in given {
            node.translate(order, now, out);
        }
        node.settle(now, out);
        node.index_listeners();
        node.tell_of_damage(left.repairs, &left.units.lost, now, out);
        node.go_on(&note, now, out);
        node.write_note(out);
        node
    }

    /// The shore has taken over all that the last life held.
    pub(super) fn on_resumed(
        &mut self,
        cause: &str,
        gap: Duration,
        now: Duration,
        out: &mut Outbox,
    ) {
        let life = self.facts.life;
        let text = format!(
            "PID 1 {cause}; life={} faults={} gap={:.3}ms",
            life.reexecs + 1,
            life.faults,
            gap.as_secs_f64() * 1000.0,
        );
        self.announce(&text, now, out);
    }

    fn recall(&mut self, note: &NodeNote) {
        self.booted_at = note.booted_at;
        self.goal_asked = note.goal_asked;
        self.end_by = note.end_by;
        self.phase = match (&note.stopping, note.booted_at) {
            (Some((power, until)), _) => Phase::Stopping { power: power.clone(), until: *until },
            (None, Some(_)) => Phase::Serving,
            (None, None) => Phase::Booting,
        };
        self.recall_wanted(note.wanted.clone());
        self.recall_revert(note.revert_at);
        if let Some(settings) = &note.settings {
            self.recall_settings(settings);
        }
        if note.log_disk {
            self.on_log_disk();
        }
    }

    /// Whoever waits is told to ask again; whoever wanted the replacement, that it took place.
    pub(super) fn on_interrupted(&mut self, question: Question, replaced: bool, out: &mut Outbox) {
        let response = match replaced {
            true => Response::Done(Answer::Ok),
            false => Response::refused(
                RefusalKind::Interrupted,
                "PID 1 was replaced before it could answer; ask again",
            ),
        };
        reply(question, response, out);
    }

    /// Says what could not be saved, and what is not tried again.
    fn tell_of_damage(&mut self, repairs: Repairs, lost: &[u16], now: Duration, out: &mut Outbox) {
        if repairs != Repairs::default() {
            let Repairs { older, lost, commit_word } = repairs;
            let text = format!("vault was damaged: older={older} lost={lost} word={commit_word}");
            self.warn(&text, now, out);
        }
        for unit in lost {
            self.warn(&format!("what was known of unit number {unit} is lost"), now, out);
        }
        for operation in self.quarantined.clone() {
            let unit = operation.unit.map_or("", |unit| self.name_of(unit)).to_owned();
            let text = format!("in quarantine after two faults of PID 1: {operation} {unit}");
            self.warn(text.trim_end(), now, out);
        }
    }

    /// What the last life had begun.
    fn go_on(&mut self, note: &NodeNote, now: Duration, out: &mut Outbox) {
        match self.phase {
            Phase::Stopping { .. } => self.ask(Asker::ShutDown, Request::ShutDown),
            Phase::Ended => {}
            Phase::Booting | Phase::Serving if !note.goal_asked => self.on_started(now, out),
            Phase::Booting | Phase::Serving if note.loading => self.load(Vec::new(), out),
            Phase::Booting | Phase::Serving => {}
        }
        self.settle(now, out);
    }

    /// Writes the note, if there is something new in it.
    pub(super) fn write_note(&mut self, out: &mut Outbox) {
        let stopping = match &self.phase {
            Phase::Stopping { power, until } => Some((power.clone(), *until)),
            Phase::Booting | Phase::Serving | Phase::Ended => None,
        };
        let note = NodeNote {
            booted_at: self.booted_at,
            stopping,
            end_by: self.end_by,
            goal_asked: self.goal_asked,
            loading: self.loading.is_running(),
            wanted: self.loading.wanted().to_vec(),
            revert_at: self.applying.revert_at(),
            log_disk: self.logging.has_disk(),
            settings: Some(self.settings()),
        };
        if self.noted.as_ref() != Some(&note) {
            out.push(Action::Note { number: NOTE, bytes: encode(&note) });
            self.noted = Some(note);
        }
    }
}

impl Node {
    /// Whether the event is of a kind that crashed us twice: it is not taken a third time.
    pub(super) fn is_quarantined(&self, event: &Event<'_>) -> bool {
        let operation = operation_of(event);
        self.quarantined.iter().any(|known| known.same_work(operation))
    }

    /// Lets go of an event that is not taken, with all that hangs on it.
    pub(super) fn turn_away(&mut self, event: Event<'_>, out: &mut Outbox) {
        match event {
            Event::Asked { client, id, descriptors, .. } => {
                drop_all(&descriptors, out);
                let text = "this request made PID 1 fail twice; it is not tried again before the next boot";
                let question = Question { client, id };
                reply(question, Response::refused(RefusalKind::Failed, text), out);
            }
            Event::Notified { descriptors, .. } => drop_all(&descriptors, out),
            Event::Started
            | Event::Resumed { .. }
            | Event::Tick
            | Event::Unit(_)
            | Event::Spawned { .. }
            | Event::Worked { .. }
            | Event::Orphaned { .. }
            | Event::Wrote { .. }
            | Event::KernelWrote { .. }
            | Event::DescriptorGone { .. }
            | Event::GuestExited { .. }
            | Event::LimitsChanged { .. }
            | Event::Connected { .. }
            | Event::Interrupted { .. }
            | Event::Left { .. }
            | Event::Signalled { .. }
            | Event::DevicesLost
            | Event::Device(_) => {}
        }
    }

    /// Somebody changed or reset a unit: its operations may be tried again.
    pub(super) fn pardon(&mut self, unit: Option<UnitId>, out: &mut Outbox) {
        let before = self.quarantined.len();
        self.quarantined.retain(|known| unit.is_some() && known.unit != unit);
        if self.quarantined.len() != before {
            out.push(Action::Pardon { unit });
        }
    }
}
