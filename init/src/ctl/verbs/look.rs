//! `status`, `show`, `cat`, `health`, `metrics`.

use std::fmt::Write;
use std::path::Path;

use units::UnitKind;
use units::note::StateName;
use units::source::{LoadOptions, SourceFile, UnitDirectory};

use super::logs;
use crate::ctl::failure::{Code, Failure};
use crate::ctl::overview::{self, Shown};
use crate::ctl::paint::Colour;
use crate::ctl::parse::Parsed;
use crate::ctl::session::{Session, unexpected, unit_name};
use crate::ctl::settings::{self, Settings};
use crate::ctl::verb::{Completes, Family, JSON, PLAIN, Verb, switch, valued};
use crate::ctl::{detail, usage};
use crate::wire::{Machine, Metrics, Request, Response, UnitDetail};

/// Lines of the log below a unit.
const LOG_LINES: usize = 10;

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "status",
        operands: "[UNIT…]",
        most: usize::MAX,
        completes: Completes::Units,
        summary: "show the machine and its units, or one unit in detail",
        details: "Without a unit: the machine and a tree of its units, below each what it pulls in. Units that \
                  are down and that nobody wants are left out, and the system's own units are folded as \
                  long as all of them are well; --all shows everything.\n\n\
                  With a unit: its state, why it failed, what it uses, its processes and its last log lines. \
                  The exit code is 3 when it is not up.",
        flags: &[
            switch("all", Some('a'), "show every unit"),
            switch("list", Some('l'), "a list instead of a tree; what is not well comes first"),
            switch("names", None, "only the names, one per line"),
            JSON,
        ],
        examples: &[
            ("keelctl status", "the machine at a glance"),
            ("keelctl status web", "everything about web.service"),
        ],
        run: status,
        ..PLAIN
    },
    Verb {
        name: "show",
        operands: "UNIT",
        least: 1,
        most: 1,
        completes: Completes::Units,
        summary: "print a unit's settings as they are in force",
        details: "Every setting that differs from its default, after drop-ins, specifiers and implied \
                  relations. `keelctl cat` prints the files that they come from.",
        flags: &[switch("all", Some('a'), "also settings at their defaults"), JSON],
        examples: &[("keelctl show web", "the settings of web.service")],
        run: show,
        ..PLAIN
    },
    Verb {
        name: "cat",
        operands: "UNIT",
        least: 1,
        most: 1,
        completes: Completes::Units,
        summary: "print the files that a unit is made from",
        examples: &[("keelctl cat web", "the unit file and its drop-ins")],
        run: cat,
        ..PLAIN
    },
    Verb {
        name: "unit show",
        operands: "UNIT",
        least: 1,
        most: 1,
        completes: Completes::Units,
        summary: "the same as `show`",
        flags: &[switch("all", Some('a'), "also settings at their defaults"), JSON],
        run: show,
        ..PLAIN
    },
    Verb {
        name: "unit cat",
        operands: "UNIT",
        least: 1,
        most: 1,
        completes: Completes::Units,
        summary: "the same as `cat`",
        run: cat,
        ..PLAIN
    },
    Verb {
        name: "health",
        summary: "say whether everything that should run does",
        details: "The exit code is 0 when every wanted unit is up and ready and nothing is to be warned of, \
                  else 3.",
        flags: &[
            valued(
                "wait",
                Some('w'),
                "SPAN",
                "wait so long for it, for example until the boot is done",
            ),
            JSON,
        ],
        examples: &[("keelctl health --wait 60s", "in a script: until the machine is up")],
        run: health,
        ..PLAIN
    },
    Verb {
        name: "metrics",
        family: Family::Look,
        summary: "print the counters of PID 1",
        details: "One name and number per line, since PID 1 was last executed.",
        flags: &[JSON],
        run: metrics,
        ..PLAIN
    },
];

fn status(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let mut machine = session.machine()?;
    if parsed.has("names") {
        let names: String = machine.units.iter().map(|unit| format!("{}\n", unit.name)).collect();
        return session.print(&names);
    }
    let root = machine.group_root.clone();
    usage::fill(&root, &mut machine.units);
    if !parsed.operands.is_empty() {
        return status_of(session, parsed, &machine);
    }
    if parsed.has("json") {
        return session.print_json(&machine);
    }
    let shown = Shown { all: parsed.has("all"), flat: parsed.has("list") };
    session.print(&overview::render(&machine, shown, session.columns(), &session.paint))
}

fn status_of(session: &mut Session, parsed: &Parsed, machine: &Machine) -> Result<(), Failure> {
    let mut all_up = true;
    for (index, operand) in parsed.operands.iter().enumerate() {
        let detail = ask_detail(session, operand, machine)?;
        all_up &= detail.status.state == StateName::Up;
        if parsed.has("json") {
            session.print_json(&detail)?;
            continue;
        }
        if index > 0 {
            session.print("\n")?;
        }
        print_detail(session, machine, &detail)?;
    }
    if all_up { Ok(()) } else { Err(Failure::quiet(Code::NotUp)) }
}

fn ask_detail(
    session: &mut Session,
    operand: &str,
    machine: &Machine,
) -> Result<UnitDetail, Failure> {
    let unit = unit_name(operand)?;
    match session.ask(&Request::Show { unit })? {
        Response::Unit(mut detail) => {
            usage::fill(&machine.group_root, std::slice::from_mut(&mut detail.status));
            Ok(*detail)
        }
        other => Err(unexpected(&other)),
    }
}

