//! The machine and its units as they are told.

use std::time::Duration;

use units::goal::Goal;
use units::note::StateName;
use units::spec::RelationKind;
use units::view::UnitView;
use units::{Body, Severity, UnitName};

use crate::node::Node;
use crate::node::action::Outbox;
use crate::node::api::{Question, reply};
use crate::node::event::WorkerFault;
use crate::node::power::Phase;
use crate::node::work;
use crate::wire::response::RefusalKind;
use crate::wire::status::{FaultView, PortView, Remark, UnitDetail, UnitFile, UnitStatus};
use crate::wire::{
    BootChart, BootStep, Clock, Health, Machine, Metrics, NodePhase, Response, Transition, Version,
};
use crate::work::decode;

impl Node {
    pub(super) fn version(&self) -> Version {
        Version {
            keelson: env!("CARGO_PKG_VERSION").to_owned(),
            build: self.facts.build.to_string(),
            kernel: self.facts.units.kernel_release.to_string(),
            machine_id: self.facts.units.machine_id.to_string(),
            boot_id: self.facts.units.boot_id.to_string(),
            reexecs: self.facts.life.reexecs,
            faults: self.facts.life.faults,
        }
    }

    pub(super) fn clock(&self, now: Duration) -> Clock {
        Clock { now_us: us(now), boot_unix_us: self.boot_unix_us, utc_offset_s: 0 }
    }

    fn phase_word(&self) -> NodePhase {
        match self.phase {
            Phase::Booting => NodePhase::Booting,
            Phase::Serving => NodePhase::Serving,
            Phase::Stopping { .. } | Phase::Ended => NodePhase::Stopping,
        }
    }

    pub(super) fn machine(&self, now: Duration) -> Machine {
        let mut units: Vec<UnitStatus> =
            self.supervisor.view().units().map(|unit| self.unit_status(&unit)).collect();
        units.sort_by(|a, b| a.name.cmp(&b.name));
        Machine {
            name: self.facts.units.hostname.to_string(),
            phase: self.phase_word(),
            clock: self.clock(now),
            version: self.version(),
            group_root: crate::paths::GROUP_ROOT.to_owned(),
            revert_at_us: self.applying.revert_at().map(us),
            warnings: self.warnings.clone(),
            units,
        }
    }

    pub(super) fn health(&self, _now: Duration) -> Health {
        let mut failed = Vec::new();
        let mut pending = Vec::new();
        for unit in self.supervisor.view().units() {
            match unit.state {
                StateName::Failed => failed.push(unit.name.clone()),
                StateName::Waiting | StateName::Starting | StateName::Backoff => {
                    pending.push(unit.name.clone());
                }
                StateName::Up if !unit.ready => pending.push(unit.name.clone()),
                StateName::Up
                | StateName::Down
                | StateName::Reloading
                | StateName::Stopping
                | StateName::Skipped => {}
            }
        }
        let warnings = self.warnings.clone();
        let well = failed.is_empty()
            && pending.is_empty()
            && warnings.is_empty()
            && self.phase == Phase::Serving;
        Health { phase: self.phase_word(), well, failed, pending, warnings }
    }

    pub(super) fn metrics(&self) -> Metrics {
        let mut counters = self.counters.clone();
        let mut gauge = |name: &str, value: usize| {
            counters.insert(name.to_owned(), u64::try_from(value).unwrap_or(u64::MAX));
        };
        gauge("orders.outstanding", self.orders.len());
        gauge("control.clients", self.clients.count());
        counters.insert("processes.orphans".to_owned(), self.orphans);
        Metrics {
            loop_pause_max_us: us(self.pause_max),
            turns: self.turns,
            events: self.events,
            actions: self.actions,
            counters,
        }
    }

    fn unit_status(&self, unit: &UnitView<'_>) -> UnitStatus {
        let spec = unit.spec;
        let group = (unit.run > 0 && spec.service().is_some())
            .then(|| format!("units/{}:{}", unit.name, unit.run));
        let (triggers, next_unix_us) = match &spec.body {
            Body::Timer(timer) => {
                let next = unit.next_elapse.map(|at| self.boot_unix_us + signed_us(at));
                (Some(timer.unit.clone()), next)
            }
            Body::Socket(socket) => (Some(socket.unit.clone()), None),
            Body::Service(_) | Body::Target | Body::Mount(_) => (None, None),
        };
        let is_timer = triggers.is_some() && next_unix_us.is_some();
        UnitStatus {
            name: unit.name.clone(),
            description: spec.description.to_string(),
            state: unit.state,
            wanted: unit.goal != Goal::Down,
            since_us: us(unit.since),
            until_us: unit.next_elapse.filter(|_| !is_timer).map(us),
            run: unit.run,
            restarts: unit.restarts,
            main_pid: unit.main_pid,
            group,
            ready: unit.ready,
            says: unit.status.unwrap_or_default().to_owned(),
            fault: unit.fault.as_ref().map(|text| FaultView {
                text: text.to_string(),
                at_us: us(unit.since),
                run: unit.run,
            }),
            image: image_of(unit),
            ports: ports_of(unit),
            next_unix_us,
            last_unix_us: None,
            triggers,
            pulls: pulled(unit),
            waits_for: unit.held_by.into_iter().cloned().collect(),
            usage: None,
        }
    }

