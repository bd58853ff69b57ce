//! `keelctl status UNIT`: one unit with everything around it.

use std::fmt::Write;
use std::path::Path;

use units::UnitName;
use units::note::StateName;

use super::human;
use super::overview::state;
use super::paint::{Colour, Painter, harmless, shorten};
use super::usage::Process;
use crate::wire::{Machine, UnitDetail, UnitStatus};

/// One unit.
pub(crate) fn render(
    machine: &Machine,
    detail: &UnitDetail,
    processes: &[Process],
    columns: usize,
    paint: &Painter,
) -> String {
    let unit = &detail.status;
    let mut lines = Lines { text: String::new(), paint };
    let _ =
        writeln!(lines.text, "{}  {}", paint.bold(unit.name.as_str()), harmless(&unit.description));
    lines.add("state", &state_line(machine, unit, paint));
    if let Some(fault) = &unit.fault {
        let when = human::span(machine.clock.now_us.saturating_sub(fault.at_us));
        let text = format!("{} (run {}, {when} ago)", harmless(&fault.text), fault.run);
        lines.add("fault", &paint.paint(Colour::Red, &text));
    }
    if !unit.waits_for.is_empty() {
        lines.add("waits for", &with_states(machine, &unit.waits_for));
    }
    if let Some(next_unix_us) = unit.next_unix_us {
        let offset = machine.clock.utc_offset_s;
        lines.add("next", &human::date_time(next_unix_us, offset));
    }
    if let Some(triggers) = &unit.triggers {
        lines.add("starts", &with_states(machine, std::slice::from_ref(triggers)));
    }
    if !unit.says.is_empty() {
        lines.add("says", &harmless(&unit.says));
    }
    lines.add("image", unit.image.as_deref().unwrap_or_default());
    lines.add("ports", &ports(unit));
    add_usage(unit, &mut lines);
    lines.add("pulls in", &with_states(machine, &unit.pulls));
    lines.add("pulled by", &with_states(machine, &detail.pulled_by));
    lines.add("files", &sources(detail).join(", "));
    if let Some(group) = &unit.group {
        let path = Path::new(&machine.group_root).join(group);
        if !processes.is_empty() {
            lines.add("group", &path.display().to_string());
        }
    }
    for line in process_tree(processes, paint) {
        let _ = writeln!(lines.text, "{:13}{}", "", shorten(&line, columns.saturating_sub(13)));
    }
    for remark in &detail.remarks {
        let _ = write!(lines.text, "\n{}", remark.text);
    }
    lines.text
}

struct Lines<'a> {
    text: String,
    paint: &'a Painter,
}

impl Lines<'_> {
    fn add(&mut self, title: &str, value: &str) {
        if !value.is_empty() {
            let title = self.paint.dim(&format!("{title:>11}"));
            let _ = writeln!(self.text, "{title}  {value}");
        }
    }
}

fn state_line(machine: &Machine, unit: &UnitStatus, paint: &Painter) -> String {
    let clock = machine.clock;
    let since_us = clock.boot_unix_us + i64::try_from(unit.since_us).unwrap_or(0);
    let mut text = state(unit, paint);
    if unit.run > 0 || unit.state != StateName::Down {
        let age = human::span(clock.now_us.saturating_sub(unit.since_us));
        let _ = write!(text, " since {} ({age})", human::date_time(since_us, clock.utc_offset_s));
    }
    if unit.run > 0 {
        let _ = write!(text, ", run {}", unit.run);
    }
    if unit.restarts > 0 {
        let times = if unit.restarts == 1 { "restart" } else { "restarts" };
        let _ = write!(text, ", {} {times}", unit.restarts);
    }
    if let Some(until_us) = unit.until_us {
        let left = human::span(until_us.saturating_sub(clock.now_us));
        let what = if unit.state == StateName::Backoff { "again" } else { "gives up" };
        let _ = write!(text, ", {what} in {left}");
    }
    if let Some(pid) = unit.main_pid {
        let _ = write!(text, ", main process {pid}");
    }
    text
}

