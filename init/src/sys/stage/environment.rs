//! The variables of the process, in their layers.

use std::fs;

use units::plan::{Login, Plan};
use units::run::StageStep;

use super::identity::User;
use super::{Done, at};
use crate::work::StageInput;

/// Name and value, later ones win.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    pairs: Vec<(String, String)>,
}

impl Environment {
    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: &str, value: &str) {
        self.pairs.retain(|(key, _)| key != name);
        self.pairs.push((name.to_owned(), value.to_owned()));
    }

    /// `NAME=value`, each.
    pub(super) fn assignments(&self) -> impl Iterator<Item = String> + '_ {
        self.pairs.iter().map(|(name, value)| format!("{name}={value}"))
    }
}

/// What can be read only from the machine's own files, before they are out of sight.
pub(super) fn assemble(plan: &Plan) -> Done<Environment> {
    let mut environment = Environment::default();
    for (name, value) in &plan.environment.base {
        environment.set(name, value);
    }
    for (name, value) in &plan.environment.own {
        environment.set(name, value);
    }
    for (index, file) in plan.environment.files.iter().enumerate() {
        match fs::read_to_string(&*file.path) {
            Ok(text) => read_file(&text, &mut environment),
            Err(_) if file.optional => {}
            Err(error) => {
                let errno = rustix::io::Errno::from_raw_os_error(error.raw_os_error().unwrap_or(0));
                return Err(at(StageStep::EnvironmentFile, errno, index));
            }
        }
    }
    Ok(environment)
}

/// systemd.exec(5), EnvironmentFile=: assignments line by line, `#` and `;` comments, quotes, a backslash
/// at the end of a line goes on with the next.
fn read_file(text: &str, environment: &mut Environment) {
    let joined = text.replace("\\\n", "");
    for line in joined.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        environment.set(name.trim(), &unquoted(value.trim()));
    }
}

fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        let inner = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            let escapes = quote == '"';
            return if escapes {
                inner.replace("\\\"", "\"").replace("\\\\", "\\")
            } else {
                inner.to_owned()
            };
        }
    }
    value.to_owned()
}

/// What depends on the user and on this very process.
pub(super) fn complete(
    environment: &mut Environment,
    plan: &Plan,
    user: &User,
    input: &StageInput,
) {
    let unset = |environment: &Environment, name: &str| environment.get(name).is_none();
    match plan.environment.login {
        Login::No => {}
        Login::Home => {
            if unset(environment, "HOME") {
                environment.set("HOME", &user.home);
            }
        }
        Login::Full => {
            let pairs = [
                ("HOME", &user.home),
                ("USER", &user.name),
                ("LOGNAME", &user.name),
                ("SHELL", &user.shell),
            ];
            for (name, value) in pairs {
                if unset(environment, name) {
                    environment.set(name, value);
                }
            }
        }
    }
    if !input.names.is_empty() {
        environment.set("LISTEN_FDS", &input.names.len().to_string());
        environment.set("LISTEN_PID", &std::process::id().to_string());
        environment.set("LISTEN_FDNAMES", &input.names.join(":"));
    }
    for name in &plan.environment.unset {
        match name.split_once('=') {
            Some((name, value)) => {
                environment.pairs.retain(|(k, v)| !(k == name && v == value));
            }
            None => environment.pairs.retain(|(key, _)| **key != **name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        let mut environment = Environment::default();
        read_file("# c\nA=1\n B = \"x y\" \nC='$A'\nlong=a\\\nb\nbroken\n", &mut environment);
        assert_eq!(environment.get("A"), Some("1"));
        assert_eq!(environment.get("B"), Some("x y"));
        assert_eq!(environment.get("C"), Some("$A"));
        assert_eq!(environment.get("long"), Some("ab"));
    }
}
