//! Which of our programs is meant.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::sys;
use crate::sys::survive::reexec::{CHECK_ARGUMENT, check_standard_input};

/// Runs the program that the arguments (with the program's name first) ask for.
///
/// Our own arguments come before those that the kernel appends from its command line, so a stray
/// word there cannot change what PID 1 is (`init.md` 2).
#[must_use]
pub fn enter(arguments: Vec<OsString>) -> ExitCode {
    let words: Vec<String> =
        arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let name = words.first().map(String::as_str).unwrap_or_default();
    let name = Path::new(name).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match (name, words.get(1).map(String::as_str)) {
        ("keelson", Some("stage")) => sys::stage::main(),
        ("keelson", Some("worker")) => {
            let worker = words.get(2).map(String::as_str).unwrap_or_default();
            sys::worker::main(worker, words.get(3..).unwrap_or_default())
        }
        ("keelson", Some("etcd")) => sys::kv::main::main(words.get(2..).unwrap_or_default()),
        ("etcd", _) => sys::kv::main::main(words.get(1..).unwrap_or_default()),
        // A program that is to take over from this kind of PID 1 is asked whether it can.
        ("keelson", Some(CHECK_ARGUMENT)) => check_vault(),
        // The kernel asks for what it finds missing: `modprobe -q -- fs-overlay`.
        ("modprobe", _) => sys::worker::main("modprobe", words.get(1..).unwrap_or_default()),
        _ if std::process::id() == 1 => sys::pid1::main(&words),
        ("init", _) => not_the_first(),
        (_, _) => crate::ctl::main(&words),
    }
}

fn check_vault() -> ExitCode {
    match check_standard_input() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn not_the_first() -> ExitCode {
    eprintln!("init: this is not process 1; to speak to the one that is, use keelctl");
    ExitCode::from(2)
}
