//! Containers, natively: unit text becomes a spec, a plan, a process; the process tells what it sees.
//!
//! This program is its own stage (what a spawn executes is itself) and its own program in the container.
//! It needs root, for name spaces and control groups of its own; it says so and passes where it is not.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program"
)]

mod cases;
mod floor;
mod ground;
mod teller;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    match words.get(1).map(String::as_str) {
        Some("stage") => init::door::enter(std::env::args_os().collect()),
        Some("tell") => teller::tell(&words[2..]),
        Some("floor") => floor::measure(&words[2..]),
        Some("true") => ExitCode::SUCCESS,
        Some("--list") => ExitCode::SUCCESS,
        _ if !rustix::process::geteuid().is_root() => {
            println!("skipped: name spaces need root\n\ntest result: ok. 0 passed; 0 failed");
            ExitCode::SUCCESS
        }
        _ => cases::run(&words[1..]),
    }
}
