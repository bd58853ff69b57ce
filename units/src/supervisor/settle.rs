//! The second phase of a step: each unit whose surroundings changed is considered until nothing changes.

use std::collections::{BTreeSet, VecDeque};

use super::Supervisor;
use crate::goal::{Aim, Goal};
use crate::graph::{Edge, Link};
use crate::limits::{EXPLAIN_DEPTH_MAX, IDLE_WAIT_MAX, SETTLE_TURNS_PER_UNIT_MAX};
use crate::next::Cause;
use crate::run::UnitId;
use crate::service::Startup;
use crate::state::State;
use crate::unit::{Idle, NOWHERE, Unit};

/// How a unit looks to one that is ordered after it, or needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Up and ready, or has done its work.
    Satisfied,
    /// May become so without anybody's doing.
    OnWay,
    /// On the way down, or about to be.
    Leaving,
    /// The same, but only to come up again.
    Turning,
    /// Not without somebody's doing, or not soon.
    Dead,
}

/// What keeps a waiting unit from starting.
enum Obstacle {
    /// It will change.
    Wait(UnitId),
    /// It will not.
    Dead(UnitId),
}

impl Supervisor {
    pub(super) fn settle(&mut self) {
        let mut ready = VecDeque::new();
        for _ in 0..SETTLE_TURNS_PER_UNIT_MAX * (self.units.len() + 1) {
            // First who comes back: a unit that starts must see all that are on their way.
            if let Some(id) = self.queue.pop_front() {
                if !self.is_held_waiting(id) || !self.consider_release(id) {
                    ready.push_back(id);
                }
            } else if let Some(id) = ready.pop_front() {
                self.consider(id);
            } else {
                return;
            }
        }
        // Definitions that chase each other must not stop the machine: it goes on at the next step.
        self.queue.extend(ready);
        if let Some(id) = self.queue.iter().copied().find(|id| self.get(*id).is_some()) {
            self.warn(id, "the units do not settle: definitions chase each other".into());
        }
    }

    fn is_held_waiting(&self, id: UnitId) -> bool {
        self.get(id).is_some_and(|unit| {
            unit.state == State::Waiting && unit.goal == Goal::Up && unit.held.is_some()
        })
    }

    /// The units that watch this one are considered again.
    pub(super) fn stir(&mut self, id: UnitId) {
        for place in 0..self.graph.back(id).len() {
            let Edge { link, unit } = self.graph.back(id)[place];
            if self.is_concerned(unit, id, link) {
                self.enqueue(unit);
            }
        }
        for place in 0..self.graph.out(id).len() {
            let Edge { link, unit } = self.graph.out(id)[place];
            let other = self.get(unit);
            let awaits = other.is_some_and(|o| o.blocked_on == Some(id) || o.held == Some(id));
            if awaits || link == Link::Triggers {
                self.enqueue(unit);
            }
        }
    }

    /// Whether a change of `id` may matter to `unit`, which has the relation `link` to it.
    fn is_concerned(&self, unit: UnitId, id: UnitId, link: Link) -> bool {
        let Some(unit) = self.get(unit) else { return false };
        unit.blocked_on == Some(id)
            || link == Link::Triggers
            || (link.is_hard() && unit.state == State::Waiting)
            || unit.held == Some(id)
    }

    fn consider(&mut self, id: UnitId) {
        let Some(unit) = self.get_mut(id) else { return };
        unit.queued = false;
        match (unit.aim(), unit.state) {
            (Aim::Up, State::Waiting) => self.consider_start(id),
            (Aim::DownFirst, State::Waiting) => self.consider_held(id),
            (Aim::Down, State::Waiting | State::Backoff { .. }) => {
                self.apply(id, Cause::Unwanted);
            }
            (Aim::Down | Aim::DownFirst, state) if state.is_active() && !state.is_stopping() => {
                self.consider_stop(id);
            }
            (Aim::Up | Aim::Down | Aim::DownFirst, _) => {}
        }
        self.consider_trigger(id);
    }

    fn consider_start(&mut self, id: UnitId) {
        match self.obstacle(id) {
            None if self.is_idling(id) => {}
            None => self.apply(id, Cause::Clear),
            Some(Obstacle::Wait(other)) => self.change(id).blocked_on = Some(other),
            Some(Obstacle::Dead(need)) => self.hold(id, need),
        }
    }

