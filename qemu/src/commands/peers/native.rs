//! A container natively: ours beside crun, runc and plain C.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use super::{Figure, directory, output};

/// The plain way in C, against which the runtime is held.
const FLOOR_SOURCE: &str = include_str!("floor.c");

/// A static program that does nothing when it is called `true`.
const PROGRAM: &str = "/bin/busybox";

/// How many containers a figure is the median of.
const RUNS: &str = "200";

/// # Errors
/// When something cannot be run, or the machine is not quiet.
pub(super) fn container() -> Result<Figure, String> {
    // The floor is measured before and after: a machine that changes its pace shows.
    let before = floor()?;
    let text = output(Command::new("cargo").args([
        "test",
        "--profile",
        "release",
        "--package",
        "init",
        "--test",
        "container",
        "--",
        "floor",
        RUNS,
    ]))?;
    let after = floor()?;
    println!("{text}floor in C before and after: {before} us, {after} us");
    let ours = stated(&text, "whole").ok_or("the measurement does not tell about ours")?;
    let mut peers = BTreeMap::from([("floor", u64::midpoint(before, after))]);
    for (name, heading) in [("crun", "crun run"), ("runc", "runc run")] {
        match stated(&text, heading) {
            Some(time) => {
                peers.insert(name, time);
            }
            None => println!("{name} does not work here: no limit against it is tested"),
        }
    }
    if before.abs_diff(after) * 4 > before.min(after) * 2 {
        return Err(format!(
            "the floor took {before} us before and {after} us after: the machine is not quiet enough to measure"
        ));
    }
    let limit = limit(&peers);
    Ok(Figure { name: "start_to_exit_native_us", unit: "us", ours, peers, limit: Some(limit) })
}

/// Half of crun's time and one and a half of the floor's, whichever is less.
fn limit(peers: &BTreeMap<&str, u64>) -> u64 {
    let of_crun = peers.get("crun").map(|time| time / 2);
    let of_floor = peers.get("floor").map(|time| time * 3 / 2);
    of_crun.into_iter().chain(of_floor).min().unwrap_or(0)
}

/// The time in a line `heading: 123 us…`.
fn stated(text: &str, heading: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(heading)?.strip_prefix(": "))?;
    rest.split_once(" us")?.0.parse().ok()
}

fn floor() -> Result<u64, String> {
    let place = directory()?.join("floor");
    let root = place.join("root");
    for name in ["bin", "proc", "dev", "sys"] {
        fs::create_dir_all(root.join(name)).map_err(|why| format!("{}: {why}", root.display()))?;
    }
    let copy = root.join("bin/true");
    fs::copy(PROGRAM, &copy)
        .map_err(|why| format!("{PROGRAM} cannot be copied, install busybox-static: {why}"))?;
    let source = place.join("floor.c");
    fs::write(&source, FLOOR_SOURCE).map_err(|why| format!("{}: {why}", source.display()))?;
    let program = place.join("floor");
    output(Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(&source))?;
    let text = output(Command::new(&program).arg(RUNS).arg(&root).arg("/bin/true"))?;
    text.trim().parse().map_err(|_| format!("the floor does not tell a time but {text:?}"))
}
