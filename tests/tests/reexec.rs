//! PID 1 is replaced on purpose, by itself and by another build, while units run; what cannot take over is
//! refused, and then nothing at all has happened.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use serde_json::Value;
use tests::crash::STOP;
use tests::guest::{BUSYBOX, Guest, Scene, artefacts};

const AGENT: &str = env!("CARGO_BIN_EXE_agent");
const UNIT: &str = env!("CARGO_BIN_EXE_crash_unit");
const NEXT: &str = "/state/test/next";
const CONTAINER: &str = "image = \"busybox\"\ncommand = [\"/bin/sleep\", \"1000000\"]\n";
const WRITER: &str =
    "command = [\"/state/test/crash_unit\", \"lines\", \"writer\"]\nrestart = \"no\"\n";

/// What must not change when PID 1 does.
#[derive(Debug, PartialEq, Eq)]
struct Running {
    /// Name, run and main process of every unit with processes.
    units: Vec<(String, u64, u64)>,
}

fn json(guest: &mut Guest, words: &[&str]) -> Value {
    serde_json::from_str(&guest.keelctl(words)).unwrap()
}

fn running(guest: &mut Guest) -> Running {
    let status = json(guest, &["status", "--json"]);
    let units = status["units"].as_array().unwrap().iter().filter_map(|unit| {
        let name = unit["name"].as_str()?.to_owned();
        Some((name, unit["run"].as_u64()?, unit["main-pid"].as_u64()?))
    });
    Running { units: units.collect() }
}

/// The running program's build, and how often it was replaced and failed.
fn version(guest: &mut Guest) -> (String, u64, u64) {
    let version = json(guest, &["version", "--json"]);
    let running = &version["running"];
    let number = |name: &str| running[name].as_u64().unwrap();
    (running["build"].as_str().unwrap().to_owned(), number("reexecs"), number("faults"))
}

/// The same program with another build's number: what a new release is to PID 1.
fn next_build(binary: &[u8], build: &[u8]) -> Vec<u8> {
    let at = binary.windows(build.len()).position(|window| window == build).unwrap();
    let mut next = binary.to_vec();
    next[at] ^= 0xff;
    next
}

fn boot() -> (Guest, String) {
    let binary = std::fs::read(&artefacts().binary).unwrap();
    let id = init::build_id::build_id(&binary[..init::build_id::HEAD_BYTES]).unwrap();
    let bytes: Vec<u8> = (0..id.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap())
        .collect();
    let next = next_build(&binary, &bytes);
    let unit = std::fs::read(UNIT).unwrap();
    let scene = Scene::new("reexec").agent(AGENT).machine("[log]\nmemory = \"8M\"\n");
    let scene = scene.disk(|disk| {
        disk.file("test/next", 0o755, &next).file("test/crash_unit", 0o755, &unit).file(
            "test/cut",
            0o755,
            &binary[..binary.len() / 2],
        )
    });
    (scene.unit("container.toml", CONTAINER).unit("writer.toml", WRITER).boot(), id)
}

#[test]
fn pid_1_is_replaced_and_units_do_not_notice() {
    let (mut guest, built) = boot();
    guest.wait_for_line("multi-user.target reached");
    guest.eventually("the units", |guest| (running(guest).units.len() >= 3).then_some(()));
    let before = running(&mut guest);
    assert_eq!(version(&mut guest), (built.clone(), 0, 0));

    let said = guest.keelctl(&["reexec"]);
    assert!(said.contains("is in service after"), "{said}");
    assert_eq!(version(&mut guest), (built.clone(), 1, 0));
    assert_eq!(running(&mut guest), before);

    refuses_what_cannot_take_over(&mut guest);
    assert_eq!(version(&mut guest), (built.clone(), 1, 0), "a refusal changes nothing");
    assert_eq!(running(&mut guest), before);

    let said = guest.keelctl(&["reexec", "--binary", NEXT]);
    let (build, reexecs, faults) = version(&mut guest);
    assert_ne!(build, built, "the other build is in service: {said}");
    assert_eq!((reexecs, faults), (2, 0));
    assert!(said.contains(&build), "{said}");
    assert_eq!(running(&mut guest), before);
    guest.keelctl(&["reexec", "--binary", "/keelson"]);
    assert_eq!(version(&mut guest), (built, 3, 0), "and back");
    assert_eq!(running(&mut guest), before);

    // It still supervises, and has what was written all the while.
    guest.keelctl(&["restart", "container"]);
    guest.write(STOP, "");
    check_lines(&mut guest);
}

fn refuses_what_cannot_take_over(guest: &mut Guest) {
    guest.write("/run/text", "#!/bin/sh\necho keelson vault ok\n");
    for (path, why) in [
        ("/run/text", "no x86-64 ELF program"),
        (BUSYBOX, "cannot take over"),
        ("/state/test/cut", "new binary"),
        ("/run/missing", "cannot read /run/missing"),
        ("/run", "cannot read /run"),
    ] {
        let ran = guest.run(&["/bin/keelctl", "reexec", "--binary", path]);
        assert_ne!(ran.status, "exit 0", "{path}: {ran:?}");
        assert!(ran.stderr.contains(why), "{path}: {}", ran.stderr);
        println!("   {path}: {}", ran.stderr.trim());
    }
}

fn check_lines(guest: &mut Guest) {
    let lines = guest.eventually("the writer's last line", |guest| {
        let text = guest.keelctl(&["logs", "writer", "--no-events", "-o", "raw", "-n", "10000000"]);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.last().is_some_and(|line| line.starts_with("end ")).then_some(lines)
    });
    let count = lines.len() - 1;
    for (number, line) in lines[..count].iter().enumerate() {
        assert_eq!(*line, format!("line {number}"));
    }
    assert_eq!(lines[count], format!("end {count}"));
    println!("   {count} lines, all there");
}
