//! A unit's spec as a person reads it: one setting per line, in the words of unit files.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use units::text::timespan;

use super::human;

/// Settings by name, in order; the value is what stands behind the equals sign.
pub(crate) type Settings = Vec<(String, String)>;

/// Takes a spec (as JSON) apart.
pub(crate) fn of(spec: &Value) -> Settings {
    let mut settings = Vec::new();
    add("", spec, &mut settings);
    settings
}

/// Takes one setting apart that is told by its path in the spec and its value as JSON; empty text: not set.
pub(crate) fn at(path: &str, json: &str) -> Settings {
    let mut settings = Vec::new();
    match serde_json::from_str::<Value>(json) {
        Ok(value) => add(path, &value, &mut settings),
        Err(_) if json.is_empty() => {}
        Err(_) => settings.push((spelled(path), json.to_owned())),
    }
    settings
}

/// Settings that one has and the other has not: name, before, after. A list counts entry by entry.
pub(crate) fn differences(before: &Settings, after: &Settings) -> Vec<(String, String, String)> {
    let mut by_name: BTreeMap<&str, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    for (name, value) in before {
        by_name.entry(name).or_default().0.push(value);
    }
    for (name, value) in after {
        by_name.entry(name).or_default().1.push(value);
    }
    let mut found = Vec::new();
    for (name, (mut old, mut new)) in by_name {
        let kept: Vec<&str> = old.iter().copied().filter(|value| new.contains(value)).collect();
        old.retain(|value| !kept.contains(value));
        new.retain(|value| !kept.contains(value));
        let most = old.len().max(new.len());
        for index in 0..most {
            let at = |list: &[&str]| list.get(index).copied().unwrap_or_default().to_owned();
            found.push((name.to_owned(), at(&old), at(&new)));
        }
    }
    found
}

fn add(path: &str, value: &Value, settings: &mut Settings) {
    if let Some(text) = whole(path, value) {
        if !text.is_empty() {
            settings.push((spelled(path), text));
        }
        return;
    }
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                add(&path, value, settings);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| add(path, item, settings)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The text of a value that is one thing to a person; empty if it says nothing.
fn whole(path: &str, value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(false) => Some(String::new()),
        Value::Bool(true) => Some("yes".to_owned()),
        Value::Number(number) => Some(counted(path, number.as_u64(), &number.to_string())),
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.is_empty() => Some(String::new()),
        Value::Array(items) => pair(items),
        Value::Object(fields) => span(fields)
            .or_else(|| relation(fields))
            .or_else(|| command(fields))
            .or_else(|| amount(path, fields)),
    }
}

/// Bytes and times are told with their units, as the name promises them.
fn counted(path: &str, value: Option<u64>, plain: &str) -> String {
    match value {
        Some(bytes) if path.ends_with("_bytes") || path.contains("memory") => human::bytes(bytes),
        Some(us) if path.ends_with("_us") => timespan::format_us(us),
        Some(_) | None => plain.to_owned(),
    }
}

/// Two texts: a variable and its value, a path and its options.
fn pair(items: &[Value]) -> Option<String> {
    match items {
        [Value::String(name), Value::String(value)] => Some(format!("{name}={value}")),
        _ => None,
    }
}

/// `{"secs":1,"nanos":0}`
fn span(fields: &Map<String, Value>) -> Option<String> {
    let (seconds, nanos) = (fields.get("secs")?.as_u64()?, fields.get("nanos")?.as_u64()?);
    Some(timespan::format_us(seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000)))
}

/// `{"kind":"Wants","unit":"web.service"}`
fn relation(fields: &Map<String, Value>) -> Option<String> {
    let (kind, unit) = (fields.get("kind")?.as_str()?, fields.get("unit")?.as_str()?);
    (fields.len() == 2).then(|| format!("{} {unit}", dashed(kind)))
}

