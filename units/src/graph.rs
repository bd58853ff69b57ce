//! Who is related to whom, by number instead of by name, in both directions.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::UnitName;
use crate::run::UnitId;
use crate::spec::{Body, RelationKind, Spec};
use crate::unit::NOWHERE;

/// One relation, seen from one of its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    /// Its meaning.
    pub(crate) link: Link,
    /// The other end.
    pub(crate) unit: UnitId,
}

/// The meanings that the supervisor acts on. `Before` is the other end of `After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    Wants,
    Requires,
    Requisite,
    BindsTo,
    PartOf,
    Upholds,
    Conflicts,
    After,
    OnFailure,
    OnSuccess,
    /// A reload of this end is a reload of the other.
    ReloadsAlso,
    /// A stop of this end is a stop of the other.
    StopsAlso,
    /// A timer or socket starts the other end.
    Triggers,
}

impl Link {
    /// Without the other end up, this end does not run.
    pub(crate) fn is_hard(self) -> bool {
        matches!(self, Link::Requires | Link::Requisite | Link::BindsTo)
    }

    /// Starting this end starts the other.
    pub(crate) fn pulls(self) -> bool {
        matches!(self, Link::Wants | Link::Requires | Link::BindsTo | Link::Upholds)
    }
}

/// All relations.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// From the unit that declares (or, turned round, owns) the relation.
    out: Vec<Vec<Edge>>,
    /// The same, from the other end.
    into: Vec<Vec<Edge>>,
    /// Names that are not defined, and who names them.
    missing: BTreeMap<UnitName, BTreeSet<UnitId>>,
}

/// An ordering edge that was taken out, with the cycle that it closed (first and last are the same).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// The units on the cycle; each is ordered after the next.
    pub(crate) path: Vec<UnitId>,
}

impl Graph {
    /// The relations that start at a unit.
    pub(crate) fn out(&self, id: UnitId) -> &[Edge] {
        self.out.get(usize::from(id.0)).map_or(&[], Vec::as_slice)
    }

    /// The relations that end at a unit.
    pub(crate) fn back(&self, id: UnitId) -> &[Edge] {
        self.into.get(usize::from(id.0)).map_or(&[], Vec::as_slice)
    }

    /// Whether `id` is ordered after `other`.
    pub(crate) fn is_after(&self, id: UnitId, other: UnitId) -> bool {
        self.out(id).binary_search(&Edge { link: Link::After, unit: other }).is_ok()
    }

    /// The other ends of one kind of relation.
    pub(crate) fn related(&self, id: UnitId, link: Link) -> impl Iterator<Item = UnitId> + '_ {
        self.out(id).iter().filter(move |edge| edge.link == link).map(|edge| edge.unit)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Graph::default();
    }

    /// Who names a unit that is not defined.
    pub(crate) fn naming(&self, name: &UnitName) -> Vec<UnitId> {
        self.missing.get(name).map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    /// Adds a unit's relations.
    pub(crate) fn link(&mut self, id: UnitId, spec: &Spec, names: &BTreeMap<UnitName, UnitId>) {
        for relation in &spec.relations {
            let other = self.resolve(id, &relation.unit, names);
            let (from, link, to) = directed(id, relation.kind, other);
            self.insert(from, link, to);
        }
        let triggered = match &spec.body {
            Body::Timer(timer) => Some(&timer.unit),
            Body::Socket(socket) => Some(&socket.unit),
            Body::Service(_) | Body::Target | Body::Mount(_) => None,
        };
        if let Some(name) = triggered {
            let other = self.resolve(id, name, names);
            self.insert(Some(id), Some(Link::Triggers), other);
        }
    }

    /// What a unit needs and was not defined is about to be looked for again.
    pub(crate) fn unmiss(&mut self, id: UnitId) {
        if let Some(own) = self.out.get_mut(usize::from(id.0)) {
            own.retain(|edge| edge.unit != NOWHERE);
        }
        for ids in self.missing.values_mut() {
            ids.remove(&id);
        }
        self.missing.retain(|_, ids| !ids.is_empty());
    }

    /// Takes a unit's relations away. What others need of it is missing from now on.
    pub(crate) fn unlink(&mut self, id: UnitId, name: &UnitName) {
        for edge in self.take(id, Side::Out) {
            self.drop_edge(Side::Into, edge.unit, Edge { link: edge.link, unit: id });
        }
        for edge in self.take(id, Side::Into) {
            self.drop_edge(Side::Out, edge.unit, Edge { link: edge.link, unit: id });
            self.missing.entry(name.clone()).or_default().insert(edge.unit);
            self.insert(Some(edge.unit), Some(edge.link), None);
        }
        self.unmiss(id);
    }

    /// Takes out ordering edges until no cycle is left, always the same ones for the same definitions.
    ///
    /// On each cycle that is found the edge goes that starts at the unit with the greatest number among those
    /// that do not need the other end as well, or with the greatest number if all do.
    pub(crate) fn break_cycles(&mut self) -> Vec<Broken> {
        let mut broken = Vec::new();
        while let Some(path) = self.find_cycle() {
            let (from, to) = self.weakest(&path);
            self.drop_edge(Side::Out, from, Edge { link: Link::After, unit: to });
            self.drop_edge(Side::Into, to, Edge { link: Link::After, unit: from });
            broken.push(Broken { path });
        }
        broken
    }

    fn take(&mut self, id: UnitId, side: Side) -> Vec<Edge> {
        let edges = self.side(side).get_mut(usize::from(id.0));
        edges.map(std::mem::take).unwrap_or_default()
    }

    fn drop_edge(&mut self, side: Side, at: UnitId, edge: Edge) {
        if let Some(edges) = self.side(side).get_mut(usize::from(at.0)) {
            edges.retain(|own| *own != edge);
        }
    }

    fn side(&mut self, side: Side) -> &mut Vec<Vec<Edge>> {
        match side {
            Side::Out => &mut self.out,
            Side::Into => &mut self.into,
        }
    }

    fn resolve(
        &mut self,
        id: UnitId,
        name: &UnitName,
        names: &BTreeMap<UnitName, UnitId>,
    ) -> Option<UnitId> {
        let found = names.get(name).copied();
        if found.is_none() {
            self.missing.entry(name.clone()).or_default().insert(id);
        }
        found
    }

    /// Both directions of one relation. What is not defined is kept only where its absence matters.
    fn insert(&mut self, from: Option<UnitId>, link: Option<Link>, to: Option<UnitId>) {
        let (Some(from), Some(link)) = (from, link) else { return };
        let other = to.unwrap_or(NOWHERE);
        if from == other || (to.is_none() && !link.is_hard()) {
            return;
        }
        add(&mut self.out, from, Edge { link, unit: other });
        if to.is_some() {
            add(&mut self.into, other, Edge { link, unit: from });
        }
    }

    fn weakest(&self, path: &[UnitId]) -> (UnitId, UnitId) {
        let edges = || path.windows(2).map(|pair| (pair[0], pair[1]));
        let soft = edges().filter(|(from, to)| {
            !self.out(*from).iter().any(|edge| edge.unit == *to && edge.link.is_hard())
        });
        soft.max().or_else(|| edges().max()).expect("a cycle has an edge")
    }

    /// A depth-first walk along `After` without recursion; the first way back into its own path is a cycle.
    fn find_cycle(&self) -> Option<Vec<UnitId>> {
        let units = self.out.len().max(self.into.len());
        let mut walk = Walk { path: Vec::new(), seen: vec![Seen::No; units] };
        (0..units).find_map(|start| walk.search(self, start))
    }
}

