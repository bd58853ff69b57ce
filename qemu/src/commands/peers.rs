//! `cargo peers`: what Keelson costs beside what others cost, from one run on one machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ::boot::cache::target_folder;
use serde_json::{Value, json};

/// The plain way in C, against which the runtime is held.
const FLOOR_SOURCE: &str = include_str!("floor.c");

/// A static program that does nothing when it is called `true`.
const PROGRAM: &str = "/bin/busybox";

/// How many containers a figure is the median of.
const RUNS: &str = "200";

/// One line of the table and of the file.
struct Figure {
    name: &'static str,
    unit: &'static str,
    ours: u64,
    peers: BTreeMap<&'static str, u64>,
    limit: u64,
}

/// Measures the subject that `words` name.
///
/// # Errors
/// What is not there, what failed; a missed limit is told in the table and is no error.
pub(crate) fn run(words: impl Iterator<Item = String>) -> Result<(), String> {
    let words: Vec<String> = words.filter(|word| word != "--").collect();
    match words.first().map(String::as_str) {
        Some("container") => report("container", &[container()?]),
        Some(subject @ ("footprint" | "boot" | "restart")) => {
            Err(format!("`cargo peers {subject}` is not measured yet, see docs/benchmarks.md"))
        }
        _ => Err("say what to measure: cargo peers container".into()),
    }
}

fn container() -> Result<Figure, String> {
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
    Ok(Figure { name: "start_to_exit_native_us", unit: "us", ours, peers, limit })
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

/// What a program prints, once it has ended well.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|why| format!("`{name}` does not start: {why}"))?;
    if !output.status.success() {
        return Err(format!("`{name}` failed: {}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `target/peers`, made.
fn directory() -> Result<PathBuf, String> {
    let path = target_folder().join("peers");
    fs::create_dir_all(&path).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(path)
}

fn report(subject: &str, figures: &[Figure]) -> Result<(), String> {
    println!("{:26} {:>9} {:>9}   peers (peer / ours)", "figure", "ours", "limit");
    for figure in figures {
        let Figure { name, unit, ours, peers, limit } = figure;
        let verdict = if ours <= limit { "kept" } else { "MISSED" };
        println!("{name:26} {ours:>6} {unit} {limit:>6} {unit}   {verdict}");
        for (peer, time) in peers {
            let hundredths = time * 100 / ours.max(&1);
            println!("  {peer:24} {time:>6} {unit}   {}.{:02}", hundredths / 100, hundredths % 100);
        }
    }
    let document: Vec<Value> = figures.iter().map(as_json).collect();
    let path = directory()?.join(format!("{subject}.json"));
    let text = format!("{:#}\n", Value::Array(document));
    fs::write(&path, text).map_err(|why| format!("{}: {why}", path.display()))?;
    println!("written to {}", path.display());
    Ok(())
}

fn as_json(figure: &Figure) -> Value {
    let Figure { name, unit, ours, peers, limit } = figure;
    json!({"figure": name, "unit": unit, "ours": ours, "peers": peers, "limit": limit})
}