fn print_detail(
    session: &mut Session,
    machine: &Machine,
    detail: &UnitDetail,
) -> Result<(), Failure> {
    let group = detail.status.group.as_deref();
    let processes =
        group.map(|group| usage::processes(&Path::new(&machine.group_root).join(group)));
    let processes = processes.unwrap_or_default();
    let text = detail::render(machine, detail, &processes, session.columns(), &session.paint);
    session.print(&text)?;
    let name = detail.status.name.as_str();
    let lines = logs::last_lines(session, name, LOG_LINES)?;
    if lines.is_empty() { Ok(()) } else { session.print(&format!("\n{lines}")) }
}

fn show(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let unit = unit_name(&parsed.operands[0])?;
    let unit_kind = unit.kind();
    let detail = match session.ask(&Request::Show { unit })? {
        Response::Unit(detail) => detail,
        other => return Err(unexpected(&other)),
    };
    if parsed.has("json") {
        return session.print_json(&detail.spec);
    }
    let all = settings::of(&detail.spec);
    let usual = if parsed.has("all") { Vec::new() } else { defaults(unit_kind) };
    let mut text = String::new();
    for (name, value) in all.iter().filter(|setting| !usual.contains(setting)) {
        let _ = writeln!(text, "{} = {value}", session.paint.name(name));
    }
    session.print(&text)
}

/// The settings of a unit in whose file stands next to nothing.
fn defaults(kind: UnitKind) -> Settings {
    let (suffix, text) = match kind {
        UnitKind::Service => ("service", "[Service]\nExecStart=/bin/true\n"),
        UnitKind::Timer => ("timer", "[Timer]\nOnBootSec=1\nUnit=basic.target\n"),
        UnitKind::Socket => ("socket", "[Socket]\nListenStream=1\n"),
        UnitKind::Mount => ("mount", "[Mount]\nWhat=tmpfs\nWhere=/x\n"),
        UnitKind::Target => ("target", "[Unit]\n"),
    };
    let file = SourceFile::regular(&format!("/x.{suffix}"), text.as_bytes());
    let directories = vec![UnitDirectory { path: "".into(), enables: false }];
    let loaded = units::load(&[file], &LoadOptions { directories, ..LoadOptions::default() });
    let spec = loaded.specs.iter().find(|spec| spec.name.stem() == "x");
    let spec = spec.map(|spec| serde_json::to_value(spec).unwrap_or_default());
    spec.map(|spec| settings::of(&spec)).unwrap_or_default()
}

fn cat(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let unit = unit_name(&parsed.operands[0])?;
    let files = match session.ask(&Request::Cat { unit })? {
        Response::Files(files) => files,
        other => return Err(unexpected(&other)),
    };
    for (index, file) in files.iter().enumerate() {
        let space = if index > 0 { "\n" } else { "" };
        let head = session.paint.dim(&format!("# {}", file.path));
        let end = if file.text.ends_with('\n') { "" } else { "\n" };
        session.print(&format!("{space}{head}\n{}{end}", file.text))?;
    }
    Ok(())
}

fn health(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let patience = match parsed.value("wait") {
        Some(text) => units::text::timespan::parse_us(text, 1_000_000)
            .map_err(|_| Failure::usage(format!("--wait {text}: write a span such as 60s")))?,
        None => 0,
    };
    let until = std::time::Instant::now() + std::time::Duration::from_micros(patience);
    let health = loop {
        let health = match session.ask(&Request::Health)? {
            Response::Health(health) => health,
            other => return Err(unexpected(&other)),
        };
        if health.well || std::time::Instant::now() >= until {
            break health;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    };
    if parsed.has("json") {
        session.print_json(&health)?;
    } else {
        let paint = session.paint;
        let mut text = match health.well {
            true => format!("{}: every wanted unit is up\n", paint.paint(Colour::Green, "well")),
            false => format!("{}\n", paint.paint(Colour::Red, "not well")),
        };
        let list = [("failed", &health.failed), ("not up yet", &health.pending)];
        for (title, names) in list.into_iter().filter(|(_, names)| !names.is_empty()) {
            let names: Vec<&str> = names.iter().map(|name| name.short()).collect();
            let _ = writeln!(text, "  {title}: {}", names.join(", "));
        }
        for warning in &health.warnings {
            let _ = writeln!(text, "  warning: {warning}");
        }
        session.print(&text)?;
    }
    if health.well { Ok(()) } else { Err(Failure::quiet(Code::NotUp)) }
}

fn metrics(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let metrics = match session.ask(&Request::Metrics)? {
        Response::Metrics(metrics) => metrics,
        other => return Err(unexpected(&other)),
    };
    if parsed.has("json") {
        return session.print_json(&metrics);
    }
    let Metrics { loop_pause_max_us, turns, events, actions, counters } = metrics;
    let mut text = String::new();
    let own = [
        ("loop.pause-max-us", loop_pause_max_us),
        ("loop.turns", turns),
        ("loop.events", events),
        ("loop.actions", actions),
    ];
    let named = counters.iter().map(|(name, value)| (name.as_str(), *value));
    for (name, value) in own.into_iter().chain(named) {
        let _ = writeln!(text, "{name:32} {value}");
    }
    session.print(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_defaults() {
        for kind in UnitKind::ALL {
            let settings = defaults(kind);
            assert!(settings.iter().any(|(name, _)| name == "name"), "{kind:?}");
        }
    }
}
