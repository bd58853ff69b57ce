//! Remembers when a persistent timer last elapsed, for the next boot.

use std::fs;
use std::process::ExitCode;

/// The worker: `stamp UNIT UNIX_US`.
#[must_use]
pub fn main(arguments: &[String]) -> ExitCode {
    let [unit, unix_us] = arguments else { return super::fail("usage: stamp UNIT UNIX_US") };
    let directory = super::load::STAMPS;
    let written = fs::create_dir_all(directory).and_then(|()| {
        let new = format!("{directory}/.{unit}.new");
        fs::write(&new, unix_us)?;
        fs::rename(&new, format!("{directory}/{unit}"))
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::fail(&format!("cannot remember timer {unit}: {error}")),
    }
}
