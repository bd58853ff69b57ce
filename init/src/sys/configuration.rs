//! The machine's configuration, read from where it lies.

use crate::machine::{BadConfig, MachineConfig};
use crate::sys::files::{read_small, read_text};
use crate::sys::state::CONFIGURATION;

/// The image's own configuration.
pub const IMAGE_CONFIGURATION: &str = "/etc/keelson/machine.toml";

/// Reads the image's file alone: it lies in memory, so this never blocks.
#[must_use]
pub fn read_image() -> (MachineConfig, Vec<BadConfig>) {
    read_files(&[IMAGE_CONFIGURATION])
}

/// Reads the image's file and the machine's own over it, which lies on a disk: not for PID 1.
#[must_use]
pub fn read() -> (MachineConfig, Vec<BadConfig>) {
    read_files(&[IMAGE_CONFIGURATION, CONFIGURATION])
}

fn read_files(paths: &[&'static str]) -> (MachineConfig, Vec<BadConfig>) {
    let mut texts = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        match read_small(path).map(String::from_utf8) {
            Ok(Ok(text)) => texts.push((*path, text)),
            Ok(Err(_)) => {
                problems.push(BadConfig { path: (*path).into(), what: "not UTF-8".into() })
            }
            // A machine without a configuration is a whole machine.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {}
            Err(errno) => {
                problems.push(BadConfig { path: (*path).into(), what: errno.to_string().into() });
            }
        }
    }
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (*path, &**text)).collect();
    let (config, bad) = MachineConfig::read(&files);
    problems.extend(bad);
    (config, problems)
}

/// The number of a group: given as such, or named in `/etc/group`.
#[must_use]
pub fn group_number(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let groups = read_text("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}
