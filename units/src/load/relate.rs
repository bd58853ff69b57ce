//! Relations across the set: who is there, what is mounted where, what a target waits for.

use std::collections::{BTreeMap, BTreeSet};

use super::builtin;
use super::imply::mounts_above;
use super::set::Set;
use crate::diagnostic::{Code, Severity};
use crate::draft::{Link, Origin};
use crate::name::{UnitKind, UnitName};
use crate::spec::{Relation, RelationKind};
use crate::text::BadValue;

/// The relations of each unit, all names resolved and existing, sorted, each once.
pub(super) fn relate(set: &mut Set<'_>) -> BTreeMap<UnitName, Vec<Link>> {
    for (owner, link) in std::mem::take(&mut set.foreign) {
        let owner = set.resolve(&owner).unwrap_or(owner);
        if let Some(member) = set.members.get_mut(&owner) {
            member.links.push(link);
        }
    }
    add_mounts(set);
    let mut all = BTreeMap::new();
    let names: Vec<UnitName> = set.members.keys().cloned().collect();
    for name in &names {
        let links = resolved_links(set, name);
        all.insert(name.clone(), links);
    }
    complete_targets(set, &mut all);
    all
}

/// The relations as the spec keeps them.
pub(super) fn relations(links: &[Link]) -> Vec<Relation> {
    let relation = |link: &Link| Relation { kind: link.kind, unit: link.unit.clone() };
    let unique: BTreeSet<Relation> = links.iter().map(relation).collect();
    unique.into_iter().collect()
}

/// Whoever needs a path needs the mounts that it lies on.
fn add_mounts(set: &mut Set<'_>) {
    let mounts: BTreeSet<UnitName> =
        set.members.keys().filter(|name| name.kind() == UnitKind::Mount).cloned().collect();
    if mounts.is_empty() {
        return;
    }
    for (name, member) in &mut set.members {
        let paths = std::mem::take(&mut member.mounts_for);
        let needed: BTreeSet<UnitName> = paths.iter().flat_map(|path| mounts_above(path)).collect();
        for mount in needed.intersection(&mounts).filter(|mount| *mount != name) {
            for kind in [RelationKind::Requires, RelationKind::After] {
                member.links.push(Link { kind, unit: mount.clone(), origin: Origin::RULE });
            }
        }
    }
}

/// One unit's links under final names. Those to units that do not exist are left out where that
/// changes nothing, and said where it does.
fn resolved_links(set: &mut Set<'_>, name: &UnitName) -> Vec<Link> {
    let links = set.members.get(name).map(|member| member.links.clone()).unwrap_or_default();
    let mut kept = Vec::new();
    for mut link in links {
        link.unit = set.resolve(&link.unit).unwrap_or(link.unit);
        if link.unit == *name {
            continue;
        }
        if set.members.contains_key(&link.unit) || keep_missing(set, name, &link) {
            kept.push(link);
        }
    }
    kept.sort_by(|a, b| (a.kind, &a.unit, a.origin).cmp(&(b.kind, &b.unit, b.origin)));
    kept.dedup_by(|a, b| (a.kind, &a.unit) == (b.kind, &b.unit));
    kept
}

/// Whether a link to a unit that is not in the set stays, because the unit cannot start without.
fn keep_missing(set: &mut Set<'_>, name: &UnitName, link: &Link) -> bool {
    use RelationKind as R;
    let other = &link.unit;
    if builtin::is_provided(other) {
        return false;
    }
    let (needed, wanted) = match link.kind {
        R::Requires | R::Requisite | R::BindsTo => (true, false),
        R::Wants | R::Upholds | R::OnFailure | R::OnSuccess => (false, true),
        R::PartOf
        | R::Conflicts
        | R::After
        | R::Before
        | R::PropagatesReloadTo
        | R::ReloadPropagatedFrom
        | R::PropagatesStopTo
        | R::StopPropagatedFrom
        | R::JoinsNamespaceOf => (false, false),
    };
    let why = if set.tree.masked.contains(other) {
        "is masked"
    } else if set.broken.contains(other) {
        "has errors"
    } else if other.is_template() {
        "is a template: name an instance of it, such as `name@instance.service`"
    } else {
        "does not exist"
    };
    let bad = match (needed, wanted) {
        (true, _) => BadValue::new(format!("`{other}` {why}: `{name}` cannot start without it")),
        (false, true) => BadValue::new(format!("`{other}` {why}")),
        (false, false) => return false,
    };
    let severity = if needed { Severity::Warning } else { Severity::Note };
    set.remarks.say(link.origin, severity, Code::UnknownUnit, &bad);
    needed
}

/// A target is reached after what it wants, unless either of them has no default dependencies or
/// the other waits for the target itself (systemd.target(5)).
fn complete_targets(set: &Set<'_>, all: &mut BTreeMap<UnitName, Vec<Link>>) {
    use RelationKind as R;
    let has = |all: &BTreeMap<UnitName, Vec<Link>>, name: &UnitName, kind, other: &UnitName| {
        let links = all.get(name).map_or(&[][..], Vec::as_slice);
        links.iter().any(|link| link.kind == kind && link.unit == *other)
    };
    let mut added = Vec::new();
    for (name, member) in &set.members {
        if name.kind() != UnitKind::Target || !member.default_dependencies {
            continue;
        }
        for link in &all[name] {
            let pulls = matches!(link.kind, R::Wants | R::Requires | R::Requisite | R::BindsTo);
            let other = &link.unit;
            let plain = set.members.get(other).is_some_and(|member| member.default_dependencies);
            let waits = has(all, other, R::After, name) || has(all, name, R::Before, other);
            if pulls && plain && !waits && !has(all, name, R::After, other) {
                added.push((name.clone(), Link { kind: R::After, ..link.clone() }));
            }
        }
    }
    for (name, link) in added {
        all.entry(name).or_default().push(link);
    }
}
