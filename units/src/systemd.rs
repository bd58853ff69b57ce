//! systemd's format: which directives there are and what becomes of each.
//!
//! One table ([`directives`]) holds every directive of systemd 252's manual pages and the later
//! ones that real files use. A directive that is in no row is reported by name, never dropped.

mod apply;
mod lists;
mod rows;
mod setting;

pub(crate) use apply::{Assignment, Fragment, apply, assign, objection};
pub(crate) use lists::assign as assign_variable;
pub(crate) use rows::exec::{account_name, add_limit, variable_name};
pub(crate) use rows::sandbox::NAMES as SANDBOX_NAMES;
pub(crate) use rows::timer::add as add_elapse;
pub(crate) use setting::foreign_kind;

use crate::draft::Draft;
use crate::name::UnitKind;
use crate::text::BadValue;
use setting::Setting;

/// What becomes of a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Treatment {
    /// It does here what it does in systemd.
    Honoured,
    /// It is expressed by something else; the text says by what.
    Translated(&'static str),
    /// It has no meaning on this system; the text says why.
    Ignored(&'static str),
    /// The unit runs without it; the texts say why, and what to do.
    NotHonoured(&'static str, &'static str),
    /// The unit cannot run without it and is not loaded; the texts say why, and what to do.
    Refused(&'static str, &'static str),
}

/// One directive.
#[derive(Debug, Clone, Copy)]
pub struct Directive {
    /// The group of sections in which it may stand.
    pub place: Place,
    /// Its name.
    pub name: &'static str,
    /// What becomes of it.
    pub treatment: Treatment,
    /// Directives of one group are emptied together by an empty assignment to one of them.
    group: &'static str,
    /// What an empty value does.
    pub(crate) empty: Empty,
    set: Set,
}

type Set = fn(&mut Draft, &mut Setting<'_>) -> Result<(), BadValue>;

/// In which sections a directive may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// `[Unit]`
    Unit,
    /// `[Install]`
    Install,
    /// `[Service]`
    Service,
    /// `[Timer]`
    Timer,
    /// `[Socket]`
    Socket,
    /// `[Mount]`
    Mount,
    /// `[Service]`, `[Socket]` and `[Mount]`: systemd.exec(5), .kill(5) and .resource-control(5).
    Process,
    /// `[X-Fleet]`
    Fleet,
}

/// What an empty value does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Empty {
    /// It takes back every assignment of the group so far.
    Resets,
    /// It is a value like others.
    IsValue,
    /// Nothing, as in systemd: dependencies cannot be taken back.
    Nothing,
}

/// Every directive that is known, by place, in the order of the manual pages.
pub fn directives() -> impl Iterator<Item = &'static Directive> {
    rows::ALL.iter().copied().flatten()
}

/// The directive of that name in a section of a unit of that kind.
#[must_use]
pub fn find(kind: UnitKind, section: &str, name: &str) -> Option<&'static Directive> {
    let places = places_of(kind, section)?;
    directives().find(|row| row.name == name && places.contains(&row.place))
}

/// What may stand in a section of a unit of that kind; `None`: such a section has no business there.
pub(crate) fn places_of(kind: UnitKind, section: &str) -> Option<&'static [Place]> {
    Some(match (section, kind) {
        ("Unit", _) => &[Place::Unit],
        ("Install", _) => &[Place::Install],
        ("X-Fleet", _) => &[Place::Fleet],
        ("Service", UnitKind::Service) => &[Place::Service, Place::Process],
        ("Socket", UnitKind::Socket) => &[Place::Socket, Place::Process],
        ("Mount", UnitKind::Mount) => &[Place::Mount, Place::Process],
        ("Timer", UnitKind::Timer) => &[Place::Timer],
        _ => return None,
    })
}

const fn row(place: Place, name: &'static str, set: Set) -> Directive {
    Directive {
        place,
        name,
        treatment: Treatment::Honoured,
        group: name,
        empty: Empty::Resets,
        set,
    }
}

const fn passive(place: Place, name: &'static str, treatment: Treatment) -> Directive {
    Directive { treatment, ..row(place, name, |_, _| Ok(())) }
}

impl Directive {
    const fn translated(self, how: &'static str) -> Directive {
        Directive { treatment: Treatment::Translated(how), ..self }
    }

    const fn group(self, group: &'static str) -> Directive {
        Directive { group, ..self }
    }

    const fn empty_is_value(self) -> Directive {
        Directive { empty: Empty::IsValue, ..self }
    }

    const fn empty_is_nothing(self) -> Directive {
        Directive { empty: Empty::Nothing, ..self }
    }
}

#[cfg(test)]
mod tests;
