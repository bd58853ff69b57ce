//! `cargo boot -- --smoke`: the demo without a person.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ::boot::cache::{Cache, replace_file};

use qemu::ask::{http_get, redis};
use qemu::status::{Status, find_document};
use qemu::{Fault, Machine, Options, PROMPT};
use serde_json::Value;

/// How long to wait between two looks at the machine: each one is a program to start there, which
/// takes processor time from what is being waited for.
const POLL: Duration = Duration::from_secs(1);

/// How long the census waits for rest, and a little more.
const CENSUS: Duration = Duration::from_secs(9);

/// The ports of the demo's units in the guest.
const HTTP: u16 = 80;
const REDIS: u16 = 6379;

/// What the summary tells.
#[derive(Debug, Default)]
struct Summary {
    rows: Vec<(&'static str, String)>,
}

/// Boots `options`, makes sure that `units` are all up and at work, and powers off.
///
/// # Errors
/// The first thing that was not as it should be.
pub(crate) fn run(options: &Options, units: &[String], timeout: Duration) -> Result<(), Fault> {
    let mut machine = Machine::spawn(options)?;
    let result = drive(&mut machine, units, timeout);
    match keep_transcript(&machine) {
        Ok(path) => say(&format!("the whole console is in {}", path.display())),
        Err(fault) => say(&format!("the console is not kept: {fault}")),
    }
    result
}

/// Puts every line of the console beside what was made, each with the time since QEMU's start.
fn keep_transcript(machine: &Machine) -> Result<PathBuf, ::boot::Fault> {
    let path = Cache::open()?.path("smoke-console.log")?;
    let lines = machine.transcript().into_iter();
    let text: String =
        lines.map(|line| format!("{:9.3}  {}\n", line.at.as_secs_f64(), line.text)).collect();
    replace_file(&path, text.as_bytes())?;
    Ok(path)
}

fn drive(machine: &mut Machine, units: &[String], timeout: Duration) -> Result<(), Fault> {
    let mut summary = Summary::default();
    let welcome = machine.wait_for_line("keelson ", timeout)?;
    say(&welcome.text);
    machine.wait_for(PROMPT, timeout)?;
    let status = wait_until_up(machine, units, timeout)?;
    let up = status.units.iter().filter(|unit| unit.state == "up");
    summary.row("units up", up.count().to_string());
    let chart = machine.ask("keelctl boot-chart --json", timeout)?;
    let chart =
        find_document(&chart).ok_or_else(|| Fault::wrong("a boot chart", chart.join(" ")))?;
    summary.times(&chart, &status);
    ask_nginx(machine, timeout, &mut summary)?;
    ask_redis(machine, timeout, &mut summary)?;
    count_memory(machine, timeout, &mut summary)?;
    machine.send_line("poweroff")?;
    let asked = Instant::now();
    let ended = machine.exit_status(timeout)?;
    summary.row("power off", milliseconds(asked.elapsed()));
    if !ended.success() {
        return Err(Fault::wrong("a clean end of the machine", ended.to_string()));
    }
    summary.row("start of QEMU to its end", milliseconds(machine.age()));
    summary.print();
    Ok(())
}

fn wait_until_up(
    machine: &mut Machine,
    units: &[String],
    timeout: Duration,
) -> Result<Status, Fault> {
    let until = Instant::now() + timeout;
    loop {
        let lines = machine.ask("keelctl status --json", timeout)?;
        let status = Status::find(&lines);
        let missing = match &status {
            None => format!("no status: {}", lines.join(" / ")),
            Some(status) => still_missing(status, units)?,
        };
        match status {
            Some(status) if missing.is_empty() => return Ok(status),
            Some(_) | None if Instant::now() > until => {
                return Err(Fault::Silent {
                    waited_for: format!("every unit to be up; still missing: {missing}"),
                    waited: timeout,
                    console: machine.console_tail(),
                });
            }
            Some(_) | None => std::thread::sleep(POLL),
        }
    }
}

/// What is not up yet, in words; nothing when all is well.
fn still_missing(status: &Status, units: &[String]) -> Result<String, Fault> {
    if let Some(unit) = status.failed() {
        return Err(Fault::wrong(format!("{} up", unit.name), format!("failed: {}", unit.fault)));
    }
    let unknown = units.iter().filter(|name| status.unit(name).is_none());
    let mut missing: Vec<String> = unknown.map(|name| format!("{name} is unknown")).collect();
    for unit in status.not_yet_up() {
        missing.push(format!("{} is {} {}", unit.name, unit.state, unit.fault));
    }
    Ok(missing.join(", "))
}

fn ask_nginx(machine: &Machine, timeout: Duration, summary: &mut Summary) -> Result<(), Fault> {
    let port = machine.host_port(HTTP);
    let page = patiently(timeout, || http_get(port, "/"))?;
    if page.status != 200 || !page.body.contains("nginx") {
        return Err(Fault::wrong(
            "the page of nginx",
            format!("{} {:.200}", page.status, page.body),
        ));
    }
    summary.row("nginx", format!("answered {} with {} bytes", page.status, page.body.len()));
    Ok(())
}

fn ask_redis(machine: &Machine, timeout: Duration, summary: &mut Summary) -> Result<(), Fault> {
    let port = machine.host_port(REDIS);
    let value = format!("smoke-{}", std::process::id());
    let talk = [
        (vec!["PING"], "PONG"),
        (vec!["SET", "keelson", &value], "OK"),
        (vec!["GET", "keelson"], &value),
    ];
    for (command, expected) in talk {
        let answer = patiently(timeout, || redis(port, &command))?;
        if answer != expected {
            return Err(Fault::wrong(format!("redis {}", command.join(" ")), answer));
        }
    }
    summary.row("redis", "answered PING, SET and GET".to_owned());
    Ok(())
}

/// Lets the demo's census count while nothing else goes on, and reads its lines from the log.
fn count_memory(
    machine: &mut Machine,
    timeout: Duration,
    summary: &mut Summary,
) -> Result<(), Fault> {
    machine.ask("keelctl start --no-wait census-at-rest", timeout)?;
    // Whoever asks keeps the machine awake.
    std::thread::sleep(CENSUS);
    let until = Instant::now() + timeout;
    let lines = loop {
        let lines = machine.ask("keelctl logs census-at-rest", timeout)?;
        let is_done = lines.iter().any(|line| line.contains("userland "));
        if is_done || Instant::now() > until {
            break lines;
        }
        std::thread::sleep(CENSUS);
    };
    for (key, row) in [("pid1 ", "memory of PID 1"), ("userland ", "memory of all userland")] {
        let found = lines.iter().rev().find_map(|line| line.split_once(key).filter(is_size));
        let (_, size) = found.ok_or_else(|| Fault::wrong("the census", lines.join(" / ")))?;
        summary.row(row, size.to_owned());
    }
    Ok(())
}

fn is_size((_, size): &(&str, &str)) -> bool {
    size.ends_with(" KiB")
}

/// A unit can be up a moment before its program listens: only the last refusal counts.
fn patiently<T>(timeout: Duration, ask: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
    let until = Instant::now() + timeout;
    loop {
        match ask() {
            Err(fault) if Instant::now() > until => return Err(fault),
            Err(_) => std::thread::sleep(POLL),
            Ok(answer) => return Ok(answer),
        }
    }
}

impl Summary {
    fn row(&mut self, name: &'static str, value: String) {
        self.rows.push((name, value));
    }

    fn times(&mut self, chart: &Value, status: &Status) {
        let init_us = chart.pointer("/init-us").and_then(Value::as_u64);
        let up_us = status.last_up_us();
        let ms = |us: Option<u64>| us.map_or_else(unknown, |us| format!("{} ms", us / 1000));
        self.row("kernel to init", ms(init_us));
        let took = up_us.zip(init_us).map(|(up, init)| up.saturating_sub(init));
        self.row("init to all units up", ms(took));
    }

    fn print(&self) {
        println!();
        for (name, value) in &self.rows {
            println!("{name:<28}{value}");
        }
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

fn unknown() -> String {
    "not told".to_owned()
}

fn say(what: &str) {
    eprintln!("== {what}");
}
