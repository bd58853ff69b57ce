//! `cargo peers`: what Keelson costs beside what others cost, from one run on one machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ::boot::cache::target_folder;
use serde_json::{Value, json};

use machines::{Findings, Ground};

mod boot;
mod container;
mod disk;
mod footprint;
mod machines;
mod native;
mod restart;
mod setup;

/// One line of the table and of the file.
struct Figure {
    name: &'static str,
    unit: &'static str,
    ours: u64,
    peers: BTreeMap<&'static str, u64>,
    /// None where the figure is told beside the others, and nothing was promised.
    limit: Option<u64>,
}

/// Measures the subject that `words` name.
///
/// # Errors
/// What is not there, what failed; a missed limit is told in the table and is no error.
pub(crate) fn run(words: impl Iterator<Item = String>) -> Result<(), String> {
    let words: Vec<String> = words.filter(|word| word != "--").collect();
    match words.first().map(String::as_str) {
        Some("container") => {
            // In a machine first: a host that is not quiet enough ends the other.
            let mut figures = container::measure(&Ground::make()?)?;
            match native::container() {
                Ok(figure) => figures.insert(0, figure),
                Err(why) => {
                    report("container", &figures)?;
                    return Err(format!("natively nothing was measured: {why}"));
                }
            }
            report("container", &figures)
        }
        Some("restart") => report("restart", &restart::measure(&Ground::make()?)?),
        Some("footprint") => report("footprint", &footprint::measure(&Ground::make()?)?),
        Some("boot") => report("boot", &boot::measure(&Ground::make()?)?),
        _ => Err("say what to measure: cargo peers footprint|boot|restart|container".into()),
    }
}

/// The longest pause of PID 1's loop so far, for the figures of every subject.
fn longest_pause(ours: &Findings) -> Result<Figure, String> {
    let pause = ours.number("loop.pause-max-us")?;
    // The promise, 5 ms, is about a machine that is not emulated.
    let peers = BTreeMap::new();
    Ok(Figure { name: "loop_pause_max_us", unit: "us", ours: pause, peers, limit: None })
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
        let verdict = match limit {
            Some(limit) if ours <= limit => format!("{limit:>6} {unit}   kept"),
            Some(limit) => format!("{limit:>6} {unit}   MISSED"),
            None => "     -".to_owned(),
        };
        println!("{name:26} {ours:>6} {unit} {verdict}");
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
