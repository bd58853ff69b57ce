//! `dump`: everything that helps to understand a bug report, in one text.

use std::fmt::Write;

use crate::ctl::chart;
use crate::ctl::failure::{Code, Failure};
use crate::ctl::human;
use crate::ctl::overview::{self, Shown};
use crate::ctl::parse::Parsed;
use crate::ctl::session::{Session, unexpected};
use crate::ctl::usage;
use crate::ctl::verb::{Completes, Flag, PLAIN, Verb, valued};
use crate::logs::{KERNEL, OWN};
use crate::wire::{Machine, Request, Response};

/// Lines of each log.
const LINES: usize = 200;
/// Columns of tables.
const COLUMNS: usize = 160;

/// Files of the machine that say something about it.
const FILES: [&str; 14] = [
    "/proc/cmdline",
    "/proc/version",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/pressure/memory",
    "/proc/pressure/cpu",
    "/proc/pressure/io",
    "/proc/self/mountinfo",
    "/proc/1/status",
    "/proc/1/smaps_rollup",
    "/proc/modules",
    "/proc/net/dev",
    "/etc/keelson/machine.toml",
];

pub(super) const VERBS: &[Verb] = &[Verb {
    name: "dump",
    summary: "collect everything for a bug report into one text file",
    details: "Versions, status, counters, the boot, the last lines of every log, and what the kernel tells of memory, \
              mounts and PID 1. Look through it before you send it: logs may hold what is not for everybody.",
    flags: &[Flag {
        completes: Completes::Files,
        ..valued("output", Some('o'), "FILE", "write it there; at a terminal a name is chosen")
    }],
    examples: &[("keelctl dump -o report.txt", "for a bug report")],
    run: dump,
    ..PLAIN
}];

fn dump(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let mut machine = session.machine()?;
    let root = machine.group_root.clone();
    usage::fill(&root, &mut machine.units);
    let clock = machine.clock;
    let now_unix_us = clock.boot_unix_us + i64::try_from(clock.now_us).unwrap_or(0);
    let text = collect(session, &machine, now_unix_us)?;
    let chosen = match parsed.value("output") {
        Some(path) => Some(path.to_owned()),
        None if session.is_terminal() => {
            let time = human::date_time(now_unix_us, 0).replace([' ', ':'], "-");
            Some(format!("keelson-dump-{}-{time}.txt", machine.name))
        }
        None => None,
    };
    match chosen {
        Some(path) => {
            std::fs::write(&path, text).map_err(|error| {
                Failure::new(Code::Failed, format!("cannot write {path}: {error}"))
            })?;
            session.print(&format!("the report is in {path}; look through it before you send it\n"))
        }
        None => session.print(&text),
    }
}

fn collect(session: &mut Session, machine: &Machine, now_unix_us: i64) -> Result<String, Failure> {
    let mut text = String::new();
    section("report", &human::rfc3339(now_unix_us), &mut text);
    let plain = crate::ctl::paint::Painter::SIGNS;
    let shown = Shown { all: true, flat: false };
    section("status", &overview::render(machine, shown, COLUMNS, &plain), &mut text);
    for (title, request) in
        [("version", Request::Version), ("health", Request::Health), ("metrics", Request::Metrics)]
    {
        // Whatever part cannot be had is said in its place: the rest is still worth having.
        let said = match session.ask(&request) {
            Ok(response) => serde_json::to_string_pretty(&response).unwrap_or_default(),
            Err(failure) => failure.to_string(),
        };
        section(title, &said, &mut text);
    }
    match session.ask(&Request::BootChart) {
        Ok(Response::BootChart(boot)) => {
            section("boot", &chart::text(&machine.name, &boot, COLUMNS, &str::to_owned), &mut text);
        }
        Ok(other) => return Err(unexpected(&other)),
        Err(failure) => section("boot", &failure.to_string(), &mut text),
    }
    if let Ok(Response::Dump { text: own }) = session.ask(&Request::Dump) {
        section("PID 1", &own, &mut text);
    }
    for file in FILES {
        if let Ok(content) = std::fs::read_to_string(file) {
            section(file, &content, &mut text);
        }
    }
    let units = machine.units.iter().filter(|unit| unit.run > 0).map(|unit| unit.name.as_str());
    for source in [OWN, KERNEL].into_iter().chain(units) {
        let lines = super::logs::last_lines(session, source, LINES)?;
        if !lines.is_empty() {
            section(&format!("log of {source}"), &lines, &mut text);
        }
    }
    Ok(text)
}

fn section(title: &str, content: &str, text: &mut String) {
    let _ = writeln!(text, "===== {title}\n{}\n", content.trim_end());
}
