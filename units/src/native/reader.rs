//! Carries values from a TOML tree into a draft.

use std::time::Duration;

use super::tree::{Item, Node, Table, Value};
use crate::diagnostic::{Code, Severity};
use crate::draft::{Draft, Origin};
use crate::limits::SUGGESTIONS_MAX;
use crate::name::{UnitKind, UnitName};
use crate::source::Facts;
use crate::spec::RelationKind;
use crate::systemd::{self, Assignment, Empty};
use crate::text::lines::Spot;
use crate::text::specifier::{self, Scope};
use crate::text::suggest::did_you_mean;
use crate::text::{BadValue, timespan};

/// Why a value was not taken, and where.
pub(super) type Fault = (Spot, BadValue);

/// One key of a table: its name and what it does.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) of: Of,
    set: Set,
}

/// Which of a file's units a key concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// All of them.
    All,
    /// The service, or the only one that there is.
    Primary,
    /// The one of this kind.
    Only(UnitKind),
}

impl Of {
    pub(super) fn concerns(self, kind: UnitKind, primary: UnitKind) -> bool {
        match self {
            Of::All => true,
            Of::Primary => kind == primary,
            Of::Only(only) => kind == only,
        }
    }
}

type Set = for<'a, 'b> fn(&'a mut Reader<'b>, &'a Item) -> Result<(), Fault>;

/// A key of services, or of a table below the top.
pub(super) const fn key(name: &'static str, set: Set) -> Key {
    Key { name, of: Of::Only(UnitKind::Service), set }
}

impl Key {
    pub(super) const fn of(self, of: Of) -> Key {
        Key { of, ..self }
    }
}

/// What is needed to take values.
pub(super) struct Reader<'a> {
    pub(super) draft: &'a mut Draft,
    pub(super) file: usize,
    pub(super) facts: &'a Facts,
    pub(super) hear: &'a mut dyn FnMut(Origin, Severity, Code, BadValue),
    /// The table that is being read, for messages: empty at the top, else such as `restart`.
    pub(super) within: String,
    pub(super) notes: Notes,
}

/// What was said in one place and matters in another.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) command: Option<Vec<String>>,
    pub(super) command_line: Option<(String, Spot)>,
    pub(super) arguments: Option<Vec<String>>,
    pub(super) disabled: bool,
    pub(super) wanted_by: bool,
    pub(super) restart: bool,
    pub(super) start_limit: bool,
    pub(super) stop_timeout: bool,
    pub(super) stop_mode: bool,
    pub(super) oom: bool,
    pub(super) ports_at: Option<Spot>,
    pub(super) is_container: bool,
    pub(super) network: bool,
    pub(super) no_new_privileges: bool,
    #[allow(clippy::type_complexity, reason = "what is added, and what is dropped")]
    pub(super) capabilities: Option<(Vec<Box<str>>, Vec<Box<str>>)>,
    pub(super) mounts: Vec<(crate::container::ContainerMount, Spot)>,
    pub(super) unknown_keys: usize,
}

