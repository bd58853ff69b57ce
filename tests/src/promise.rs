//! What may be expected of definitions: which units come up when they are asked for, and which never rest.

use std::collections::BTreeSet;

use units::UnitName;
use units::service::Startup;
use units::spec::{RelationKind, Spec};

use crate::check::order::is_after;

/// Whether nothing but the unit's own health decides if it comes up: among all that it pulls in there is no
/// conflict, nothing that must be up already, and nothing that another unit's end or a timer takes away again.
pub fn is_simple(specs: &[Spec], name: &UnitName) -> bool {
    let mut seen = BTreeSet::new();
    let mut list = vec![name];
    while let Some(name) = list.pop() {
        if !seen.insert(name) {
            continue;
        }
        let Some(spec) = specs.iter().find(|spec| spec.name == *name) else { return false };
        for relation in &spec.relations {
            match relation.kind {
                RelationKind::Conflicts | RelationKind::Requisite => return false,
                RelationKind::Wants
                | RelationKind::Requires
                | RelationKind::BindsTo
                | RelationKind::Upholds => list.push(&relation.unit),
                _ => {}
            }
        }
        // Who is bound to what finishes by itself does not stay.
        let binds = spec.related(RelationKind::BindsTo).any(|other| finishes(specs, other));
        let taken = specs.iter().any(|other| {
            other.related(RelationKind::Conflicts).any(|rival| rival == name)
                || other.related(RelationKind::PropagatesStopTo).any(|taken| taken == name)
        }) || spec.related(RelationKind::StopPropagatedFrom).next().is_some();
        if binds || taken || spec.stop_when_unneeded || awaits_a_circle(specs, name) {
            return false;
        }
    }
    true
}

fn finishes(specs: &[Spec], name: &UnitName) -> bool {
    let spec = specs.iter().find(|spec| spec.name == *name);
    spec.and_then(|spec| spec.service())
        .is_some_and(|service| service.startup == Startup::Oneshot && !service.remain_after_exit)
}

/// Whether a unit may wait for one whose good end starts it again, for ever: definitions that have no rest.
#[must_use]
pub fn awaits_a_circle(specs: &[Spec], name: &UnitName) -> bool {
    let waits = |one: &Spec, other: &Spec| {
        is_after(specs, &one.name, &other.name) || pulls(one).any(|name| *name == other.name)
    };
    let mut awaited = reached(specs, name, waits);
    awaited.insert(name);
    awaited.into_iter().any(|name| circles(specs, name))
}

fn circles(specs: &[Spec], name: &UnitName) -> bool {
    let leads = |one: &Spec, other: &Spec| {
        let after = one.related(RelationKind::OnSuccess).chain(pulls(one));
        after.into_iter().any(|name| *name == other.name)
    };
    let Some(spec) = specs.iter().find(|spec| spec.name == *name) else { return false };
    let mut started = spec.related(RelationKind::OnSuccess);
    finishes(specs, name)
        && started.any(|first| first == name || reached(specs, first, leads).contains(name))
}

fn pulls(spec: &Spec) -> impl Iterator<Item = &UnitName> {
    use RelationKind::{BindsTo, Requires, Upholds, Wants};
    [Wants, Requires, BindsTo, Upholds].into_iter().flat_map(|kind| spec.related(kind))
}

/// All units that a chain of steps leads to.
fn reached<'a>(
    specs: &'a [Spec],
    first: &UnitName,
    step: impl Fn(&Spec, &Spec) -> bool,
) -> BTreeSet<&'a UnitName> {
    let mut found: BTreeSet<&UnitName> = BTreeSet::new();
    let mut list: Vec<&Spec> = specs.iter().filter(|spec| spec.name == *first).collect();
    while let Some(one) = list.pop() {
        for other in specs.iter().filter(|other| step(one, other)) {
            if found.insert(&other.name) {
                list.push(other);
            }
        }
    }
    found
}
