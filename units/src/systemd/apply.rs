//! A unit file and its drop-ins onto a draft, assignment by assignment.

use super::setting::Setting;
use super::{Directive, Empty, Place, Treatment, directives, places_of};
use crate::diagnostic::{Code, Severity};
use crate::draft::{Draft, Origin};
use crate::limits::SUGGESTIONS_MAX;
use crate::name::UnitName;
use crate::source::Facts;
use crate::text::BadValue;
use crate::text::lines::{Entry, Lines};
use crate::text::specifier::Scope;
use crate::text::suggest::did_you_mean;

/// One file of a unit: its lines, and its number in the load.
#[derive(Clone, Copy)]
pub(crate) struct Fragment<'a> {
    pub(crate) file: usize,
    pub(crate) lines: &'a Lines,
}

/// Hears every remark with its place.
pub(crate) type Hear<'a> = dyn FnMut(Origin, Severity, Code, BadValue) + 'a;

/// Applies all fragments in order: the unit file, then its drop-ins.
pub(crate) fn apply(
    draft: &mut Draft,
    fragments: &[Fragment<'_>],
    facts: &Facts,
    main_path: &str,
    hear: &mut Hear<'_>,
) {
    let unit = draft.spec.name.clone();
    for fragment in fragments {
        remark_shape(&unit, fragment, hear);
    }
    let mut kept: Vec<(usize, &Entry, &'static Directive)> = Vec::new();
    let mut suggestions = SUGGESTIONS_MAX;
    for fragment in fragments {
        for entry in &fragment.lines.entries {
            if let Some(row) = recognise(&unit, fragment.file, entry, &mut suggestions, hear) {
                keep(&mut kept, fragment.file, entry, row);
            }
        }
    }
    for (file, entry, row) in kept {
        let scope = Scope { unit: &unit, facts, file: main_path };
        set(draft, row, file, entry, scope, hear);
    }
}

/// An empty value takes back what its group said before.
fn keep<'a>(
    kept: &mut Vec<(usize, &'a Entry, &'static Directive)>,
    file: usize,
    entry: &'a Entry,
    row: &'static Directive,
) {
    match (entry.value.is_empty(), row.empty) {
        (true, Empty::Resets) => kept.retain(|(.., old)| old.group != row.group),
        (true, Empty::Nothing) => {}
        (true, Empty::IsValue) | (false, _) => kept.push((file, entry, row)),
    }
}

fn set(
    draft: &mut Draft,
    row: &'static Directive,
    file: usize,
    entry: &Entry,
    scope: Scope<'_>,
    hear: &mut Hear<'_>,
) {
    let at = |bad: &BadValue| Origin { file, spot: entry.spot(bad.offset, bad.length) };
    let origin = Origin { file, spot: entry.spot(0, 0) };
    let value = entry.value.as_str();
    let label = format!("{}=", row.name);
    let assignment = Assignment { value, label: &label, scope, origin };
    assign(draft, row, assignment, &mut |severity, code, bad| hear(at(&bad), severity, code, bad));
}

/// A value on its way to a directive.
pub(crate) struct Assignment<'a> {
    pub(crate) value: &'a str,
    /// How the author called the directive.
    pub(crate) label: &'a str,
    pub(crate) scope: Scope<'a>,
    pub(crate) origin: Origin,
}

/// Gives one value to a directive; says whether it was taken.
pub(crate) fn assign(
    draft: &mut Draft,
    row: &'static Directive,
    assignment: Assignment<'_>,
    hear: &mut dyn FnMut(Severity, Code, BadValue),
) -> bool {
    let Assignment { value, label, scope, origin } = assignment;
    let mut setting = Setting { value, name: row.name, label, scope, origin, remarks: Vec::new() };
    let outcome = (row.set)(draft, &mut setting);
    for (severity, code, bad) in setting.remarks {
        hear(severity, code, bad);
    }
    match outcome {
        Ok(()) => true,
        Err(bad) => {
            hear(Severity::Error, Code::BadValue, bad);
            false
        }
    }
}