    /// A unit of type idle lets the others start first, for a while.
    fn is_idling(&mut self, id: UnitId) -> bool {
        let idle = self.unit(id).service().is_some_and(|s| s.startup == Startup::Idle);
        if !idle || self.busy == 0 {
            return false;
        }
        let until = self.now + IDLE_WAIT_MAX;
        let unit = self.change(id);
        match unit.idle {
            Idle::Over => return false,
            Idle::No => unit.idle = Idle::Until(until),
            Idle::Until(_) => {}
        }
        self.idlers.insert(id);
        true
    }

    /// What stands in the way of a waiting unit's start.
    fn obstacle(&self, id: UnitId) -> Option<Obstacle> {
        let needs = self.graph.out(id).iter().find_map(|edge| self.obstacle_at(id, *edge));
        // Of two units in an order, the one that stops goes first, whatever the order is.
        needs.or_else(|| {
            let mut behind = self.graph.back(id).iter().filter(|edge| edge.link == Link::After);
            let leaving = behind.find(|edge| self.is_leaving(edge.unit))?;
            Some(Obstacle::Wait(leaving.unit))
        })
    }

    fn obstacle_at(&self, id: UnitId, edge: Edge) -> Option<Obstacle> {
        let other = edge.unit;
        let ordered = edge.link == Link::After || self.graph.is_after(id, other);
        let standing = self.standing_for(edge);
        match (edge.link, standing) {
            (Link::After, Standing::OnWay | Standing::Leaving | Standing::Turning) => {
                Some(Obstacle::Wait(other))
            }
            // Without an order the need is started alongside; only a bond cares how it fares.
            (Link::Requires, Standing::Dead | Standing::Leaving) if ordered => {
                Some(Obstacle::Dead(other))
            }
            (Link::BindsTo | Link::Requisite, Standing::Dead | Standing::Leaving) => {
                Some(Obstacle::Dead(other))
            }
            (
                Link::Requires | Link::BindsTo | Link::Requisite,
                Standing::OnWay | Standing::Turning,
            ) if ordered => Some(Obstacle::Wait(other)),
            (Link::BindsTo | Link::Requisite, Standing::Turning) => Some(Obstacle::Wait(other)),
            _ => None,
        }
    }

    /// How the other end of a relation stands, for that relation.
    pub(super) fn standing_for(&self, edge: Edge) -> Standing {
        let Some(other) = self.get(edge.unit) else {
            debug_assert_eq!(edge.unit, NOWHERE, "edges lead to units");
            return Standing::Dead;
        };
        match (self.standing(other), edge.link) {
            // A bond is to a unit that runs, not to one that was skipped or is done.
            (Standing::Satisfied, Link::BindsTo) if !other.state.is_up() => Standing::Dead,
            (standing, _) => standing,
        }
    }

    pub(super) fn standing(&self, unit: &Unit) -> Standing {
        match (unit.state, unit.aim()) {
            (State::Up { .. } | State::Reloading { .. }, Aim::Up) => {
                if unit.ready() {
                    Standing::Satisfied
                } else {
                    Standing::OnWay
                }
            }
            (State::Skipped, _) => Standing::Satisfied,
            (State::Down, _) | (State::Backoff { .. }, Aim::Up) if unit.history.finished => {
                Standing::Satisfied
            }
            (State::Down | State::Failed, _) => Standing::Dead,
            (State::Waiting, Aim::Up) => Standing::OnWay,
            (State::Waiting, _) => Standing::Dead,
            (State::Backoff { .. }, Aim::Up)
                if unit.service().is_some_and(|s| s.restart.direct) =>
            {
                Standing::OnWay
            }
            (State::Backoff { .. }, _) => Standing::Dead,
            (_, Aim::Up) => Standing::OnWay,
            (_, Aim::DownFirst) => Standing::Turning,
            (_, Aim::Down) => Standing::Leaving,
        }
    }

    fn is_leaving(&self, id: UnitId) -> bool {
        self.get(id).is_some_and(|unit| unit.state.is_active() && unit.aim() != Aim::Up)
    }

