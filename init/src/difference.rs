//! What differs between two sets of definitions, and what each difference means for a running unit.

use std::collections::BTreeMap;

use serde_json::Value;
use units::spec::{Body, RelationKind, Spec};
use units::{UnitName, spec::Service};

use crate::wire::apply::FieldChange;
use crate::wire::{Change, Effect};

/// Unit by unit, sorted by name; units that are the same are not named.
#[must_use]
pub fn between(before: &[Spec], after: &[Spec]) -> Vec<Change> {
    let old: BTreeMap<&UnitName, &Spec> = before.iter().map(|spec| (&spec.name, spec)).collect();
    let new: BTreeMap<&UnitName, &Spec> = after.iter().map(|spec| (&spec.name, spec)).collect();
    let mut changes = Vec::new();
    for (name, spec) in &old {
        match new.get(name) {
            None => changes.push(change(name, Effect::Removed, Vec::new())),
            Some(other) if other == spec => {}
            Some(other) if only_follows(spec, other, &old, &new) => {}
            Some(other) => {
                changes.push(change(name, effect(spec, other), fields(spec, other)));
            }
        }
    }
    for (name, _) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
        let effect = if is_pulled(name, after) { Effect::Added } else { Effect::Defined };
        changes.push(change(name, effect, Vec::new()));
    }
    changes.sort_by(|a, b| a.unit.cmp(&b.unit));
    changes
}

/// How many units are in both sets and the same.
#[must_use]
pub fn unchanged(before: &[Spec], after: &[Spec]) -> u32 {
    let same = after.iter().filter(|spec| before.contains(spec)).count();
    u32::try_from(same).unwrap_or(u32::MAX)
}

/// Whether the two differ only in naming units that come or go in the same change: a target that
/// pulls in what is new is no news.
fn only_follows(
    before: &Spec,
    after: &Spec,
    old: &BTreeMap<&UnitName, &Spec>,
    new: &BTreeMap<&UnitName, &Spec>,
) -> bool {
    let stays = |name: &UnitName| old.contains_key(name) == new.contains_key(name);
    let cut = |spec: &Spec| {
        let mut spec = spec.clone();
        spec.relations.retain(|relation| stays(&relation.unit));
        spec
    };
    matches!(after.body, Body::Target) && cut(before) == cut(after)
}

fn change(name: &UnitName, effect: Effect, fields: Vec<FieldChange>) -> Change {
    Change { unit: name.clone(), effect, fields }
}

/// Whether some unit pulls it in, so that it starts with the machine.
fn is_pulled(name: &UnitName, specs: &[Spec]) -> bool {
    specs.iter().any(|spec| {
        let wants = spec.related(RelationKind::Wants).chain(spec.related(RelationKind::Requires));
        wants.into_iter().any(|wanted| wanted == name)
    })
}

/// What a changed spec means for the running unit.
fn effect(before: &Spec, after: &Spec) -> Effect {
    match (&before.body, &after.body) {
        (Body::Service(old), Body::Service(new)) => service_effect(old, new),
        (old, new) if old == new => Effect::Updated,
        (_, _) => Effect::Restarted,
    }
}

/// Limits are written to the running group; what only rules its life counts from now on; what made its
/// processes needs new processes.
fn service_effect(old: &Service, new: &Service) -> Effect {
    let made_alike = old.commands == new.commands
        && old.execution == new.execution
        && old.container == new.container
        && old.startup == new.startup
        && old.sockets == new.sockets;
    match (made_alike, old.resources == new.resources) {
        (false, _) => Effect::Restarted,
        (true, false) => Effect::Adjusted,
        (true, true) => Effect::Updated,
    }
}

/// The settings that differ, by their path in the spec.
fn fields(before: &Spec, after: &Spec) -> Vec<FieldChange> {
    let mut found = Vec::new();
    let old = serde_json::to_value(before).unwrap_or_default();
    let new = serde_json::to_value(after).unwrap_or_default();
    compare("", &old, &new, &mut found);
    found
}

fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<FieldChange>) {
    if old == new {
        return;
    }
    let (Value::Object(old_map), Value::Object(new_map)) = (old, new) else {
        let (before, after) = (text(old), text(new));
        found.push(FieldChange { field: path.to_owned(), before, after });
        return;
    };
    let names = old_map.keys().chain(new_map.keys().filter(|name| !old_map.contains_key(*name)));
    for name in names {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let none = Value::Null;
        let old = old_map.get(name).unwrap_or(&none);
        compare(&below, old, new_map.get(name).unwrap_or(&none), found);
    }
}

fn text(value: &Value) -> String {
    if value.is_null() { String::new() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::spec::Relation;

    fn target(name: &str) -> Spec {
        Spec::new(UnitName::new(name).unwrap(), Body::Target)
    }

    #[test]
    fn what_is_new_gone_and_changed() {
        let mut changed = target("c.target");
        changed.description = "new".into();
        let mut goal = target("goal.target");
        let wanted = UnitName::new("d.target").unwrap();
        goal.relations.push(Relation { kind: RelationKind::Wants, unit: wanted });
        let before = [target("a.target"), target("b.target"), target("c.target"), goal.clone()];
        let after = [target("b.target"), changed, target("d.target"), target("e.target"), goal];
        let changes = between(&before, &after);
        let told: Vec<(&str, Effect)> =
            changes.iter().map(|change| (change.unit.as_str(), change.effect)).collect();
        assert_eq!(
            told,
            [
                ("a.target", Effect::Removed),
                ("c.target", Effect::Updated),
                ("d.target", Effect::Added),
                ("e.target", Effect::Defined),
            ]
        );
        assert_eq!(changes[1].fields[0].field, "description");
        assert_eq!(changes[1].fields[0].after, "\"new\"");
        assert_eq!(unchanged(&before, &after), 2);
        assert!(between(&after, &after).is_empty());
    }
}
