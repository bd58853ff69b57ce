//! Conditions of units that are about the world (systemd.unit(5)).

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use units::spec::{Condition, ConditionTest};

use crate::cmdline::CommandLine;
use crate::sys::files::{read_small, read_text};

/// The first condition that decides against the unit: one that must hold and does not, or, when none of
/// the alternatives (`|`) holds, the first of them.
#[must_use]
pub fn first_unmet(conditions: &[Condition], is_machine: bool) -> Option<usize> {
    let holds = |condition: &Condition| test(condition, is_machine) != condition.negated;
    let mut alternatives = None;
    let mut one_held = false;
    for (index, condition) in conditions.iter().enumerate() {
        if condition.triggering {
            alternatives.get_or_insert(index);
            one_held = one_held || holds(condition);
        } else if !holds(condition) {
            return Some(index);
        }
    }
    alternatives.filter(|_| !one_held)
}

fn test(condition: &Condition, is_machine: bool) -> bool {
    let argument = &*condition.argument;
    let path = Path::new(argument);
    let stat = fs::metadata(path);
    match condition.test {
        ConditionTest::PathExists => path.exists(),
        ConditionTest::PathExistsGlob => glob_matches(argument),
        ConditionTest::PathIsDirectory => stat.is_ok_and(|stat| stat.is_dir()),
        ConditionTest::PathIsSymbolicLink => path.is_symlink(),
        ConditionTest::PathIsMountPoint => is_mount_point(path),
        ConditionTest::PathIsReadWrite => {
            rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
        }
        ConditionTest::DirectoryNotEmpty => {
            fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
        }
        ConditionTest::FileNotEmpty => stat.is_ok_and(|stat| stat.is_file() && stat.len() > 0),
        ConditionTest::FileIsExecutable => {
            stat.is_ok_and(|stat| stat.is_file() && stat.permissions().mode() & 0o111 != 0)
        }
        ConditionTest::KernelCommandLine => on_command_line(argument),
        ConditionTest::KernelModuleLoaded => Path::new("/sys/module").join(argument).exists(),
        ConditionTest::KernelVersion => kernel_version(argument),
        ConditionTest::Virtualization => virtualization(argument, !is_machine),
        ConditionTest::Architecture => matches!(argument, "x86-64" | "native"),
        ConditionTest::Host => host(argument),
        ConditionTest::FirstBoot => {
            crate::sys::state::is_present() == (argument == "false" || argument == "no")
        }
        ConditionTest::Capability => capability(argument),
        ConditionTest::User => matches!(argument, "root" | "0" | "@system"),
        ConditionTest::Group => matches!(argument, "root" | "0" | "@system"),
        ConditionTest::ControlGroupController => controllers(argument),
        ConditionTest::Memory => compare(memory_bytes(), argument, bytes),
        ConditionTest::CpuCount => compare(cpu_count(), argument, |text| text.parse().ok()),
        ConditionTest::Environment => environment(argument),
        ConditionTest::OsRelease => os_release(argument),
        ConditionTest::CpuFeature => cpu_feature(argument),
        ConditionTest::AcPower => argument != "false" && argument != "no",
        ConditionTest::Firmware => match argument {
            "uefi" => Path::new("/sys/firmware/efi").exists(),
            "device-tree" => Path::new("/sys/firmware/devicetree/base").exists(),
            _ => false,
        },
        // No security module is loaded by us, no path is encrypted by us, nothing needs an update of ours.
        ConditionTest::Security | ConditionTest::PathIsEncrypted | ConditionTest::NeedsUpdate => {
            false
        }
    }
}

/// `*` and `?` in any part of the path.
fn glob_matches(pattern: &str) -> bool {
    fn walk(directory: &Path, parts: &[&str]) -> bool {
        let Some((part, rest)) = parts.split_first() else { return directory.exists() };
        if !part.contains(['*', '?', '[']) {
            return walk(&directory.join(part), rest);
        }
        let Ok(entries) = fs::read_dir(directory) else { return false };
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            fits(part.as_bytes(), name.as_encoded_bytes()) && walk(&entry.path(), rest)
        })
    }
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    walk(Path::new("/"), &parts)
}

fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            fits(rest, text) || text.split_first().is_some_and(|(_, tail)| fits(pattern, tail))
        }
        (Some((b'?', rest)), Some((_, tail))) => fits(rest, tail),
        (Some((one, rest)), Some((other, tail))) => one == other && fits(rest, tail),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn is_mount_point(path: &Path) -> bool {
    let (Ok(own), Some(parent)) = (fs::symlink_metadata(path), path.parent()) else {
        return path == Path::new("/");
    };
    fs::metadata(parent).is_ok_and(|parent| parent.dev() != own.dev() || parent.ino() == own.ino())
}

/// A word, or `key=value`, of the kernel's command line.
fn on_command_line(argument: &str) -> bool {
    let line = CommandLine::parse(&read_small("/proc/cmdline").unwrap_or_default());
    match argument.split_once('=') {
        Some((key, value)) => line.values(key).any(|given| given == value),
        None => line.has(argument) || line.values(argument).next().is_some(),
    }
}

