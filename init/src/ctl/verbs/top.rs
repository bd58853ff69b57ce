//! `top`: who uses what, live.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use units::UnitName;
use units::text::timespan;

use crate::ctl::failure::{Code, Failure};
use crate::ctl::overview::state;
use crate::ctl::paint::{Colour, Painter};
use crate::ctl::parse::Parsed;
use crate::ctl::session::Session;
use crate::ctl::table::Table;
use crate::ctl::terminal::RawMode;
use crate::ctl::verb::{Completes, Flag, JSON, PLAIN, Verb, switch, valued};
use crate::ctl::{human, usage};
use crate::wire::Machine;
use crate::wire::status::{UnitStatus, Usage};

pub(super) const VERBS: &[Verb] = &[Verb {
    name: "top",
    summary: "show live what units use",
    details: "Memory, processor time, tasks and disk traffic of each unit with processes, read from its control group. \
              At a terminal the table is renewed until you press q; m, c, d and n sort it by memory, \
              processor, disk and name. Elsewhere two looks are taken and printed once.",
    flags: &[
        valued("interval", Some('d'), "SPAN", "between two looks; 2s if not given"),
        Flag {
            completes: Completes::Words(&["cpu", "memory", "disk", "name"]),
            ..valued("sort", Some('s'), "BY", "cpu (if not given), memory, disk or name")
        },
        switch("once", Some('1'), "print once, also at a terminal"),
        JSON,
    ],
    examples: &[("keelctl top", "live"), ("keelctl top --once --sort memory", "the largest first")],
    run: top,
    ..PLAIN
}];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Cpu,
    Memory,
    Disk,
    Name,
}

/// What a unit used between two looks.
#[derive(Debug, Clone)]
struct Use<'a> {
    unit: &'a UnitStatus,
    usage: Usage,
    /// Ten-thousandths of one processor.
    cpu_share: u64,
    read_per_s: u64,
    written_per_s: u64,
}

/// One look at the machine.
struct Look {
    machine: Machine,
    at: Instant,
}

fn top(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let interval = match parsed.value("interval") {
        Some(text) => {
            timespan::parse_us(text, 1_000_000).ok().filter(|us| *us >= 100_000).ok_or_else(
                || Failure::usage(format!("--interval {text}: write a span from 100ms on")),
            )?
        }
        None => 2_000_000,
    };
    let interval = Duration::from_micros(interval);
    let mut order = match parsed.value("sort") {
        None | Some("cpu") => Order::Cpu,
        Some("memory") => Order::Memory,
        Some("disk") => Order::Disk,
        Some("name") => Order::Name,
        Some(other) => {
            return Err(Failure::usage(format!("--sort {other}: write cpu, memory, disk or name")));
        }
    };
    let live = session.is_terminal() && io::stdin().is_terminal();
    if !live || parsed.has("once") || parsed.has("json") {
        return once(session, parsed, interval.min(Duration::from_secs(1)), order);
    }
    let raw = RawMode::enter().map_err(|error| {
        Failure::new(Code::Failed, format!("the terminal cannot be used: {error}"))
    })?;
    // The other screen, without a cursor; both are given back at the end.
    session.print("\x1b[?1049h\x1b[?25l")?;
    let ended = watch(session, interval, &mut order);
    let restored = session.print("\x1b[?25h\x1b[?1049l");
    drop(raw);
    ended.and(restored)
}

fn look(session: &mut Session) -> Result<Look, Failure> {
    let mut machine = session.machine()?;
    let root = machine.group_root.clone();
    usage::fill(&root, &mut machine.units);
    Ok(Look { machine, at: Instant::now() })
}

fn once(
    session: &mut Session,
    parsed: &Parsed,
    interval: Duration,
    order: Order,
) -> Result<(), Failure> {
    let before = look(session)?;
    std::thread::sleep(interval);
    let after = look(session)?;
    if parsed.has("json") {
        let uses = between(&before, &after, order);
        let list: Vec<serde_json::Value> = uses.iter().map(json).collect();
        return session.print_json(&list);
    }
    let (columns, paint) = (session.columns(), session.paint);
    session.print(&table(&before, &after, order, columns, usize::MAX, &paint))
}

fn watch(session: &mut Session, interval: Duration, order: &mut Order) -> Result<(), Failure> {
    let mut before = look(session)?;
    // The first rates need a little time.
    let mut wait = interval.min(Duration::from_millis(300));
    loop {
        match key_within(wait)? {
            Some(b'q' | 3 | 27) => return Ok(()),
            Some(b'c') => *order = Order::Cpu,
            Some(b'm') => *order = Order::Memory,
            Some(b'd') => *order = Order::Disk,
            Some(b'n') => *order = Order::Name,
            Some(_) | None => {}
        }
        wait = interval;
        let after = look(session)?;
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let rows = size.map_or(24, |size| usize::from(size.ws_row)).max(6);
        let paint = session.paint;
        let text = screen(&before, &after, *order, session.columns(), rows, &paint);
        session.print(&text)?;
        before = after;
    }
}

/// The key that is pressed within a time.
fn key_within(wait: Duration) -> Result<Option<u8>, Failure> {
    let stdin = io::stdin();
    let mut waiting = [PollFd::new(&stdin, PollFlags::IN)];
    let wait = Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(1),
        tv_nsec: wait.subsec_nanos().into(),
    };
    if poll(&mut waiting, Some(&wait)).unwrap_or(0) == 0 {
        return Ok(None);
    }
    let mut key = [0; 16];
    match rustix::io::read(&stdin, &mut key) {
        Ok(count) if count > 0 => Ok(Some(key[0])),
        _ => Err(Failure::quiet(Code::Other(0))),
    }
}

