//! `cargo verify`: runs everything that must pass and stops at the first thing that does not.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use ::boot::cache::workspace_folder;

use super::steps::{Run, STEPS, Step};

/// How long a step may be silent before it is said that it still runs.
const SILENCE: Duration = Duration::from_secs(30);

/// How many tests went well, and how many did not.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    passed: u64,
    failed: u64,
}

/// How one step came out.
#[derive(Debug)]
struct Report {
    heading: &'static str,
    took: Duration,
    count: Count,
    /// Why it failed, if it did.
    why: Option<String>,
}

/// Runs every step, or those whose heading holds one of `only`. Tells everything itself, and returns
/// whether all of it passed.
pub(crate) fn run(only: &[String]) -> bool {
    let begun = Instant::now();
    let wanted = |step: &&Step| {
        only.is_empty() || only.iter().any(|word| step.heading.contains(word.as_str()))
    };
    let steps: Vec<&Step> = STEPS.iter().filter(wanted).collect();
    let mut reports: Vec<Report> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        println!("\n== {}/{} {}", index + 1, steps.len(), step.heading);
        let report = perform(step);
        println!("== {} {}", verdict(&report), seconds(report.took));
        let failed = report.why.is_some();
        reports.push(report);
        if failed {
            break;
        }
    }
    summarise(&reports, steps.len(), begun.elapsed())
}

fn perform(step: &Step) -> Report {
    let begun = Instant::now();
    let mut count = Count::default();
    let result = match step.run {
        Run::Cargo(words) => cargo(words, &mut count),
        Run::Install => qemu::install::programs(&mut |what| println!("   {what}"))
            .map_err(|fault| fault.to_string()),
    };
    // A step without tests of its own counts as one; so does a failure that no test told of.
    match &result {
        Ok(()) if count.passed == 0 => count.passed = 1,
        Err(_) if count.failed == 0 => count.failed = 1,
        Ok(()) | Err(_) => {}
    }
    Report { heading: step.heading, took: begun.elapsed(), count, why: result.err() }
}

/// Runs cargo, shows what it says and counts the tests that it tells of.
fn cargo(words: &[&str], count: &mut Count) -> Result<(), String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(words).current_dir(workspace_folder());
    // Boot tests and demo use the binary that ships, which is built once for both.
    if std::env::var_os("KEELSON_PROFILE").is_none() {
        command.env("KEELSON_PROFILE", "release");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot start cargo: {error}"))?;
    let output = child.stdout.take().expect("its output was asked for as a pipe");
    follow(&lines_of(output), count);
    let status = child.wait().map_err(|error| format!("cannot wait for cargo: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("`cargo {}` ended with {status}", words.join(" ")))
}

fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (to, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            // The receiver goes only when the program ends.
            let _ = to.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
    lines
}

/// Prints lines until there are no more, and a word now and then while there are none.
fn follow(lines: &Receiver<String>, count: &mut Count) {
    let begun = Instant::now();
    loop {
        match lines.recv_timeout(SILENCE) {
            Ok(line) => {
                println!("{line}");
                count.take(&line);
            }
            Err(RecvTimeoutError::Timeout) => {
                println!("   … still running, {}", seconds(begun.elapsed()));
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Count {
    /// Takes a line such as `test result: ok. 14 passed; 0 failed; 0 ignored; …`.
    fn take(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ") else { return };
        for part in counts.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let number = words.next().and_then(|word| word.parse::<u64>().ok());
            match (number, words.next()) {
                (Some(number), Some("passed")) => self.passed += number,
                (Some(number), Some("failed")) => self.failed += number,
                _ => {}
            }
        }
    }
}

fn summarise(reports: &[Report], steps: usize, took: Duration) -> bool {
    println!();
    let mut sum = Count::default();
    for report in reports {
        println!("{:>9}  {:<4}  {}", seconds(report.took), verdict(report), report.heading);
        sum.passed += report.count.passed;
        sum.failed += report.count.failed;
    }
    let left = steps - reports.len();
    if left > 0 {
        println!("{left} steps were not run");
    }
    println!("{:>9}  in all\n", seconds(took));
    let why = reports.iter().find_map(|report| Some((report.heading, report.why.as_ref()?)));
    if let Some((heading, why)) = why {
        println!("{heading}: {why}");
    }
    // Said last and alone on its line: it is what other programs look for.
    println!("{} passed, {} failed", sum.passed, sum.failed);
    why.is_none() && left == 0 && !reports.is_empty()
}

fn verdict(report: &Report) -> &'static str {
    if report.why.is_none() { "ok" } else { "FAIL" }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_test_runners_are_counted() {
        let mut count = Count::default();
        count.take("test result: ok. 14 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out");
        count.take("test result: FAILED. 2 passed; 3 failed; 0 ignored; finished in 0.01s");
        count.take("test passes ... ok");
        assert_eq!((count.passed, count.failed), (16, 3));
    }

    #[test]
    fn headings_are_told_apart() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(STEPS[..index].iter().all(|earlier| earlier.heading != step.heading));
        }
    }
}
