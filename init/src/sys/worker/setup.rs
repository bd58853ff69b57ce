//! What the machine needs before most units, but PID 1 itself does not wait for: the loopback, the
//! host name and the kernel settings that were configured, the rest of the kernel's file systems,
//! and a group of its own for PID 1.

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use crate::identity::is_hostname;
use crate::sys::boot::{Faults, Recorder, late_mounts, occupy_leaf};
use crate::sys::configuration;
use crate::sys::files::{read_text, write_setting};
use crate::sys::kmsg::{Kmsg, Level};
use crate::sys::modules::Modules;
use crate::sys::net::raise_interface;

/// The directories of sysctl.d(5), the first wins.
const SYSCTL_DIRECTORIES: [&str; 4] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];

/// The worker.
#[must_use]
pub fn main() -> ExitCode {
    let mut recorder = Recorder::default();
    recorder.step("loopback", |faults| {
        faults.check(raise_interface("lo"), "lo up", "nothing listens on 127.0.0.1");
    });
    recorder.step("configuration", configure);
    recorder.step("mounts", late_mounts);
    recorder.step("own-group", |faults| {
        faults.check(occupy_leaf(1), "group of PID 1", "it may starve when memory is short");
    });
    report(&recorder)
}

/// Once the machine's own configuration can be read: what it changes. What is wrong with it is said,
/// on the console too, and is no reason to do without the partition that it lies on.
pub(super) fn configure_again() {
    let mut recorder = Recorder::default();
    recorder.step("configuration", configure);
    recorder.step("modules", load_modules);
    report(&recorder);
    let Ok(kmsg) = Kmsg::open() else { return };
    for step in recorder.steps.iter().filter(|step| !step.is_ok()) {
        kmsg.log(Level::Error, &step.to_string().replacen("boot step", "setup step", 1));
    }
}

/// The modules that only the machine's own configuration names: the worker that loads drivers may have
/// been earlier than the state partition.
fn load_modules(faults: &mut Faults) {
    let names = configuration::read().0.kernel.modules;
    if names.is_empty() {
        return;
    }
    let modules = Modules::open();
    for refused in names.iter().flat_map(|name| modules.load(name)) {
        let what = format_args!("module {}", refused.file);
        faults.check(Err::<(), _>(refused.errno), what, "what it is for is missing");
    }
}

fn report(recorder: &Recorder) -> ExitCode {
    let mut failed = false;
    for step in &recorder.steps {
        let text = step.to_string().replacen("boot step", "setup step", 1);
        if step.is_ok() {
            println!("{text}");
        } else {
            failed = true;
            eprintln!("{text}");
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn configure(faults: &mut Faults) {
    let (config, problems) = configuration::read();
    for problem in problems {
        faults.note(problem, "the rest of the configuration holds");
    }
    if let Some(name) = config.hostname.as_deref().filter(|name| is_hostname(name)) {
        let set = rustix::system::sethostname(name.as_bytes());
        faults.check(set, format_args!("sethostname {name}"), "the machine keeps its old name");
    }
    let mut settings = read_sysctl_files();
    for (name, value) in &config.kernel.sysctl {
        match sysctl_path(name) {
            Some(path) => _ = settings.insert(path, (value.to_string(), true)),
            None => faults.note(format_args!("sysctl {name:?} cannot be"), "it is passed over"),
        }
    }
    for (name, (value, is_needed)) in settings {
        let written = write_setting(&format!("/proc/sys/{name}"), &value);
        if is_needed {
            faults.check(written, format_args!("sysctl {name}={value}"), "it keeps its old value");
        }
    }
}

/// All settings of sysctl.d, by path; a file hides those of the same name further back, and of two
/// lines for one setting the later file's holds.
fn read_sysctl_files() -> BTreeMap<String, (String, bool)> {
    let mut files = BTreeMap::new();
    for directory in SYSCTL_DIRECTORIES.iter().rev() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.ends_with(".conf") {
                files.insert(name, entry.path());
            }
        }
    }
    let texts = files.values().filter_map(|path| read_text(path.to_str()?).ok());
    texts.flat_map(|text| parse_sysctl(&text)).collect()
}

/// `name = value` a line; `-` before the name: its failure does not matter.
fn parse_sysctl(text: &str) -> Vec<(String, (String, bool))> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let parse = |line: &str| {
        let (name, value) = line.split_once('=')?;
        let (name, is_needed) = match name.trim().strip_prefix('-') {
            Some(name) => (name, false),
            None => (name.trim(), true),
        };
        Some((sysctl_path(name)?, (value.trim().to_owned(), is_needed)))
    };
    lines.filter_map(parse).collect()
}

/// `net.ipv4.ip_forward` or `net/ipv4/ip_forward`: whichever comes first is the separator, and then
/// the other one is a letter of a name (`net.ipv4.conf.eth0/100.forwarding` is an interface `eth0.100`).
/// Nothing for what would lead out of the tree.
fn sysctl_path(name: &str) -> Option<String> {
    let swap = |c: char| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let path = match name.find(['.', '/']) {
        Some(at) if name[at..].starts_with('.') => name.chars().map(swap).collect(),
        _ => name.to_owned(),
    };
    let is_inside = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    is_inside.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_and_cannot_leave_their_tree() {
        let path = |name: &str| sysctl_path(name).unwrap_or_default();
        assert_eq!(path("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
        assert_eq!(path("net/ipv4/conf/eth0.1/x"), "net/ipv4/conf/eth0.1/x");
        assert_eq!(path("net.ipv4.conf.eth0/100.x"), "net/ipv4/conf/eth0.100/x");
        for bad in ["../../etc/x", "", "/etc/x", "a/../b", "a//b"] {
            assert_eq!(sysctl_path(bad), None, "{bad}");
        }
    }

    #[test]
    fn lines_of_sysctl_files() {
        let found = parse_sysctl("# c\n; c\na.b = 1\n -c.d=2 3 \nnothing\n");
        let expected = [("a/b".into(), ("1".into(), true)), ("c/d".into(), ("2 3".into(), false))];
        assert_eq!(found, expected);
    }
}
