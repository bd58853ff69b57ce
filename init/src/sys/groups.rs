//! The control groups of runs, and the two watches that tell of them.
//!
//! Two inotify descriptors serve all groups: one over `memory.events`, one over `cgroup.events`. A turn
//! hears the first before it reaps and the second after (see `token::Kind`), which a poll on each file
//! could not promise, and a thousand units cost no further descriptor.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use units::run::Run;

/// The group of one run.
#[derive(Debug)]
pub(crate) struct Group {
    /// Its name below `units/`.
    pub(crate) name: String,
    /// Its directory.
    pub(crate) directory: OwnedFd,
    events_watch: i32,
    memory_watch: Option<i32>,
    /// Out-of-memory kills that were told.
    pub(crate) kills: u32,
}

/// All groups, by run and by watch.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_run: BTreeMap<Run, Group>,
    by_events_watch: BTreeMap<i32, Run>,
    by_memory_watch: BTreeMap<i32, Run>,
}

/// Opens one of the two watches.
pub(crate) fn open_watch() -> io::Result<OwnedFd> {
    Ok(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?)
}

fn add_watch(watch: BorrowedFd<'_>, directory: BorrowedFd<'_>, file: &CStr) -> io::Result<i32> {
    use std::os::fd::AsRawFd;
    // Inotify takes paths only; the descriptor's own link names the directory without a race.
    let path = format!("/proc/self/fd/{}/{}", directory.as_raw_fd(), file.to_string_lossy());
    Ok(inotify::add_watch(watch, path, WatchFlags::MODIFY)?)
}

impl Groups {
    /// Takes a run's group and begins to watch it.
    ///
    /// # Errors
    /// When `cgroup.events` cannot be watched; `memory.events` may lack (no memory controller).
    pub(crate) fn insert(
        &mut self,
        run: Run,
        name: String,
        directory: OwnedFd,
        events: BorrowedFd<'_>,
        memory: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let events_watch = add_watch(events, directory.as_fd(), c"cgroup.events")?;
        let memory_watch = add_watch(memory, directory.as_fd(), c"memory.events").ok();
        self.by_events_watch.insert(events_watch, run);
        if let Some(watch) = memory_watch {
            self.by_memory_watch.insert(watch, run);
        }
        self.by_run.insert(run, Group { name, directory, events_watch, memory_watch, kills: 0 });
        Ok(())
    }

    /// A run's group.
    pub(crate) fn get(&self, run: Run) -> Option<&Group> {
        self.by_run.get(&run)
    }

    /// As [`Groups::get`].
    pub(crate) fn get_mut(&mut self, run: Run) -> Option<&mut Group> {
        self.by_run.get_mut(&run)
    }

    /// Gives a group up; its watches go when the caller removes the directory.
    pub(crate) fn remove(&mut self, run: Run) -> Option<Group> {
        let group = self.by_run.remove(&run)?;
        self.by_events_watch.remove(&group.events_watch);
        if let Some(watch) = group.memory_watch {
            self.by_memory_watch.remove(&watch);
        }
        Some(group)
    }

    /// The run of a group by the group's name.
    pub(crate) fn run_named(&self, name: &str) -> Option<Run> {
        // The name ends in the run's number, so that there are never two; the search is only made for
        // notifications of processes that we did not start ourselves.
        self.by_run.iter().find(|(_, group)| group.name == name).map(|(run, _)| *run)
    }

    /// All runs that have a group.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Run> {
        self.by_run.keys().copied()
    }

    /// Which runs the `cgroup.events` watch tells of; reads until there is no more.
    pub(crate) fn changed(&self, watch: BorrowedFd<'_>) -> Vec<Run> {
        read_watch(watch, &self.by_events_watch)
    }

    /// Which runs the `memory.events` watch tells of.
    pub(crate) fn pressed(&self, watch: BorrowedFd<'_>) -> Vec<Run> {
        read_watch(watch, &self.by_memory_watch)
    }
}

fn read_watch(watch: BorrowedFd<'_>, runs: &BTreeMap<i32, Run>) -> Vec<Run> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(watch, &mut buffer);
    let mut found = Vec::new();
    while let Ok(event) = reader.next() {
        if event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW) {
            // Something was lost: every group is looked at again.
            return runs.values().copied().collect();
        }
        if let Some(run) = runs.get(&event.wd())
            && !found.contains(run)
        {
            found.push(*run);
        }
    }
    found
}

/// The number after `key` in a flat keyed file of the kernel (`cgroup.events`, `memory.events`).
pub(crate) fn keyed_value(text: &[u8], key: &[u8]) -> Option<u64> {
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let rest = line.strip_prefix(key)?.strip_prefix(b" ")?;
        std::str::from_utf8(rest).ok()?.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyed_files() {
        let text = b"populated 1\nfrozen 0\n";
        assert_eq!(keyed_value(text, b"populated"), Some(1));
        assert_eq!(keyed_value(text, b"frozen"), Some(0));
        assert_eq!(keyed_value(text, b"pop"), None);
    }
}