fn with_states(machine: &Machine, names: &[UnitName]) -> String {
    let known = |name: &UnitName| machine.units.iter().find(|unit| unit.name == *name);
    let described = names.iter().map(|name| match known(name) {
        Some(unit) if unit.state == StateName::Up => name.short().to_owned(),
        Some(unit) => format!("{} ({})", name.short(), word(unit.state)),
        None => format!("{} (not defined)", name.short()),
    });
    described.collect::<Vec<_>>().join(", ")
}

/// The word for a state, as `--json` has it.
pub(crate) fn word(state: StateName) -> &'static str {
    match state {
        StateName::Down => "down",
        StateName::Waiting => "waiting",
        StateName::Starting => "starting",
        StateName::Up => "up",
        StateName::Reloading => "reloading",
        StateName::Stopping => "stopping",
        StateName::Backoff => "backoff",
        StateName::Failed => "failed",
        StateName::Skipped => "skipped",
    }
}

fn ports(unit: &UnitStatus) -> String {
    let described = unit.ports.iter().map(|port| {
        let name = if port.name.is_empty() { String::new() } else { format!(" {}", port.name) };
        format!("{}/{}{name}", port.address, port.protocol)
    });
    described.collect::<Vec<_>>().join(", ")
}

fn add_usage(unit: &UnitStatus, lines: &mut Lines<'_>) {
    let Some(usage) = unit.usage else { return };
    if let Some(bytes) = usage.memory_bytes {
        let mut text = human::bytes(bytes);
        if let Some(max) = usage.memory_max_bytes {
            let _ = write!(text, " of {}", human::bytes(max));
        }
        if let Some(peak) = usage.memory_peak_bytes {
            let _ = write!(text, ", at most {} so far", human::bytes(peak));
        }
        lines.add("memory", &text);
    }
    let mut parts = Vec::new();
    if let Some(cpu_us) = usage.cpu_us {
        parts.push(format!("{} of processor time", human::exact_span(cpu_us)));
    }
    if let Some(tasks) = usage.tasks {
        parts.push(format!("{tasks} {}", if tasks == 1 { "task" } else { "tasks" }));
    }
    if let (Some(read), Some(written)) = (usage.read_bytes, usage.written_bytes) {
        parts.push(format!("{} read, {} written", human::bytes(read), human::bytes(written)));
    }
    lines.add("uses", &parts.join(", "));
}

fn sources(detail: &UnitDetail) -> Vec<String> {
    let sources = detail.spec.get("sources").and_then(|sources| sources.as_array());
    let texts = sources.into_iter().flatten().filter_map(|source| source.as_str());
    texts.map(str::to_owned).collect()
}

/// Processes below their parents.
fn process_tree(processes: &[Process], paint: &Painter) -> Vec<String> {
    let mut lines = Vec::new();
    let known = |pid: u32| processes.iter().any(|process| process.pid == pid);
    let tops: Vec<&Process> = processes.iter().filter(|process| !known(process.parent)).collect();
    add_processes(&tops, processes, "", paint, &mut lines);
    lines
}

fn add_processes(
    siblings: &[&Process],
    all: &[Process],
    before: &str,
    paint: &Painter,
    lines: &mut Vec<String>,
) {
    for (index, process) in siblings.iter().enumerate() {
        let last = index + 1 == siblings.len();
        let (here, under) = match last {
            true => (paint.sign("└─ ", "`- "), "   "),
            false => (paint.sign("├─ ", "|- "), paint.sign("│  ", "|  ")),
        };
        lines.push(format!("{before}{here}{} {}", process.pid, harmless(&process.command)));
        let children: Vec<&Process> =
            all.iter().filter(|child| child.parent == process.pid).collect();
        add_processes(&children, all, &format!("{before}{under}"), paint, lines);
    }
}