impl Reader<'_> {
    /// Takes every item of a table through its key.
    pub(super) fn walk(&mut self, table: &[Item], keys: &[&[Key]]) {
        for item in table {
            let known = keys.iter().copied().flatten();
            match known.clone().find(|key| key.name == &*item.key) {
                Some(key) => self.take(key, item),
                None => {
                    let bad = self.unknown(item, known.map(|key| key.name));
                    self.say(item.key_spot, Severity::Error, Code::UnknownDirective, bad);
                }
            }
        }
    }

    /// Only says which items have no key.
    pub(super) fn walk_names(&mut self, table: &[Item], keys: &[Key]) {
        for item in table.iter().filter(|item| keys.iter().all(|key| key.name != &*item.key)) {
            let bad = self.unknown(item, keys.iter().map(|key| key.name));
            self.say(item.key_spot, Severity::Error, Code::UnknownDirective, bad);
        }
    }

    /// Takes one item through its key.
    pub(super) fn take(&mut self, key: &Key, item: &Item) {
        if let Err((spot, bad)) = (key.set)(self, item) {
            self.say(spot, Severity::Error, Code::BadValue, bad);
        }
    }

    /// Takes a table below the current one.
    pub(super) fn descend(&mut self, item: &Item, keys: &[&[Key]]) -> Result<(), Fault> {
        let table = table(item)?;
        self.inside(item, |reader| reader.walk(table, keys));
        Ok(())
    }

    /// Does something while keys are called by the name of a table and their own.
    pub(super) fn inside<T>(&mut self, item: &Item, act: impl FnOnce(&mut Self) -> T) -> T {
        let label = self.label(item);
        let outer = std::mem::replace(&mut self.within, label);
        let outcome = act(self);
        self.within = outer;
        outcome
    }

    fn unknown<'k>(&mut self, item: &Item, known: impl Iterator<Item = &'k str>) -> BadValue {
        let place = match self.within.as_str() {
            "" => String::new(),
            within => format!(" in `{within}`"),
        };
        let advice = match self.notes.unknown_keys {
            SUGGESTIONS_MAX.. => String::new(),
            _ => did_you_mean(&item.key, known, "docs/units.md lists all keys"),
        };
        self.notes.unknown_keys += 1;
        BadValue::new(format!("the key `{}` is not known{place}", item.key)).advise(advice)
    }

    /// The whole name of a key.
    pub(super) fn label(&self, item: &Item) -> String {
        match self.within.as_str() {
            "" => item.key.to_string(),
            within => format!("{within}.{}", item.key),
        }
    }

    pub(super) fn say(&mut self, spot: Spot, severity: Severity, code: Code, bad: BadValue) {
        let origin = self.origin(spot);
        (self.hear)(origin, severity, code, bad);
    }

    pub(super) fn origin(&self, spot: Spot) -> Origin {
        Origin { file: self.file, spot }
    }

    /// Specifiers are replaced in templates only: elsewhere a percent sign is one.
    fn expands(&self) -> bool {
        self.draft.spec.name.instance().is_some()
    }

    /// A text as a unit of systemd's format would have it: no percent sign that means nothing.
    fn guarded(&self, text: &str) -> String {
        if self.expands() { text.to_owned() } else { text.replace('%', "%%") }
    }

    /// Replaces specifiers, in templates.
    pub(super) fn expand(&self, text: &str, spot: Spot) -> Result<String, Fault> {
        if !self.expands() {
            return Ok(text.to_owned());
        }
        let scope = Scope { unit: &self.draft.spec.name, facts: self.facts, file: "" };
        specifier::expand(text, &scope, &mut Vec::new()).map_err(|bad| (spot, bad))
    }

    pub(super) fn text(&self, value: &Value) -> Result<String, Fault> {
        match &value.node {
            Node::Text(text) => self.expand(text, value.spot),
            other => Err(expected(value, "a text in quotes", other)),
        }
    }

    /// One text, or a list of them.
    pub(super) fn texts(&self, value: &Value) -> Result<Vec<(String, Spot)>, Fault> {
        match &value.node {
            Node::List(list) => {
                list.iter().map(|value| Ok((self.text(value)?, value.spot))).collect()
            }
            _ => Ok(vec![(self.text(value)?, value.spot)]),
        }
    }

    /// A span: a text such as `90s`, or a number of seconds; `None`: `infinity`.
    pub(super) fn span_or_never(&self, value: &Value) -> Result<Option<Duration>, Fault> {
        match &value.node {
            Node::Integer(seconds) if *seconds >= 0 => {
                Ok(Some(Duration::from_secs(seconds.unsigned_abs())))
            }
            Node::Float(seconds) => {
                let span = Duration::try_from_secs_f64(*seconds);
                let bad =
                    |_| (value.spot, BadValue::new(format!("`{seconds}` is no span of time")));
                span.map(Some).map_err(bad)
            }
            Node::Text(text) => timespan::parse(text).map_err(|bad| (value.spot, bad)),
            other => Err(expected(value, "a span of time such as `\"90s\"`", other)),
        }
    }

    pub(super) fn span(&self, value: &Value) -> Result<Duration, Fault> {
        let bad = || (value.spot, BadValue::new("this span of time must end"));
        self.span_or_never(value)?.ok_or_else(bad)
    }

    /// A directive of systemd's under another name. One text, number or truth.
    pub(super) fn set(&mut self, section: &str, name: &str, item: &Item) -> Result<(), Fault> {
        let text = match &item.value.node {
            Node::Text(text) => self.guarded(text),
            Node::Integer(number) => number.to_string(),
            Node::Float(number) => number.to_string(),
            Node::Boolean(truth) => if *truth { "yes" } else { "no" }.to_owned(),
            other @ (Node::List(_) | Node::Table(_) | Node::Other) => {
                return Err(expected(&item.value, "a single value", other));
            }
        };
        self.assign(section, name, &text, &self.label(item), item.value.spot);
        Ok(())
    }

    /// A directive of systemd's that takes words: one text, or a list of them.
    pub(super) fn set_words(
        &mut self,
        section: &str,
        name: &str,
        item: &Item,
    ) -> Result<(), Fault> {
        let label = self.label(item);
        let values = match &item.value.node {
            Node::List(list) => list.as_slice(),
            _ => std::slice::from_ref(&item.value),
        };
        if values.is_empty() {
            self.assign(section, name, "", &label, item.value.spot);
        }
        for value in values {
            let text = match &value.node {
                Node::Text(text) => quoted(&self.guarded(text)),
                Node::Integer(number) => number.to_string(),
                Node::Boolean(truth) => if *truth { "yes" } else { "no" }.to_owned(),
                other @ (Node::Float(_) | Node::List(_) | Node::Table(_) | Node::Other) => {
                    return Err(expected(value, "a text in quotes", other));
                }
            };
            self.assign(section, name, &text, &label, value.spot);
        }
        Ok(())
    }

    /// Gives a value to a directive of systemd's.
    pub(super) fn assign(
        &mut self,
        section: &str,
        name: &str,
        text: &str,
        label: &str,
        spot: Spot,
    ) {
        let unit = self.draft.spec.name.clone();
        let Some(row) = systemd::find(unit.kind(), section, name) else {
            let bad = BadValue::new(format!("`{name}` is no directive of `[{section}]`"));
            self.say(spot, Severity::Error, Code::UnknownDirective, bad);
            return;
        };
        if text.is_empty() && row.empty != Empty::IsValue {
            return;
        }
        let origin = self.origin(spot);
        let assignment = Assignment {
            value: text,
            label,
            scope: Scope { unit: &unit, facts: self.facts, file: "" },
            origin,
        };
        let hear = &mut self.hear;
        if let Some((severity, code, bad)) = systemd::objection(row, section) {
            hear(origin, severity, code, bad);
        }
        systemd::assign(self.draft, row, assignment, &mut |severity, code, bad| {
            hear(origin, severity, code, bad);
        });
    }

    /// Unit names; `web` is `web.service`.
    pub(super) fn units(&self, value: &Value) -> Result<Vec<UnitName>, Fault> {
        let texts = self.texts(value)?;
        let name = |(text, spot): (String, Spot)| {
            UnitName::from_typed(&text).map_err(|error| {
                let bad = BadValue::new(format!("`{text}` is no unit name: {error}"));
                (spot, bad.advise("write such as `db`, `db.service` or `data.mount`"))
            })
        };
        texts.into_iter().map(name).collect()
    }

    /// Relations of several kinds to all units that are named.
    pub(super) fn link(&mut self, item: &Item, kinds: &[RelationKind]) -> Result<(), Fault> {
        let origin = self.origin(item.value.spot);
        for unit in self.units(&item.value)? {
            kinds.iter().for_each(|kind| self.draft.link(*kind, unit.clone(), origin));
        }
        Ok(())
    }

    /// The unit's own kind.
    pub(super) fn kind(&self) -> UnitKind {
        self.draft.spec.name.kind()
    }
}

