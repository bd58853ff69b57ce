//! Units up and down: `start`, `stop`, `restart`, `reload`, `kill` and their kin.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use units::UnitName;
use units::action::Answer;
use units::text::signal;

use super::logs;
use crate::ctl::detail::word;
use crate::ctl::failure::{Code, Failure};
use crate::ctl::human;
use crate::ctl::paint::Colour;
use crate::ctl::parse::Parsed;
use crate::ctl::session::{Session, admitted, unexpected, unit_name};
use crate::ctl::verb::{Completes, Family, Flag, PLAIN, Verb, switch};
use crate::wire::{KillWhom, Limits, Request, Response};

/// A person is told what is waited for after this time, and then so often.
const IMPATIENT_AFTER: Duration = Duration::from_millis(700);
/// Lines of the log of a unit that failed.
const LOG_LINES: usize = 10;

const NO_WAIT: Flag = switch("no-wait", None, "return as soon as the order is taken");

const UNITS: Verb = Verb {
    family: Family::Units,
    operands: "UNIT…",
    least: 1,
    most: usize::MAX,
    completes: Completes::Units,
    flags: &[NO_WAIT],
    ..PLAIN
};

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "start",
        summary: "bring units up, with all that they need",
        details: "Waits until they are up and says what it waits for. When one fails, its fault and its last log \
                  lines are shown and the exit code is 1.",
        examples: &[("keelctl start web", "start web.service")],
        run: start,
        ..UNITS
    },
    Verb {
        name: "stop",
        summary: "bring units down, with all that need them",
        details: "They stay down, also after a failure or a timer, until somebody starts them; a reboot brings \
                  back what is enabled.",
        examples: &[("keelctl stop web", "stop web.service")],
        run: stop,
        ..UNITS
    },
    Verb {
        name: "restart",
        summary: "bring units down and up again",
        details: "A new definition, if the files changed, comes into effect. What is down is started.",
        run: restart,
        ..UNITS
    },
    Verb {
        name: "try-restart",
        summary: "restart units that are up; leave those that are down",
        run: try_restart,
        ..UNITS
    },
    Verb {
        name: "reload",
        summary: "let units read their configuration again",
        flags: &[NO_WAIT, switch("or-restart", None, "restart those that cannot reload")],
        run: reload,
        ..UNITS
    },
    Verb {
        name: "kill",
        summary: "send a signal to the processes of units",
        details: "The unit's state follows what its processes make of it: one that ends is restarted if its \
                  definition says so. To bring a unit down use `stop`.",
        flags: &[
            Flag {
                completes: Completes::Words(&["TERM", "KILL", "HUP", "INT", "USR1", "USR2"]),
                ..crate::ctl::verb::valued(
                    "signal",
                    Some('s'),
                    "SIGNAL",
                    "by name or number; TERM if not given",
                )
            },
            Flag {
                completes: Completes::Words(&["all", "main", "control"]),
                ..crate::ctl::verb::valued(
                    "whom",
                    None,
                    "WHOM",
                    "all (if not given), main or control",
                )
            },
        ],
        examples: &[("keelctl kill --signal HUP --whom main web", "SIGHUP to the main process")],
        run: kill,
        ..UNITS
    },
    Verb {
        name: "reset-failed",
        operands: "[UNIT…]",
        least: 0,
        summary: "forget failures, back-off and start limits",
        details: "Of the units, or of all if none is given. They stay as they are, but count as never failed.",
        flags: &[],
        run: reset_failed,
        ..UNITS
    },
    Verb {
        name: "isolate",
        operands: "UNIT",
        most: 1,
        summary: "bring up one unit and what it needs, and stop the rest",
        examples: &[("keelctl isolate rescue.target", "only what a repair needs")],
        run: isolate,
        ..UNITS
    },
    Verb {
        name: "set",
        operands: "UNIT LIMIT=VALUE…",
        least: 2,
        flags: &[],
        summary: "change limits of a running unit",
        details: "Limits: memory, memory-high, memory-low, memory-min, memory-swap (bytes with K, M, G, or a share \
                  such as 10%, or infinity), cpu (a share of one processor: 50%, 200%, or infinity), cpu-weight and \
                  io-weight (1 to 10000), tasks. They hold until the unit's files say otherwise or it is restarted.",
        examples: &[(
            "keelctl set web memory=128M cpu=50%",
            "at most 128 MiB and half a processor",
        )],
        run: set,
        ..UNITS
    },
];

fn start(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    each(session, parsed, "up", |unit, wait| Request::Start { unit, wait })
}