fn screen(
    before: &Look,
    after: &Look,
    order: Order,
    columns: usize,
    rows: usize,
    paint: &Painter,
) -> String {
    let machine = &after.machine;
    let up = human::span(machine.clock.now_us);
    let keys = "q quits; sort by c processor, m memory, d disk, n name";
    let mut text = String::from("\x1b[H");
    let _ = writeln!(text, "{}  up {up}  {}", paint.bold(&machine.name), paint.dim(keys));
    text += &table(before, after, order, columns, rows.saturating_sub(3), paint);
    // In raw mode a line feed does not return the carriage; what was there before is wiped.
    format!("{}\x1b[J", text.replace('\n', "\x1b[K\r\n"))
}

fn table(
    before: &Look,
    after: &Look,
    order: Order,
    columns: usize,
    rows: usize,
    paint: &Painter,
) -> String {
    let uses = between(before, after, order);
    let head =
        ["UNIT", "STATE", ">CPU", ">MEMORY", ">LIMIT", ">TASKS", ">READ/S", ">WRITTEN/S", "MAIN"];
    let mut table = Table::new(&head);
    for used in uses.iter().take(rows) {
        table.row(cells(used, paint));
    }
    if uses.is_empty() {
        return "no unit has processes\n".to_owned();
    }
    let mut text = table.render(columns, &|head| paint.dim(head));
    let memory: u64 = uses.iter().filter_map(|used| used.usage.memory_bytes).sum();
    let cpu: u64 = uses.iter().map(|used| used.cpu_share).sum();
    let sum =
        format!("{} units, {} memory, {} processor", uses.len(), human::bytes(memory), share(cpu));
    let _ = writeln!(text, "{}", paint.dim(&sum));
    text
}

fn cells(used: &Use<'_>, paint: &Painter) -> Vec<String> {
    let Usage { memory_bytes, memory_max_bytes, tasks, .. } = used.usage;
    let number = |value: Option<u64>| value.map_or(String::new(), |value| value.to_string());
    let some_bytes = |value: u64| if value == 0 { String::new() } else { human::bytes(value) };
    let tight =
        matches!((memory_bytes, memory_max_bytes), (Some(now), Some(max)) if now > max / 10 * 9);
    let memory = memory_bytes.map_or(String::new(), human::bytes);
    vec![
        used.unit.name.short().to_owned(),
        state(used.unit, paint),
        share(used.cpu_share),
        if tight { paint.paint(Colour::Red, &memory) } else { memory },
        memory_max_bytes.map_or(String::new(), human::bytes),
        number(tasks),
        some_bytes(used.read_per_s),
        some_bytes(used.written_per_s),
        used.unit.main_pid.map_or(String::new(), |pid| pid.to_string()),
    ]
}

/// `12.3%` of one processor.
fn share(ten_thousandths: u64) -> String {
    format!("{}.{}%", ten_thousandths / 100, ten_thousandths % 100 / 10)
}

fn between<'a>(before: &Look, after: &'a Look, order: Order) -> Vec<Use<'a>> {
    let elapsed_us = after.at.duration_since(before.at).as_micros().max(1);
    let elapsed_us = u64::try_from(elapsed_us).unwrap_or(u64::MAX);
    let earlier: BTreeMap<(&UnitName, u32), Usage> = before
        .machine
        .units
        .iter()
        .filter_map(|unit| Some(((&unit.name, unit.run), unit.usage?)))
        .collect();
    let rate = |now: Option<u64>, was: Option<u64>, scale: u64| {
        let grown = now.unwrap_or(0).saturating_sub(was.unwrap_or(now.unwrap_or(0)));
        grown.saturating_mul(scale) / elapsed_us
    };
    let mut uses: Vec<Use<'_>> = after
        .machine
        .units
        .iter()
        .filter_map(|unit| {
            let usage = unit.usage.filter(|usage| usage.tasks.is_none_or(|tasks| tasks > 0))?;
            let was = earlier.get(&(&unit.name, unit.run)).copied().unwrap_or_default();
            Some(Use {
                unit,
                usage,
                cpu_share: rate(usage.cpu_us, was.cpu_us, 10_000),
                read_per_s: rate(usage.read_bytes, was.read_bytes, 1_000_000),
                written_per_s: rate(usage.written_bytes, was.written_bytes, 1_000_000),
            })
        })
        .collect();
    let most = u64::MAX;
    uses.sort_by_key(|used| {
        let first = match order {
            Order::Cpu => most - used.cpu_share,
            Order::Memory => most - used.usage.memory_bytes.unwrap_or(0),
            Order::Disk => most - used.read_per_s.saturating_add(used.written_per_s),
            Order::Name => 0,
        };
        (first, &used.unit.name)
    });
    uses
}

fn json(used: &Use<'_>) -> serde_json::Value {
    serde_json::json!({
        "unit": used.unit.name.as_str(),
        "cpu-percent": f64::from(u32::try_from(used.cpu_share).unwrap_or(u32::MAX)) / 100.0,
        "read-bytes-per-s": used.read_per_s,
        "written-bytes-per-s": used.written_per_s,
        "usage": used.usage,
    })
}