    pub(super) fn on_show(&mut self, question: Question, name: &UnitName, out: &mut Outbox) {
        let id = self.supervisor.id(name);
        let Some(unit) = id.and_then(|id| self.supervisor.view().unit(id)) else {
            return reply(question, self.unknown(name), out);
        };
        let units = self.supervisor.view().units();
        let pulled_by = units.filter(|other| pulled(other).contains(unit.name));
        let detail = UnitDetail {
            status: self.unit_status(&unit),
            spec: serde_json::to_value(unit.spec).unwrap_or_default(),
            pulled_by: pulled_by.map(|other| other.name.clone()).collect(),
            remarks: self.remarks(unit.spec.sources.iter().map(|path| &**path).collect()),
            state: String::new(),
        };
        reply(question, Response::Unit(Box::new(detail)), out);
    }

    /// What a person is told who names a unit that does not exist; with the loader's word on it.
    pub(super) fn unknown(&self, name: &UnitName) -> Response {
        let file =
            self.loading.diagnostics.iter().find(|remark| {
                remark.severity == Severity::Error && remark.file.contains(name.stem())
            });
        let text = match file {
            Some(remark) => format!("unit {} is not loaded: {remark}", name.short()),
            None => format!("there is no unit {}", name.short()),
        };
        Response::refused(RefusalKind::UnknownUnit, text)
    }

    fn remarks(&self, files: Vec<&str>) -> Vec<Remark> {
        let about = self.loading.diagnostics.iter().filter(|r| files.contains(&&*r.file));
        about
            .map(|remark| Remark {
                severity: remark.severity.as_str().to_owned(),
                text: remark.to_string(),
            })
            .collect()
    }

    pub(super) fn on_cat(&mut self, question: Question, name: &UnitName, out: &mut Outbox) {
        let id = self.supervisor.id(name);
        let Some(spec) = id.and_then(|id| self.supervisor.spec(id)) else {
            return reply(question, self.unknown(name), out);
        };
        let sources: Vec<Box<str>> = spec.sources.to_vec();
        let ticket = self.orders.issue(crate::node::orders::Order::Cat(question));
        out.push(work::order_with(ticket, &["cat"], &sources, None));
    }

    pub(super) fn on_cat_read(
        &mut self,
        question: Question,
        result: Result<&[u8], WorkerFault>,
        out: &mut Outbox,
    ) {
        let files = result.map_err(|fault| work::describe(&fault)).and_then(|bytes| {
            decode::<Vec<(String, String)>>(bytes).map_err(|error| error.to_string())
        });
        let response = match files {
            Ok(files) => Response::Files(
                files.into_iter().map(|(path, text)| UnitFile { path, text }).collect(),
            ),
            Err(why) => Response::refused(RefusalKind::Failed, why),
        };
        reply(question, response, out);
    }

    pub(super) fn boot_chart(&self) -> BootChart {
        let transitions = self.transitions.iter().map(|transition| Transition {
            unit: transition.unit.clone(),
            at_us: us(transition.at),
            to: transition.to,
        });
        let steps = self.facts.boot_steps.iter().map(|step| BootStep {
            name: step.name.to_owned(),
            start_us: us(step.started),
            took_us: us(step.took),
            fault: step.fault.clone(),
        });
        BootChart {
            init_us: self.facts.boot_steps.first().map_or(0, |step| us(step.started)),
            steps: steps.collect(),
            transitions: transitions.collect(),
            done_us: self.booted_at.map(us),
        }
    }

    /// PID 1's own state as text, for a bug report.
    pub(super) fn dump(&self, now: Duration) -> String {
        let mut text = format!("version: {:?}\nphase: {:?}\n", self.version(), self.phase);
        text += &format!("metrics: {:#?}\nmachine: {:#?}\n", self.metrics(), self.facts.machine);
        text += &format!("orders: {:#?}\n", self.orders);
        for unit in self.supervisor.view().units() {
            text += &format!("\n{:#?}\n", self.unit_status(&unit));
        }
        for remark in &self.loading.diagnostics {
            text += &format!("\n{remark}\n");
        }
        text += &format!("\nat {now:?}\n");
        text
    }
}

/// Microseconds, as the wire has times.
pub(super) fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn signed_us(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn image_of(unit: &UnitView<'_>) -> Option<String> {
    use units::container::RootSource;
    match &unit.spec.service()?.container.as_ref()?.root {
        RootSource::Image(text) | RootSource::Directory(text) => Some(text.to_string()),
    }
}

fn ports_of(unit: &UnitView<'_>) -> Vec<PortView> {
    let service = unit.spec.service();
    let Some(container) = service.and_then(|service| service.container.as_ref()) else {
        return Vec::new();
    };
    let view = |port: &units::container::Port| PortView {
        address: port.host.to_string(),
        protocol: if port.udp { "udp" } else { "tcp" }.to_owned(),
        name: port.name.as_deref().unwrap_or_default().to_owned(),
    };
    container.ports.iter().map(view).collect()
}

/// What a unit pulls in: the branches of the tree.
fn pulled(unit: &UnitView<'_>) -> Vec<UnitName> {
    let pulls = |kind: RelationKind| match kind {
        RelationKind::Wants
        | RelationKind::Requires
        | RelationKind::Requisite
        | RelationKind::BindsTo
        | RelationKind::Upholds => true,
        RelationKind::PartOf
        | RelationKind::Conflicts
        | RelationKind::After
        | RelationKind::Before
        | RelationKind::OnFailure
        | RelationKind::OnSuccess
        | RelationKind::PropagatesReloadTo
        | RelationKind::ReloadPropagatedFrom
        | RelationKind::PropagatesStopTo
        | RelationKind::StopPropagatedFrom
        | RelationKind::JoinsNamespaceOf => false,
    };
    let relations = unit.spec.relations.iter();
    relations
        .filter(|relation| pulls(relation.kind))
        .map(|relation| relation.unit.clone())
        .collect()
}
