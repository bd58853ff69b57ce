//! Containers that take all that they can get, and a person who asks what goes on meanwhile.
//!
//! A fork bomb, a memory hog, a descriptor hog and a flood of log lines, each in a container with limits;
//! `keelctl status` is measured in the guest, by the guest's clock, before and during. The host is
//! shared and can take the whole virtual machine's processor away for longer than what is allowed here.
//! So answers are measured in rounds: one round in which all but the slowest twentieth are within the limit shows
//! that PID 1 can keep it, and a PID 1 that starves would keep it in no round.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use serde_json::Value;
use tests::guest::{Guest, Scene};

const AGENT: &str = env!("CARGO_BIN_EXE_agent");
const HOG: &str = env!("CARGO_BIN_EXE_hog");
/// The limit: how much longer than at rest an answer may take.
const SLOWER_MAX_US: u64 = 100_000;
const PER_ROUND: usize = 40;
const ROUNDS: usize = 20;
/// What PID 1 may take more while others take all. Its log has a fixed size from the start.
const GROWTH_KILOBYTES_MAX: u64 = 1024;
/// The log, and how much its index may take.
const LOG_KILOBYTES: u64 = 1024;
const HOGS: [&str; 4] = ["fork", "memory", "descriptors", "flood"];

fn container(verb: &str) -> String {
    format!(
        "image = \"busybox\"\ncommand = [\"/test/hog\", \"{verb}\"]\nnetwork = \"none\"\n\
         mounts = [\"/state/test:/test:ro\", \"/run/hogs:/hogs:ro\"]\nrestart = \"always\"\n\
         wanted-by = []\nlimits = {{ memory = \"48M\", pids = 64 }}\n\
         rlimits = {{ nofile = \"524288\" }}\n"
    )
}

fn boot() -> Guest {
    let program = std::fs::read(HOG).unwrap();
    let log = format!("[log]\nmemory = \"{LOG_KILOBYTES}K\"\n");
    let mut scene = Scene::new("hogs").agent(AGENT).machine(&log);
    scene = scene.disk(|disk| disk.file("test/hog", 0o755, &program));
    for verb in HOGS.into_iter().chain(["quiet"]) {
        scene = scene.unit(&format!("{verb}.toml"), &container(verb));
    }
    scene.boot()
}

/// How long each of a round's answers took, sorted.
fn round(guest: &mut Guest) -> Vec<u64> {
    let count = PER_ROUND.to_string();
    let ran = guest.run(&["/state/test/hog", "measure", &count, "/bin/keelctl", "status"]);
    assert_eq!(ran.status, "exit 0", "{ran:?}");
    let mut took: Vec<u64> = ran.stdout.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(took.len(), PER_ROUND);
    took.sort_unstable();
    took
}

fn median(took: &[u64]) -> u64 {
    took[took.len() / 2]
}

/// The slowest but for the host's own pauses.
fn slowest(took: &[u64]) -> u64 {
    took[took.len() - 1 - took.len() / 20]
}