/// A command line, with its prefixes.
fn command(fields: &Map<String, Value>) -> Option<String> {
    let program = fields.get("program")?.as_str()?;
    let arguments = fields.get("arguments")?.as_array()?;
    let is_set = |key: &str| fields.get(key).and_then(Value::as_bool).unwrap_or(false);
    let mut text = String::new();
    for (key, prefix) in [("ignore_failure", "-"), ("full_privileges", "+"), ("keep_user", "!")] {
        if is_set(key) {
            text += prefix;
        }
    }
    text += program;
    for argument in arguments.iter().skip(1) {
        text.push(' ');
        text += &word(argument);
    }
    Some(text)
}

/// One word of a command line, quoted where a shell would have to.
fn word(argument: &Value) -> String {
    let inner = argument.as_object().and_then(|fields| fields.iter().next());
    match inner {
        Some((kind, Value::String(text))) => match kind.as_str() {
            "Split" => format!("${text}"),
            _ if text.is_empty() || text.contains(char::is_whitespace) => format!("{text:?}"),
            _ => text.clone(),
        },
        _ => argument.to_string(),
    }
}

/// `{"Absolute":1}`, `{"Share":5000}`
fn amount(path: &str, fields: &Map<String, Value>) -> Option<String> {
    if fields.len() != 1 {
        return None;
    }
    if let Some(value) = fields.get("Absolute").and_then(Value::as_u64) {
        return Some(counted(path, Some(value), &value.to_string()));
    }
    let share = fields.get("Share").and_then(Value::as_u64)?;
    Some(format!("{}%", share / 100))
}

/// `body.Service.resources.memory_max` is `resources.memory-max`.
fn spelled(path: &str) -> String {
    let path = path
        .strip_prefix("body.")
        .map_or(path, |rest| rest.split_once('.').map_or(rest, |(_, setting)| setting));
    path.split('.').map(dashed).collect::<Vec<_>>().join(".")
}

/// `memory_max`, `OnFailure` as unit files of ours write them.
fn dashed(word: &str) -> String {
    let mut text = String::new();
    for letter in word.chars() {
        if letter.is_uppercase() && !text.is_empty() && !text.ends_with('-') {
            text.push('-');
        }
        text.push(if letter == '_' { '-' } else { letter.to_ascii_lowercase() });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample(argument: &str, memory: u64) -> Value {
        json!({
            "name": "web.service",
            "relations": [{"kind": "Wants", "unit": "db.service"}, {"kind": "OnFailure", "unit": "x.service"}],
            "refuse_manual_start": false,
            "body": {"Service": {
                "commands": {"start": [{"program": "/bin/sh", "arguments": [
                    {"Literal": "sh"}, {"Literal": argument}, {"Split": "EXTRA"}],
                    "ignore_failure": true, "full_privileges": false, "keep_user": false}]},
                "restart": {"delay": {"secs": 0, "nanos": 100_000_000}},
                "resources": {"memory_max": {"Absolute": memory}, "tasks_max": {"Share": 1500}},
                "execution": {"environment": [["A", "b c"]]},
            }},
        })
    }

    #[test]
    fn settings_are_what_a_person_wrote() {
        let text: Vec<String> = of(&sample("-c x", 64 << 20))
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            text,
            [
                "commands.start=-/bin/sh \"-c x\" $EXTRA",
                "execution.environment=A=b c",
                "resources.memory-max=64 M",
                "resources.tasks-max=15%",
                "restart.delay=100ms",
                "name=web.service",
                "relations=wants db.service",
                "relations=on-failure x.service",
            ]
        );
    }

    #[test]
    fn differences_are_by_entry() {
        let (before, mut after) = (of(&sample("a", 1 << 20)), of(&sample("b", 1 << 20)));
        after.push(("relations".to_owned(), "after new.service".to_owned()));
        let changed =
            |name: &str, was: &str, is: &str| (name.to_owned(), was.to_owned(), is.to_owned());
        assert_eq!(
            differences(&before, &after),
            [
                changed("commands.start", "-/bin/sh a $EXTRA", "-/bin/sh b $EXTRA"),
                changed("relations", "", "after new.service"),
            ]
        );
    }
}
