//! The command line against the table of verbs.

use std::collections::BTreeMap;
use std::ffi::OsString;

use lexopt::Arg;
use units::text::suggest::nearest;

use super::failure::Failure;
use super::verb::{self, Flag, GLOBAL_FLAGS, Verb};

/// A command line that was understood.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    values: BTreeMap<&'static str, Vec<String>>,
    /// Words that are no options.
    pub(crate) operands: Vec<String>,
    /// The command after the first operand, if the verb takes one.
    pub(crate) command: Vec<String>,
}

impl Parsed {
    /// Whether an option was given.
    pub(crate) fn has(&self, long: &str) -> bool {
        self.values.contains_key(long)
    }

    /// The last value of an option.
    pub(crate) fn value(&self, long: &str) -> Option<&str> {
        self.values.get(long)?.last().map(String::as_str)
    }

    /// All values of an option.
    pub(crate) fn values(&self, long: &str) -> impl Iterator<Item = &str> {
        self.values.get(long).into_iter().flatten().map(String::as_str)
    }
}

/// Finds the verb and takes its command line apart; `words` are without the program's name.
/// `None`: no verb was given.
pub(crate) fn parse(words: &[String]) -> Result<(Option<&'static Verb>, Parsed), Failure> {
    let mut parsed = Parsed::default();
    let mut lexer = lexopt::Parser::from_args(words.iter().map(OsString::from));
    let mut found: Option<&'static Verb> = None;
    while let Some(argument) = lexer.next().map_err(|e| usage(found, &e.to_string()))? {
        match argument {
            Arg::Value(word) => {
                let word = text(word)?;
                match found {
                    None => found = Some(take_verb(&word, &mut lexer)?),
                    Some(verb) => {
                        parsed.operands.push(word);
                        if verb.takes_command {
                            parsed.command = take_command(&mut lexer)?;
                        }
                    }
                }
            }
            Arg::Long(name) => {
                let name = name.to_owned();
                let flag = flags(found).find(|flag| flag.long == name);
                let flag = flag.ok_or_else(|| unknown(found, &format!("--{name}")))?;
                take_value(flag, &mut lexer, &mut parsed, found)?;
            }
            Arg::Short(letter) => {
                let flag = flags(found).find(|flag| flag.short == Some(letter));
                let flag = flag.ok_or_else(|| unknown(found, &format!("-{letter}")))?;
                take_value(flag, &mut lexer, &mut parsed, found)?;
            }
        }
    }
    if let Some(verb) = found
        && !parsed.has("help")
    {
        check_operands(verb, &parsed)?;
    }
    Ok((found, parsed))
}

fn flags(verb: Option<&'static Verb>) -> impl Iterator<Item = &'static Flag> {
    verb.map_or(&[][..], |verb| verb.flags).iter().chain(GLOBAL_FLAGS)
}

fn take_verb(word: &str, lexer: &mut lexopt::Parser) -> Result<&'static Verb, Failure> {
    if let Some(verb) = verb::find(word) {
        return Ok(verb);
    }
    // A family of verbs in two words.
    let family = format!("{word} ");
    if verb::all().any(|verb| verb.name.starts_with(&family)) {
        let second = match lexer.next() {
            Ok(Some(Arg::Value(second))) => text(second)?,
            _ => String::new(),
        };
        let name = format!("{word} {second}");
        return verb::find(&name).ok_or_else(|| {
            let members = verb::all().filter(|verb| verb.name.starts_with(&family));
            let members: Vec<&str> = members.map(|verb| verb.name).collect();
            Failure::usage(format!("`{}` is no verb", name.trim()))
                .advise(format!("there are: {}", members.join(", ")))
        });
    }
    let failure = Failure::usage(format!("`{word}` is no verb of keelctl"));
    Err(match nearest(word, verb::all().map(|verb| verb.name)) {
        Some(near) => failure.advise(format!("did you mean `{near}`?")),
        None => failure.advise("`keelctl help` lists the verbs"),
    })
}