/// PID 1's private memory in kilobytes.
fn private(guest: &mut Guest) -> u64 {
    let status = guest.read("/proc/1/status");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn hogs_take_what_is_theirs_and_nobody_waits_for_an_answer() {
    let mut guest = boot();
    guest.wait_for_line("multi-user.target reached");
    guest.shell("/state/test/busybox mkdir -p /run/hogs");
    guest.keelctl(&["start", "quiet"]);
    // The first ones pay for what is not mapped yet.
    round(&mut guest);
    let idle = round(&mut guest);
    let memory = private(&mut guest);
    for verb in HOGS {
        guest.keelctl(&["start", verb]);
    }
    wait_until_all_misbehave(&mut guest);
    check_answers(&mut guest, median(&idle));
    wait_until_all_misbehave(&mut guest);
    let grown = private(&mut guest).saturating_sub(memory);
    println!("   PID 1's private memory: {memory} KB before, {grown} KB more since");
    assert!(grown <= GROWTH_KILOBYTES_MAX, "PID 1 grew by {grown} KB from {memory} KB");
    guest.write("/run/hogs/stop", "");
    check_lines(&mut guest);
}

fn check_answers(guest: &mut Guest, idle: u64) {
    for number in 1..=ROUNDS {
        let took = round(guest);
        let (middle, slow) = (median(&took), slowest(&took));
        println!(
            "   status-us: idle {idle}, with hogs {middle}, 95 in 100 within {slow} ({number})"
        );
        if slow <= idle + SLOWER_MAX_US {
            return;
        }
    }
    panic!("`keelctl status` took too long in each of {ROUNDS} rounds; its time at rest is {idle}");
}

fn group(guest: &mut Guest, verb: &str, file: &str) -> String {
    let line = format!("/state/test/busybox cat /sys/fs/cgroup/units/{verb}.service:*/{file}");
    guest.run(&["/state/test/busybox", "sh", "-c", &line]).stdout
}

/// Each hog has hit its limit, or it would show nothing.
fn wait_until_all_misbehave(guest: &mut Guest) {
    guest.eventually("the fork bomb to hit its limit", |guest| {
        let number = group(guest, "fork", "pids.current").trim().parse::<u64>().ok()?;
        (number >= 60).then_some(())
    });
    guest.eventually("the memory hog to be killed for it", |guest| {
        let text = guest.keelctl(&["logs", "memory", "-n", "1000"]);
        (text.to_lowercase().contains("memory")).then_some(())
    });
    guest.eventually("the descriptor hog to have what it can get", |guest| {
        let line = "for p in $(/state/test/busybox cat \
                    /sys/fs/cgroup/units/descriptors.service:*/cgroup.procs); \
                    do /state/test/busybox ls /proc/$p/fd | /state/test/busybox wc -l; done";
        let counts = guest.run(&["/state/test/busybox", "sh", "-c", line]).stdout;
        counts
            .lines()
            .any(|count| count.trim().parse().is_ok_and(|n: u64| n > 10_000))
            .then_some(())
    });
    guest.eventually("the flood to lose lines", |guest| (lost(guest, "flood") > 0).then_some(()));
}

/// What the log has of one unit.
#[derive(Debug, Default)]
struct Logged {
    /// Lines that are there.
    there: u64,
    /// Lines of which it says that they are lost.
    lost: u64,
    /// The number of its last line, once that is there.
    written: Option<u64>,
    /// Lines that are not the one that follows, with how many were said to be lost before them.
    wrong: Vec<(String, u64)>,
}

fn logged(guest: &mut Guest, verb: &str) -> Logged {
    let text = guest.keelctl(&["logs", verb, "--no-events", "-o", "json", "-n", "10000000"]);
    let (mut logged, mut gap) = (Logged::default(), 0);
    for item in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if let Some(count) = item["lost_lines"].as_u64() {
            logged.lost += count;
            gap += count;
        } else if item["partial"] != true {
            // Of a cut line the end decides: it is lost, and counted, with what it is in.
            logged.take(item["text"].as_str().unwrap(), gap);
            gap = 0;
        }
    }
    logged
}

impl Logged {
    fn take(&mut self, text: &str, gap: u64) {
        let number = self.there + self.lost;
        let expected = format!("line {number}");
        if text == format!("end {number}") {
            self.written = Some(number);
            return;
        }
        // The start of the first line after a gap can be lost.
        if text != expected && (gap == 0 || !expected.ends_with(text)) {
            self.wrong.push((text.to_owned(), gap));
        }
        self.there += 1;
    }
}

fn lost(guest: &mut Guest, verb: &str) -> u64 {
    logged(guest, verb).lost
}

/// The flooder loses its own lines, and is told how many; its neighbour loses none.
fn check_lines(guest: &mut Guest) {
    for verb in ["quiet", "flood"] {
        let logged = guest.eventually(&format!("the end of {verb}"), |guest| {
            let logged = logged(guest, verb);
            (logged.written.is_some() || !logged.wrong.is_empty()).then_some(logged)
        });
        let Logged { there, lost, written, wrong } = logged;
        let shown = &wrong[..wrong.len().min(5)];
        assert!(wrong.is_empty(), "{verb}: {} holes are not told: {shown:?}", wrong.len());
        let written = written.unwrap();
        println!("   {verb}: {written} lines written, {there} there, {lost} lost");
        assert_eq!(there + lost, written, "{verb}: lines there and lines lost");
        assert_eq!(lost > 0, verb == "flood", "{verb} lost {lost} lines");
    }
}
