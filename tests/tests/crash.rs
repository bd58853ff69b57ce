//! Faults of PID 1 on a real kernel, by the hundred, while containers run.
//!
//! PID 1 fails at operations that a seed decides, in every way there is, also while it recovers. No
//! container may stop, no exit status and no log line may be lost, no process may be left over. The next
//! fault comes when the machine has recovered from the one before, so that only facts set the pace.
//!
//! 50 faults with 5 containers; `KEELSON_LONG=1` makes it 1,000 with 50.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tests::crash::{FOLDER, STOP, code};
use tests::guest::{BUSYBOX, Guest, Scene};

const AGENT: &str = env!("CARGO_BIN_EXE_agent");
const UNIT: &str = env!("CARGO_BIN_EXE_crash_unit");
/// How many containers run, and how many faults PID 1 has in portions of [`PORTION`].
const NORMAL: Scale = Scale { containers: 5, portions: 1, log_mib: 8 };
const LONG: Scale = Scale { containers: 50, portions: 20, log_mib: 64 };
const PORTION: u64 = 50;
const WRITERS: usize = 3;
const EXITERS: usize = 4;
const NOTIFIERS: usize = 2;
const LAST_RUN: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy)]
struct Scale {
    containers: usize,
    portions: u32,
    /// Memory of the log: the lines of the test's writers fit, so that none may give way, however often the
    /// worker that writes them to the disk is cut off by the next fault.
    log_mib: u32,
}

fn scale() -> Scale {
    if std::env::var_os("KEELSON_LONG").is_some() { LONG } else { NORMAL }
}

fn container(number: usize) -> (String, String) {
    let text = "image = \"busybox\"\ncommand = [\"/bin/sleep\", \"1000000\"]\nnetwork = \"none\"\n\
                restart = \"always\"\nlimits = { memory = \"16M\", pids = 4 }\n";
    (format!("c{number}.toml"), text.to_owned())
}

