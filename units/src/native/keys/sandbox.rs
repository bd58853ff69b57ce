//! The rest of what systemd has: sandboxing in our spelling, and any directive by its own name.

use super::unit::spelled;
use crate::native::reader::{Fault, Reader, table};
use crate::native::tree::{Item, Node};
use crate::systemd::{self, Place, SANDBOX_NAMES, directives};
use crate::text::BadValue;
use crate::text::suggest::did_you_mean;

/// `sandbox = { protect-system = "strict", private-tmp = true, … }`.
pub(super) fn sandbox(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let parts = table(item)?;
    r.inside(item, |r| parts.iter().try_for_each(|part| protection(r, part)))
}

fn protection(r: &mut Reader<'_>, part: &Item) -> Result<(), Fault> {
    let found = SANDBOX_NAMES.iter().find(|name| spelled(name) == *part.key);
    let Some(name) = found else {
        let names: Vec<String> = SANDBOX_NAMES.iter().map(|name| spelled(name)).collect();
        let known = names.iter().map(String::as_str);
        let advice = did_you_mean(&part.key, known, "docs/units.md lists them");
        let bad = BadValue::new(format!("`{}` is no part of the sandbox", part.key));
        return Err((part.key_spot, bad.advise(advice)));
    };
    give(r, "Service", name, part)
}

/// `[systemd]`: directives of `[Unit]` and `[Service]` by their own names.
pub(super) fn systemd(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let kind = r.kind();
    for part in table(item)? {
        let sections = ["Service", "Unit"];
        let found = sections.into_iter().find(|s| systemd::find(kind, s, &part.key).is_some());
        let Some(section) = found else {
            let places = [Place::Unit, Place::Service, Place::Process];
            let known = directives().filter(|row| places.contains(&row.place)).map(|row| row.name);
            let advice = did_you_mean(&part.key, known, "write it as in systemd.service(5)");
            let bad = BadValue::new(format!("`{}` is no directive of systemd", part.key));
            return Err((part.key_spot, bad.advise(advice)));
        };
        give(r, section, &part.key.clone(), part)?;
    }
    Ok(())
}

/// A list is one assignment for each of its values, word by word.
fn give(r: &mut Reader<'_>, section: &str, name: &str, part: &Item) -> Result<(), Fault> {
    match &part.value.node {
        Node::List(list) if section == "Service" => {
            let words = list.iter().map(|value| r.text(value)).collect::<Result<Vec<_>, _>>()?;
            let plain = words.iter().all(|word| !word.contains([' ', '"', '\'', '\\']));
            if plain && !words.is_empty() {
                let text = words.join(" ");
                let value =
                    crate::native::tree::Value { node: Node::Text(text), spot: part.value.spot };
                return r.set(section, name, &Item { value, ..part.clone() });
            }
            r.set_words(section, name, part)
        }
        Node::List(_) => r.set_words(section, name, part),
        _ => r.set(section, name, part),
    }
}
