//! The command line of a plan.

use crate::container::Container;
use crate::plan::{ImageFacts, PlanCommand, PlanError};
use crate::service::{Argument, Command};

/// As the unit says it.
pub(super) fn plain(command: &Command) -> PlanCommand {
    PlanCommand {
        program: command.program.clone(),
        arguments: command.arguments.clone(),
        search: None,
    }
}

/// As the image says it, with the unit's replacements. As in Kubernetes, a replaced entry point
/// makes the image's own arguments void.
pub(super) fn of_image(
    own: &Container,
    image: Option<&ImageFacts>,
) -> Result<PlanCommand, PlanError> {
    let none: &[Box<str>] = &[];
    let entrypoint = match &own.entrypoint {
        Some(words) => words,
        None => image.map_or(none, |image| &image.entrypoint),
    };
    let arguments = match (&own.arguments, &own.entrypoint) {
        (Some(words), _) => words,
        (None, Some(_)) => none,
        (None, None) => image.map_or(none, |image| &image.command),
    };
    let words: Vec<&Box<str>> = entrypoint.iter().chain(arguments).collect();
    let program = (*words.first().ok_or(PlanError::NothingToRun)?).clone();
    Ok(PlanCommand { program, arguments: literal(words.into_iter()), search: None })
}

/// Words that are taken as they are.
pub(super) fn literal<'a>(words: impl Iterator<Item = &'a Box<str>>) -> Vec<Argument> {
    words.map(|word| Argument::Literal(word.clone())).collect()
}

/// Linux's number of a personality (systemd.exec(5), `Personality=`).
pub(super) fn personality(name: &str) -> Option<u32> {
    match name {
        "x86-64" => Some(0x0000),
        "x86" => Some(0x0008),
        _ => None,
    }
}
