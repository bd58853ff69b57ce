//! The table, one file per manual page or part of one.

pub(super) mod exec;
mod fleet;
mod install;
mod kill;
mod mount;
mod output;
mod resource;
pub(super) mod sandbox;
mod service;
mod socket;
pub(super) mod timer;
mod unit;

use super::Directive;

/// All rows, by manual page.
pub(super) const ALL: [&[Directive]; 12] = [
    unit::ROWS,
    install::ROWS,
    service::ROWS,
    exec::ROWS,
    output::ROWS,
    sandbox::ROWS,
    kill::ROWS,
    resource::ROWS,
    timer::ROWS,
    socket::ROWS,
    mount::ROWS,
    fleet::ROWS,
];
