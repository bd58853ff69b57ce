//! One simulated machine: a disk, and most of the time a replica.

use std::time::Duration;

use kv::replica::members::Members;
use kv::replica::{Config, Files, Outbox, Replica, Start};
use kv::wal::{Bad, Segment};

use super::Plan;
use super::cells::{Cells, Command, Reply};
use super::disk::Disk;

/// What a step hands out.
pub type Out = Outbox<Reply, (u64, Command)>;

/// A machine.
#[derive(Debug)]
pub struct Node {
    /// Its number.
    pub id: u64,
    /// Its disk.
    pub disk: Disk,
    /// The replica while it runs.
    pub replica: Option<Replica<Cells>>,
    /// How often it was started.
    pub incarnation: u64,
    /// Its clock is ahead by this.
    pub ahead: Duration,
    /// The disk is at work.
    pub working: bool,
    /// The disk is slow until then.
    pub slow_until: Duration,
    /// The next write fails.
    pub fails: bool,
    /// It hears nothing until then.
    pub paused_until: Duration,
    /// When it is to be woken, if at all.
    pub wake_at: Option<Duration>,
    /// Its log is damaged: it must not start.
    pub damaged: bool,
    /// A bit of its log changed while it was off; it may not have noticed.
    pub rotten: bool,
    /// As which it starts if the disk is blank.
    pub start: Start,
}

impl Node {
    /// A machine that was never started.
    #[must_use]
    pub fn new(id: u64, first: Option<Members>) -> Self {
        let log = 1000 + id;
        let start = match first {
            Some(members) => Start::New { log, members },
            None => Start::Join { log },
        };
        Self {
            id,
            disk: Disk::default(),
            replica: None,
            incarnation: 0,
            ahead: Duration::ZERO,
            working: false,
            slow_until: Duration::ZERO,
            fails: false,
            paused_until: Duration::ZERO,
            wake_at: None,
            damaged: false,
            rotten: false,
            start,
        }
    }

    /// Starts the replica from what the disk has.
    ///
    /// # Errors
    /// When the disk is damaged.
    pub fn boot(&mut self, plan: &Plan, now: Duration, out: &mut Out) -> Result<(), Bad> {
        self.incarnation += 1;
        (self.working, self.fails, self.wake_at) = (false, false, None);
        let nonce = plan.seed.wrapping_mul(31) ^ (self.id << 32) ^ (self.incarnation << 8) | 1;
        let config = Config {
            segment_bytes: 4096,
            catch_up_bytes: 2000,
            snapshot_log_bytes: 6000,
            chunk_bytes: 100,
            patience: Duration::from_millis(1500),
            learners_max: 2,
            #[cfg(feature = "planted")]
            plant: plan.plant,
            ..Config::new(self.id, 7, nonce)
        };
        let segments: Vec<Segment<'_>> = self
            .disk
            .segments
            .iter()
            .map(|(number, bytes)| Segment { number: *number, bytes })
            .collect();
        let snapshots: Vec<(u64, &[u8])> =
            self.disk.snapshots.iter().map(|(file, bytes)| (*file, bytes.as_slice())).collect();
        let files = Files { segments: &segments, snapshots: &snapshots };
        let local = now + self.ahead;
        let started =
            Replica::start(config, Cells::default, &files, self.start.clone(), local, out)?;
        self.replica = Some(started);
        Ok(())
    }

    /// The replica, if it runs and serves.
    #[must_use]
    pub fn serving(&self) -> Option<&Replica<Cells>> {
        self.replica.as_ref().filter(|replica| replica.view().broken.is_none())
    }
}