fn service(name: &str, verb: &str, kind: &str, restart: &str) -> (String, String) {
    let text = format!(
        "[Unit]\nStartLimitIntervalSec=0\n\n[Service]\nType={kind}\n\
         ExecStart=/state/test/crash_unit {verb} {name}\nRestart={restart}\nRestartSec=0\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    );
    (format!("{name}.service"), text)
}

fn units() -> Vec<(String, String)> {
    let containers = (0..scale().containers).map(container);
    let writers = (0..WRITERS).map(|n| service(&format!("lines{n}"), "lines", "simple", "no"));
    let exiters = (0..EXITERS).map(|n| service(&format!("exits{n}"), "exits", "simple", "always"));
    let notifiers =
        (0..NOTIFIERS).map(|n| service(&format!("ready{n}"), "ready", "notify", "always"));
    containers.chain(writers).chain(exiters).chain(notifiers).collect()
}

fn scene(name: &str) -> Scene {
    let program = std::fs::read(UNIT).unwrap();
    let log = format!("[log]\nmemory = \"{}M\"\n", scale().log_mib);
    let scene = Scene::new(name).agent(AGENT).machine(&log);
    scene.disk(|disk| disk.file("test/crash_unit", 0o755, &program)).options(|options| {
        options.memory_mib = 1024 + scale().log_mib;
        for word in ["keelson.fault_injection=1", "keelson.faults_max=0"] {
            options.append.push(word.to_owned());
        }
    })
}

/// What `keelctl … --json` says; `None` when PID 1 failed while it was asked.
fn ask(guest: &mut Guest, words: &[&str]) -> Option<Value> {
    let mut command = vec!["/bin/keelctl"];
    command.extend(words);
    let ran = guest.run(&command);
    (ran.status == "exit 0").then(|| serde_json::from_str(&ran.stdout).unwrap())
}

fn faults(guest: &mut Guest) -> Option<u64> {
    ask(guest, &["version", "--json"])?["running"]["faults"].as_u64()
}

/// Every unit that is up, with its run and its main process.
fn up(guest: &mut Guest) -> Option<BTreeMap<String, (u64, u64)>> {
    let machine = ask(guest, &["status", "--json"])?;
    let units = machine["units"].as_array()?.iter();
    let up = units.filter(|unit| unit["state"] == "up").filter_map(|unit| {
        let numbers = (unit["run"].as_u64()?, unit["main-pid"].as_u64()?);
        Some((unit["name"].as_str()?.to_owned(), numbers))
    });
    Some(up.collect())
}

fn containers(guest: &mut Guest) -> Option<BTreeMap<String, (u64, u64)>> {
    let up = up(guest)?;
    let wanted = |name: &str| name.starts_with('c') && name[1..].starts_with(char::is_numeric);
    let found: BTreeMap<_, _> = up.into_iter().filter(|(name, _)| wanted(name)).collect();
    (found.len() == scale().containers).then_some(found)
}

/// Runs a series of faults to its end.
fn fail(guest: &mut Guest, kind: &str, count: u64, within: u32, seed: u32) {
    let before = guest.eventually("PID 1's count of faults", faults);
    guest.shell(&format!("echo {kind} {count} {within} {seed} > /run/keelson/faults"));
    let what = format!("{count} faults of PID 1");
    guest.eventually(&what, |guest| faults(guest).filter(|now| *now >= before + count));
}

#[test]
fn faults_by_the_hundred_stop_nothing_and_lose_nothing() {
    let mut scene = scene("crash");
    for (name, text) in units() {
        scene = scene.unit(&name, &text);
    }
    let mut guest = scene.boot();
    let before = guest.eventually("all containers to be up", containers);
    let processes = processes(&mut guest);

    // In portions, so that each is waited for by itself.
    for portion in 0..scale().portions {
        fail(&mut guest, "all", PORTION, 700, 1000 + portion);
        println!("   {} faults survived", PORTION * u64::from(portion + 1));
    }

    assert_eq!(guest.eventually("all containers to be up", containers), before);
    let after = processes_of(&mut guest, &before);
    assert_eq!(after, processes, "a container's processes changed");
    guest.shell(&format!("> {STOP}"));
    check_lines(&mut guest);
    check_exits(&mut guest);
    check_zombies(&mut guest);
    report(&mut guest);
}

/// The processes of every container's group.
fn processes(guest: &mut Guest) -> BTreeMap<String, Vec<u64>> {
    let before = guest.eventually("all containers to be up", containers);
    processes_of(guest, &before)
}

fn processes_of(
    guest: &mut Guest,
    containers: &BTreeMap<String, (u64, u64)>,
) -> BTreeMap<String, Vec<u64>> {
    let mut found = BTreeMap::new();
    for (name, (run, main)) in containers {
        let text = guest.read(&format!("/sys/fs/cgroup/units/{name}:{run}/cgroup.procs"));
        let mut pids: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
        pids.sort_unstable();
        assert!(pids.contains(main), "{name}: {main} is not among {pids:?}");
        found.insert(name.clone(), pids);
    }
    found
}

fn logged(guest: &mut Guest, name: &str) -> Vec<String> {
    let text = guest.keelctl(&["logs", name, "--no-events", "-o", "raw", "-n", "10000000"]);
    text.lines().map(str::to_owned).collect()
}

/// Every line that a writer wrote is in the log, once and in order.
fn check_lines(guest: &mut Guest) {
    for writer in 0..WRITERS {
        let name = format!("lines{writer}");
        let lines = guest.eventually("a writer's last line", |guest| {
            let lines = logged(guest, &name);
            lines.last().is_some_and(|line| line.starts_with("end ")).then_some(lines)
        });
        let expected = lines.len() - 1;
        for (number, line) in lines[..expected].iter().enumerate() {
            assert_eq!(*line, format!("line {number}"), "{name}");
        }
        assert_eq!(lines[expected], format!("end {expected}"), "{name}");
        assert!(expected > 100, "{name} wrote next to nothing: {expected}");
        println!("   {name}: {expected} lines, all there");
    }
}

/// Every run was started once, its exit told with its own code, and a notifier was heard each time.
fn check_exits(guest: &mut Guest) {
    let names = (0..EXITERS).map(|n| format!("exits{n}"));
    for name in names.chain((0..NOTIFIERS).map(|n| format!("ready{n}"))) {
        wait_for_last_run(guest, &name);
    }
    let notes = logged(guest, "keelson");
    let names = (0..EXITERS).map(|n| format!("exits{n}"));
    for name in names.chain((0..NOTIFIERS).map(|n| format!("ready{n}"))) {
        let counted: u64 = guest.read(&format!("{FOLDER}/{name}")).trim().parse().unwrap();
        // The last one is still there: it waits for the end of the test.
        let expected: BTreeMap<u64, u64> =
            (1..counted).map(|run| (run, u64::from(code(run)))).collect();
        assert_eq!(told(&notes, &name), expected, "{name}: runs and their exit codes");
        assert!(counted > 20, "{name} ran {counted} times only");
        if name.starts_with("ready") {
            let heard: BTreeSet<u64> =
                notes.iter().filter_map(|note| arrived(note, &name)).collect();
            let missing: Vec<u64> = (1..counted).filter(|run| !heard.contains(run)).collect();
            let about: Vec<&String> = notes
                .iter()
                .filter(|note| note.contains(&format!("unit {name} ")))
                .filter(|note| missing.iter().any(|run| number(note, "run=") == Some(*run)))
                .collect();
            assert!(missing.is_empty(), "{name}: not heard of runs {missing:?}: {about:#?}");
        }
        println!("   {name}: {counted} runs, every exit told");
    }
}

/// Waits until the run is there that stays. (The end of the test is told to all at once, and each is at
/// another point then: its present run may be one that still exits.)
fn wait_for_last_run(guest: &mut Guest, name: &str) {
    let counted = |guest: &mut Guest| -> u64 {
        guest.read(&format!("{FOLDER}/{name}")).trim().parse().unwrap()
    };
    guest.eventually(&format!("{name}'s last run"), |guest| {
        let before = counted(guest);
        let machine = ask(guest, &["status", "--json"])?;
        let units = machine["units"].as_array()?;
        let unit = units.iter().find(|unit| unit["name"] == format!("{name}.service"))?;
        // A run that did not see the end of the test would not last that long.
        std::thread::sleep(LAST_RUN);
        (unit["run"] == before && unit["main-pid"].is_u64() && counted(guest) == before)
            .then_some(())
    });
}

/// The exits that the log tells of, by run. A note can be there twice when PID 1 failed just after it
/// wrote it, but never with another code.
fn told(notes: &[String], name: &str) -> BTreeMap<u64, u64> {
    let mut told = BTreeMap::new();
    let start = format!("unit {name} exited ");
    for note in notes {
        let Some((_, rest)) = note.split_once(&start) else { continue };
        let (run, code) = (number(rest, "run="), number(rest, "code="));
        let (Some(run), Some(code)) = (run, code) else { panic!("{note}") };
        let before = told.insert(run, code);
        assert!(before.is_none_or(|before| before == code), "{name}: told differently: {note}");
    }
    told
}

/// The run of which the note says that the unit came up.
fn arrived(note: &str, name: &str) -> Option<u64> {
    let (_, rest) = note.split_once(&format!("unit {name} up from=starting "))?;
    number(rest, "run=")
}

fn number(text: &str, key: &str) -> Option<u64> {
    let word = text.split_whitespace().find_map(|word| word.strip_prefix(key))?;
    word.parse().ok()
}

/// A process that ended is reaped, also after all those lives.
fn check_zombies(guest: &mut Guest) {
    guest.eventually("no zombie to be left", |guest| {
        let line =
            format!("for f in /proc/[0-9]*/stat; do {BUSYBOX} cat $f; done 2>/dev/null; true");
        let text = guest.shell(&line);
        let state =
            |line: &str| line.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z"));
        (!text.lines().any(state)).then_some(())
    });
}

/// How long nobody supervised, as PID 1 itself says.
fn report(guest: &mut Guest) {
    let mut gaps: Vec<f64> = logged(guest, "keelson")
        .iter()
        .filter_map(|line| line.split_once("gap=")?.1.strip_suffix("ms")?.parse().ok())
        .collect();
    gaps.sort_by(f64::total_cmp);
    let at = |share: usize| gaps.get(gaps.len() * share / 100).copied().unwrap_or(0.0);
    println!(
        "   recoveries={} gap-median-ms={:.1} gap-p99-ms={:.1} (emulated)",
        gaps.len(),
        at(50),
        at(99)
    );
}