fn kernel_version(argument: &str) -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let version = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    };
    argument.split_whitespace().all(|word| {
        let digits = word.trim_start_matches(['<', '>', '=', '!']);
        let operator = &word[..word.len() - digits.len()];
        match operator {
            "" => fits(word.as_bytes(), release.as_bytes()),
            _ => ordered(operator, version(&release).cmp(&version(digits))),
        }
    })
}

fn ordered(operator: &str, ordering: std::cmp::Ordering) -> bool {
    match operator {
        "<" => ordering.is_lt(),
        "<=" => ordering.is_le(),
        "=" | "==" => ordering.is_eq(),
        "!=" => ordering.is_ne(),
        ">=" => ordering.is_ge(),
        ">" => ordering.is_gt(),
        _ => false,
    }
}

fn virtualization(argument: &str, in_container: bool) -> bool {
    let vendor = read_text("/sys/class/dmi/id/sys_vendor").unwrap_or_default().to_lowercase();
    let hypervisor = read_text("/proc/cpuinfo").is_ok_and(|text| text.contains(" hypervisor"));
    match argument {
        "yes" | "true" | "1" => in_container || hypervisor,
        "no" | "false" | "0" => !in_container && !hypervisor,
        "container" => in_container,
        "vm" => hypervisor && !in_container,
        name => hypervisor && vendor.contains(name),
    }
}

fn host(argument: &str) -> bool {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let id = read_text("/etc/machine-id").unwrap_or_default();
    argument == id || fits(argument.as_bytes(), name.as_bytes())
}

fn capability(argument: &str) -> bool {
    let Some(number) = units::plan::capability_number(argument) else { return false };
    let status = read_text("/proc/1/status").unwrap_or_default();
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let bounding = bounding.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    bounding.unwrap_or(0) & 1 << number != 0
}

fn controllers(argument: &str) -> bool {
    let path = format!("{}/cgroup.controllers", crate::paths::GROUP_ROOT);
    let there = read_text(&path).unwrap_or_default();
    let there: Vec<&str> = there.split_whitespace().collect();
    argument.split_whitespace().all(|wanted| wanted == "v2" || there.contains(&wanted))
}

fn compare(value: u64, argument: &str, parse: impl Fn(&str) -> Option<u64>) -> bool {
    let digits = argument.trim_start_matches(['<', '>', '=', '!']);
    let operator = &argument[..argument.len() - digits.len()];
    let operator = if operator.is_empty() { ">=" } else { operator };
    parse(digits.trim()).is_some_and(|limit| ordered(operator, value.cmp(&limit)))
}

fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().ok()?;
    let shift = match &text[digits.len()..] {
        "" | "B" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    number.checked_shl(shift)
}

fn memory_bytes() -> u64 {
    let machine = rustix::system::sysinfo();
    machine.totalram.saturating_mul(u64::from(machine.mem_unit.max(1)))
}

fn cpu_count() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u64)
}

fn environment(argument: &str) -> bool {
    match argument.split_once('=') {
        Some((name, value)) => std::env::var(name).is_ok_and(|given| given == value),
        None => std::env::var_os(argument).is_some(),
    }
}

fn os_release(argument: &str) -> bool {
    let text = read_text("/etc/os-release").unwrap_or_default();
    let Some((name, wanted)) = argument.split_once('=') else { return false };
    let given = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    given.is_some_and(|given| given.trim_matches('"') == wanted)
}

fn cpu_feature(argument: &str) -> bool {
    let text = read_text("/proc/cpuinfo").unwrap_or_default();
    let flags = text.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    flags.split_whitespace().any(|flag| flag == argument)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(test: ConditionTest, argument: &str) -> Condition {
        let argument = argument.into();
        Condition { test, argument, negated: false, triggering: false, assertion: false }
    }

    #[test]
    fn all_must_hold_and_one_of_the_alternatives() {
        let yes = condition(ConditionTest::PathExists, "/proc/self");
        let no = condition(ConditionTest::PathExists, "/proc/no-such-thing");
        let or = |c: &Condition| Condition { triggering: true, ..c.clone() };
        let not = |c: &Condition| Condition { negated: true, ..c.clone() };
        let unmet = |conditions: &[Condition]| first_unmet(conditions, true);
        assert_eq!(unmet(&[yes.clone(), not(&no)]), None);
        assert_eq!(unmet(&[yes.clone(), no.clone()]), Some(1));
        assert_eq!(unmet(&[or(&no), or(&yes)]), None);
        assert_eq!(unmet(&[yes, or(&no)]), Some(1));
    }

    #[test]
    fn globs_and_comparisons() {
        assert!(glob_matches("/proc/sel?"));
        assert!(glob_matches("/proc/*/status"));
        assert!(!glob_matches("/proc/zz*"));
        assert!(compare(4, ">=2", |text| text.parse().ok()));
        assert!(!compare(4, "<2", |text| text.parse().ok()));
        assert_eq!(bytes("2G"), Some(2 << 30));
    }
}