/// Lines that are nothing, and sections that have no business in this unit.
fn remark_shape(unit: &UnitName, fragment: &Fragment<'_>, hear: &mut Hear<'_>) {
    for (spot, bad) in &fragment.lines.faults {
        let origin = Origin { file: fragment.file, spot: *spot };
        // As in systemd, a stray line is left out; a broken header hides what follows it.
        let severity =
            if fragment.lines.is_header(spot) { Severity::Error } else { Severity::Warning };
        hear(origin, severity, Code::Syntax, bad.clone());
    }
    for (section, spot) in &fragment.lines.sections {
        if is_extension(section) || places_of(unit.kind(), section).is_some() {
            continue;
        }
        let known = ["Unit", "Install", "Service", "Timer", "Socket", "Mount"];
        let text = match known.contains(&&**section) {
            true => format!("`[{section}]` has no effect in a .{} unit", unit.kind().suffix()),
            false => format!("the section `[{section}]` is not known"),
        };
        let near = did_you_mean(section, known.into_iter(), "");
        let origin = Origin { file: fragment.file, spot: *spot };
        hear(origin, Severity::Warning, Code::UnknownSection, BadValue::new(text).advise(near));
    }
}

/// Sections and directives that other programs keep in unit files.
fn is_extension(name: &str) -> bool {
    name.starts_with("X-") && name != "X-Fleet"
}

/// The row of an assignment; says what there is to say about it.
fn recognise(
    unit: &UnitName,
    file: usize,
    entry: &Entry,
    suggestions: &mut usize,
    hear: &mut Hear<'_>,
) -> Option<&'static Directive> {
    let places = places_of(unit.kind(), &entry.section)?;
    let origin = Origin { file, spot: entry.key_spot };
    let key = &*entry.key;
    let Some(row) = directives().find(|row| row.name == key && places.contains(&row.place)) else {
        if !is_extension(key) {
            let suggest = suggestions.checked_sub(1);
            *suggestions = suggest.unwrap_or(0);
            let bad = unknown(entry, places, suggest.is_some());
            hear(origin, Severity::Warning, Code::UnknownDirective, bad);
        }
        return None;
    };
    if let Some((severity, code, bad)) = objection(row, &entry.section)
        && !entry.value.is_empty()
    {
        hear(origin, severity, code, bad);
    }
    Some(row)
}

fn unknown(entry: &Entry, places: &[Place], suggest: bool) -> BadValue {
    let key = &entry.key;
    let elsewhere = directives().find(|row| row.name == &**key);
    let known = directives().filter(|row| places.contains(&row.place)).map(|row| row.name);
    let advice = match elsewhere {
        Some(row) => format!("it belongs into {}", row.place.sections()),
        None if !suggest => String::new(),
        None => did_you_mean(key, known, "see docs/units.md for those that are known"),
    };
    BadValue::new(format!("`{key}=` is not known in `[{}]`", entry.section)).advise(advice)
}

/// What is to be said about a directive whatever its value.
pub(crate) fn objection(row: &Directive, section: &str) -> Option<(Severity, Code, BadValue)> {
    let name = row.name;
    let runs_nothing = row.place == Place::Process && section == "Socket";
    match row.treatment {
        Treatment::Honoured | Treatment::Translated(_) if runs_nothing => {
            let text = format!("`{name}=` has no meaning here: a socket unit runs no program");
            Some((Severity::Note, Code::Meaningless, BadValue::new(text)))
        }
        Treatment::Honoured | Treatment::Translated(_) => None,
        Treatment::Ignored(why) => {
            let text = format!("`{name}=` has no meaning here: {why}");
            Some((Severity::Note, Code::Meaningless, BadValue::new(text)))
        }
        Treatment::NotHonoured(why, advice) => {
            let bad = BadValue::new(format!("`{name}=` is not honoured: {why}")).advise(advice);
            Some((Severity::Warning, Code::NotHonoured, bad))
        }
        Treatment::Refused(why, advice) => {
            let bad = BadValue::new(format!("`{name}=` is refused: {why}")).advise(advice);
            Some((Severity::Error, Code::NotHonoured, bad))
        }
    }
}

impl Place {
    /// The sections in which such a directive may stand, for people.
    #[must_use]
    pub fn sections(self) -> &'static str {
        match self {
            Place::Unit => "[Unit]",
            Place::Install => "[Install]",
            Place::Service => "[Service]",
            Place::Timer => "[Timer]",
            Place::Socket => "[Socket]",
            Place::Mount => "[Mount]",
            Place::Process => "[Service], [Socket] or [Mount]",
            Place::Fleet => "[X-Fleet]",
        }
    }
}
