//! What control groups use, read where the kernel tells it: PID 1 is not bothered for it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::wire::status::{UnitStatus, Usage};

/// One process of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) command: String,
}

/// Fills in what the units use.
pub(crate) fn fill(root: &str, units: &mut [UnitStatus]) {
    for unit in units {
        unit.usage = unit.group.as_deref().and_then(|group| read(&Path::new(root).join(group)));
    }
}

/// What one group uses; `None` if there is no such group.
pub(crate) fn read(group: &Path) -> Option<Usage> {
    fs::metadata(group).ok()?;
    let number = |file: &str| fs::read_to_string(group.join(file)).ok()?.trim().parse().ok();
    let io = fs::read_to_string(group.join("io.stat")).unwrap_or_default();
    Some(Usage {
        memory_bytes: number("memory.current"),
        memory_max_bytes: number("memory.max"),
        memory_peak_bytes: number("memory.peak"),
        cpu_us: fs::read_to_string(group.join("cpu.stat")).ok().and_then(|text| cpu_us(&text)),
        tasks: number("pids.current"),
        read_bytes: (!io.is_empty()).then(|| sum_io(&io, "rbytes=")),
        written_bytes: (!io.is_empty()).then(|| sum_io(&io, "wbytes=")),
    })
}

fn cpu_us(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("usage_usec "))?.parse().ok()
}

fn sum_io(text: &str, key: &str) -> u64 {
    let values = text.split_whitespace().filter_map(|word| word.strip_prefix(key));
    values.filter_map(|value| value.parse::<u64>().ok()).sum()
}

/// The processes of a group and of those below it, by number.
pub(crate) fn processes(group: &Path) -> Vec<Process> {
    const GROUPS_MAX: usize = 1000;
    let mut groups = vec![group.to_owned()];
    let mut found = Vec::new();
    let mut seen = 0;
    while let Some(group) = groups.pop().filter(|_| seen < GROUPS_MAX) {
        seen += 1;
        let pids = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        found.extend(pids.lines().filter_map(|pid| process(pid.parse().ok()?)));
        groups.extend(below(&group));
    }
    found.sort_by_key(|process| process.pid);
    found
}

fn below(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(group) else { return Vec::new() };
    let directories = entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.path()).collect()
}

fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, parent) = name_and_parent(&stat)?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> = line
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let command = words.join(" ").trim_end().to_owned();
    let command = if command.is_empty() { format!("[{name}]") } else { command };
    Some(Process { pid, parent, command })
}

/// `7 (a (b) c) S 1 …`: the name may have anything in it.
fn name_and_parent(stat: &str) -> Option<(&str, u32)> {
    let (start, end) = (stat.find('(')?, stat.rfind(')')?);
    let parent = stat.get(end + 1..)?.split_whitespace().nth(1)?.parse().ok()?;
    Some((stat.get(start + 1..end)?, parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells() {
        assert_eq!(cpu_us("usage_usec 123\nuser_usec 4\n"), Some(123));
        assert_eq!(sum_io("8:0 rbytes=5 wbytes=6\n254:0 rbytes=7 wbytes=0\n", "rbytes="), 12);
        assert_eq!(name_and_parent("7 (a (b) c) S 1 7 7 0"), Some(("a (b) c", 1)));
    }

    #[test]
    fn this_process_is_found() {
        let own = process(std::process::id()).unwrap();
        assert!(own.command.contains("init"));
        assert!(own.parent > 0);
    }
}
