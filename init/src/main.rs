//! One binary: PID 1, `keelctl`, the stage and the workers; the name and the first argument tell.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    init::door::enter(std::env::args_os().collect())
}
