//! `apply`, `confirm`, `revert`: files against the machine.

use std::fmt::Write;

use units::action::Answer;
use units::text::timespan;

use crate::ctl::failure::{Code, Failure};
use crate::ctl::files;
use crate::ctl::paint::{Colour, Painter, shorten};
use crate::ctl::parse::Parsed;
use crate::ctl::session::{Session, admitted, unexpected};
use crate::ctl::settings::{self, Settings};
use crate::ctl::verb::{Completes, Family, JSON, PLAIN, Verb, switch, valued};
use crate::wire::apply::FieldChange;
use crate::wire::{ApplyReport, ApplyRequest, Change, Effect, Request, Response, UnitText};

const DEFINE: Verb = Verb { family: Family::Define, ..PLAIN };

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "apply",
        operands: "FILE…",
        least: 1,
        most: usize::MAX,
        completes: Completes::Files,
        summary: "make the machine's units what files say",
        details: "Compares the files with the machine, shows the difference and changes only that: new units start, units of \
                  which something changed that a running process cannot take are restarted, changed limits are \
                  written to the running group, the rest is left alone. Nothing is changed when a file has an \
                  error. The files are kept on the machine: they count after a reboot, too.\n\n\
                  With --confirm-within the machine goes back by itself unless you confirm in time: a change that \
                  cuts you off undoes itself.",
        flags: &[
            switch("dry-run", Some('n'), "only show what would change"),
            switch(
                "prune",
                None,
                "the files are all there is: applied units that are not among them go",
            ),
            valued(
                "confirm-within",
                Some('c'),
                "SPAN",
                "go back after this time unless `keelctl confirm`",
            ),
            JSON,
        ],
        examples: &[
            ("keelctl apply --dry-run web.toml", "what would change"),
            (
                "keelctl apply --prune --confirm-within 60s units/",
                "a whole directory, on probation",
            ),
        ],
        run: apply,
        ..DEFINE
    },
    Verb { name: "confirm", summary: "keep what the last `apply` changed", run: confirm, ..DEFINE },
    Verb {
        name: "revert",
        summary: "undo the last `apply` now",
        flags: &[JSON],
        run: revert,
        ..DEFINE
    },
];

fn apply(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let confirm_within_ms = match parsed.value("confirm-within") {
        Some(text) => Some(timespan::parse_us(text, 1_000_000).map_err(|_| {
            Failure::usage(format!("--confirm-within {text}: write a span such as 60s or 5min"))
        })?),
        None => None,
    }
    .map(|us| us.div_ceil(1000));
    let mut texts = Vec::new();
    for found in files::find(&parsed.operands)? {
        let text = String::from_utf8(found.file.bytes)
            .map_err(|_| Failure::new(Code::Failed, format!("{} is not UTF-8", found.file.path)))?;
        let link = match found.file.kind {
            units::source::SourceKind::Symlink(target) => Some(target.into()),
            units::source::SourceKind::Regular => None,
        };
        let text = if link.is_some() { String::new() } else { text };
        texts.push(UnitText { path: found.name, text, link });
    }
    let request = Request::Apply(ApplyRequest {
        files: texts,
        whole: parsed.has("prune"),
        dry_run: parsed.has("dry-run"),
        confirm_within_ms,
    });
    let report = ask(session, &request)?;
    tell(session, parsed, &report)
}

fn ask(session: &mut Session, request: &Request) -> Result<ApplyReport, Failure> {
    let id = session.send(request, &[])?;
    let answer = admitted(session.connection()?.wait(id, true)?)?;
    match answer.response {
        Response::Applied(report) => Ok(*report),
        other => Err(unexpected(&other)),
    }
}

fn tell(session: &mut Session, parsed: &Parsed, report: &ApplyReport) -> Result<(), Failure> {
    if parsed.has("json") {
        session.print_json(report)?;
    } else {
        let (columns, paint) = (session.columns(), session.paint);
        session.print(&render(report, parsed.has("dry-run"), columns, &paint))?;
    }
    let broken = report.remarks.iter().any(|remark| remark.severity == "error");
    if broken { Err(Failure::quiet(Code::Failed)) } else { Ok(()) }
}