fn stop(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    each(session, parsed, "down", |unit, wait| Request::Stop { unit, wait })
}

fn restart(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    each(session, parsed, "up", |unit, wait| Request::Restart { unit, wait, only_if_up: false })
}

fn try_restart(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    each(session, parsed, "up", |unit, wait| Request::Restart { unit, wait, only_if_up: true })
}

fn reload(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let or_restart = parsed.has("or-restart");
    each(session, parsed, "reloaded", |unit, wait| Request::Reload { unit, wait, or_restart })
}

fn isolate(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    each(session, parsed, "up", |unit, wait| Request::Isolate { unit, wait })
}

fn kill(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let text = parsed.value("signal").unwrap_or("TERM");
    let signal = signal::find(&text.to_ascii_uppercase()).ok_or_else(|| {
        Failure::usage(format!("{text:?} is no signal"))
            .advise("write TERM, SIGHUP, RTMIN+3 or a number")
    })?;
    let whom = match parsed.value("whom") {
        None | Some("all") => KillWhom::All,
        Some("main") => KillWhom::Main,
        Some("control") => KillWhom::Control,
        Some(other) => {
            return Err(Failure::usage(format!("--whom {other}: write all, main or control")));
        }
    };
    each(session, parsed, "signalled", |unit, _| Request::Kill { unit, signal: signal.0, whom })
}

fn reset_failed(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    if !parsed.operands.is_empty() {
        return each(session, parsed, "reset", |unit, _| Request::ResetFailed { unit: Some(unit) });
    }
    match session.ask(&Request::ResetFailed { unit: None })? {
        Response::Done(_) => session.print("all units reset\n"),
        other => Err(unexpected(&other)),
    }
}

/// Asks for each unit at once and waits for all; the first that fails decides the exit code.
fn each(
    session: &mut Session,
    parsed: &Parsed,
    reached: &str,
    request: impl Fn(UnitName, bool) -> Request,
) -> Result<(), Failure> {
    let wait = !parsed.has("no-wait");
    let names: Vec<UnitName> =
        parsed.operands.iter().map(|text| unit_name(text)).collect::<Result<_, _>>()?;
    let begun = Instant::now();
    let mut sent = Vec::new();
    for name in names {
        let id = session.send(&request(name.clone(), wait), &[])?;
        sent.push((name, id));
    }
    let mut first: Option<Failure> = None;
    for (name, id) in sent {
        let told = wait_for(session, &name, id)
            .and_then(|response| tell(session, &name, reached, &response, begun.elapsed(), wait));
        if let Err(mut failure) = told {
            // Of several units it must be said which one is meant.
            if !failure.text.contains(name.short()) {
                failure.text = format!("{}: {}", name.short(), failure.text);
            }
            match first {
                None => first = Some(failure),
                Some(_) => eprintln!("keelctl: {failure}"),
            }
        }
    }
    first.map_or(Ok(()), Err)
}

/// Waits for a response, and tells a person at a terminal what it is that takes so long.
fn wait_for(session: &mut Session, name: &UnitName, id: u32) -> Result<Response, Failure> {
    let mut shown = false;
    loop {
        let connection = session.connection()?;
        let mut waiting = [PollFd::new(connection, PollFlags::IN)];
        let patience = Timespec { tv_sec: 0, tv_nsec: IMPATIENT_AFTER.subsec_nanos().into() };
        let ready = poll(&mut waiting, Some(&patience)).unwrap_or(0) > 0;
        if let Some(answer) = session.connection()?.take(id)? {
            if shown {
                eprint!("\r\x1b[K");
            }
            return admitted(answer).map(|answer| answer.response);
        }
        if !ready && session.is_terminal() {
            shown = true;
            show_progress(session, name)?;
        }
    }
}

fn show_progress(session: &mut Session, name: &UnitName) -> Result<(), Failure> {
    let machine = session.machine()?;
    let Some(unit) = machine.units.iter().find(|unit| unit.name == *name) else { return Ok(()) };
    let since = machine.clock.now_us.saturating_sub(unit.since_us);
    let why = match unit.waits_for.as_slice() {
        [] => String::new(),
        names => {
            let names: Vec<&str> = names.iter().map(|name| name.short()).collect();
            format!(", waits for {}", names.join(", "))
        }
    };
    eprint!("\r\x1b[K{}: {} for {}{why}", name.short(), word(unit.state), human::span(since));
    Ok(())
}

