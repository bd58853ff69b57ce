//! `keelctl status`: the machine and its units on one screen.

use std::fmt::Write;

use units::UnitKind;
use units::note::StateName;

use super::human;
use super::paint::{Colour, Painter, harmless};
use super::table::Table;
use super::tree::{self, is_of_interest, is_well};
use crate::wire::{Machine, NodePhase, UnitStatus};

/// What is shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shown {
    /// Also what is down and nobody wants.
    pub(crate) all: bool,
    /// Without the tree.
    pub(crate) flat: bool,
}

/// The whole screen.
pub(crate) fn render(machine: &Machine, shown: Shown, columns: usize, paint: &Painter) -> String {
    let mut text = head(machine, paint);
    for warning in &machine.warnings {
        let _ = writeln!(text, "  {} {warning}", paint.paint(Colour::Yellow, "warning:"));
    }
    if let Some(at_us) = machine.revert_at_us {
        let left = human::span(at_us.saturating_sub(machine.clock.now_us));
        let _ = writeln!(
            text,
            "  {} the last `apply` is undone in {left} unless you `keelctl confirm`",
            paint.paint(Colour::Yellow, "unconfirmed:")
        );
    }
    let units: Vec<&UnitStatus> =
        machine.units.iter().filter(|unit| shown.all || is_of_interest(unit)).collect();
    if units.is_empty() {
        text += "\n  no units yet\n";
        return text;
    }
    text.push('\n');
    let table = if shown.flat {
        flat(machine, units, paint)
    } else {
        branched(machine, &units, shown, paint)
    };
    text += &table.render(columns, &|head| paint.dim(head));
    text
}

fn head(machine: &Machine, paint: &Painter) -> String {
    let units = || machine.units.iter();
    let count = |state: StateName| units().filter(|unit| unit.state == state).count();
    let failed = count(StateName::Failed);
    let unsettled = units().filter(|u| !is_well(u) && u.state != StateName::Failed).count();
    let (colour, word) = match machine.phase {
        NodePhase::Booting => (Colour::Yellow, "booting"),
        NodePhase::Stopping => (Colour::Yellow, "going down"),
        NodePhase::Serving if failed > 0 => (Colour::Red, "degraded"),
        NodePhase::Serving => (Colour::Green, "serving"),
    };
    let dot = paint.paint(colour, paint.sign("●", "*"));
    let up = human::span(machine.clock.now_us);
    let version = &machine.version;
    let mut text = format!(
        "{dot} {}  {}, up for {up}  {}\n",
        paint.bold(&machine.name),
        paint.paint(colour, word),
        paint.dim(&format!("keelson {} on Linux {}", version.keelson, version.kernel)),
    );
    let mut parts = vec![format!("{} units up", count(StateName::Up))];
    if unsettled > 0 {
        parts.push(paint.paint(Colour::Yellow, &format!("{unsettled} on the way")));
    }
    if failed > 0 {
        parts.push(paint.paint(Colour::Red, &format!("{failed} failed")));
    }
    if version.faults > 0 {
        let times = if version.faults == 1 { "once" } else { "repeatedly" };
        parts.push(format!("PID 1 recovered from a fault {times}"));
    }
    let _ = writeln!(text, "  {}", parts.join(", "));
    text
}

const HEAD: [&str; 6] = ["UNIT", "STATE", ">SINCE", ">MEMORY", ">RESTARTS", "DESCRIPTION"];

fn branched(machine: &Machine, units: &[&UnitStatus], shown: Shown, paint: &Painter) -> Table {
    let mut table = Table::new(&HEAD);
    for row in tree::rows(units, paint, shown.all) {
        let name = format!("{}{}", paint.dim(&row.branches), row.unit.name.short());
        let mut cells = cells(machine, row.unit, name, paint);
        if row.folded > 0 {
            let more = format!("and {} units below it, all well", row.folded);
            cells[5] = more;
        }
        table.row(cells);
    }
    table
}

fn flat(machine: &Machine, mut units: Vec<&UnitStatus>, paint: &Painter) -> Table {
    let mut table = Table::new(&HEAD);
    units.sort_by_key(|unit| (is_well(unit), unit.name.kind() == UnitKind::Target));
    for unit in units {
        table.row(cells(machine, unit, unit.name.short().to_owned(), paint));
    }
    table
}

fn cells(machine: &Machine, unit: &UnitStatus, name: String, paint: &Painter) -> Vec<String> {
    let memory = unit.usage.and_then(|usage| usage.memory_bytes).filter(|bytes| *bytes > 0);
    let restarts = if unit.restarts > 0 { unit.restarts.to_string() } else { String::new() };
    let since = match unit.state {
        StateName::Down if unit.run == 0 => String::new(),
        _ => human::span(machine.clock.now_us.saturating_sub(unit.since_us)),
    };
    vec![
        name,
        state(unit, paint),
        since,
        memory.map_or(String::new(), human::bytes),
        restarts,
        remark(machine, unit),
    ]
}

/// The sign and the word of a state.
pub(crate) fn state(unit: &UnitStatus, paint: &Painter) -> String {
    let full = paint.sign("●", "*");
    let empty = paint.sign("○", "o");
    let (colour, sign, word) = match unit.state {
        StateName::Up if unit.ready => (Colour::Green, full, "up"),
        StateName::Up => (Colour::Yellow, full, "not ready"),
        StateName::Reloading => (Colour::Yellow, full, "reloading"),
        StateName::Starting => (Colour::Yellow, full, "starting"),
        StateName::Stopping => (Colour::Yellow, full, "stopping"),
        StateName::Waiting => (Colour::Yellow, empty, "waiting"),
        StateName::Backoff => (Colour::Yellow, paint.sign("×", "x"), "backoff"),
        StateName::Failed => (Colour::Red, paint.sign("×", "x"), "failed"),
        StateName::Skipped => (Colour::Dim, empty, "skipped"),
        StateName::Down => (Colour::Dim, empty, "down"),
    };
    paint.paint(colour, &format!("{sign} {word}"))
}

/// What is most worth knowing: the fault, what it waits for, when it comes next, what it says, what it is.
fn remark(machine: &Machine, unit: &UnitStatus) -> String {
    let now_us = machine.clock.now_us;
    if let Some(fault) =
        unit.fault.as_ref().filter(|_| !is_well(unit) || unit.state == StateName::Skipped)
    {
        let again = unit.until_us.filter(|_| unit.state == StateName::Backoff);
        let again =
            again.map(|at| format!("; again in {}", human::span(at.saturating_sub(now_us))));
        return harmless(&format!("{}{}", fault.text, again.unwrap_or_default()));
    }
    if unit.state == StateName::Waiting && !unit.waits_for.is_empty() {
        let names: Vec<&str> = unit.waits_for.iter().map(|name| name.short()).collect();
        return format!("waits for {}", names.join(", "));
    }
    if let Some(next_unix_us) = unit.next_unix_us {
        let now_unix_us = machine.clock.boot_unix_us + i64::try_from(now_us).unwrap_or(0);
        let left = u64::try_from(next_unix_us - now_unix_us).unwrap_or(0);
        return format!("next in {}  {}", human::span(left), unit.description);
    }
    let said = if unit.says.is_empty() { &unit.description } else { &unit.says };
    harmless(said)
}
