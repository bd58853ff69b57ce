//! Faults of PID 1, natively: this program becomes PID 1 of a name space of its own, starts children,
//! fails in every way there is, and must go on without losing a child, an exit status or a line.
//!
//! It is its own second program: what it executes again after a fault is itself. Needs root for the
//! name space, and says so and passes where it is not root.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program"
)]
#![allow(clippy::cast_possible_truncation, reason = "small numbers of a test")]

mod child;
mod outside;
mod pid1;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = words.first().map_or("", String::as_str);
    if std::process::id() == 1 && (word == "pid1" || word == "--recover") {
        return pid1::run();
    }
    match word {
        "child" => child::run(&words[1..]),
        init::sys::survive::reexec::CHECK_ARGUMENT => check(),
        "broken" => ExitCode::FAILURE,
        _ => outside::run(&words),
    }
}

fn check() -> ExitCode {
    match init::sys::survive::reexec::check_standard_input() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(line) => {
            println!("{line}");
            ExitCode::FAILURE
        }
    }
}