fn tell(
    session: &mut Session,
    name: &UnitName,
    reached: &str,
    response: &Response,
    took: Duration,
    waited: bool,
) -> Result<(), Failure> {
    let Response::Done(answer) = response else { return Err(unexpected(response)) };
    let short = name.short();
    let took = human::exact_span(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    match answer {
        Answer::Ok if waited => session
            .print(&format!("{short} {} ({took})\n", session.paint.paint(Colour::Green, reached))),
        Answer::Ok => session.print(&format!("{short}: the order is taken\n")),
        Answer::Already => session.print(&format!("{short} is {reached} already\n")),
        Answer::Skipped(why) => session.print(&format!("{short} skipped: {why}\n")),
        Answer::Failed(why) => {
            let lines = logs::last_lines(session, name.as_str(), LOG_LINES).unwrap_or_default();
            if !lines.is_empty() {
                eprintln!("{}", lines.trim_end());
            }
            Err(Failure::new(Code::Failed, format!("{short} failed: {why}"))
                .advise(format!("`keelctl status {short}` and `keelctl logs {short}` tell more")))
        }
        Answer::Refused(why) => Err(Failure::new(Code::NotApplicable, format!("{short}: {why}"))),
        Answer::Cancelled => {
            let text = format!("{short}: somebody else asked for something different meanwhile");
            Err(Failure::new(Code::Failed, text))
        }
        Answer::Unknown => Err(Failure::new(Code::NoSuchUnit, format!("there is no unit {short}"))
            .advise("`keelctl status` lists the units that there are")),
    }
}

fn set(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    let unit = unit_name(&parsed.operands[0])?;
    let mut limits = Limits::default();
    for assignment in &parsed.operands[1..] {
        set_limit(&mut limits, assignment)?;
    }
    match session.ask(&Request::SetLimits { unit: unit.clone(), limits })? {
        Response::Done(Answer::Ok | Answer::Already) => {
            session.print(&format!("{}: {}\n", unit.short(), parsed.operands[1..].join(", ")))
        }
        Response::Done(other) => {
            tell(session, &unit, "set", &Response::Done(other), Duration::ZERO, true)
        }
        other => Err(unexpected(&other)),
    }
}

fn set_limit(limits: &mut Limits, assignment: &str) -> Result<(), Failure> {
    use units::text::size::{parse_amount, parse_share};
    let bad = |why: &str| Failure::usage(format!("{assignment:?}: {why}"));
    let (name, value) = assignment
        .split_once('=')
        .ok_or_else(|| bad("is no LIMIT=VALUE").advise("for example memory=128M"))?;
    let amount = || parse_amount(value).map(Some).map_err(|error| bad(&error.message));
    let weight = || match value.parse() {
        Ok(weight) if (1..=10_000).contains(&weight) => Ok(Some(weight)),
        _ => Err(bad("is a number from 1 to 10000")),
    };
    match name {
        "memory" | "memory-max" => limits.memory_max = amount()?,
        "memory-high" => limits.memory_high = amount()?,
        "memory-low" => limits.memory_low = amount()?,
        "memory-min" => limits.memory_min = amount()?,
        "memory-swap" => limits.memory_swap_max = amount()?,
        "tasks" => limits.tasks_max = amount()?,
        "cpu-weight" => limits.cpu_weight = weight()?,
        "io-weight" => limits.io_weight = weight()?,
        "cpu" if value == "infinity" => limits.cpu_quota_us_per_s = Some(0),
        "cpu" => {
            // Shares are ten-thousandths of one processor; a hundred processors are enough.
            let share = parse_share(value, 1_000_000);
            let share = share.ok_or_else(|| bad("is a share of one processor such as 50%"))?;
            limits.cpu_quota_us_per_s = Some(u64::from(share) * 100);
        }
        _ => {
            return Err(bad("is no limit").advise(
                "there are: memory, memory-high, memory-low, memory-min, memory-swap, cpu, \
                 cpu-weight, io-weight, tasks",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::resources::Amount;

    #[test]
    fn limits_are_read() {
        let mut limits = Limits::default();
        for text in ["memory=128M", "cpu=150%", "tasks=infinity", "io-weight=500"] {
            set_limit(&mut limits, text).unwrap();
        }
        assert_eq!(limits.memory_max, Some(Amount::Absolute(128 << 20)));
        assert_eq!(limits.cpu_quota_us_per_s, Some(1_500_000));
        assert_eq!(limits.tasks_max, Some(Amount::Unlimited));
        assert_eq!(limits.io_weight, Some(500));
        for wrong in ["memory", "memory=many", "cpu=fast", "cpu-weight=0", "speed=1"] {
            assert!(set_limit(&mut limits, wrong).is_err(), "{wrong}");
        }
    }
}
