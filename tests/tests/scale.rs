//! A thousand units on one machine: they start in one go, PID 1 stays small, and where nothing happens
//! nothing wakes up.
//!
//! Two boots, with few and with many units; the difference is what a unit costs. All figures are the
//! kernel's own.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tests::guest::{BUSYBOX, Guest, Scene};

const AGENT: &str = env!("CARGO_BIN_EXE_agent");
const FEW: u32 = 10;
const MANY: u32 = 1000;
/// The limit.
const KILOBYTES_PER_UNIT_MAX: f64 = 6.0;
const IDLE: Duration = Duration::from_secs(30);
/// How long nothing must have happened before the idle time is measured: boot's stragglers (a lease, the last
/// lines of the log, which go to the disk after 15 seconds, the
/// rest that PID 1 takes) come earlier.
const SETTLED: Duration = Duration::from_secs(20);

/// What PID 1 holds, in kilobytes.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// Its private memory.
    private: u64,
    /// Its memory files: the vault, the log. They are not all mapped, but they are its own.
    files: u64,
}

impl Held {
    fn total(self) -> u64 {
        self.private + self.files
    }
}

fn boot(units: u32) -> Guest {
    let mut scene = Scene::new(&format!("scale{units}")).agent(AGENT);
    for number in 0..units {
        let text = format!("command = [\"{BUSYBOX}\", \"sleep\", \"1000000\"]\n");
        scene = scene.unit(&format!("unit{number}.toml"), &text);
    }
    scene.options(|options| options.memory_mib = 1024).boot()
}

/// The main process of each of our units that is up. PID 1 starts what is to be started before it
/// answers, which takes a thousand times as long as one start.
fn up(guest: &mut Guest) -> Option<BTreeMap<String, u64>> {
    let ran = guest.run(&["/bin/keelctl", "status", "--json"]);
    let status: Value = serde_json::from_str(&ran.stdout).ok()?;
    let units = status["units"].as_array()?.iter();
    let ours = units
        .filter(|unit| unit["state"] == "up")
        .filter_map(|unit| Some((unit["name"].as_str()?.to_owned(), unit["main-pid"].as_u64()?)));
    Some(ours.filter(|(name, _)| name.starts_with("unit")).collect())
}

fn wait_until_up(guest: &mut Guest, units: u32) -> BTreeMap<String, u64> {
    guest.eventually(&format!("{units} units to be up"), |guest| {
        up(guest).filter(|up| up.len() == units as usize)
    })
}

/// How often PID 1 stopped to wait for something, and was interrupted.
fn switches(guest: &mut Guest) -> u64 {
    let status = guest.read("/proc/1/status");
    let counts = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
    counts.map(|(_, count)| count.trim().parse::<u64>().unwrap()).sum()
}

/// Waits until PID 1 has not run for a while.
fn settle(guest: &mut Guest) {
    guest.eventually("PID 1 to have nothing to do", |guest| {
        let before = switches(guest);
        std::thread::sleep(SETTLED);
        (switches(guest) == before).then_some(())
    });
}

fn held(guest: &mut Guest) -> Held {
    let status = guest.read("/proc/1/status");
    let private = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let line = format!(
        "for f in /proc/1/fd/*; do case \"$({BUSYBOX} readlink $f)\" in /memfd:*) \
         {BUSYBOX} stat -L -c '%i %b' $f;; esac; done | {BUSYBOX} sort -u"
    );
    let blocks = guest.shell(&line);
    let blocks = blocks.lines().map(|line| line.split_once(' ').unwrap().1.parse::<u64>().unwrap());
    let private = private.trim().trim_end_matches(" kB").parse().unwrap();
    Held { private, files: blocks.sum::<u64>() / 2 }
}

#[test]
fn nothing_wakes_pid_1_where_nothing_happens() {
    let mut guest = boot(FEW);
    wait_until_up(&mut guest, FEW);
    settle(&mut guest);
    check_idle(&mut guest);
}

#[test]
fn a_thousand_units_start_in_one_go_cost_little_and_wake_nobody() {
    let mut guest = boot(FEW);
    wait_until_up(&mut guest, FEW);
    settle(&mut guest);
    let few = held(&mut guest);
    drop(guest);

    let mut guest = boot(MANY);
    let processes = wait_until_up(&mut guest, MANY);
    settle(&mut guest);
    let many = held(&mut guest);
    let per_unit = (many.total() as f64 - few.total() as f64) / f64::from(MANY - FEW);
    let pause = pause_max_ms(&mut guest);
    println!("   the longest turn of PID 1 while {MANY} units started: {pause} ms (emulated)");
    println!("   {FEW} units: {few:?}, {MANY} units: {many:?}, {per_unit:.2} KB a unit");

    // All of them are taken over by another life.
    guest.keelctl(&["reexec"]);
    assert_eq!(wait_until_up(&mut guest, MANY), processes, "processes after a replacement");
    assert!(per_unit <= KILOBYTES_PER_UNIT_MAX, "{per_unit:.2} KB a unit: {few:?}, {many:?}");
}

fn pause_max_ms(guest: &mut Guest) -> u64 {
    let metrics: Value = serde_json::from_str(&guest.keelctl(&["metrics", "--json"])).unwrap();
    metrics["loop-pause-max-us"].as_u64().unwrap() / 1000
}

/// Nothing wakes PID 1 where nothing happens. (To look at it is nothing that happens to it: the agent reads
/// a file of the kernel's.)
fn check_idle(guest: &mut Guest) {
    let before = switches(guest);
    std::thread::sleep(IDLE);
    let woken = switches(guest) - before;
    if woken > 0 {
        println!("{}", guest.keelctl(&["dump"]));
    }
    assert_eq!(woken, 0, "PID 1 woke up {woken} times in {IDLE:?} in which nothing happened");
    println!("   idle for {IDLE:?}: PID 1 woke up {woken} times");
}
