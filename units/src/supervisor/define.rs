//! Definitions come, change and go; what runs is not touched by that.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Supervisor;
use crate::action::Action;
use crate::graph::Broken;
use crate::limits::UNITS_MAX;
use crate::name::{UnitKind, UnitName};
use crate::note::{Note, NoteKind};
use crate::run::UnitId;
use crate::spec::{Body, Spec};
use crate::unit::{Part, Unit};

impl Supervisor {
    pub(super) fn on_defined(&mut self, specs: Vec<Spec>) {
        let mut defined = BTreeSet::new();
        for spec in specs {
            defined.extend(self.define(spec));
        }
        for id in self.ids() {
            if let Some(unit) = self.get_mut(id) {
                unit.removed = !defined.contains(&id);
            }
            self.forget_if_gone(id);
        }
        self.rebuild();
        let waiting: Vec<UnitName> = self.parked.keys().cloned().collect();
        for name in waiting {
            if let Some(id) = self.names.get(&name).copied() {
                self.resume(id);
            }
        }
    }

    pub(super) fn on_added(&mut self, spec: Spec) {
        let name = spec.name.clone();
        let known = self.names.contains_key(&name);
        let Some(id) = self.define(spec) else { return };
        if known {
            self.rebuild();
            return self.resume(id);
        }
        let spec = self.unit(id).spec.clone();
        self.names.insert(name.clone(), id);
        for alias in &spec.aliases {
            self.names.entry(alias.clone()).or_insert(id);
        }
        self.graph.link(id, &spec, &self.names);
        for other in self.graph.naming(&name) {
            self.graph.unmiss(other);
            let spec = self.unit(other).spec.clone();
            self.graph.link(other, &spec, &self.names);
        }
        self.tell_of_cycles();
        self.enqueue(id);
        self.stir(id);
        self.resume(id);
    }

    /// One definition: a new unit, or a change of one that is there.
    pub(super) fn define(&mut self, spec: Spec) -> Option<UnitId> {
        if kind_of(&spec.body) != spec.name.kind() {
            return self.ignore(spec.name, "its kind is not what its name says");
        }
        let known = self.names.get(&spec.name).copied();
        match known.filter(|id| self.get(*id).is_some_and(|unit| unit.spec.name == spec.name)) {
            Some(id) => {
                self.redefine(id, spec);
                Some(id)
            }
            None => self.insert(spec),
        }
    }

    fn ignore(&mut self, unit: UnitName, why: &str) -> Option<UnitId> {
        let what = NoteKind::Warning(format!("definition ignored: {why}").into());
        self.order(Action::Note(Note { unit, run: 0, what }));
        None
    }

    fn insert(&mut self, spec: Spec) -> Option<UnitId> {
        let free = self.units.iter().position(Option::is_none).unwrap_or(self.units.len());
        if free >= UNITS_MAX {
            return self.ignore(spec.name, &format!("there are {UNITS_MAX} units already"));
        }
        let id = UnitId(u16::try_from(free).expect("below the limit"));
        self.place(id, Rc::new(spec));
        Some(id)
    }

    /// Puts a unit into a free slot.
    pub(super) fn place(&mut self, id: UnitId, spec: Rc<Spec>) {
        let index = usize::from(id.0);
        if self.units.len() <= index {
            self.units.resize_with(index + 1, || None);
            self.floors.resize(index + 1, 0);
        }
        assert!(self.units[index].is_none(), "a slot holds one unit");
        self.names.insert(spec.name.clone(), id);
        self.units[index] = Some(Unit::new(spec, self.floors[index], self.now));
        self.change(id);
    }

    fn redefine(&mut self, id: UnitId, spec: Spec) {
        let unit = self.unit(id);
        let current = unit.changed.as_ref().unwrap_or(&unit.spec);
        if **current == spec {
            return;
        }
        let spec = Rc::new(spec);
        if !unit.state.is_active() {
            let unit = self.change(id);
            unit.changed = None;
            unit.spec = spec;
            return;
        }
        self.redefine_running(id, spec);
    }