/// A word in quotes as the readers of systemd's format take it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

pub(super) fn expected(value: &Value, what: &str, found: &Node) -> Fault {
    let bad = BadValue::new(format!("expected {what}, found {}", found.describe()));
    (value.spot, bad)
}

pub(super) fn table(item: &Item) -> Result<&Table, Fault> {
    match &item.value.node {
        Node::Table(table) => Ok(table),
        other => Err(expected(&item.value, "a table", other)),
    }
}

pub(super) fn boolean(value: &Value) -> Result<bool, Fault> {
    match &value.node {
        Node::Boolean(truth) => Ok(*truth),
        other => Err(expected(value, "true or false", other)),
    }
}

pub(super) fn integer(value: &Value, from: i64, to: i64) -> Result<i64, Fault> {
    match &value.node {
        Node::Integer(number) if (from..=to).contains(number) => Ok(*number),
        Node::Integer(number) => {
            Err((value.spot, BadValue::new(format!("{number} is not from {from} to {to}"))))
        }
        other => Err(expected(value, "a whole number", other)),
    }
}

/// A small unsigned number.
pub(super) fn count<T: TryFrom<i64>>(value: &Value, from: i64, to: i64) -> Result<T, Fault> {
    let number = integer(value, from, to)?;
    T::try_from(number).map_err(|_| (value.spot, BadValue::new(format!("{number} is too large"))))
}

/// One of several words.
pub(super) fn one_of<T: Copy>(value: &Value, words: &[(&str, T)]) -> Result<T, Fault> {
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let list = known.join(", ");
    let Node::Text(text) = &value.node else {
        return Err(expected(value, &format!("one of {list}"), &value.node));
    };
    let found = words.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let otherwise = format!("write one of {list}");
        let advice = did_you_mean(text, known.iter().copied(), &otherwise);
        (value.spot, BadValue::new(format!("`{text}` cannot stand here")).advise(advice))
    })
}
