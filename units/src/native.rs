//! Our own format: one TOML file for a service with everything that belongs to it.
//!
//! `web.toml` defines `web.service`, and with a `[timer]` (or `schedule`) or a `[socket]` table
//! also `web.timer` or `web.socket`. With a `[mount]` or `[target]` table it defines that unit
//! instead. Every key is documented in `docs/units.md`; unknown ones are errors.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a value of another kind than the key wants is refused, whatever its kind"
)]

mod keys;
mod reader;
mod settle;
mod tree;

use crate::diagnostic::{Code, Severity};
use crate::draft::{Draft, Origin};
use crate::name::{NameError, UnitKind, UnitName};
use crate::source::Facts;
use crate::text::lines::Spot;
use crate::text::{BadValue, escape};
use reader::{Key, Notes, Reader};
use tree::{Item, Node, Table};

/// One file.
#[derive(Debug)]
pub(crate) struct Document {
    table: Table,
}

impl Document {
    /// Reads a file's text.
    pub(crate) fn parse(text: &str) -> Result<Document, Vec<(Spot, BadValue)>> {
        tree::parse(text).map(|table| Document { table })
    }

    fn item(&self, key: &str) -> Option<&Item> {
        self.table.iter().find(|item| &*item.key == key)
    }

    fn has(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.item(key).is_some())
    }

    /// The units that the file defines, by its tables.
    pub(crate) fn units(&self, stem: &str) -> Vec<(UnitKind, Result<UnitName, NameError>)> {
        let name = |stem: &str, kind: UnitKind| {
            (kind, UnitName::new(&format!("{stem}.{}", kind.suffix())))
        };
        if self.has(&["target"]) {
            return vec![name(stem, UnitKind::Target)];
        }
        if self.has(&["mount"]) {
            let place = self.mount_place().and_then(escape::escape_path);
            return vec![name(place.as_deref().unwrap_or(stem), UnitKind::Mount)];
        }
        let timed = self.has(&["timer", "schedule"]);
        let mut units = Vec::new();
        if timed {
            units.push(name(stem, UnitKind::Timer));
        }
        if self.has(&["socket"]) {
            units.push(name(stem, UnitKind::Socket));
        }
        if self.has(&["command", "image", "root"]) || units.is_empty() {
            let template = if self.accepts() { format!("{stem}@") } else { stem.to_owned() };
            units.push(name(&template, UnitKind::Service));
        }
        units
    }

    fn inner(&self, table: &str, key: &str) -> Option<&Node> {
        let Node::Table(table) = &self.item(table)?.value.node else { return None };
        table.iter().find(|item| &*item.key == key).map(|item| &item.value.node)
    }

    fn mount_place(&self) -> Option<&str> {
        match self.inner("mount", "where") {
            Some(Node::Text(place)) => Some(place),
            _ => None,
        }
    }

    /// Whether each connection gets a process of its own, so that the service is a template.
    fn accepts(&self) -> bool {
        self.inner("socket", "accept") == Some(&Node::Boolean(true))
    }

    /// Writes what the file says of one of its units into a draft.
    pub(crate) fn apply(
        &self,
        draft: &mut Draft,
        file: usize,
        facts: &Facts,
        hear: &mut dyn FnMut(Origin, Severity, Code, BadValue),
    ) {
        let kind = draft.spec.name.kind();
        let mut reader =
            Reader { draft, file, facts, hear, within: String::new(), notes: Notes::default() };
        let primary = self.primary();
        settle::begin(&mut reader, self.has(&["image", "root"]));
        for item in &self.table {
            match keys::TOP.iter().find(|key| key.name == &*item.key) {
                Some(key) if key.of.concerns(kind, primary) => reader.take(key, item),
                Some(key) => self.check_place(key, item, &mut reader),
                None => reader.walk(std::slice::from_ref(item), &[keys::TOP]),
            }
        }
        settle::end(&mut reader, &self.kinds());
    }

    /// A key that concerns none of the file's units is out of place.
    fn check_place(&self, key: &Key, item: &Item, reader: &mut Reader<'_>) {
        let primary = self.primary();
        if !self.kinds().iter().any(|kind| key.of.concerns(*kind, primary)) {
            let text = format!("`{}` has no place in a {} unit", key.name, primary.suffix());
            let bad = BadValue::new(text).advise("put it into the file of the service");
            reader.say(item.key_spot, Severity::Error, Code::Contradiction, bad);
        }
    }

    fn kinds(&self) -> Vec<UnitKind> {
        self.units("x").into_iter().map(|(kind, _)| kind).collect()
    }

    /// The unit of which the file speaks in the first place.
    fn primary(&self) -> UnitKind {
        let kinds = self.kinds();
        if kinds.contains(&UnitKind::Service) { UnitKind::Service } else { kinds[0] }
    }
}

#[cfg(test)]
mod tests;
