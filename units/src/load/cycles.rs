//! Units that must each start before the other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::remarks::Remarks;
use crate::diagnostic::{Code, Severity};
use crate::draft::{Link, Origin};
use crate::limits::CYCLES_MAX;
use crate::name::UnitName;
use crate::spec::RelationKind;
use crate::text::BadValue;

/// For each unit those that it starts after, with the place that says so.
type Order<'a> = BTreeMap<&'a UnitName, BTreeMap<&'a UnitName, Origin>>;

/// Says each cycle once, with its path.
pub(super) fn remark(all: &BTreeMap<UnitName, Vec<Link>>, remarks: &mut Remarks<'_>) {
    let order = order(all);
    for component in components(&order).into_iter().take(CYCLES_MAX) {
        let path = shortest(&order, &component);
        let names: Vec<&str> = path.iter().map(|name| name.as_str()).collect();
        let text = format!("units wait for each other: {} → {}", names.join(" → "), names[0]);
        let bad = BadValue::new(text).advise(
            "read each arrow as `starts after`; take one After= or Before= away, or set \
             DefaultDependencies=no on a unit of the early boot",
        );
        remarks.say(place(&order, &path), Severity::Error, Code::Cycle, &bad);
    }
}

fn order(all: &BTreeMap<UnitName, Vec<Link>>) -> Order<'_> {
    let mut order: Order<'_> = all.keys().map(|name| (name, BTreeMap::new())).collect();
    for (name, links) in all {
        for link in links {
            let (later, earlier) = if link.kind == RelationKind::After {
                (name, &link.unit)
            } else if link.kind == RelationKind::Before {
                (&link.unit, name)
            } else {
                continue;
            };
            if let Some(after) = order.get_mut(later) {
                after.entry(earlier).or_insert(link.origin);
            }
        }
    }
    order
}

/// Groups of more than one unit in which each can be reached from each: what stays when units
/// without unmet neighbours are taken away from both ends, parted by reachability.
fn components<'a>(order: &Order<'a>) -> Vec<BTreeSet<&'a UnitName>> {
    let mut left = trimmed(order);
    let mut found = Vec::new();
    while let Some(first) = left.iter().next().copied() {
        let forward = reach(order, first, &left, false);
        let backward = reach(order, first, &left, true);
        let both: BTreeSet<&UnitName> = forward.intersection(&backward).copied().collect();
        left.retain(|name| !both.contains(name));
        left.remove(first);
        if both.len() > 1 {
            found.push(both);
        }
    }
    found
}

/// Units that lie on or between cycles.
fn trimmed<'a>(order: &Order<'a>) -> BTreeSet<&'a UnitName> {
    let mut waiting: BTreeMap<&UnitName, usize> = BTreeMap::new();
    let mut followers: BTreeMap<&UnitName, Vec<&UnitName>> = BTreeMap::new();
    for (name, after) in order {
        let after = after.keys().filter(|other| order.contains_key(*other));
        waiting.insert(name, after.clone().count());
        after.for_each(|other| followers.entry(other).or_default().push(name));
    }
    let mut ready: Vec<&UnitName> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    while let Some(name) = ready.pop() {
        waiting.remove(name);
        for follower in followers.get(name).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(follower) {
                *count -= 1;
                if *count == 0 {
                    ready.push(follower);
                }
            }
        }
    }
    waiting.into_keys().collect()
}

fn reach<'a>(
    order: &Order<'a>,
    from: &'a UnitName,
    within: &BTreeSet<&'a UnitName>,
    backwards: bool,
) -> BTreeSet<&'a UnitName> {
    let mut seen = BTreeSet::from([from]);
    let mut queue = vec![from];
    while let Some(name) = queue.pop() {
        let next: Vec<&UnitName> = match backwards {
            false => order[name].keys().copied().collect(),
            true => {
                within.iter().filter(|other| order[*other].contains_key(name)).copied().collect()
            }
        };
        for other in next {
            if within.contains(other) && seen.insert(other) {
                queue.push(other);
            }
        }
    }
    seen
}

/// The shortest way from the first unit of the component back to itself.
fn shortest<'a>(order: &Order<'a>, component: &BTreeSet<&'a UnitName>) -> Vec<&'a UnitName> {
    let start = *component.iter().next().expect("a component has units");
    let mut came_from: BTreeMap<&UnitName, &UnitName> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(name) = queue.pop_front() {
        for other in order[name].keys().filter(|other| component.contains(*other)) {
            if *other == start {
                let mut path = vec![name];
                let mut at = name;
                while at != start {
                    at = came_from[at];
                    path.push(at);
                }
                path.reverse();
                return path;
            }
            if !came_from.contains_key(other) {
                came_from.insert(other, name);
                queue.push_back(other);
            }
        }
    }
    vec![start]
}

/// The first arrow of the path that somebody wrote.
fn place(order: &Order<'_>, path: &[&UnitName]) -> Origin {
    let arrows = path.iter().zip(path.iter().cycle().skip(1));
    let origins = arrows.filter_map(|(later, earlier)| order.get(later)?.get(earlier).copied());
    let origins: Vec<Origin> = origins.filter(|origin| *origin != Origin::RULE).collect();
    let written = origins.iter().find(|origin| origin.spot.line > 0);
    written.or(origins.first()).copied().unwrap_or_default()
}
