//! What a group may use, as texts in its files.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use units::resources::{Amount, Resources};

use crate::sys::block_device;
use crate::wire::Limits;

/// What the kernel did not take: the file, and why.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Its name in the group.
    pub(crate) file: &'static str,
    /// Why.
    pub(crate) error: io::Error,
}

/// A file of a group and what is written to it.
type Setting = (&'static str, String);

/// What a new group has in the files that we write, in the order in which they can be written: weights
/// are only taken while the group is not idle.
const USUAL: [(&str, &str); 13] = [
    ("memory.min", "0"),
    ("memory.low", "0"),
    ("memory.high", "max"),
    ("memory.max", "max"),
    ("memory.swap.max", "max"),
    ("memory.zswap.max", "max"),
    ("memory.oom.group", "0"),
    ("pids.max", "max"),
    ("cpu.idle", "0"),
    ("cpu.weight", "100"),
    ("cpu.max", "max 100000"),
    ("cpuset.cpus", "\n"),
    ("cpuset.mems", "\n"),
];

/// Writes the limits of a new group. A controller that the kernel lacks is no failure unless a limit
/// needs it.
pub(crate) fn write_new(directory: BorrowedFd<'_>, resources: &Resources) -> Result<(), Refused> {
    for (file, text) in settings(resources) {
        write(directory, file, &text)?;
    }
    write_devices(directory, resources)
}

/// Writes the limits of a running group: what is not limited any more is as in a new one. One that
/// the kernel refuses does not keep the others from being written.
pub(crate) fn write_all(directory: BorrowedFd<'_>, resources: &Resources) -> Result<(), Refused> {
    let named = settings(resources);
    let mut first = Ok(());
    for (file, usual) in USUAL {
        let wanted = named.iter().find(|(name, _)| *name == file);
        let written = match wanted {
            Some((_, text)) => write(directory, file, text),
            None => absent_is_well(write(directory, file, usual)),
        };
        first = first.and(written);
    }
    let weight = resources.io_weight.map_or("default 100".to_owned(), |it| format!("default {it}"));
    let written = write(directory, "io.weight", &weight);
    let weighed = if resources.io_weight.is_some() { written } else { absent_is_well(written) };
    forget_devices(directory, resources);
    first.and(weighed).and(write_devices(directory, resources))
}

/// Writes only these limits of a running group; the others stay as they are.
pub(crate) fn write_some(directory: BorrowedFd<'_>, limits: &Limits) -> Result<(), Refused> {
    for (file, text) in named(limits) {
        write(directory, file, &text)?;
    }
    Ok(())
}

/// A file that is not there limits nothing.
fn absent_is_well(written: Result<(), Refused>) -> Result<(), Refused> {
    written.or_else(|refused| match refused.error.raw_os_error() {
        Some(number) if number == Errno::NOENT.raw_os_error() => Ok(()),
        Some(_) | None => Err(refused),
    })
}

fn settings(resources: &Resources) -> Vec<Setting> {
    let mut settings = amounts(&[
        ("memory.min", resources.memory_min),
        ("memory.low", resources.memory_low),
        ("memory.high", resources.memory_high),
        ("memory.max", resources.memory_max),
        ("memory.swap.max", resources.memory_swap_max),
        ("memory.zswap.max", resources.memory_zswap_max),
        ("pids.max", resources.tasks_max),
    ]);
    if resources.oom_group {
        settings.push(("memory.oom.group", "1".to_owned()));
    }
    match resources.cpu_weight {
        Some(0) => settings.push(("cpu.idle", "1".to_owned())),
        Some(weight) => settings.push(("cpu.weight", weight.to_string())),
        None => {}
    }
    if let Some(quota) = resources.cpu_quota_us_per_s {
        let period = resources.cpu_period_us.unwrap_or(PERIOD_US);
        settings.push(("cpu.max", quota_text(quota, period)));
    }
    let sets = [("cpuset.cpus", &resources.cpus), ("cpuset.mems", &resources.memory_nodes)];
    let sets = sets.into_iter().filter_map(|(file, set)| Some((file, set.as_ref()?.to_string())));
    settings.extend(sets);
    let weight = resources.io_weight.map(|weight| ("io.weight", format!("default {weight}")));
    settings.extend(weight);
    settings
}

fn named(limits: &Limits) -> Vec<Setting> {
    let mut settings = amounts(&[
        ("memory.min", limits.memory_min),
        ("memory.low", limits.memory_low),
        ("memory.high", limits.memory_high),
        ("memory.max", limits.memory_max),
        ("memory.swap.max", limits.memory_swap_max),
        ("pids.max", limits.tasks_max),
    ]);
    let quota = limits.cpu_quota_us_per_s.map(|quota| match quota {
        0 => "max".to_owned(),
        quota => quota_text(quota, PERIOD_US),
    });
    settings.extend(quota.map(|text| ("cpu.max", text)));
    if let Some(weight) = limits.cpu_weight {
        // An idle group takes no weight.
        settings.push(("cpu.idle", "0".to_owned()));
        settings.push(("cpu.weight", weight.to_string()));
    }
    settings.extend(limits.io_weight.map(|weight| ("io.weight", format!("default {weight}"))));
    settings
}

fn amounts(amounts: &[(&'static str, Option<Amount>)]) -> Vec<Setting> {
    let given = amounts.iter().filter_map(|(file, amount)| Some((*file, (*amount)?)));
    given.map(|(file, amount)| (file, text(file, amount))).collect()
}

/// The kernel's default period of `cpu.max`, and the least quota that it takes.
const PERIOD_US: u64 = 100_000;
const QUOTA_US_MIN: u64 = 1000;

fn quota_text(quota_us_per_s: u64, period_us: u64) -> String {
    let share = quota_us_per_s.saturating_mul(period_us) / 1_000_000;
    format!("{} {period_us}", share.max(QUOTA_US_MIN))
}

fn text(file: &str, amount: Amount) -> String {
    match amount {
        Amount::Absolute(number) => number.to_string(),
        Amount::Unlimited => "max".to_owned(),
        Amount::Share(parts) => {
            let total = if file == "pids.max" { pids_total() } else { memory_total() };
            (total / 10_000 * u64::from(parts)).to_string()
        }
    }
}

fn memory_total() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram.saturating_mul(u64::from(info.mem_unit.max(1)))
}

fn pids_total() -> u64 {
    let text = crate::sys::files::read_text("/proc/sys/kernel/pid_max").unwrap_or_default();
    text.parse().unwrap_or(32_768)
}

fn write_devices(directory: BorrowedFd<'_>, resources: &Resources) -> Result<(), Refused> {
    for device in resources.io_devices.iter() {
        let number = block_device::behind(&device.path)
            .map_err(|error| Refused { file: "io.max", error })?;
        let limits = [
            ("rbps", device.read_bytes_max),
            ("wbps", device.write_bytes_max),
            ("riops", device.read_ops_max),
            ("wiops", device.write_ops_max),
        ];
        let given = limits.iter().filter_map(|(key, max)| Some(format!(" {key}={}", (*max)?)));
        let given: String = given.collect();
        if !given.is_empty() {
            write(directory, "io.max", &format!("{number}{given}"))?;
        }
        if let Some(weight) = device.weight {
            write(directory, "io.weight", &format!("{number} {weight}"))?;
        }
    }
    Ok(())
}

/// Takes the limits of devices away that are not limited any more, or not in all ways.
fn forget_devices(directory: BorrowedFd<'_>, resources: &Resources) {
    let lines = |file| {
        let bytes = crate::sys::take::read_file_at_all(directory, file).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let numbers = |text: &str| -> Vec<String> {
        let words = text.lines().filter_map(|line| line.split(' ').next());
        words.filter(|word| word.contains(':')).map(str::to_owned).collect()
    };
    for number in numbers(&lines("io.max")) {
        // A device that is gone has no limits either.
        let _gone =
            write(directory, "io.max", &format!("{number} rbps=max wbps=max riops=max wiops=max"));
    }
    let weighed = resources.io_devices.iter().any(|device| device.weight.is_some());
    for number in numbers(&lines("io.weight")).into_iter().filter(|_| !weighed) {
        let _gone = write(directory, "io.weight", &format!("{number} default"));
    }
}

fn write(directory: BorrowedFd<'_>, file: &'static str, text: &str) -> Result<(), Refused> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let written = openat(directory, file, flags, Mode::empty())
        .and_then(|opened| rustix::io::write(&opened, text.as_bytes()));
    written.map(drop).map_err(|errno| Refused { file, error: errno.into() })
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> io::Error {
        refused.error
    }
}
