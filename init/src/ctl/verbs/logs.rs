//! `logs`: what units, the kernel and PID 1 wrote.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use regex_lite::{Regex, RegexBuilder};

use crate::ctl::failure::{Code, Failure};
use crate::ctl::human;
use crate::ctl::journal::{BootId, Boots, Journal};
use crate::ctl::logline::{Format, Printer};
use crate::ctl::note::Note;
use crate::ctl::parse::Parsed;
use crate::ctl::session::{Session, interrupted, unexpected, unit_name};
use crate::ctl::verb::{Completes, Flag, PLAIN, Verb, switch, valued};
use crate::logs::layout::{self, HEAD_BYTES};
use crate::logs::merge::{Item, SourceCursor, by_time};
use crate::logs::{KERNEL, OWN, Stream};
use crate::wire::{Clock, LogArena, Request, Response};

/// Lines that `-f` begins with.
const FOLLOW_LINES: usize = 10;
/// What came within this time is shown together.
const GATHER: Duration = Duration::from_millis(10);
/// How often, and how long apart, a PID 1 that is being replaced is asked again.
const RECONNECTS_MAX: u32 = 50;
const RECONNECT_AFTER: Duration = Duration::from_millis(100);

pub(super) const VERBS: &[Verb] = &[Verb {
    name: "logs",
    operands: "[UNIT…]",
    most: usize::MAX,
    completes: Completes::Units,
    summary: "print what units wrote, or follow it",
    details: "Without a unit: everything but the kernel's messages. With units: their standard output and error, and what \
              happened to them in keelson's words. `kernel` and `keelson` can be named like units.\n\n\
              Lines come from the disk and from PID 1's memory as one story in the order of time, of this boot if \
              --boot does not say otherwise. Lines that were lost, because a unit wrote faster than they \
              could be kept, are counted where they are missing.",
    flags: &[
        switch("follow", Some('f'), "go on with what is written from now on"),
        valued("lines", Some('n'), "N", "only the last N lines (10 with --follow)"),
        valued(
            "since",
            Some('s'),
            "TIME",
            "from then on: 10min, 2h, 04:05, yesterday, 2026-11-21 04:05",
        ),
        valued("until", Some('u'), "TIME", "up to then"),
        valued(
            "grep",
            Some('g'),
            "PATTERN",
            "lines in which the regular expression is found; in lower case it matches any",
        ),
        switch("kernel", Some('k'), "the kernel's messages"),
        valued(
            "boot",
            Some('b'),
            "BOOT",
            "of an earlier boot: -1 is the one before this, or an id; all",
        ),
        switch("boots", None, "list the boots of which there are logs"),
        switch("no-events", None, "without keelson's words about the units"),
        Flag {
            completes: Completes::Words(&["text", "raw", "json"]),
            ..valued(
                "output",
                Some('o'),
                "FORM",
                "text, raw (only what was written), or json (one object per line)",
            )
        },
        Flag {
            completes: Completes::Files,
            ..valued(
                "directory",
                Some('D'),
                "DIR",
                "read the logs in DIR, for example of another machine's disk",
            )
        },
    ],
    examples: &[
        ("keelctl logs -f web db", "follow two units"),
        ("keelctl logs --since 10min --grep error", "errors of the last ten minutes"),
        ("keelctl logs --kernel --boot -1", "the kernel's messages before the last reboot"),
    ],
    run: logs,
    ..PLAIN
}];

/// What is to be shown.
struct Query {
    /// Sources by name; empty: all but the kernel.
    names: Vec<String>,
    /// Units of which keelson's notes are shown too; short names.
    notes_of: Vec<String>,
    since_us: Option<i64>,
    until_us: Option<i64>,
    grep: Option<Regex>,
    /// Nothing but notes; of all units if `notes_of` is empty.
    only_notes: bool,
}

impl Query {
    fn wants_source(&self, name: &str) -> bool {
        if self.only_notes {
            return name == OWN;
        }
        match self.names.is_empty() {
            true => name != KERNEL,
            false => {
                self.names.iter().any(|wanted| wanted == name)
                    || name == OWN && !self.notes_of.is_empty()
            }
        }
    }

    fn wants(&self, source: &str, item: &Item) -> bool {
        let time = item.unix_us();
        let in_time = self.since_us.is_none_or(|since| time >= since)
            && self.until_us.is_none_or(|until| time <= until);
        let Item::Line(line) = item else { return in_time };
        let named = self.names.is_empty() || self.names.iter().any(|name| name == source);
        let asked_for = named && !self.only_notes;
        let is_note = || {
            let about = |unit: &String| is_about(&line.text, unit, self.only_notes);
            let all = self.only_notes && self.notes_of.is_empty();
            line.stream == Stream::Note && (all || self.notes_of.iter().any(about))
        };
        let text = || String::from_utf8_lossy(&line.text);
        in_time
            && (asked_for || is_note())
            && self.grep.as_ref().is_none_or(|grep| grep.is_match(&text()))
    }
}

