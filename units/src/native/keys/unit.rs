//! What every kind of unit has: conditions, who wants it, where it may run.

use crate::name::UnitName;
use crate::native::reader::{Fault, Key, Reader, boolean, key, table};
use crate::native::tree::{Item, Node, Value};
use crate::systemd::{Place, directives};
use crate::text::BadValue;
use crate::text::suggest::did_you_mean;

pub(super) fn enabled(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.notes.disabled = !boolean(&item.value)?;
    Ok(())
}

pub(super) fn wanted_by(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.notes.wanted_by = true;
    r.draft.spec.install.wanted_by = targets(r, &item.value)?.into();
    Ok(())
}

pub(super) fn required_by(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.notes.wanted_by = true;
    r.draft.spec.install.required_by = targets(r, &item.value)?.into();
    Ok(())
}

pub(super) fn aliases(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.draft.spec.install.alias = r.units(&item.value)?.into();
    Ok(())
}

/// An empty list means that nothing wants it.
fn targets(r: &Reader<'_>, value: &Value) -> Result<Vec<UnitName>, Fault> {
    r.units(value)
}

pub(super) fn conditions(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    tests(r, item, "Condition")
}

pub(super) fn asserts(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    tests(r, item, "Assert")
}

/// `path-exists = "/x"`: systemd's names without `Condition`, in our spelling.
fn tests(r: &mut Reader<'_>, item: &Item, prefix: &str) -> Result<(), Fault> {
    let tests = table(item)?;
    r.inside(item, |r| tests.iter().try_for_each(|test| one_test(r, test, prefix)))
}

fn one_test(r: &mut Reader<'_>, test: &Item, prefix: &str) -> Result<(), Fault> {
    let known = directives().filter(|row| row.place == Place::Unit);
    let known = known.filter_map(|row| Some((row.name, row.name.strip_prefix(prefix)?)));
    let known: Vec<(&str, String)> = known.map(|(name, short)| (name, spelled(short))).collect();
    match known.iter().find(|(_, short)| **short == *test.key) {
        Some((name, _)) => each(r, test, name),
        None => {
            let names = known.iter().map(|(_, short)| short.as_str());
            let near = did_you_mean(&test.key, names, "see docs/units.md");
            let text = format!("the condition `{}` is not known", test.key);
            Err((test.key_spot, BadValue::new(text).advise(near)))
        }
    }
}

fn each(r: &mut Reader<'_>, test: &Item, name: &str) -> Result<(), Fault> {
    let Node::List(list) = &test.value.node else { return r.set("Unit", name, test) };
    for value in list {
        r.set("Unit", name, &Item { value: value.clone(), ..test.clone() })?;
    }
    Ok(())
}

/// `PathExists` is `path-exists`, `ACPower` is `ac-power`, `CPUs` is `cpus`.
pub(super) fn spelled(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut spelled = String::new();
    for (index, c) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(index + 1);
        let plural = after == Some(&'s') && letters.len() == index + 2;
        let begins = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || (after.is_some_and(char::is_ascii_lowercase) && !plural)
            });
        if begins {
            spelled.push('-');
        }
        spelled.push(c.to_ascii_lowercase());
    }
    spelled
}

pub(super) const PLACEMENT: &[Key] = &[
    key("machine-id", |r, v| r.set("X-Fleet", "MachineID", v)),
    key("with", |r, v| r.set_words("X-Fleet", "MachineOf", v)),
    key("labels", |r, v| r.set_words("X-Fleet", "MachineMetadata", v)),
    key("not-with", |r, v| r.set_words("X-Fleet", "Conflicts", v)),
    key("replaces", |r, v| r.set_words("X-Fleet", "Replaces", v)),
    key("everywhere", |r, v| r.set("X-Fleet", "Global", v)),
];

pub(super) fn placement(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.descend(item, &[PLACEMENT])
}

/// A unit that is part of the boot by default.
pub(in crate::native) fn default_wanted_by(r: &mut Reader<'_>, target: &str) {
    let target = UnitName::new(target).expect("a standard target's name");
    r.draft.spec.install.wanted_by = vec![target].into();
}

#[cfg(test)]
mod tests {
    use super::spelled;

    #[test]
    fn spelling() {
        for (name, expected) in [
            ("PathExists", "path-exists"),
            ("ACPower", "ac-power"),
            ("CPUs", "cpus"),
            ("CPUFeature", "cpu-feature"),
            ("OSRelease", "os-release"),
            ("ProtectSystem", "protect-system"),
            ("RestrictSUIDSGID", "restrict-suidsgid"),
            ("PrivateIPC", "private-ipc"),
        ] {
            assert_eq!(spelled(name), expected);
        }
    }
}
