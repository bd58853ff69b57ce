//! What runs, as whom, with what.

use crate::compact::List;
use crate::draft::Draft;
use crate::native::reader::{Fault, Key, Reader, expected, key};
use crate::native::tree::{Item, Node, Value};
use crate::service::{Argument, Command};
use crate::systemd::{account_name, assign_variable, variable_name};
use crate::text::words::{self, Escapes};
use crate::text::{BadValue, command};

/// A text is split into words as in systemd's format; a list is taken word by word.
pub(super) fn words_of(r: &Reader<'_>, value: &Value) -> Result<Vec<String>, Fault> {
    match &value.node {
        Node::Text(text) => {
            let text = r.expand(text, value.spot)?;
            let words = words::split(&text, Escapes::Decode).map_err(|bad| (value.spot, bad))?;
            Ok(words.into_iter().map(|word| word.text).collect())
        }
        Node::List(list) => list.iter().map(|value| word(r, value)).collect(),
        other => Err(expected(value, "a text or a list of texts", other)),
    }
}

fn word(r: &Reader<'_>, value: &Value) -> Result<String, Fault> {
    match &value.node {
        Node::Integer(number) => Ok(number.to_string()),
        Node::Float(number) => Ok(number.to_string()),
        _ => r.text(value),
    }
}

pub(super) fn command(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let words = words_of(r, &item.value)?;
    if words.is_empty() {
        return Err((item.value.spot, BadValue::new("the command is empty")));
    }
    if let Node::Text(text) = &item.value.node {
        let text = r.expand(text, item.value.spot)?;
        r.notes.command_line = Some((text, item.value.spot));
    }
    r.notes.command = Some(words);
    Ok(())
}

pub(super) fn args(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.notes.arguments = Some(words_of(r, &item.value)?);
    Ok(())
}

/// Words as written; `${NAME}` within is replaced when the program is started.
pub(in crate::native) fn command_of(words: &[String]) -> Result<Command, BadValue> {
    let program = command::program(words.first().map_or("", String::as_str))?;
    let rest = words.iter().skip(1).map(|word| argument(word));
    let arguments = std::iter::once(Argument::Literal(program.clone())).chain(rest).collect();
    Ok(Command {
        program,
        arguments,
        ignore_failure: false,
        full_privileges: false,
        keep_user: false,
    })
}

pub(in crate::native) fn argument(word: &str) -> Argument {
    if word.contains("${") { Argument::Expand(word.into()) } else { Argument::Literal(word.into()) }
}

pub(super) const HOOKS: &[Key] = &[
    key("condition", |r, v| hook(r, v, |d| &mut d.service.commands.condition)),
    key("pre-start", |r, v| hook(r, v, |d| &mut d.service.commands.start_pre)),
    key("post-start", |r, v| hook(r, v, |d| &mut d.service.commands.start_post)),
    key("reload", |r, v| hook(r, v, |d| &mut d.service.commands.reload)),
    key("pre-stop", |r, v| hook(r, v, |d| &mut d.service.commands.stop)),
    key("post-stop", |r, v| hook(r, v, |d| &mut d.service.commands.stop_post)),
];

pub(super) fn hooks(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.descend(item, &[HOOKS])
}

/// A text is one command line, a list several; a list in a list is one command word by word.
fn hook(
    r: &mut Reader<'_>,
    item: &Item,
    slot: fn(&mut Draft) -> &mut List<Command>,
) -> Result<(), Fault> {
    let values = match &item.value.node {
        Node::List(list) => list.as_slice(),
        _ => std::slice::from_ref(&item.value),
    };
    for value in values {
        let commands = match &value.node {
            Node::Text(text) => {
                let text = r.expand(text, value.spot)?;
                command::parse(&text, &mut |word| Ok(word.to_owned()))
            }
            _ => command_of(&words_of(r, value)?).map(|command| vec![command]),
        };
        slot(r.draft).extend(commands.map_err(|bad| (value.spot, bad))?);
    }
    Ok(())
}