/// Whether a note is about the unit; unless `all` are wanted, only milestones count.
fn is_about(note: &[u8], unit: &str, all: bool) -> bool {
    let text = String::from_utf8_lossy(note);
    Note::parse(&text).is_some_and(|note| note.unit == unit && (all || note.is_milestone()))
}

fn logs(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let (journal, clock, running) = open(session, parsed)?;
    if parsed.has("boots") {
        return list_boots(session, &journal, clock, running);
    }
    let query = query(parsed, clock)?;
    print(session, parsed, &query, (journal, clock, running))
}

/// Only what happened to units: the notes among keelson's own words.
pub(super) fn events(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let (journal, clock, running) = open(session, parsed)?;
    let mut query = query(parsed, clock)?;
    query.names.clear();
    query.only_notes = true;
    print(session, parsed, &query, (journal, clock, running))
}

fn print(
    session: &mut Session,
    parsed: &Parsed,
    query: &Query,
    (journal, clock, running): (Journal, Clock, Option<BootId>),
) -> Result<(), Failure> {
    let boots = which_boots(parsed.value("boot"), &journal, running)?;
    let follow = parsed.has("follow");
    let lines = match parsed.value("lines") {
        Some(text) => Some(
            text.parse::<usize>()
                .map_err(|_| Failure::usage(format!("--lines {text}: write a number")))?,
        ),
        None if follow => Some(FOLLOW_LINES),
        None => None,
    };
    let format = format(parsed, session)?;
    let printer = match query.only_notes {
        true => Printer::for_events(format, clock.utc_offset_s),
        false => Printer::new(format, query.names.len() != 1, clock.utc_offset_s),
    };
    let (cursors, appended) =
        print_past(session, &journal, query, &boots, lines, &printer, follow)?;
    if follow { go_on(session, query, &printer, cursors, appended) } else { Ok(()) }
}

/// The logs: those of the running keelson, or those in a directory.
fn open(
    session: &mut Session,
    parsed: &Parsed,
) -> Result<(Journal, Clock, Option<BootId>), Failure> {
    if let Some(directory) = parsed.value("directory") {
        if !std::path::Path::new(directory).is_dir() {
            return Err(Failure::usage(format!(
                "--directory {directory}: there is no such directory"
            )));
        }
        let journal = Journal { memory: None, disk: Some(directory.into()) };
        return Ok((journal, own_clock(), None));
    }
    let (arena, memory) = ask(session)?;
    let journal = Journal { memory: Some(File::from(memory)), disk: arena.disk.map(Into::into) };
    Ok((journal, arena.clock, boot_id(&arena.boot_id)))
}

fn ask(session: &mut Session) -> Result<(LogArena, OwnedFd), Failure> {
    let answer = session.ask_fully(&Request::Logs)?;
    match (answer.response, answer.descriptor) {
        (Response::Logs(arena), Some(memory)) => Ok((arena, memory)),
        (Response::Logs(_), None) => {
            Err(Failure::new(Code::NotApplicable, "this keelson cannot share its log memory"))
        }
        (other, _) => Err(unexpected(&other)),
    }
}

