//! `check`: what keelson makes of unit files, on any machine.

use std::collections::BTreeSet;

use units::source::{LoadOptions, SourceFile};
use units::{Diagnostic, Loaded, Severity, load};

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
    let loaded = load_with_ours(&found);
    let ours: BTreeSet<&str> = found.iter().map(|found| &*found.file.path).collect();
    let least = if parsed.has("quiet") { Severity::Error } else { Severity::Note };
    let remarks: Vec<&Diagnostic> = loaded
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
    }
    let bad = errors > 0 || parsed.has("strict") && warnings > 0;
    if bad { Err(Failure::quiet(Code::Failed)) } else { Ok(()) }
}

/// Loads the files together with those that every machine has, so that these can be referred to.
fn load_with_ours(found: &[Found]) -> Loaded {
    let shipped = crate::shipped::SHIPPED.iter();
    let shipped = shipped.map(|(path, text)| SourceFile::regular(path, text.as_bytes()));
    let given = found.iter().map(|found| found.file.clone());
    let all: Vec<SourceFile> = shipped.chain(given).collect();
    load(&all, &LoadOptions { directories: files::directories(found), ..LoadOptions::default() })
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