    /// Limits and relations take effect at once, the rest at the next start.
    fn redefine_running(&mut self, id: UnitId, spec: Rc<Spec>) {
        let unit = self.change(id);
        let mut mixed = (*unit.spec).clone();
        mixed.relations.clone_from(&spec.relations);
        mixed.aliases.clone_from(&spec.aliases);
        mixed.description.clone_from(&spec.description);
        let mut limits_changed = false;
        if let (Body::Service(running), Some(wanted)) = (&mut mixed.body, spec.service()) {
            limits_changed = running.resources != wanted.resources;
            running.resources = wanted.resources.clone();
            running.oom_policy = wanted.oom_policy;
        }
        unit.changed = (mixed != *spec).then_some(spec);
        unit.spec = Rc::new(mixed);
        let run = unit.run_of(id);
        if limits_changed && unit.now.as_ref().is_some_and(|now| now.touched) {
            self.order(Action::SetLimits { run });
        }
    }

    /// The unit is at rest, or between two runs: its new definition counts from now on.
    pub(super) fn bring_into_effect(&mut self, id: UnitId) {
        let unit = self.change(id);
        if let Some(spec) = unit.changed.take() {
            unit.spec = spec;
        }
    }

    /// Names and relations from scratch.
    pub(super) fn rebuild(&mut self) {
        self.names.clear();
        self.graph.clear();
        let units = || self.units.iter().enumerate();
        let named = units().filter_map(|(index, unit)| {
            let id = UnitId(u16::try_from(index).expect("ids fit"));
            unit.as_ref().map(|unit| (id, unit.spec.clone()))
        });
        let specs: Vec<(UnitId, Rc<Spec>)> = named.collect();
        for (id, spec) in &specs {
            self.names.insert(spec.name.clone(), *id);
        }
        for (id, spec) in &specs {
            for alias in &spec.aliases {
                self.names.entry(alias.clone()).or_insert(*id);
            }
        }
        for (id, spec) in &specs {
            self.graph.link(*id, spec, &self.names);
            self.enqueue(*id);
        }
        self.tell_of_cycles();
    }

    fn tell_of_cycles(&mut self) {
        for Broken { path } in self.graph.break_cycles() {
            let names: Vec<&str> = path.iter().map(|id| self.unit(*id).spec.name.short()).collect();
            let text = format!("ordering cycle, one edge ignored: {}", names.join(" after "));
            self.warn(path[0], text);
        }
    }

    /// Forgets a unit that is at rest and has no definition any more.
    pub(super) fn forget_if_gone(&mut self, id: UnitId) {
        let Some(unit) = self.get(id) else { return };
        let served = matches!(unit.part, Part::Instance(_));
        if !(unit.removed || served) || !unit.state.at_rest() {
            return;
        }
        if served {
            self.unserve(id);
        }
        self.fail_asks(id);
        self.idlers.remove(&id);
        let unit = self.units[usize::from(id.0)].take().expect("it was just there");
        for kept in unit.kept {
            self.order(Action::Drop { unit: id, number: kept.number });
        }
        if let Some(armed) = unit.armed {
            self.deadlines.remove(&(armed, id));
        }
        for edge in self.graph.back(id).to_vec() {
            self.enqueue(edge.unit);
        }
        let name = unit.spec.name.clone();
        self.floors[usize::from(id.0)] = unit.run;
        for own in unit.spec.aliases.iter().chain([&name]) {
            if self.names.get(own) == Some(&id) {
                self.names.remove(own);
            }
        }
        self.graph.unlink(id, &name);
        self.order(Action::Forgotten { unit: id, name });
    }
}

fn kind_of(body: &Body) -> UnitKind {
    match body {
        Body::Service(_) => UnitKind::Service,
        Body::Timer(_) => UnitKind::Timer,
        Body::Socket(_) => UnitKind::Socket,
        Body::Target => UnitKind::Target,
        Body::Mount(_) => UnitKind::Mount,
    }
}
