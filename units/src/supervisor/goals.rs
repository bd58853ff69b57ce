//! The first phase of a step: wishes spread over the graph by worklists, never by recursion.

use std::collections::{BTreeSet, VecDeque};

use super::{Parked, Supervisor};
use crate::action::{Action, Answer};
use crate::event::{Connection, Request};
use crate::goal::{Aim, Goal};
use crate::graph::{Edge, Link};
use crate::name::UnitName;
use crate::next::Cause;
use crate::run::{Ticket, UnitId};
use crate::state::State;
use crate::unit::{NOWHERE, Unit};

/// Why a stop spreads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spreads {
    /// Somebody wants it.
    Wish,
    /// A need is lost; all comes back with it.
    Loss,
}

impl Supervisor {
    /// A unit is wanted up, and with it all that it pulls in. What it needs goes first, so that of two units
    /// that exclude each other the needed one wins over the merely wanted one.
    ///
    /// # Errors
    /// When the machine goes down, or a requisite is not up.
    pub(super) fn want(&mut self, first: UnitId) -> Result<(), Box<str>> {
        if self.closing.is_some() {
            return Err("the machine is going down".into());
        }
        if let Some(lacking) = self.lacking_requisite(first) {
            let name = self.name_of(first, lacking);
            return Err(format!("it requires {name} to be up already").into());
        }
        let mut chosen = BTreeSet::new();
        let (mut hard, mut soft) = (VecDeque::from([first]), VecDeque::new());
        while let Some(id) = hard.pop_front().or_else(|| soft.pop_front()) {
            if chosen.contains(&id) || self.get(id).is_none() {
                continue;
            }
            if id != first && !self.may_join(id, &chosen) {
                continue;
            }
            chosen.insert(id);
            self.raise(id, id == first);
            self.lower_rivals(id, &chosen);
            for edge in self.graph.out(id).iter().filter(|edge| edge.link.pulls()) {
                match edge.link.is_hard() {
                    true => hard.push_back(edge.unit),
                    false => soft.push_back(edge.unit),
                }
            }
            self.pull_missing(id);
        }
        Ok(())
    }

    /// Whether a unit that is pulled in may be started with those that were chosen before.
    fn may_join(&mut self, id: UnitId, chosen: &BTreeSet<UnitId>) -> bool {
        if let Some(lacking) = self.lacking_requisite(id) {
            let name = self.name_of(id, lacking);
            self.warn(id, format!("not started: it requires {name} to be up already"));
            return false;
        }
        let rival = self.rivals(id).find(|rival| chosen.contains(rival));
        if let Some(rival) = rival {
            let name = self.name_of(id, rival);
            self.warn(id, format!("not started: it conflicts with {name}, which is wanted too"));
        }
        rival.is_none()
    }

