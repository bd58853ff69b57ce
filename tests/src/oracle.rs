//! Other people's programs that know the right answer.
//!
//! A missing oracle is a failure, never a skip: a comparison that did not happen proves nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The path of a program of systemd's package, which is installed when it lacks and we may.
///
/// # Panics
/// When the program is not there and cannot be installed.
#[must_use]
pub fn systemd_tool(name: &str) -> PathBuf {
    if let Some(path) = find(name) {
        return path;
    }
    // Several tests may come here at once; apt's own lock makes them wait for each other.
    let install = ["-o", "DPkg::Lock::Timeout=300", "-qq", "-y", "install", "systemd"];
    let installed = Command::new("apt-get").args(install).output();
    find(name).unwrap_or_else(|| {
        panic!("{name} is lacking: install the package systemd (tried: {installed:?})")
    })
}

fn find(name: &str) -> Option<PathBuf> {
    let places = ["/usr/bin", "/bin", "/usr/lib/systemd", "/lib/systemd"];
    places.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists())
}

/// Runs a program with a fixed language and time zone and says what it answered.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn ask(program: &Path, zone: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", zone)
        .env("SYSTEMD_COLORS", "0")
        .output()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}", program.display()))
}

/// The standard output of [`ask`] as text.
#[must_use]
pub fn text_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The lines of a file of inputs: comments and empty lines left out.
pub fn inputs(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with("# "))
}
