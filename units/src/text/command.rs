//! Command lines (systemd.service(5)): prefixes, words, variables. There is no shell.

use super::words::{self, Escapes, Word};
use super::{BadValue, path};
use crate::limits::{COMMAND_WORDS_MAX, COMMANDS_MAX};
use crate::service::{Argument, Command};

/// Replaces the specifiers of one word.
pub type Expand<'a> = dyn FnMut(&str) -> Result<String, BadValue> + 'a;

/// Reads one `Exec…=` value: one command, or several parted by ` ; `.
///
/// # Errors
/// When a command has no program, the program is no path or plain name, or a quote is open.
pub fn parse(text: &str, expand: &mut Expand<'_>) -> Result<Vec<Command>, BadValue> {
    let mut commands = Vec::new();
    let mut offset = 0;
    while let Some((command, end)) = parse_one(text, offset, expand)? {
        offset = end;
        commands.push(command);
        if commands.len() > COMMANDS_MAX {
            return Err(BadValue::new(format!("more than {COMMANDS_MAX} commands")));
        }
    }
    Ok(commands)
}

fn parse_one(
    text: &str,
    from: usize,
    expand: &mut Expand<'_>,
) -> Result<Option<(Command, usize)>, BadValue> {
    let Some(first) = words::next(text, from, Escapes::Decode)? else { return Ok(None) };
    let mut offset = first.offset + first.length;
    let prefixes = Prefixes::of(&first)?;
    let expanded = expand(&first.text[prefixes.length..]).map_err(|bad| at(bad, &first))?;
    let program = program(&expanded).map_err(|bad| at(bad, &first))?;
    let mut arguments = Vec::new();
    if !prefixes.own_name {
        arguments.push(Argument::Literal(program.clone()));
    }
    while let Some(word) = words::next(text, offset, Escapes::Decode)? {
        offset = word.offset + word.length;
        let literal = match &text[word.offset..offset] {
            ";" => break,
            "\\;" => ";".to_owned(),
            _ => expand(&word.text).map_err(|bad| at(bad, &word))?,
        };
        arguments.push(argument(&literal, prefixes.no_variables));
        if arguments.len() > COMMAND_WORDS_MAX {
            let text = format!("the command has more than {COMMAND_WORDS_MAX} words");
            return Err(at(BadValue::new(text), &word));
        }
    }
    if arguments.is_empty() {
        return Err(at(BadValue::new("`@` needs a second word, the name of the process"), &first));
    }
    Ok(Some((prefixes.command(program, arguments), offset)))
}

fn at(bad: BadValue, word: &Word) -> BadValue {
    bad.at(word.offset, word.length)
}

/// The special characters before a program.
#[derive(Default)]
struct Prefixes {
    length: usize,
    ignore_failure: bool,
    own_name: bool,
    no_variables: bool,
    full_privileges: bool,
    keep_user: bool,
}

impl Prefixes {
    fn of(word: &Word) -> Result<Prefixes, BadValue> {
        let mut prefixes = Prefixes::default();
        for c in word.text.chars() {
            let flag = match c {
                '-' => &mut prefixes.ignore_failure,
                '@' => &mut prefixes.own_name,
                ':' => &mut prefixes.no_variables,
                '+' => &mut prefixes.full_privileges,
                '!' if prefixes.keep_user && word.text[prefixes.length - 1..].starts_with('!') => {
                    prefixes.length += 1;
                    continue;
                }
                '!' => &mut prefixes.keep_user,
                _ => break,
            };
            if std::mem::replace(flag, true) {
                return Err(at(BadValue::new(format!("the prefix `{c}` stands twice")), word));
            }
            prefixes.length += 1;
        }
        if prefixes.full_privileges && prefixes.keep_user {
            return Err(at(BadValue::new("`+` and `!` cannot both be had"), word));
        }
        Ok(prefixes)
    }

    fn command(&self, program: Box<str>, arguments: Vec<Argument>) -> Command {
        Command {
            program,
            arguments,
            ignore_failure: self.ignore_failure,
            full_privileges: self.full_privileges,
            keep_user: self.keep_user,
        }
    }
}

/// An absolute path, or a name without a slash that is searched for.
pub fn program(text: &str) -> Result<Box<str>, BadValue> {
    if text.is_empty() {
        return Err(BadValue::new("the command has no program"));
    }
    if text.starts_with('/') && text.ends_with('/') {
        return Err(BadValue::new(format!("the program `{text}` is a directory")));
    }
    if text.contains('/') && !text.starts_with('/') {
        return Err(BadValue::new(format!("the program `{text}` is no absolute path"))
            .advise("write the whole path, or only the name to have it searched for"));
    }
    if text.chars().any(char::is_control) {
        return Err(BadValue::new("the program has control characters in its name"));
    }
    if text.starts_with('/') { path::absolute(text) } else { Ok(text.into()) }
}

/// A word after the program. `$NAME` alone is split, `${NAME}` within is replaced, `$$` is `$`.
fn argument(word: &str, no_variables: bool) -> Argument {
    if no_variables || !word.contains('$') {
        return Argument::Literal(word.into());
    }
    if let Some(name) = word.strip_prefix('$')
        && !name.starts_with(['{', '$'])
        && !name.is_empty()
    {
        return Argument::Split(name.into());
    }
    if word.contains("${") {
        return Argument::Expand(word.into());
    }
    Argument::Literal(word.replace("$$", "$").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Command>, BadValue> {
        parse(text, &mut |word| Ok(word.to_owned()))
    }

    fn literal(text: &str) -> Argument {
        Argument::Literal(text.into())
    }

    #[test]
    fn arguments() {
        let command = &read(r#"/bin/a "b c" $D x${E}y $$F ${G} $"#).unwrap()[0];
        let expected = [
            literal("/bin/a"),
            literal("b c"),
            Argument::Split("D".into()),
            Argument::Expand("x${E}y".into()),
            literal("$F"),
            Argument::Expand("${G}".into()),
            literal("$"),
        ];
        assert_eq!(command.arguments, expected);
    }

    #[test]
    fn prefixes() {
        let command = &read("-@/bin/a b c").unwrap()[0];
        assert!(command.ignore_failure);
        assert_eq!(command.arguments, [literal("b"), literal("c")]);
        assert!(read("+/bin/a").unwrap()[0].full_privileges);
        assert!(read("!!/bin/a").unwrap()[0].keep_user);
        assert_eq!(read(":/bin/a $B").unwrap()[0].arguments[1], literal("$B"));
        assert!(read("--/bin/a").is_err());
        assert!(read("+!/bin/a").is_err());
        assert!(read("@/bin/a").is_err());
    }

    #[test]
    fn several() {
        let commands = read("/bin/a x ; -b y \\; z").unwrap();
        assert_eq!(commands.len(), 2);
        assert_eq!(&*commands[1].program, "b");
        assert_eq!(commands[1].arguments[2], literal(";"));
    }

    #[test]
    fn bad_programs() {
        for bad in ["bin/a", "-", "/bin/", "/a/../b", "\"/bin/a"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