/// The clock of the machine at which keelctl itself runs.
fn own_clock() -> Clock {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let unix_us = since_1970.map_or(0, |time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
    Clock { now_us: 0, boot_unix_us: unix_us, utc_offset_s: 0 }
}

fn boot_id(text: &str) -> Option<BootId> {
    text.as_bytes().try_into().ok()
}

fn query(parsed: &Parsed, clock: Clock) -> Result<Query, Failure> {
    let now_unix_us = clock.boot_unix_us + i64::try_from(clock.now_us).unwrap_or(0);
    let moment = |option: &str| match parsed.value(option) {
        None => Ok(None),
        Some("boot") => Ok(Some(clock.boot_unix_us)),
        Some(text) => {
            human::moment(text, now_unix_us, clock.utc_offset_s).map(Some).ok_or_else(|| {
                Failure::usage(format!("--{option} {text}: is no time")).advise(
                    "write a span before now (10min, 2h), a time (04:05), a date (2026-11-21, \
                 \"2026-11-21 04:05\"), today, yesterday or boot",
                )
            })
        }
    };
    let mut names = Vec::new();
    for operand in &parsed.operands {
        names.push(match operand.as_str() {
            KERNEL | OWN => operand.clone(),
            unit => unit_name(unit)?.to_string(),
        });
    }
    let units = names.iter().filter(|name| *name != KERNEL && *name != OWN);
    let notes_of = match parsed.has("no-events") {
        true => Vec::new(),
        false => {
            units.map(|name| name.strip_suffix(".service").unwrap_or(name).to_owned()).collect()
        }
    };
    if parsed.has("kernel") {
        names.push(KERNEL.to_owned());
    }
    let grep = parsed.value("grep").map(pattern).transpose()?;
    Ok(Query {
        names,
        notes_of,
        since_us: moment("since")?,
        until_us: moment("until")?,
        grep,
        only_notes: false,
    })
}

/// A regular expression; without any capital letter it matches capital ones, too.
fn pattern(text: &str) -> Result<Regex, Failure> {
    let insensitive = !text.chars().any(char::is_uppercase);
    RegexBuilder::new(text).case_insensitive(insensitive).build().map_err(|error| {
        Failure::usage(format!("--grep {text:?} is no regular expression: {error}"))
    })
}

fn format(parsed: &Parsed, session: &Session) -> Result<Format, Failure> {
    match parsed.value("output") {
        None | Some("text") => Ok(Format::Text(session.paint, session.is_terminal())),
        Some("raw") => Ok(Format::Raw),
        Some("json") => Ok(Format::Json),
        Some(other) => Err(Failure::usage(format!("--output {other}: write text, raw or json"))),
    }
}

fn which_boots(
    wish: Option<&str>,
    journal: &Journal,
    running: Option<BootId>,
) -> Result<Boots, Failure> {
    let known = || journal.boots(running);
    let missing = |wish: &str| {
        Failure::new(Code::Failed, format!("there are no logs of boot {wish}"))
            .advise("`keelctl logs --boots` lists those of which there are")
    };
    match wish {
        Some("all") => Ok(Boots::All),
        None => Ok(running.map_or(Boots::All, Boots::Only)),
        Some(wish) => {
            if let Some(id) = boot_id(wish) {
                return Ok(Boots::Only(id));
            }
            let back: usize = wish.trim_start_matches('-').parse().map_err(|_| {
                Failure::usage(format!(
                    "--boot {wish}: write 0, -1, -2 …, an id of 32 digits, or all"
                ))
            })?;
            let boot = known().iter().rev().nth(back).map(|(id, _)| *id);
            boot.map(Boots::Only).ok_or_else(|| missing(wish))
        }
    }
}

fn list_boots(
    session: &Session,
    journal: &Journal,
    clock: Clock,
    running: Option<BootId>,
) -> Result<(), Failure> {
    let boots = journal.boots(running);
    let mut text = String::new();
    for (back, (id, first_us)) in (0..boots.len()).rev().zip(&boots) {
        let time = match *first_us {
            i64::MAX => human::date_time(clock.boot_unix_us, clock.utc_offset_s),
            time => human::date_time(time, clock.utc_offset_s),
        };
        let here = if Some(*id) == running { "  running" } else { "" };
        let back = if back == 0 { "0".to_owned() } else { format!("-{back}") };
        text += &format!("{back:>4}  {}  {time}{here}\n", String::from_utf8_lossy(id));
    }
    session.print(&text)
}

type Cursors = BTreeMap<String, SourceCursor>;

/// Prints what there is, and gives the places where each source goes on.
fn print_past(
    session: &Session,
    journal: &Journal,
    query: &Query,
    boots: &Boots,
    lines: Option<usize>,
    printer: &Printer,
    follow: bool,
) -> Result<(Cursors, u64), Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(Code::Failed, format!("the logs cannot be read: {error}"))
    };
    let wanted = |name: &str| query.wants_source(name);
    let (mut readers, appended) =
        journal.readers(&wanted, boots, query.since_us).map_err(unreadable)?;
    for reader in &mut readers {
        if follow {
            reader.keep_unfinished();
        }
        // A search may find its lines anywhere, and so may notes about one unit of many.
        if let (Some(lines), None) = (lines, &query.grep)
            && reader.name != OWN
        {
            reader.skip_to_last(lines);
        }
    }
    let names: Vec<String> = readers.iter().map(|reader| reader.name.clone()).collect();
    let items = by_time(readers.iter_mut().collect());
    let mut items = items.filter(|(index, item)| query.wants(&names[*index], item));
    match lines {
        Some(lines) => {
            let mut last: VecDeque<(usize, Item)> = VecDeque::new();
            for item in items.by_ref() {
                last.push_back(item);
                if last.len() > lines {
                    last.pop_front();
                }
            }
            let text: String =
                last.iter().map(|(i, item)| printer.line(&names[*i], item)).collect();
            session.print(&text)?;
        }
        None => print_all(session, printer, &names, items.by_ref())?,
    }
    drop(items);
    let cursors = readers.into_iter().map(|reader| (reader.name.clone(), reader.into_cursor()));
    Ok((cursors.collect(), appended))
}

