//! The table of verbs. One row feeds the parser, `--help`, the completions and the manual page.

use super::failure::Failure;
use super::parse::Parsed;
use super::session::Session;
use super::verbs;

/// One thing that `keelctl` can do.
#[derive(Debug)]
pub(crate) struct Verb {
    /// The word, or two for a verb of a family: `unit show`.
    pub(crate) name: &'static str,
    /// What kind of thing it is, for the overview.
    pub(crate) family: Family,
    /// Operands as they stand in the usage: `UNIT…`.
    pub(crate) operands: &'static str,
    /// How many of them.
    pub(crate) least: usize,
    /// See `least`.
    pub(crate) most: usize,
    /// What an operand is, for completions.
    pub(crate) completes: Completes,
    /// Everything after the first operand belongs to the last one: a command.
    pub(crate) takes_command: bool,
    /// One line, beginning with a verb, without a full stop.
    pub(crate) summary: &'static str,
    /// Some sentences.
    pub(crate) details: &'static str,
    /// Besides the global ones.
    pub(crate) flags: &'static [Flag],
    /// Command lines with what they do.
    pub(crate) examples: &'static [(&'static str, &'static str)],
    /// Does it.
    pub(crate) run: fn(&mut Session, &Parsed) -> Result<(), Failure>,
}

/// One option.
#[derive(Debug)]
pub(crate) struct Flag {
    /// Without the dashes.
    pub(crate) long: &'static str,
    /// The short form.
    pub(crate) short: Option<char>,
    /// What its value is called; `None`: it has none.
    pub(crate) value: Option<&'static str>,
    /// One line.
    pub(crate) help: &'static str,
    /// What its value is, for completions.
    pub(crate) completes: Completes,
}

/// How verbs are grouped for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// What goes on?
    Look,
    /// Units up and down.
    Units,
    /// What should run?
    Define,
    /// The machine as a whole.
    Machine,
    /// About keelctl itself.
    Itself,
}

impl Family {
    pub(crate) const ALL: [(Family, &'static str); 5] = [
        (Family::Look, "See what goes on"),
        (Family::Units, "Bring units up and down"),
        (Family::Define, "Say what should run"),
        (Family::Machine, "The machine"),
        (Family::Itself, "keelctl itself"),
    ];
}

/// What a word of the command line is, for completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completes {
    /// Nothing that could be guessed.
    Nothing,
    /// A unit of the machine.
    Units,
    /// A file or directory.
    Files,
    /// One of these.
    Words(&'static [&'static str]),
}

/// An option without a value.
pub(crate) const fn switch(long: &'static str, short: Option<char>, help: &'static str) -> Flag {
    Flag { long, short, value: None, help, completes: Completes::Nothing }
}

/// An option with a value.
pub(crate) const fn valued(
    long: &'static str,
    short: Option<char>,
    value: &'static str,
    help: &'static str,
) -> Flag {
    Flag { long, short, value: Some(value), help, completes: Completes::Nothing }
}

/// Options that every verb has.
pub(crate) const GLOBAL_FLAGS: &[Flag] = &[
    switch("help", Some('h'), "explain the verb"),
    Flag {
        long: "color",
        short: None,
        value: Some("WHEN"),
        help: "colours: auto, always or never; NO_COLOR in the environment means never",
        completes: Completes::Words(&["auto", "always", "never"]),
    },
    valued("socket", None, "PATH", "speak to the keelson behind this socket"),
];

/// `--json`.
pub(crate) const JSON: Flag = switch("json", None, "for programs: JSON in one line");

/// A row to start from.
pub(crate) const PLAIN: Verb = Verb {
    name: "",
    family: Family::Look,
    operands: "",
    least: 0,
    most: 0,
    completes: Completes::Nothing,
    takes_command: false,
    summary: "",
    details: "",
    flags: &[],
    examples: &[],
    run: verbs::nothing,
};

/// Every verb, in the order of the overview.
pub(crate) fn all() -> impl Iterator<Item = &'static Verb> {
    verbs::TABLES.iter().copied().flatten()
}

/// The verb of that name.
pub(crate) fn find(name: &str) -> Option<&'static Verb> {
    all().find(|verb| verb.name == name)
}

impl Verb {
    /// Its own options and the global ones.
    pub(crate) fn all_flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.flags.iter().chain(GLOBAL_FLAGS)
    }
}
