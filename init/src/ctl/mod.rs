//! `keelctl`: the command line. It speaks [`crate::wire`] to PID 1 and reads control groups and logs
//! by itself, so that looking costs PID 1 next to nothing.
//!
//! One table ([`verb`]) has a row per verb; from it come the parser, the help, the completions
//! and `docs/keelctl.md`.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "an answer of another kind than was asked for is one case, whichever kind it is"
)]

mod chart;
mod completion;
mod connection;
mod detail;
mod failure;
mod files;
#[cfg(test)]
mod golden;
mod help;
pub(crate) mod human;
mod journal;
mod logline;
mod note;
mod overview;
mod paint;
mod parse;
mod session;
mod settings;
mod table;
mod terminal;
mod tree;
mod usage;
mod verb;
mod verbs;

use std::process::ExitCode;

use failure::Failure;
use session::Session;

/// Runs `keelctl` with the program's name as the first word.
#[must_use]
pub fn main(words: &[String]) -> ExitCode {
    let words = words.get(1..).unwrap_or_default();
    match run(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(words: &[String]) -> Result<(), Failure> {
    let words: &[String] = match words {
        [only] if only == "--version" || only == "-V" => &["version".to_owned()],
        other => other,
    };
    let (verb, parsed) = parse::parse(words)?;
    let mut session = Session::new(&parsed)?;
    match verb {
        Some(verb) if parsed.has("help") => session.print(&help::explain(verb, &session.paint)),
        Some(verb) => (verb.run)(&mut session, &parsed),
        None => session.print(&help::overview(&session.paint)),
    }
}