/// The report for people.
fn render(report: &ApplyReport, dry_run: bool, columns: usize, paint: &Painter) -> String {
    let mut text = String::new();
    for remark in &report.remarks {
        let _ = writeln!(text, "{}", remark.text);
    }
    for change in &report.changes {
        text += &render_change(change, columns, paint);
    }
    let count = report.changes.len();
    let units = if count == 1 { "unit" } else { "units" };
    let broken = report.remarks.iter().any(|remark| remark.severity == "error");
    let said = match (count, report.done) {
        _ if broken => paint.paint(Colour::Red, "nothing was changed: the files have errors"),
        (0, true) => "the files were taken over; no unit changes".to_owned(),
        (0, false) => "nothing to change: the machine is as the files say".to_owned(),
        (_, true) => paint.paint(Colour::Green, &format!("{count} {units} changed")),
        (_, false) if dry_run => format!("{count} {units} would change"),
        (_, false) => format!("{count} {units} not changed"),
    };
    let _ = writeln!(text, "{said}, {} as before", report.unchanged);
    if report.revert_at_us.is_some() {
        let _ = writeln!(
            text,
            "{} this goes back by itself; `keelctl confirm` keeps it, `keelctl revert` undoes it now",
            paint.paint(Colour::Yellow, "unconfirmed:")
        );
    }
    text
}

fn render_change(change: &Change, columns: usize, paint: &Painter) -> String {
    let (colour, sign, said) = match change.effect {
        Effect::Added => (Colour::Green, "+", "new, starts"),
        Effect::Defined => (Colour::Green, "+", "new, nothing starts it yet"),
        Effect::Removed => (Colour::Red, "-", "stopped and removed"),
        Effect::Restarted => (Colour::Yellow, "~", "restarted"),
        Effect::Adjusted => (Colour::Yellow, "~", "new limits, keeps running"),
        Effect::Updated => (Colour::Yellow, "~", "changed, keeps running"),
    };
    let head = format!("{sign} {}", change.unit.short());
    let mut text = format!("{}  {}\n", paint.paint(colour, &head), paint.dim(said));
    let taken_apart = |value: fn(&FieldChange) -> &str| -> Settings {
        change.fields.iter().flat_map(|field| settings::at(&field.field, value(field))).collect()
    };
    let before = taken_apart(|field| &field.before);
    let after = taken_apart(|field| &field.after);
    for (name, before, after) in settings::differences(&before, &after) {
        let room = columns.saturating_sub(name.len() + 12).max(20) / 2;
        let old = paint.paint(Colour::Red, &shorten(&before, room));
        let new = paint.paint(Colour::Green, &shorten(&after, room));
        let arrow = paint.sign("→", "->");
        let _ = match (before.is_empty(), after.is_empty()) {
            (true, _) => writeln!(text, "    {} {name}: {new}", paint.paint(Colour::Green, "+")),
            (false, true) => writeln!(text, "    {} {name}: {old}", paint.paint(Colour::Red, "-")),
            (false, false) => writeln!(text, "    {name}: {old} {arrow} {new}"),
        };
    }
    text
}

fn confirm(session: &mut Session, _: &Parsed) -> Result<(), Failure> {
    match session.ask(&Request::Confirm)? {
        Response::Done(Answer::Already) => session.print("nothing waits for a confirmation\n"),
        Response::Done(_) => session.print("confirmed: the change stays\n"),
        other => Err(unexpected(&other)),
    }
}

fn revert(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let report = ask(session, &Request::Revert)?;
    tell(session, parsed, &report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::UnitName;

    #[test]
    fn a_report_for_people() {
        let field = FieldChange {
            field: "body.Service.resources.memory_max".into(),
            before: String::new(),
            after: "{\"Absolute\":134217728}".into(),
        };
        let change = |name: &str, effect, fields| Change {
            unit: UnitName::from_typed(name).unwrap(),
            effect,
            fields,
        };
        let report = ApplyReport {
            done: true,
            changes: vec![
                change("cache", Effect::Added, vec![]),
                change("web", Effect::Adjusted, vec![field]),
                change("old.timer", Effect::Removed, vec![]),
            ],
            unchanged: 41,
            remarks: vec![],
            revert_at_us: Some(61_000_000),
        };
        let text = render(&report, false, 100, &Painter::PLAIN);
        assert_eq!(
            text,
            "+ cache  new, starts\n~ web  new limits, keeps running\n    + resources.memory-max: 128 M\n- old.timer  stopped and removed\n3 units changed, 41 as before\n\
             unconfirmed: this goes back by itself; `keelctl confirm` keeps it, `keelctl revert` undoes it now\n"
        );
    }
}
