//! What misbehaves in the guest, and what measures how others fare meanwhile.
//!
//! `fork`: forks without end. `memory`: takes all memory. `descriptors`: opens files without end.
//! `flood`: numbered lines as fast as they go until told to stop, then `end N`. `quiet`: the same, at the
//! pace of an ordinary program. `measure COUNT PROGRAM…`: runs a program so often and prints how long each run
//! took, in microseconds.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const STOP: &str = "/hogs/stop";
const PACE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["fork"] => fork(),
        ["memory"] => memory(),
        ["descriptors"] => descriptors(),
        ["flood"] => lines(Duration::ZERO),
        ["quiet"] => lines(PACE),
        ["measure", count, program @ ..] => measure(count, program),
        _ => Err(io::Error::other("say fork, memory, descriptors, flood, quiet or measure")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Every process starts the next ones and lives on, as the shell's classic does.
fn fork() -> io::Result<()> {
    loop {
        // Refused is what is meant to happen: it tries again at once.
        let _ = Command::new("/proc/self/exe").arg("fork").spawn();
    }
}

fn memory() -> io::Result<()> {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(vec![1; 1 << 20]);
    }
}

fn descriptors() -> io::Result<()> {
    let mut files = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(_) => sleep(Duration::from_millis(1)),
        }
    }
}

fn lines(pace: Duration) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout());
    let mut number = 0_u64;
    while !number.is_multiple_of(64) || !Path::new(STOP).exists() {
        writeln!(out, "line {number}")?;
        if !pace.is_zero() {
            out.flush()?;
            sleep(pace);
        }
        number += 1;
    }
    writeln!(out, "end {number}")?;
    out.flush()?;
    sleep(Duration::from_secs(3600));
    Ok(())
}

fn measure(count: &str, program: &[&str]) -> io::Result<()> {
    let count: u32 = count.parse().map_err(io::Error::other)?;
    let [program, arguments @ ..] = program else { return Err(io::Error::other("no program")) };
    for _ in 0..count {
        let begun = Instant::now();
        let status = Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
        let took = begun.elapsed();
        if !status.success() {
            return Err(io::Error::other(format!("{program} ended with {status}")));
        }
        println!("{}", took.as_micros());
        sleep(Duration::from_millis(20));
    }
    Ok(())
}