    fn rivals(&self, id: UnitId) -> impl Iterator<Item = UnitId> + '_ {
        let edges = self.graph.out(id).iter().chain(self.graph.back(id));
        edges.filter(|edge| edge.link == Link::Conflicts).map(|edge| edge.unit)
    }

    fn lower_rivals(&mut self, id: UnitId, chosen: &BTreeSet<UnitId>) {
        let rivals: Vec<UnitId> = self.rivals(id).filter(|rival| !chosen.contains(rival)).collect();
        for rival in rivals {
            let up = self.get(rival).is_some_and(|unit| unit.goal != Goal::Down);
            if up {
                self.lower(rival);
            }
        }
    }

    fn lacking_requisite(&self, id: UnitId) -> Option<UnitId> {
        let mut required = self.graph.related(id, Link::Requisite);
        required.find(|other| {
            self.get(*other).is_none_or(|unit| unit.goal == Goal::Down || unit.state.at_rest())
        })
    }

    /// Sets the goal to up, and wakes the unit if it is at rest.
    fn raise(&mut self, id: UnitId, explicit: bool) {
        self.cancel_stops(id);
        let unit = self.change(id);
        unit.pinned = false;
        if explicit {
            unit.history.restarts = 0;
        }
        self.untie(id);
        let unit = self.change(id);
        let state = unit.state;
        let was_down = unit.goal == Goal::Down;
        // What goes down must come to rest before it can come up again.
        let turns = state.is_stopping() && (was_down || explicit);
        let restarts = state.is_active() && unit.goal == Goal::Again;
        unit.goal = if turns || restarts { Goal::Again } else { Goal::Up };
        if state.at_rest() || (explicit && matches!(state, State::Backoff { .. })) {
            self.apply(id, Cause::Wanted);
        } else if was_down {
            self.enqueue(id);
            self.stir(id);
            match self.lost_bond(id) {
                Some(need) => self.hold(id, need),
                None => self.let_go(id),
            }
        }
    }

    /// Whose end took the unit along without being needed by it keeps it down no longer: somebody wants it.
    fn untie(&mut self, id: UnitId) {
        let Some(holder) = self.unit(id).held else { return };
        let needed = |edge: &Edge| edge.unit == holder && edge.link.is_hard();
        if !self.graph.out(id).iter().any(needed) {
            self.change(id).held = None;
            self.enqueue(id);
            self.stir(id);
            self.let_go(id);
        }
    }

    /// A unit whose stop did not begin stays up, unless a need went meanwhile.
    fn lost_bond(&self, id: UnitId) -> Option<UnitId> {
        let state = self.unit(id).state;
        if !state.is_active() || state.is_stopping() {
            return None;
        }
        let mut edges = self.graph.out(id).iter();
        let lost = edges.find(|edge| match (edge.link, self.get(edge.unit)) {
            (Link::BindsTo, other) => other.is_none_or(|other| !other.state.is_up()),
            (Link::Requires | Link::Requisite, Some(other)) => {
                other.state.is_stopping() && other.aim() != Aim::Up
            }
            _ => false,
        });
        lost.map(|edge| edge.unit)
    }

    /// A stop that did not begin is void: who was to go with the unit, and did not begin to, stays.
    pub(super) fn let_go(&mut self, first: UnitId) {
        let mut list = vec![first];
        while let Some(kept) = list.pop() {
            let unit = self.unit(kept);
            if !unit.state.is_active() || unit.state.is_stopping() || unit.aim() != Aim::Up {
                continue;
            }
            let behind = self.graph.back(kept).iter().map(|edge| edge.unit);
            let also = self.graph.related(kept, Link::StopsAlso);
            let held: BTreeSet<UnitId> = behind
                .chain(also)
                .filter(|other| self.get(*other).is_some_and(|unit| unit.held == Some(kept)))
                .filter(|other| !self.unit(*other).state.is_stopping())
                .collect();
            for other in held {
                self.change(other).held = None;
                self.enqueue(other);
                self.stir(other);
                list.push(other);
            }
        }
    }

    /// Instances that a unit pulls in and that are not defined are asked for.
    fn pull_missing(&mut self, id: UnitId) {
        let spec = self.unit(id).spec.clone();
        for relation in &spec.relations {
            use crate::spec::RelationKind as Kind;
            let pulls = matches!(
                relation.kind,
                Kind::Wants | Kind::Requires | Kind::BindsTo | Kind::Upholds
            );
            let instance = relation.unit.instance().is_some_and(|instance| !instance.is_empty());
            if pulls && instance && !self.names.contains_key(&relation.unit) {
                self.park(relation.unit.clone(), Parked::Pulled);
            }
        }
    }

    /// Somebody wants a unit down, and with it all that needs it or belongs to it.
    pub(super) fn lower(&mut self, first: UnitId) {
        self.sink(first);
        self.spread(first, Spreads::Wish);
    }

    /// Sets the goal to down.
    pub(super) fn sink(&mut self, id: UnitId) {
        let unit = self.change(id);
        unit.goal = Goal::Down;
        unit.held = None;
        unit.job_until = None;
        self.cancel_starts(id);
        self.enqueue(id);
        self.stir(id);
    }

    /// A need of a unit is gone: down with it for now, and with all that needs it.
    pub(super) fn hold(&mut self, id: UnitId, need: UnitId) {
        if self.set_held(id, need) {
            self.spread(id, Spreads::Loss);
        }
    }

    /// Returns whether others must hear of it.
    fn set_held(&mut self, id: UnitId, need: UnitId) -> bool {
        let unit = self.unit(id);
        if unit.aim() != Aim::Up || unit.state.at_rest() {
            return false;
        }
        let active = unit.state.is_active();
        let unit = self.change(id);
        unit.held = Some(need);
        if unit.told_held.replace(need) != Some(need) {
            let why = self.explain(id);
            self.warn(id, why.to_string());
        }
        self.fail_asks(id);
        self.enqueue(id);
        self.stir(id);
        active
    }

    fn spread(&mut self, first: UnitId, why: Spreads) {
        let mut list = VecDeque::from([(first, why)]);
        while let Some((gone, why)) = list.pop_front() {
            for place in 0..self.graph.back(gone).len() {
                let Edge { link, unit } = self.graph.back(gone)[place];
                let next = if link.is_hard() {
                    self.set_held(unit, gone).then_some(Spreads::Loss)
                } else if link == Link::PartOf {
                    self.stop_part(unit, gone, why)
                } else {
                    None
                };
                list.extend(next.map(|why| (unit, why)));
            }
            let also: Vec<UnitId> = self.graph.related(gone, Link::StopsAlso).collect();
            for unit in also {
                let next = self.stop_part(unit, gone, why);
                list.extend(next.map(|why| (unit, why)));
            }
        }
    }

    /// A part goes down with its whole. It comes back only if the whole went without anybody's wish, or if it
    /// needs the whole as well.
    fn stop_part(&mut self, part: UnitId, whole: UnitId, why: Spreads) -> Option<Spreads> {
        let unit = self.get(part)?;
        if unit.goal == Goal::Down || unit.state.at_rest() {
            return None;
        }
        let mut edges = self.graph.out(part).iter();
        let needs = edges.any(|edge| edge.unit == whole && edge.link.is_hard());
        if why == Spreads::Loss || needs {
            return self.set_held(part, whole).then_some(Spreads::Loss);
        }
        self.sink(part);
        Some(Spreads::Wish)
    }

    /// A unit is no longer up, and nobody wished that: who is bound to it goes with it, and who is to stop with it.
    pub(super) fn lose(&mut self, id: UnitId) {
        self.lose_bonds(id);
        let also: Vec<UnitId> = self.graph.related(id, Link::StopsAlso).collect();
        for unit in also {
            if self.get(unit).is_some_and(|unit| unit.state.is_active()) {
                self.hold(unit, id);
            }
        }
    }

    /// Who is bound to a unit that is not up, and perhaps never was, cannot be up either.
    pub(super) fn lose_bonds(&mut self, id: UnitId) {
        let unit = self.unit(id);
        if unit.goal == Goal::Down && unit.state.is_active() {
            return;
        }
        for place in 0..self.graph.back(id).len() {
            let Edge { link, unit } = self.graph.back(id)[place];
            let bound = link == Link::BindsTo;
            // Who waits for it hears so as well, also if its end starts it again.
            let runs = |unit: &Unit| unit.state.is_active() || unit.state == State::Waiting;
            if bound && self.get(unit).is_some_and(runs) {
                self.hold(unit, id);
            }
        }
    }

    /// Down and up again, and all that needs the unit with it.
    ///
    /// # Errors
    /// As `want`.
    pub(super) fn again(&mut self, first: UnitId) -> Result<(), Box<str>> {
        self.want(first)?;
        let mut seen = BTreeSet::new();
        let mut list = VecDeque::from([first]);
        while let Some(id) = list.pop_front() {
            let Some(unit) = self.get(id) else { continue };
            let active = unit.state.is_active() && (unit.goal != Goal::Down || id == first);
            if !seen.insert(id) || !active {
                continue;
            }
            self.change(id).goal = Goal::Again;
            self.enqueue(id);
            self.stir(id);
            let behind = self.graph.back(id).iter();
            let behind = behind.filter(|edge| edge.link.is_hard() || edge.link == Link::PartOf);
            list.extend(behind.map(|edge| edge.unit));
        }
        Ok(())
    }

    /// Only a unit and what it pulls in.
    pub(super) fn on_isolate(&mut self, ticket: Ticket, id: UnitId) {
        let keep = self.closure(id);
        for other in self.ids() {
            let Some(unit) = self.get(other) else { continue };
            let stays = keep.contains(&other) || unit.spec.ignore_on_isolate;
            if !stays && (unit.goal != Goal::Down || !unit.state.at_rest()) {
                self.sink(other);
            }
        }
        let name = self.unit(id).spec.name.clone();
        self.on_asked_of(ticket, id, Request::Start(name));
    }

    fn closure(&self, first: UnitId) -> BTreeSet<UnitId> {
        let mut closure = BTreeSet::new();
        let mut list = vec![first];
        while let Some(id) = list.pop() {
            if closure.insert(id) {
                let edges = self.graph.out(id).iter();
                let pulled = edges.filter(|e| e.link.pulls() || e.link == Link::Requisite);
                list.extend(pulled.map(|edge| edge.unit));
            }
        }
        closure
    }

    /// A unit that others are to keep running along with it is up: those that are not are started.
    pub(super) fn uphold(&mut self, id: UnitId) {
        let upheld: Vec<UnitId> = self.graph.related(id, Link::Upholds).collect();
        for other in upheld {
            let idle = self.get(other).is_some_and(|unit| unit.state.at_rest() && !unit.pinned);
            if idle && let Err(why) = self.want(other) {
                self.warn(other, format!("cannot be kept running: {why}"));
            }
        }
    }

    /// A unit at rest needs nothing any more: what is there only to be needed goes down too.
    pub(super) fn release_unneeded(&mut self, id: UnitId) {
        let edges = self.graph.out(id).iter();
        let needed = edges.filter(|edge| edge.link.pulls() || edge.link == Link::Requisite);
        let needed: Vec<UnitId> = needed.map(|edge| edge.unit).collect();
        for other in needed {
            let Some(unit) = self.get(other) else { continue };
            if unit.spec.stop_when_unneeded && unit.goal != Goal::Down && !self.is_needed(other) {
                self.lower(other);
            }
        }
    }

    fn is_needed(&self, id: UnitId) -> bool {
        let mut users = self.graph.back(id).iter();
        users.any(|edge| {
            (edge.link.pulls() || edge.link == Link::Requisite)
                && self.get(edge.unit).is_some_and(|unit| !unit.state.at_rest())
        })
    }

    /// Asks for the definition of an instance.
    pub(super) fn park(&mut self, name: UnitName, what: Parked) {
        let then = match &what {
            Parked::Asked { request, .. } => request.clone(),
            Parked::Pulled | Parked::Called { .. } => Request::Start(name.clone()),
        };
        let parked = self.parked.entry(name.clone()).or_default();
        parked.push(what);
        if parked.len() == 1 {
            self.order(Action::Instantiate { unit: name, then });
        }
    }

    /// An instance will not be defined.
    pub(super) fn unpark(&mut self, name: &UnitName, answer: &Answer) {
        for parked in self.parked.remove(name).unwrap_or_default() {
            match parked {
                Parked::Asked { ticket, .. } => self.answer(ticket, answer.clone()),
                Parked::Called { connection, .. } => {
                    self.order(Action::Hang { connection: connection.number });
                }
                Parked::Pulled => {}
            }
        }
    }

    /// An instance is defined: what waited for it goes on.
    pub(super) fn resume(&mut self, id: UnitId) {
        let name = self.unit(id).spec.name.clone();
        for parked in self.parked.remove(&name).unwrap_or_default() {
            match parked {
                Parked::Asked { ticket, request } => self.on_asked_of(ticket, id, request),
                Parked::Called { socket, connection } => self.serve(socket, id, connection),
                Parked::Pulled => {
                    // Whether it is still wanted, the units that name it know.
                    let pulled = self.graph.back(id).iter().any(|edge| {
                        edge.link.pulls()
                            && self.get(edge.unit).is_some_and(|unit| unit.goal == Goal::Up)
                    });
                    if pulled && let Err(why) = self.want(id) {
                        self.warn(id, format!("not started: {why}"));
                    }
                }
            }
        }
    }

    /// The name of the other end of a relation, also if it is not defined.
    pub(super) fn name_of(&self, id: UnitId, other: UnitId) -> String {
        if let Some(unit) = self.get(other) {
            return unit.spec.name.short().to_owned();
        }
        debug_assert_eq!(other, NOWHERE, "edges lead to units");
        let mut relations = self.unit(id).spec.relations.iter();
        let missing = relations.find(|relation| {
            use crate::spec::RelationKind as Kind;
            matches!(relation.kind, Kind::Requires | Kind::BindsTo | Kind::Requisite)
                && !self.names.contains_key(&relation.unit)
        });
        missing.map_or_else(|| "?".to_owned(), |relation| relation.unit.short().to_owned())
    }

    /// The connection that a process of an instance serves, taken over from the socket.
    pub(super) fn called(&mut self, socket: UnitId, name: UnitName, connection: Connection) {
        match self.names.get(&name).copied() {
            // Two connections cannot have one name; the second is nobody's.
            Some(_) => self.order(Action::Hang { connection: connection.number }),
            None => self.park(name, Parked::Called { socket, connection }),
        }
    }
}
