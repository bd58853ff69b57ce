//! `check`: what keelson makes of unit files, on any machine.

use std::collections::BTreeSet;

use units::check::Checked;
use units::source::{LoadOptions, SourceFile};
use units::systemd::Treatment;
use units::{Diagnostic, Severity, check as check_files};

use crate::ctl::failure::{Code, Failure};
use crate::ctl::files::{self, Found};
use crate::ctl::paint::Colour;
use crate::ctl::parse::Parsed;
use crate::ctl::session::Session;
use crate::ctl::verb::{Completes, Family, JSON, PLAIN, Verb, switch};

pub(super) const VERBS: &[Verb] = &[Verb {
    name: "check",
    family: Family::Define,
    operands: "FILE…",
    least: 1,
    most: usize::MAX,
    completes: Completes::Files,
    summary: "explain what is wrong with unit files; works on any machine",
    details: "Unit files, drop-ins and directories of them, in keelson's format (.toml) or in systemd's. Every error, every \
              directive that is not honoured and every cycle is reported with its place and what to do. Nothing is \
              changed, and no keelson needs to run. The exit code is 1 if there is an error.",
    flags: &[
        switch("quiet", Some('q'), "only errors"),
        switch("strict", None, "count warnings as errors"),
        JSON,
    ],
    examples: &[
        ("keelctl check web.toml", "one file"),
        ("keelctl check --strict /etc/systemd/system", "a whole directory, in a CI job"),
    ],
    run: check,
    ..PLAIN
}];

fn check(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let found = files::find(&parsed.operands)?;
    let checked = check_with_ours(&found);
    let ours: BTreeSet<&str> = found.iter().map(|found| &*found.file.path).collect();
    let least = if parsed.has("quiet") { Severity::Error } else { Severity::Note };
    let remarks: Vec<&Diagnostic> = checked
        .diagnostics
        .iter()
        .filter(|remark| remark.file.is_empty() || ours.contains(&*remark.file))
        .filter(|remark| remark.severity >= least)
        .collect();
    let count = |severity| remarks.iter().filter(|remark| remark.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if parsed.has("json") {
        session.print_json(&remarks)?;
    } else {
        for remark in &remarks {
            session.print(&format!("{}\n", remark.render(session.paint.is_coloured())))?;
        }
        session.print(&summary(session, found.len(), errors, warnings))?;
        session.print(&directives(&checked, &ours))?;
    }
    let bad = errors > 0 || parsed.has("strict") && warnings > 0;
    if bad { Err(Failure::quiet(Code::Failed)) } else { Ok(()) }
}

/// Checks the files together with those that every machine has, so that these can be referred to.
fn check_with_ours(found: &[Found]) -> Checked {
    let shipped = crate::shipped::SHIPPED.iter();
    let shipped = shipped.map(|(path, text)| SourceFile::regular(path, text.as_bytes()));
    let given = found.iter().map(|found| found.file.clone());
    let all: Vec<SourceFile> = shipped.chain(given).collect();
    let directories = files::directories(found);
    check_files(&all, &LoadOptions { directories, ..LoadOptions::default() })
}

/// What becomes of the directives of files in systemd's format; empty if there are none.
fn directives(checked: &Checked, ours: &BTreeSet<&str>) -> String {
    let uses = || checked.uses.iter().filter(|used| ours.contains(&*used.file));
    let all = uses().count();
    let count = |wanted: fn(&Treatment) -> bool| {
        uses().filter(|used| used.treatment.as_ref().is_some_and(wanted)).count()
    };
    if all == 0 {
        return String::new();
    }
    let honoured = count(|treatment| matches!(treatment, Treatment::Honoured));
    let translated = count(|treatment| matches!(treatment, Treatment::Translated(_)));
    let others = all - honoured - translated;
    format!(
        "of {all} settings {honoured} are honoured, {translated} translated, {others} without effect\n"
    )
}

fn summary(session: &Session, files: usize, errors: usize, warnings: usize) -> String {
    let plural = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let checked = format!("{} checked", plural(files, "file"));
    let paint = session.paint;
    match (errors, warnings) {
        (0, 0) => format!("{checked}: {}\n", paint.paint(Colour::Green, "all is well")),
        (0, _) => {
            let text = plural(warnings, "warning");
            format!("{checked}: {}\n", paint.paint(Colour::Yellow, &text))
        }
        _ => {
            let text = format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"));
            format!("{checked}: {}\n", paint.paint(Colour::Red, &text))
        }
    }
}