/// Prints in portions, so that neither memory nor the number of writes grows with the log.
fn print_all(
    session: &Session,
    printer: &Printer,
    names: &[String],
    items: impl Iterator<Item = (usize, Item)>,
) -> Result<(), Failure> {
    const PORTION_BYTES: usize = 64 * 1024;
    let mut text = String::new();
    for (index, item) in items {
        text += &printer.line(&names[index], &item);
        if text.len() >= PORTION_BYTES {
            session.print(&text)?;
            text.clear();
        }
    }
    session.print(&text)
}

/// Prints what is written from now on, until somebody interrupts. A PID 1 that replaces itself is no end.
fn go_on(
    session: &mut Session,
    query: &Query,
    printer: &Printer,
    mut cursors: Cursors,
    mut appended: u64,
) -> Result<(), Failure> {
    let mut memory = File::from(ask(session)?.1);
    loop {
        match wait(session, appended) {
            Ok(grown) => {
                std::thread::sleep(GATHER);
                // Memory that stands still while the log grows: the log has moved to other memory.
                if last_appended(&memory) < grown {
                    memory = File::from(ask(session)?.1);
                }
            }
            Err(failure) if failure.code == Code::NotHere => {
                memory = File::from(reconnect(session, failure)?);
            }
            Err(failure) => return Err(failure),
        }
        let journal = Journal { memory: Some(memory), disk: None };
        appended = print_new(session, &journal, query, printer, &mut cursors)?;
        memory = journal.memory.expect("it was given");
    }
}

/// Waits until more was appended; tells how much there is now, as far as that was said.
fn wait(session: &mut Session, appended: u64) -> Result<u64, Failure> {
    let id = session.send(&Request::LogsWait { appended }, &[])?;
    let answer = session.connection()?.wait(id, true)?;
    match answer.response {
        Response::LogsGrown { appended } => Ok(appended),
        // The memory outlived the program that was replaced: go on reading it.
        ref response if interrupted(response) => Ok(0),
        Response::Refused(refusal) => Err(refusal.into()),
        other => Err(unexpected(&other)),
    }
}

fn last_appended(memory: &File) -> u64 {
    let mut head = vec![0; HEAD_BYTES];
    memory.read_exact_at(&mut head, 0).map_or(0, |()| layout::appended(&head))
}

fn reconnect(session: &mut Session, failure: Failure) -> Result<OwnedFd, Failure> {
    for _ in 0..RECONNECTS_MAX {
        session.hang_up();
        if let Ok((_, memory)) = ask(session) {
            return Ok(memory);
        }
        std::thread::sleep(RECONNECT_AFTER);
    }
    Err(failure)
}

fn print_new(
    session: &Session,
    journal: &Journal,
    query: &Query,
    printer: &Printer,
    cursors: &mut Cursors,
) -> Result<u64, Failure> {
    let is_new = |name: &str, end_record: u64| {
        let seen = cursors.get(name).and_then(SourceCursor::next_record);
        query.wants_source(name) && seen.is_none_or(|seen| end_record > seen)
    };
    let snapshot = journal.snapshot(is_new).map_err(|error| {
        Failure::new(Code::Failed, format!("the log memory cannot be read: {error}"))
    })?;
    let snapshot = snapshot.expect("there is a memory");
    let mut names = Vec::new();
    let mut streams = Vec::new();
    for (name, source) in &snapshot.sources {
        if source.blocks.is_empty() {
            continue;
        }
        let cursor = cursors.entry(name.clone()).or_default();
        let mut items = Vec::new();
        for view in source.views() {
            cursor.push(&view, &mut |item| items.push(item));
        }
        names.push(name.clone());
        streams.push(items.into_iter());
    }
    let items = by_time(streams).filter(|(index, item)| query.wants(&names[*index], item));
    print_all(session, printer, &names, items)?;
    Ok(snapshot.appended)
}

/// The last lines of a unit, for those who show it; empty if there are none or they cannot be had.
pub(super) fn last_lines(
    session: &mut Session,
    unit: &str,
    lines: usize,
) -> Result<String, Failure> {
    let Ok((arena, memory)) = ask(session) else { return Ok(String::new()) };
    let journal = Journal { memory: Some(File::from(memory)), disk: arena.disk.map(Into::into) };
    let boots = boot_id(&arena.boot_id).map_or(Boots::All, Boots::Only);
    let Ok((mut readers, _)) = journal.readers(&|name| name == unit, &boots, None) else {
        return Ok(String::new());
    };
    let printer = Printer::new(Format::Text(session.paint, true), false, arena.clock.utc_offset_s);
    let mut last: VecDeque<String> = VecDeque::new();
    for reader in &mut readers {
        reader.skip_to_last(lines);
        for item in reader {
            last.push_back(printer.line(unit, &item));
            if last.len() > lines {
                last.pop_front();
            }
        }
    }
    Ok(last.into_iter().collect())
}
