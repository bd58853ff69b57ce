//! What each verb does.

mod apply;
mod boot;
mod check;
mod control;
mod dump;
mod events;
mod exec;
mod itself;
mod logs;
mod look;
mod power;
mod top;

use super::failure::Failure;
use super::parse::Parsed;
use super::session::Session;
use super::verb::Verb;

/// All rows of the table of verbs.
pub(super) const TABLES: &[&[Verb]] = &[
    look::VERBS,
    logs::VERBS,
    events::VERBS,
    top::VERBS,
    boot::VERBS,
    dump::VERBS,
    control::VERBS,
    exec::VERBS,
    check::VERBS,
    apply::VERBS,
    power::VERBS,
    itself::VERBS,
];

/// A verb that does nothing, to start a row from.
pub(super) fn nothing(_: &mut Session, _: &Parsed) -> Result<(), Failure> {
    Ok(())
}
