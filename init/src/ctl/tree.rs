//! Units as a tree: below each unit what it pulls in, every unit once, where it is nearest to the root.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use units::note::StateName;
use units::{UnitKind, UnitName};

use super::paint::Painter;
use crate::wire::UnitStatus;

/// Below this target lies what every machine has; it is folded as long as all of it is well.
const FOLDED: &str = "basic.target";

/// One line of the tree.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) unit: &'a UnitStatus,
    /// The branches before the name.
    pub(crate) branches: String,
    /// How many units are folded into this line.
    pub(crate) folded: usize,
}

/// Whether a person need not look at the unit.
pub(crate) fn is_well(unit: &UnitStatus) -> bool {
    match unit.state {
        StateName::Up => unit.ready || !unit.wanted,
        StateName::Down | StateName::Skipped => true,
        StateName::Waiting
        | StateName::Starting
        | StateName::Reloading
        | StateName::Stopping
        | StateName::Backoff
        | StateName::Failed => false,
    }
}

/// Whether the unit is shown without `--all`: it runs, should run, or failed.
pub(crate) fn is_of_interest(unit: &UnitStatus) -> bool {
    unit.wanted || !matches!(unit.state, StateName::Down)
}

/// The lines of the tree, from the units (sorted by name) that are of interest.
pub(crate) fn rows<'a>(units: &[&'a UnitStatus], paint: &Painter, unfold: bool) -> Vec<Row<'a>> {
    let tree = Tree::new(units);
    let mut rows = Vec::new();
    for root in &tree.roots {
        tree.walk(root, "", "", unfold, paint, &mut rows);
    }
    rows
}

struct Tree<'a> {
    by_name: BTreeMap<&'a UnitName, &'a UnitStatus>,
    children: BTreeMap<&'a UnitName, Vec<&'a UnitName>>,
    roots: Vec<&'a UnitName>,
}

impl<'a> Tree<'a> {
    fn new(units: &[&'a UnitStatus]) -> Tree<'a> {
        let by_name: BTreeMap<&UnitName, &UnitStatus> =
            units.iter().map(|unit| (&unit.name, *unit)).collect();
        let pulled: BTreeSet<&UnitName> = units
            .iter()
            .flat_map(|unit| branches(unit))
            .filter(|n| by_name.contains_key(n))
            .collect();
        let mut roots: Vec<&UnitName> =
            by_name.keys().copied().filter(|name| !pulled.contains(name)).collect();
        let mut tree = Tree { by_name, children: BTreeMap::new(), roots: Vec::new() };
        let mut placed = BTreeSet::new();
        tree.grow(&roots, &mut placed);
        // What hangs in a circle has no root of its own.
        while let Some(left) = tree.by_name.keys().copied().find(|name| !placed.contains(name)) {
            roots.push(left);
            tree.grow(&[left], &mut placed);
        }
        roots.sort_by_key(|name| (*name != &goal(&tree.by_name), order(name)));
        tree.roots = roots;
        for children in tree.children.values_mut() {
            children.sort_by_key(|name| order(name));
        }
        tree
    }

    /// Breadth first, so that each unit hangs as near to the root as it can. Targets choose first:
    /// every service needs `sysinit.target`, but nobody looks for it there.
    fn grow(&mut self, roots: &[&'a UnitName], placed: &mut BTreeSet<&'a UnitName>) {
        let mut level: VecDeque<&'a UnitName> = roots.iter().copied().collect();
        placed.extend(roots);
        while !level.is_empty() {
            let mut parents: Vec<&UnitName> = level.drain(..).collect();
            parents.sort_by_key(|name| (name.kind() != UnitKind::Target, *name));
            for parent in parents {
                let Some(unit) = self.by_name.get(parent) else { continue };
                for child in branches(unit) {
                    if self.by_name.contains_key(child) && placed.insert(child) {
                        self.children.entry(parent).or_default().push(child);
                        level.push_back(child);
                    }
                }
            }
        }
    }

    fn walk(
        &self,
        name: &'a UnitName,
        branch: &str,
        below: &str,
        unfold: bool,
        paint: &Painter,
        rows: &mut Vec<Row<'a>>,
    ) {
        let Some(unit) = self.by_name.get(name) else { return };
        let children = self.children.get(name).map_or(&[][..], Vec::as_slice);
        let folds = !unfold && name.as_str() == FOLDED && self.all_well(name);
        let folded = if folds { self.count_below(name) } else { 0 };
        rows.push(Row { unit, branches: branch.to_owned(), folded });
        if folds {
            return;
        }
        for (index, child) in children.iter().enumerate() {
            let last = index + 1 == children.len();
            let (here, under) = match last {
                true => (paint.sign("└─ ", "`- "), "   "),
                false => (paint.sign("├─ ", "|- "), paint.sign("│  ", "|  ")),
            };
            let (branch, deeper) = (format!("{below}{here}"), format!("{below}{under}"));
            self.walk(child, &branch, &deeper, unfold, paint, rows);
        }
    }

    fn all_well(&self, name: &UnitName) -> bool {
        let children = self.children.get(name).into_iter().flatten();
        self.by_name.get(name).is_some_and(|unit| is_well(unit))
            && children.into_iter().all(|child| self.all_well(child))
    }

    fn count_below(&self, name: &UnitName) -> usize {
        let children = self.children.get(name).into_iter().flatten();
        children.map(|child| 1 + self.count_below(child)).sum()
    }
}

fn branches(unit: &UnitStatus) -> impl Iterator<Item = &UnitName> {
    unit.triggers.iter().chain(&unit.pulls).filter(|name| **name != unit.name)
}

/// The target that the machine is after: the one that pulls in most.
fn goal(by_name: &BTreeMap<&UnitName, &UnitStatus>) -> UnitName {
    let targets = by_name.values().filter(|unit| unit.name.kind() == UnitKind::Target);
    let most =
        targets.max_by_key(|unit| (unit.name.as_str() == "multi-user.target", unit.pulls.len()));
    most.map_or_else(
        || UnitName::new("multi-user.target").expect("it is a name"),
        |unit| unit.name.clone(),
    )
}

/// Services before the rest, targets last.
fn order(name: &UnitName) -> (usize, &UnitName) {
    let place = match name.kind() {
        UnitKind::Service => 0,
        UnitKind::Timer => 1,
        UnitKind::Socket => 2,
        UnitKind::Mount => 3,
        UnitKind::Target => 4,
    };
    (place, name)
}