/// What follows the first operand, with or without `--`, is a command with options of its own.
fn take_command(lexer: &mut lexopt::Parser) -> Result<Vec<String>, Failure> {
    let raw = lexer.raw_args().map_err(|error| Failure::usage(error.to_string()))?;
    let mut words: Vec<String> = raw.map(text).collect::<Result<_, _>>()?;
    if words.first().is_some_and(|word| word == "--") {
        words.remove(0);
    }
    Ok(words)
}

fn take_value(
    flag: &'static Flag,
    lexer: &mut lexopt::Parser,
    parsed: &mut Parsed,
    verb: Option<&'static Verb>,
) -> Result<(), Failure> {
    let values = parsed.values.entry(flag.long).or_default();
    if flag.value.is_some() {
        let value = lexer.value().map_err(|error| usage(verb, &error.to_string()))?;
        values.push(text(value)?);
    }
    Ok(())
}

fn check_operands(verb: &'static Verb, parsed: &Parsed) -> Result<(), Failure> {
    let count = parsed.operands.len();
    if count < verb.least {
        return Err(usage(Some(verb), &format!("{} is missing", verb.operands)));
    }
    if count > verb.most {
        let extra = &parsed.operands[verb.most];
        return Err(usage(Some(verb), &format!("{extra:?} is one word too many")));
    }
    Ok(())
}

fn unknown(verb: Option<&'static Verb>, option: &str) -> Failure {
    let known: Vec<String> = flags(verb).map(|flag| format!("--{}", flag.long)).collect();
    let failure = usage(verb, &format!("{option} is no option here"));
    match nearest(option, known.iter().map(String::as_str)) {
        Some(near) => {
            let advice = format!("did you mean {near}?\n{}", failure.advice);
            failure.advise(advice)
        }
        None => failure,
    }
}

/// A usage failure with the verb's usage as the advice.
pub(crate) fn usage(verb: Option<&'static Verb>, text: &str) -> Failure {
    match verb {
        Some(verb) => Failure::usage(format!("{}: {text}", verb.name)).advise(format!(
            "usage: {}\n`keelctl help {}` explains it",
            super::help::usage_line(verb),
            verb.name
        )),
        None => Failure::usage(text).advise("`keelctl help` lists the verbs"),
    }
}

fn text(word: OsString) -> Result<String, Failure> {
    word.into_string().map_err(|word| Failure::usage(format!("{word:?} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<(Option<&'static Verb>, Parsed), Failure> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    #[test]
    fn options_and_operands_in_any_order() {
        let (verb, parsed) = parsed("logs --lines=5 web -f db").unwrap();
        assert_eq!(verb.unwrap().name, "logs");
        assert_eq!(parsed.operands, ["web", "db"]);
        assert_eq!(parsed.value("lines"), Some("5"));
        assert!(parsed.has("follow"));
    }

    #[test]
    fn a_command_keeps_its_options() {
        for line in ["exec -it web -- ls -l --color", "exec -it web ls -l --color"] {
            let (_, parsed) = parsed(line).unwrap();
            assert_eq!(parsed.operands, ["web"]);
            assert_eq!(parsed.command, ["ls", "-l", "--color"]);
            assert!(parsed.has("tty") && parsed.has("interactive"));
        }
    }

    #[test]
    fn families_of_two_words() {
        assert_eq!(parsed("unit show web").unwrap().0.unwrap().name, "unit show");
        assert!(parsed("unit").unwrap_err().advice.contains("unit cat"));
    }

    #[test]
    fn mistakes_are_explained() {
        let said = |line: &str| parsed(line).unwrap_err().to_string();
        assert!(said("strat web").contains("did you mean `start`?"));
        assert!(said("start").contains("start: UNIT… is missing"));
        assert!(said("logs --folow").contains("did you mean --follow?"));
        assert!(said("version now").contains("one word too many"));
        assert!(said("logs --lines").contains("lines"));
    }
}
