//! The end of every process that is left, apart from those that asked to be spared.
//!
//! Spared are kernel threads, we ourselves, root's processes whose `argv[0]` begins with `@` (storage
//! daemons that the file systems below us live on), and groups with the extended attribute
//! `user.survive_final_kill_signal` (systemd's two conventions). The dead need no burial here: the
//! machine ends before they are in anybody's way.

use rustix::fs::{CWD, Mode, OFlags, RawDir, getxattr, openat};
use rustix::process::{Pid, Signal, getpid, kill_process};
use std::mem::MaybeUninit;
use std::time::Duration;

use super::child::{Child, Ended};
use crate::sys::boot::since_boot;
use crate::sys::files::{read_small, read_text};

/// `PF_KTHREAD` of the kernel's task flags.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// What [`sweep`] answers when somebody was there.
const SOMEBODY: i32 = 1;

/// How long one look at all processes may take; reading about one that is stuck can hang.
const SWEEP_MAX: Duration = Duration::from_secs(2);

/// The end of all, but for one child of ours that is still at work.
pub(super) struct Killing<'a> {
    /// The child to spare.
    pub(super) spared: Option<Pid>,
    /// Feeds the watchdog.
    pub(super) feed: &'a mut dyn FnMut(),
}

impl Killing<'_> {
    /// Ends what is left: asks until `ask_until`, then kills until `kill_until`; comes back as soon
    /// as nobody is left. Says whether that is so.
    pub(super) fn kill_all(&mut self, ask_until: Duration, kill_until: Duration) -> bool {
        self.signal_and_wait(Signal::TERM, ask_until)
            || self.signal_and_wait(Signal::KILL, kill_until)
    }

    /// One signal to all, then a wait until nobody is left.
    fn signal_and_wait(&mut self, signal: Signal, until: Duration) -> bool {
        if !self.somebody(Some(signal), until) {
            return true;
        }
        let mut pause = Duration::from_millis(1);
        loop {
            if !self.somebody(None, until) {
                return true;
            }
            if since_boot() >= until {
                return false;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Whether anybody was there to be signalled. A look that hangs counts as somebody, and whoever
    /// should have been killed is then killed without looking.
    fn somebody(&mut self, signal: Option<Signal>, until: Duration) -> bool {
        let now = since_boot();
        let until = until.clamp(now + Duration::from_millis(50), now + SWEEP_MAX);
        let spared = self.spared;
        let Ok(child) = Child::start(|| sweep(signal, spared)) else { return true };
        let ended = child.wait(until, Duration::from_millis(100), self.feed);
        if ended == Ended::Late && signal == Some(Signal::KILL) {
            // In a child again: with many processes this call alone can take long.
            let _ = Child::start(|| i32::from(kill_everybody(libc::SIGKILL)));
        }
        !ended.is_ok()
    }
}

/// In a child: signals all that are not spared; says whether there was anybody.
fn sweep(signal: Option<Signal>, spared: Option<Pid>) -> i32 {
    // Whoever forks faster than we read is stopped first.
    let frozen = signal.is_some() && kill_everybody(libc::SIGSTOP);
    let mut found = 0;
    for pid in processes() {
        let Some(process) = Process::read(pid) else { continue };
        if Some(pid) == spared || process.is_spared() {
            continue;
        }
        found = SOMEBODY;
        if let Some(signal) = signal {
            // One that has just gone needs no signal.
            let _ = kill_process(pid, signal);
            if process.has_terminal && signal == Signal::TERM {
                // Shells do not end at a SIGTERM.
                let _ = kill_process(pid, Signal::HUP);
            }
        }
    }
    if frozen {
        kill_everybody(libc::SIGCONT);
    }
    found
}

/// Signals all processes but the first and ourselves.
fn kill_everybody(signal: libc::c_int) -> bool {
    // SAFETY: kill(2) takes no pointer.
    unsafe { libc::kill(-1, signal) == 0 }
}

fn processes() -> Vec<Pid> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(directory) = openat(CWD, "/proc", flags, Mode::empty()) else { return Vec::new() };
    let mut buffer = [MaybeUninit::uninit(); 8192];
    let mut entries = RawDir::new(directory, &mut buffer);
    let mut found = Vec::new();
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name().to_str().unwrap_or_default();
        let Some(pid) = name.parse().ok().and_then(Pid::from_raw) else { continue };
        if pid != Pid::INIT && pid != getpid() {
            found.push(pid);
        }
    }
    found
}

/// What decides about one process.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    pid: Pid,
    is_kernel: bool,
    is_dead: bool,
    has_terminal: bool,
}

impl Process {
    fn read(pid: Pid) -> Option<Process> {
        let stat = read_text(&format!("/proc/{pid}/stat")).ok()?;
        let (state, terminal, flags) = parse_stat(&stat)?;
        let is_kernel = flags & KERNEL_THREAD != 0;
        let is_dead = matches!(state, 'Z' | 'X');
        Some(Process { pid, is_kernel, is_dead, has_terminal: terminal != 0 })
    }

    fn is_spared(&self) -> bool {
        self.is_kernel || self.is_dead || self.is_storage_daemon() || self.group_survives()
    }

    fn is_storage_daemon(&self) -> bool {
        let pid = self.pid;
        read_small(&format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.first() == Some(&b'@'))
            && rustix::fs::stat(format!("/proc/{pid}")).is_ok_and(|stat| stat.st_uid == 0)
    }

    /// Whether its group, or one above it, carries the mark.
    fn group_survives(&self) -> bool {
        let Ok(text) = read_text(&format!("/proc/{}/cgroup", self.pid)) else { return false };
        let Some(path) = text.lines().find_map(|line| line.strip_prefix("0::/")) else {
            return false;
        };
        let mut group = String::from("/sys/fs/cgroup");
        path.split('/').filter(|name| !name.is_empty()).any(|name| {
            group.push('/');
            group.push_str(name);
            let mut value = [0_u8; 1];
            getxattr(&*group, "user.survive_final_kill_signal", &mut value).is_ok()
                && value == *b"1"
        })
    }
}

/// State, terminal and flags of a `stat` line; the name in it may hold blanks and brackets.
fn parse_stat(stat: &str) -> Option<(char, i32, u32)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let state = fields.first()?.chars().next()?;
    Some((state, fields.get(4)?.parse().ok()?, fields.get(6)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_with_a_strange_name_is_read() {
        let line = "42 (a) b (c)) S 1 42 42 34816 42 4194304 0 0";
        assert_eq!(parse_stat(line), Some(('S', 34816, 4_194_304)));
        assert_eq!(parse_stat("2 (kthreadd) S 0 0 0 0 -1 2129984 0"), Some(('S', 0, 2_129_984)));
        assert_eq!(parse_stat("nonsense"), None);
    }
}
