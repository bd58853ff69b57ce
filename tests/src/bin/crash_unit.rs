//! What runs in the guest while its PID 1 fails again and again: units whose every line, exit and
//! readiness can be counted afterwards.
//!
//! `lines NAME`: numbered lines until told to stop, then `end N`. `exits NAME`: a run that exits with a
//! code that follows from its number. `ready NAME`: a run that says that it is ready, and then exits.

use std::fs;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use tests::crash::{FOLDER, STOP, code};

const PAUSE: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let name = words.get(1).map_or("", String::as_str);
    let done = match words.first().map(String::as_str) {
        Some("lines") => lines(),
        Some("exits") => exits(name),
        Some("ready") => ready(name),
        _ => Err(io::Error::other("say lines, exits or ready, and a name")),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(255)
    })
}

fn lines() -> io::Result<ExitCode> {
    let mut number = 0_u64;
    while !Path::new(STOP).exists() {
        // Several at a time, and one of them in two portions: lines are cut where reads end.
        let text = format!("line {number}\nline {}\nli", number + 1);
        io::stdout().write_all(text.as_bytes())?;
        io::stdout().flush()?;
        sleep(PAUSE);
        io::stdout().write_all(format!("ne {}\n", number + 2).as_bytes())?;
        number += 3;
    }
    println!("end {number}");
    Ok(ExitCode::SUCCESS)
}

fn exits(name: &str) -> io::Result<ExitCode> {
    let run = count(name)?;
    println!("run {run}");
    sleep(PAUSE);
    Ok(ExitCode::from(code(run)))
}

fn ready(name: &str) -> io::Result<ExitCode> {
    let run = count(name)?;
    let path = std::env::var_os("NOTIFY_SOCKET").unwrap_or_default();
    UnixDatagram::unbound()?.send_to(b"READY=1", PathBuf::from(path))?;
    sleep(PAUSE);
    Ok(ExitCode::from(code(run)))
}

/// The number of this run, counted in a file of the unit's own.
fn count(name: &str) -> io::Result<u64> {
    fs::create_dir_all(FOLDER)?;
    let path = format!("{FOLDER}/{name}");
    let before = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let run = before.unwrap_or(0) + 1;
    // Nobody else counts this name, and a name is never half there.
    fs::write(format!("{path}.new"), run.to_string())?;
    fs::rename(format!("{path}.new"), &path)?;
    if Path::new(STOP).exists() {
        sleep(Duration::from_secs(3600));
    }
    Ok(run)
}