    fn consider_stop(&mut self, id: UnitId) {
        // What is not up yet is needed by nobody: its start is broken off at once.
        if self.unit(id).state.is_starting() {
            return self.apply(id, Cause::Unwanted);
        }
        // Who is ordered after us and stops too, stops first.
        let mut behind = self.graph.back(id).iter().filter(|edge| edge.link == Link::After);
        match behind.find(|edge| self.is_leaving(edge.unit)).map(|edge| edge.unit) {
            Some(other) => self.change(id).blocked_on = Some(other),
            None => self.apply(id, Cause::Unwanted),
        }
    }

    /// A held unit comes back when all that it needs is there again. Returns whether it does.
    fn consider_release(&mut self, id: UnitId) -> bool {
        if let Some((need, _)) = self.blocking_need(id) {
            self.change(id).held = Some(need);
            return self.release_ring(id);
        }
        let unit = self.change(id);
        unit.held = None;
        unit.queued = false;
        self.enqueue(id);
        self.stir(id);
        true
    }

    /// A unit stays held: who waits for it hears so, unless the need is about to change.
    fn consider_held(&mut self, id: UnitId) {
        // What it needs may have come up since it was asked about in this step.
        if self.is_held_waiting(id) && self.consider_release(id) {
            return;
        }
        if self.is_hopeless(id) {
            self.fail_held(id);
        }
    }

    /// Whether nothing on its way can let a held unit go. A need that is held itself is as hopeless as what holds it.
    fn is_hopeless(&self, id: UnitId) -> bool {
        let mut at = id;
        for _ in 0..EXPLAIN_DEPTH_MAX {
            match self.blocking_need(at) {
                Some((need, Standing::Dead)) if self.is_held_waiting(need) => at = need,
                Some((_, standing)) => return standing == Standing::Dead,
                None => return false,
            }
        }
        true
    }

    /// Who waits for a held unit hears so, and who waits for those that it holds.
    fn fail_held(&mut self, first: UnitId) {
        let mut seen = BTreeSet::from([first]);
        let mut list = vec![first];
        while let Some(id) = list.pop() {
            self.fail_asks(id);
            let behind = self.graph.back(id).iter().map(|edge| edge.unit);
            let held = behind
                .filter(|other| self.is_held_waiting(*other) && self.unit(*other).held == Some(id));
            let held: Vec<UnitId> = held.collect();
            list.extend(held.into_iter().filter(|other| seen.insert(*other)));
        }
    }

    /// The need that is not there, and how it stands: the one that holds already, if it still does.
    fn blocking_need(&self, id: UnitId) -> Option<(UnitId, Standing)> {
        let holder = self.unit(id).held;
        let needs = self.graph.out(id).iter().filter(|edge| {
            edge.link.is_hard() || (edge.link == Link::PartOf && Some(edge.unit) == holder)
        });
        // Another end may take us with it without being named by us.
        let takers = self.graph.back(id).iter();
        let takers = takers.filter(|e| e.link == Link::StopsAlso && Some(e.unit) == holder);
        let mut blocking = needs.chain(takers).filter_map(|edge| {
            let standing = self.standing_for(*edge);
            let blocks = match standing {
                Standing::Satisfied => false,
                // What is on its way is waited for in order, or started alongside; a bond without an order must
                // be there.
                Standing::OnWay if edge.link == Link::Requires => false,
                Standing::OnWay | Standing::Turning => !self.graph.is_after(id, edge.unit),
                Standing::Leaving | Standing::Dead => true,
            };
            blocks.then_some((edge.unit, standing))
        });
        let first = blocking.next()?;
        let same = blocking.find(|(need, _)| Some(*need) == holder);
        Some(same.filter(|_| Some(first.0) != holder).unwrap_or(first))
    }

    /// Units that hold each other in a ring would wait for ever; when all of them wait, all are let go.
    fn release_ring(&mut self, id: UnitId) -> bool {
        let mut ring = vec![id];
        loop {
            let last = *ring.last().expect("it begins with one");
            let Some(unit) = self.get(last) else { return false };
            let (State::Waiting, Goal::Up, Some(holder)) = (unit.state, unit.goal, unit.held)
            else {
                return false;
            };
            if holder == id {
                break;
            }
            if ring.contains(&holder) {
                return false;
            }
            ring.push(holder);
        }
        for id in ring {
            let unit = self.change(id);
            unit.held = None;
            unit.queued = false;
            self.enqueue(id);
        }
        true
    }
}