/// Which of the two directions.
#[derive(Clone, Copy)]
enum Side {
    Out,
    Into,
}

/// A depth-first walk.
struct Walk {
    path: Vec<(UnitId, usize)>,
    seen: Vec<Seen>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    No,
    OnPath,
    Done,
}

impl Walk {
    fn search(&mut self, graph: &Graph, start: usize) -> Option<Vec<UnitId>> {
        if self.seen[start] == Seen::No {
            self.enter(UnitId(u16::try_from(start).expect("ids fit")));
        }
        while let Some((unit, place)) = self.path.last_mut() {
            let from = *unit;
            let edge = graph.out(from).get(*place).copied();
            *place += 1;
            match edge {
                None => {
                    self.seen[usize::from(from.0)] = Seen::Done;
                    self.path.pop();
                }
                Some(edge) if edge.link == Link::After => match self.seen[usize::from(edge.unit.0)]
                {
                    Seen::OnPath => return Some(self.cycle_to(edge.unit)),
                    Seen::No => self.enter(edge.unit),
                    Seen::Done => {}
                },
                Some(_) => {}
            }
        }
        None
    }

    fn enter(&mut self, unit: UnitId) {
        self.seen[usize::from(unit.0)] = Seen::OnPath;
        self.path.push((unit, 0));
    }

    fn cycle_to(&self, back: UnitId) -> Vec<UnitId> {
        let path = self.path.iter().map(|(unit, _)| *unit);
        path.skip_while(|unit| *unit != back).chain([back]).collect()
    }
}

fn add(edges: &mut Vec<Vec<Edge>>, at: UnitId, edge: Edge) {
    let index = usize::from(at.0);
    if edges.len() <= index {
        edges.resize_with(index + 1, Vec::new);
    }
    let own = &mut edges[index];
    if let Err(place) = own.binary_search(&edge) {
        own.insert(place, edge);
    }
}

/// A relation as an edge from the end that acts on it.
fn directed(
    id: UnitId,
    kind: RelationKind,
    other: Option<UnitId>,
) -> (Option<UnitId>, Option<Link>, Option<UnitId>) {
    let own = Some(id);
    match kind {
        RelationKind::Wants => (own, Some(Link::Wants), other),
        RelationKind::Requires => (own, Some(Link::Requires), other),
        RelationKind::Requisite => (own, Some(Link::Requisite), other),
        RelationKind::BindsTo => (own, Some(Link::BindsTo), other),
        RelationKind::PartOf => (own, Some(Link::PartOf), other),
        RelationKind::Upholds => (own, Some(Link::Upholds), other),
        RelationKind::Conflicts => (own, Some(Link::Conflicts), other),
        RelationKind::After => (own, Some(Link::After), other),
        RelationKind::Before => (other, Some(Link::After), own),
        RelationKind::OnFailure => (own, Some(Link::OnFailure), other),
        RelationKind::OnSuccess => (own, Some(Link::OnSuccess), other),
        RelationKind::PropagatesReloadTo => (own, Some(Link::ReloadsAlso), other),
        RelationKind::ReloadPropagatedFrom => (other, Some(Link::ReloadsAlso), own),
        RelationKind::PropagatesStopTo => (own, Some(Link::StopsAlso), other),
        RelationKind::StopPropagatedFrom => (other, Some(Link::StopsAlso), own),
        // Where processes live is the planner's business.
        RelationKind::JoinsNamespaceOf => (own, None, other),
    }
}
