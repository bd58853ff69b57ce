//! Definitions come in: a worker reads and parses the files, the supervisor gets what they say.

use std::collections::BTreeMap;
use std::time::Duration;

use units::UnitName;
use units::container::RootSource;
use units::diagnostic::{Diagnostic, Severity};
use units::event::Request;
use units::run::UnitId;
use units::source::{LoadOptions, UnitDirectory};
use units::spec::{Body, Spec};

use crate::node::action::{Action, Outbox};
use crate::node::event::WorkerFault;
use crate::node::orders::{Asker, Order};
use crate::node::{Node, work};
use crate::work::{LoadReply, LoadRequest, decode};

impl Loading {
    /// Whether a worker reads just now.
    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    /// Instances that nothing names but people or sockets.
    pub(super) fn wanted(&self) -> &[UnitName] {
        &self.wanted
    }
}

/// How definitions are being read.
#[derive(Debug, Default)]
pub(crate) struct Loading {
    /// A worker reads.
    running: bool,
    /// Files may have changed since it began: what to ask after the next reading.
    again: Option<Vec<(Asker, Request)>>,
    /// Instances that nothing names but people or sockets.
    wanted: Vec<UnitName>,
    /// Remarks of the last reading.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Which sockets a unit is called through.
    pub(crate) listeners: BTreeMap<UnitName, Vec<UnitId>>,
}

impl Node {
    pub(super) fn on_started(&mut self, now: Duration, out: &mut Outbox) {
        self.welcome(now, out);
        self.arm_watchdog(out);
        let goal = self.goal();
        self.load(vec![(Asker::Node, Request::Start(goal))], out);
    }

    /// What the machine is for: `keelson.target=`, or `multi-user.target`.
    pub(super) fn goal(&self) -> UnitName {
        let typed = self.facts.options.target.as_deref().unwrap_or("multi-user.target");
        let default = || UnitName::new("multi-user.target").expect("the name is right");
        UnitName::from_typed(typed).unwrap_or_else(|_| default())
    }

    /// Reads all definitions, now or after the reading that is going on, and then asks.
    pub(crate) fn load(&mut self, then: Vec<(Asker, Request)>, out: &mut Outbox) {
        if self.loading.running {
            self.loading.again.get_or_insert_default().extend(then);
            return;
        }
        self.loading.running = true;
        let options = self.load_options();
        let ticket = self.orders.issue(Order::Load { then });
        out.push(work::order_with(ticket, &["load"], &LoadRequest { options }, None));
    }

    /// How definitions are read just now.
    pub(super) fn load_options(&self) -> LoadOptions {
        LoadOptions {
            facts: self.facts.units.clone(),
            wanted: self.loading.wanted.clone(),
            directories: directories(),
        }
    }

    /// An instance is wanted that is not defined yet.
    pub(super) fn instantiate(&mut self, unit: UnitName, then: Request, out: &mut Outbox) {
        self.want_instance(unit.clone());
        self.load(vec![(Asker::Node, then)], out);
    }

    /// Remembers that an instance is wanted, for this and later readings.
    pub(crate) fn want_instance(&mut self, unit: UnitName) {
        if !self.loading.wanted.contains(&unit) {
            self.loading.wanted.push(unit);
        }
    }

    /// Remembers what the last life wanted.
    pub(super) fn recall_wanted(&mut self, wanted: Vec<UnitName>) {
        self.loading.wanted = wanted;
    }

    /// Forgets an instance that is served and gone.
    pub(super) fn want_instance_no_more(&mut self, unit: &UnitName) {
        self.loading.wanted.retain(|wanted| wanted != unit);
    }

    pub(super) fn on_loaded(
        &mut self,
        result: Result<&[u8], WorkerFault>,
        then: Vec<(Asker, Request)>,
        now: Duration,
        out: &mut Outbox,
    ) {
        self.loading.running = false;
        match result.map(decode::<LoadReply>) {
            Ok(Ok(reply)) => self.define(reply, now, out),
            Ok(Err(_)) => self.warn("definitions: unreadable answer of the worker", now, out),
            Err(fault) => {
                let text = format!("definitions: {}", work::describe(&fault));
                self.warn(&text, now, out);
            }
        }
        for (asker, request) in then {
            self.goal_asked |= asker == Asker::Node;
            self.ask(asker, request);
        }
        if let Some(again) = self.loading.again.take() {
            self.load(again, out);
        }
    }

    fn define(&mut self, reply: LoadReply, now: Duration, out: &mut Outbox) {
        let LoadReply { mut loaded, stamps, settings, hostname } = reply;
        self.facts.units.hostname = hostname;
        self.on_settings(settings, out);
        units::load::share_names(&mut loaded.specs);
        for remark in &loaded.diagnostics {
            if remark.severity != Severity::Note {
                let priority = if remark.severity == Severity::Error { 3 } else { 4 };
                self.log_own(priority, &remark.to_string(), now);
            }
        }
        self.loading.diagnostics = loaded.diagnostics;
        self.forget_changed_images(&loaded.specs, out);
        let stamps = stamps.into_iter();
        let stamps = stamps.filter_map(|(name, at)| Some((UnitName::new(&name).ok()?, at)));
        self.inbox.push_back(units::Event::Stamped { stamps: stamps.collect() });
        self.inbox.push_back(units::Event::Defined { specs: loaded.specs });
        self.settle(now, out);
        out.push(Action::Definitions);
        self.index_listeners();
    }

    /// An image that was made ready stays so as long as the unit names the same.
    fn forget_changed_images(&mut self, specs: &[Spec], out: &mut Outbox) {
        let supervisor = &self.supervisor;
        self.images.retain(|id, _| {
            let old = supervisor.spec(*id);
            let new = old.and_then(|old| specs.iter().find(|spec| spec.name == old.name));
            let same = old.zip(new).is_some_and(|(old, new)| root_of(new) == root_of(old));
            if !same {
                out.push(Action::Image { unit: *id, bytes: Vec::new() });
            }
            same
        });
    }

    pub(super) fn index_listeners(&mut self) {
        let mut listeners: BTreeMap<UnitName, Vec<UnitId>> = BTreeMap::new();
        for id in self.supervisor.ids() {
            match self.supervisor.spec(id).map(|spec| &spec.body) {
                Some(Body::Socket(socket)) if !socket.accept => {
                    listeners.entry(socket.unit.clone()).or_default().push(id);
                }
                _ => {}
            }
        }
        self.loading.listeners = listeners;
    }
}

fn root_of(spec: &Spec) -> Option<&RootSource> {
    Some(&spec.service()?.container.as_ref()?.root)
}

/// Where units are looked for, first wins: the state partition's before the release's.
fn directories() -> Vec<UnitDirectory> {
    let own = UnitDirectory { path: crate::paths::STATE_UNITS.into(), enables: true };
    let usual = units::source::DIRECTORIES;
    let usual = usual.map(|(path, enables)| UnitDirectory { path: path.into(), enables });
    std::iter::once(own).chain(usual).collect()
}
