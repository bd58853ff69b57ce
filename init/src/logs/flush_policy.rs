//! When what is in memory goes to the disk: often enough to lose little, seldom enough to let disks sleep.

use std::time::Duration;

use super::store::LogStore;

/// Something that lies in memory only is written after this time.
pub const FLUSH_AFTER: Duration = Duration::from_secs(15);
/// Two writings are at least this far apart.
pub const FLUSH_PAUSE: Duration = Duration::from_secs(1);
/// After a writing that failed nothing is tried for so long.
pub const FLUSH_RETRY: Duration = Duration::from_secs(30);
/// A writing that takes longer than this is given up: the disk is stuck.
pub const FLUSH_PATIENCE: Duration = Duration::from_secs(60);
/// What of the memory may be unsafe (one in so many) before it is written at once.
const UNSAFE_SHARE: u32 = 4;
/// Blocks of each source that stay in memory when they are on the disk: what `logs` shows first.
pub const KEEP_BLOCKS: usize = 16;

/// Whether something has to be written, and when. Nothing wakes while nothing was appended.
#[derive(Debug, Default)]
pub struct FlushPolicy {
    /// Since when something is in memory only.
    unsafe_since: Option<Duration>,
    /// Bytes appended at the last writing.
    flushed_bytes: u64,
    /// Bytes appended now.
    appended_bytes: u64,
    /// The memory's size in bytes.
    capacity_bytes: u64,
    /// Not before.
    not_before: Duration,
    /// A worker is at it.
    running: bool,
    /// There is a disk.
    enabled: bool,
    /// What lies in memory only is written at once.
    urgent: bool,
}

impl FlushPolicy {
    /// There is a disk from now on, or there is none.
    pub fn enable(&mut self, enabled: bool) {
        self.enabled = enabled;
    }

    /// Whether there is a disk.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Something was appended.
    pub fn on_appended(&mut self, store: &LogStore, now: Duration) {
        self.appended_bytes = store.appended_bytes();
        self.capacity_bytes = u64::from(store.all_blocks()) * super::layout::BLOCK_BYTES as u64;
        self.unsafe_since.get_or_insert(now);
    }

    /// A new life of PID 1 found this store. What the last life did not see written is due at once: where
    /// lives are short, none of them would ever come to the end of a longer wait.
    pub fn on_recovered(&mut self, store: &LogStore, now: Duration) {
        if store.sources().any(|source| source.counters.records > source.counters.flushed) {
            self.on_appended(store, now);
            self.urgent = true;
        }
    }

    /// When the next writing is due; `None`: there is nothing to write, or nowhere, or it is being written.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let since = self.unsafe_since.filter(|_| self.enabled && !self.running)?;
        let much = self.unsafe_bytes() >= self.capacity_bytes / u64::from(UNSAFE_SHARE);
        let due = if much || self.urgent { since } else { since + FLUSH_AFTER };
        Some(due.max(self.not_before))
    }

    /// A worker begins with all that was appended so far.
    pub fn on_started(&mut self, now: Duration) {
        self.running = true;
        self.urgent = false;
        self.unsafe_since = None;
        self.flushed_bytes = self.appended_bytes;
        self.not_before = now + FLUSH_PAUSE;
    }

    /// It ended.
    pub fn on_ended(&mut self, well: bool, now: Duration) {
        self.running = false;
        if !well {
            self.unsafe_since.get_or_insert(now);
            self.not_before = now + FLUSH_RETRY;
        }
    }

    /// Whether a worker is at it.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running
    }

    fn unsafe_bytes(&self) -> u64 {
        self.appended_bytes - self.flushed_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::Stream;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn quiet_means_no_deadline() {
        let mut store = LogStore::new(64 << 10, &[b'0'; 32]);
        let mut policy = FlushPolicy::default();
        assert_eq!(policy.deadline(), None);
        store.append("a.service", Stream::Stdout, 0, b"x\n");
        policy.on_appended(&store, SECOND);
        assert_eq!(policy.deadline(), None, "there is no disk");
        policy.enable(true);
        assert_eq!(policy.deadline(), Some(SECOND + FLUSH_AFTER));
        policy.on_started(20 * SECOND);
        assert_eq!(policy.deadline(), None);
        policy.on_ended(true, 21 * SECOND);
        assert_eq!(policy.deadline(), None, "nothing new");
    }

    #[test]
    fn a_new_life_writes_at_once_what_the_last_one_may_not_have_written() {
        let mut store = LogStore::new(64 << 10, &[b'0'; 32]);
        let mut policy = FlushPolicy::default();
        policy.enable(true);
        policy.on_recovered(&store, SECOND);
        assert_eq!(policy.deadline(), None, "there is nothing");
        store.append("a.service", Stream::Stdout, 0, b"x\n");
        policy.on_recovered(&store, SECOND);
        assert_eq!(policy.deadline(), Some(SECOND));
        policy.on_started(SECOND);
        policy.on_ended(true, SECOND);
        policy.on_appended(&store, 2 * SECOND);
        assert_eq!(policy.deadline(), Some(2 * SECOND + FLUSH_AFTER));
    }

    #[test]
    fn much_is_written_soon_but_not_all_the_time() {
        let mut store = LogStore::new(64 << 10, &[b'0'; 32]);
        let mut policy = FlushPolicy::default();
        policy.enable(true);
        store.append("a.service", Stream::Stdout, 0, &[b'\n'; 20_000]);
        store.append("a.service", Stream::Stdout, 0, &[b'x'; 20_000]);
        policy.on_appended(&store, SECOND);
        assert_eq!(policy.deadline(), Some(SECOND));
        policy.on_started(SECOND);
        store.append("a.service", Stream::Stdout, 0, &[b'x'; 20_000]);
        policy.on_appended(&store, SECOND);
        policy.on_ended(true, SECOND);
        assert_eq!(policy.deadline(), Some(SECOND + FLUSH_PAUSE));
        policy.on_ended(false, SECOND);
        assert_eq!(policy.deadline(), Some(SECOND + FLUSH_RETRY));
    }
}