/// A name or number, or `user:group` as in an image.
pub(super) fn user(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let text = account(r, &item.value)?;
    let (user, group) = text.split_once(':').map_or((&*text, None), |(u, g)| (u, Some(g)));
    let named = |name: &str| account_name(name).map_err(|bad| (item.value.spot, bad));
    r.draft.execution.user = Some(named(user)?);
    if let Some(group) = group {
        r.draft.execution.group = Some(named(group)?);
    }
    Ok(())
}

pub(super) fn group(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let text = account(r, &item.value)?;
    r.draft.execution.group = Some(account_name(&text).map_err(|bad| (item.value.spot, bad))?);
    Ok(())
}

pub(super) fn groups(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.set_words("Service", "SupplementaryGroups", item)
}

fn account(r: &Reader<'_>, value: &Value) -> Result<String, Fault> {
    word(r, value)
}

/// A table of variables, or a list of `NAME=value` as Compose has it.
pub(super) fn env(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    match &item.value.node {
        Node::Table(table) => {
            for variable in table {
                let name = variable_name(&variable.key).map_err(|bad| (variable.key_spot, bad))?;
                let value = variable_value(r, &variable.value)?;
                assign_variable(&mut r.draft.execution.environment, name, value.into());
            }
            Ok(())
        }
        Node::List(list) => {
            for value in list {
                let text = r.text(value)?;
                let (name, value) = text
                    .split_once('=')
                    .ok_or_else(|| (value.spot, BadValue::new("expected `NAME=value`")))?;
                let name = variable_name(name).map_err(|bad| (item.value.spot, bad))?;
                assign_variable(&mut r.draft.execution.environment, name, value.into());
            }
            Ok(())
        }
        other => Err(expected(&item.value, "a table of variables", other)),
    }
}

fn variable_value(r: &Reader<'_>, value: &Value) -> Result<String, Fault> {
    match &value.node {
        Node::Boolean(truth) => Ok(truth.to_string()),
        _ => word(r, value),
    }
}

pub(super) fn env_file(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let values = match &item.value.node {
        Node::List(list) => list.clone(),
        _ => vec![item.value.clone()],
    };
    for value in values {
        r.set("Service", "EnvironmentFile", &Item { value, ..item.clone() })?;
    }
    Ok(())
}

pub(super) const DIRECTORIES: &[Key] = &[
    key("runtime", |r, v| r.set_words("Service", "RuntimeDirectory", v)),
    key("state", |r, v| r.set_words("Service", "StateDirectory", v)),
    key("cache", |r, v| r.set_words("Service", "CacheDirectory", v)),
    key("logs", |r, v| r.set_words("Service", "LogsDirectory", v)),
    key("configuration", |r, v| r.set_words("Service", "ConfigurationDirectory", v)),
    key("mode", |r, v| {
        for name in ["Runtime", "State", "Cache", "Logs", "Configuration"] {
            r.set("Service", &format!("{name}DirectoryMode"), v)?;
        }
        Ok(())
    }),
    key("preserve-runtime", |r, v| r.set("Service", "RuntimeDirectoryPreserve", v)),
];

pub(super) fn directories(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.descend(item, &[DIRECTORIES])
}

/// Names with the files that they come from.
pub(super) fn credentials(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    for credential in crate::native::reader::table(item)? {
        let path = r.text(&credential.value)?;
        let path =
            crate::text::path::absolute(&path).map_err(|bad| (credential.value.spot, bad))?;
        let name = credential.key.clone();
        r.draft.execution.credentials.push(crate::execution::Credential::File { name, path });
    }
    Ok(())
}

pub(super) fn sockets(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    for (text, spot) in r.texts(&item.value)? {
        let name = if text.ends_with(".socket") { text } else { format!("{text}.socket") };
        let socket = crate::name::UnitName::new(&name)
            .map_err(|error| (spot, BadValue::new(format!("`{name}` is no unit name: {error}"))))?;
        r.draft.service.sockets.push(socket);
    }
    Ok(())
}
