//! When leases end: known to the leader alone, by a clock that nobody else sees. It hears of leases by what
//! happened to the store, and proposes what its clock says.

use std::collections::{BTreeMap, BTreeSet};

use super::Store;
use crate::command::Change;
use crate::limits::{LEASE_CHECKPOINT_MS, LEASES_PER_CHANGE_MAX};
use crate::reply::Happened;

/// An expiry that was proposed and did not come about is proposed again after this time.
const AGAIN_MS: u64 = 2000;

#[derive(Debug, Clone, Copy)]
struct Timed {
    ttl_s: i64,
    ends_ms: u64,
    /// Where it stands in `due` and in `checkpoints`.
    due_ms: u64,
    checkpoint_ms: u64,
    /// What the replicas last heard is not its whole time.
    was_told: bool,
    /// Its end was proposed.
    ends_proposed: bool,
}

/// The leader's clock. `now_ms` is of a clock that never goes back, whatever it counts from.
#[derive(Debug, Default)]
pub struct LeaseClock {
    /// Nothing while this replica does not lead.
    era: Option<u64>,
    leases: BTreeMap<i64, Timed>,
    /// Leases by when they are to be looked at.
    due: BTreeSet<(u64, i64)>,
    /// Long leases by when their time left is to be told.
    checkpoints: BTreeSet<(u64, i64)>,
    /// Leases that were renewed after their time left had been told.
    renewed: BTreeSet<i64>,
}

impl LeaseClock {
    /// One that does not count.
    pub fn new() -> Self {
        Self::default()
    }

    /// This replica leads, and its `Change::LeaseEra` was applied. Every lease gets the time that was left
    /// to it, and `extra_ms`, because its holder may not have found the new leader yet.
    pub fn begin(&mut self, store: &Store, era: u64, now_ms: u64, extra_ms: u64) {
        self.stop();
        self.era = Some(era);
        for (id, lease) in &store.leases.leases {
            let left_s = if lease.remaining_s > 0 { lease.remaining_s } else { lease.ttl_s };
            let ends_ms = now_ms.saturating_add(ms(left_s)).saturating_add(extra_ms);
            self.enter(*id, lease.ttl_s, ends_ms, now_ms);
            if let Some(timed) = self.leases.get_mut(id) {
                timed.was_told = lease.remaining_s > 0;
            }
        }
    }

    /// This replica does not lead any more, or not surely.
    pub fn stop(&mut self) {
        *self = Self::default();
    }

    /// Does it count?
    pub fn is_counting(&self) -> bool {
        self.era.is_some()
    }

    /// Hears what happened to the store.
    pub fn on_happened(&mut self, happened: &Happened, now_ms: u64) {
        match happened {
            Happened::LeaseGranted { id, ttl_s } if self.era.is_some() => {
                let ends_ms = now_ms.saturating_add(ms(*ttl_s));
                self.enter(*id, *ttl_s, ends_ms, now_ms);
            }
            Happened::LeaseRemaining { id, remaining_s } => {
                if let Some(timed) = self.leases.get_mut(id) {
                    timed.was_told = *remaining_s > 0;
                }
            }
            Happened::LeaseGone { id } => self.leave(*id),
            Happened::LeaseGranted { .. }
            | Happened::WatchReady(_)
            | Happened::AlarmsChanged
            | Happened::AuthChanged
            | Happened::Compacted { .. }
            | Happened::V2Changed
            | Happened::MembersChanged => {}
        }
    }

    fn enter(&mut self, id: i64, ttl_s: i64, ends_ms: u64, now_ms: u64) {
        self.leave(id);
        let checkpoint_ms = now_ms.saturating_add(LEASE_CHECKPOINT_MS);
        if ms(ttl_s) > LEASE_CHECKPOINT_MS {
            self.checkpoints.insert((checkpoint_ms, id));
        }
        self.due.insert((ends_ms, id));
        let timed = Timed {
            ttl_s,
            ends_ms,
            due_ms: ends_ms,
            checkpoint_ms,
            was_told: false,
            ends_proposed: false,
        };
        self.leases.insert(id, timed);
    }

    fn leave(&mut self, id: i64) {
        if let Some(timed) = self.leases.remove(&id) {
            self.due.remove(&(timed.due_ms, id));
            self.checkpoints.remove(&(timed.checkpoint_ms, id));
            self.renewed.remove(&id);
        }
    }

    /// Renews a lease. Nothing if there is none, or its end has come: then it is too late.
    pub fn keep_alive(&mut self, id: i64, now_ms: u64) -> Option<i64> {
        let timed = self.leases.get_mut(&id)?;
        if timed.ends_proposed || timed.ends_ms <= now_ms {
            return None;
        }
        self.due.remove(&(timed.due_ms, id));
        timed.ends_ms = now_ms.saturating_add(ms(timed.ttl_s));
        timed.due_ms = timed.ends_ms;
        self.due.insert((timed.due_ms, id));
        if timed.was_told {
            self.renewed.insert(id);
        }
        Some(timed.ttl_s)
    }

    /// Seconds left to a lease, and granted to it.
    pub fn time_to_live(&self, id: i64, now_ms: u64) -> Option<(i64, i64)> {
        let timed = self.leases.get(&id)?;
        let left_ms = timed.ends_ms.saturating_sub(now_ms);
        Some((i64::try_from(left_ms / 1000).unwrap_or(i64::MAX), timed.ttl_s))
    }

    /// When to ask `due` again.
    pub fn next_ms(&self) -> Option<u64> {
        let first = |set: &BTreeSet<(u64, i64)>| set.first().map(|(at, _)| *at);
        [first(&self.due), first(&self.checkpoints)].into_iter().flatten().min()
    }

    /// What is to be proposed now. An end that does not come about is proposed again later.
    pub fn due(&mut self, now_ms: u64) -> Vec<Change> {
        let Some(era) = self.era else { return Vec::new() };
        let mut changes = Vec::new();
        let ids = take_due(&mut self.due, now_ms);
        for id in &ids {
            if let Some(timed) = self.leases.get_mut(id) {
                timed.ends_proposed = true;
                timed.due_ms = now_ms.saturating_add(AGAIN_MS);
                self.due.insert((timed.due_ms, *id));
            }
        }
        if !ids.is_empty() {
            changes.push(Change::LeaseExpire { era, ids });
        }
        let remaining_s = self.take_untold(now_ms);
        if !remaining_s.is_empty() {
            changes.push(Change::LeaseCheckpoint { era, remaining_s });
        }
        changes
    }

    /// Leases whose time left is to be told: long ones from time to time, and those made young again.
    fn take_untold(&mut self, now_ms: u64) -> Vec<(i64, i64)> {
        let mut told: BTreeMap<i64, i64> =
            std::mem::take(&mut self.renewed).into_iter().map(|id| (id, 0)).collect();
        for id in take_due(&mut self.checkpoints, now_ms) {
            let Some(timed) = self.leases.get_mut(&id) else { continue };
            timed.checkpoint_ms = now_ms.saturating_add(LEASE_CHECKPOINT_MS);
            self.checkpoints.insert((timed.checkpoint_ms, id));
            let Some((left_s, ttl_s)) = self.time_to_live(id, now_ms) else { continue };
            // One that is kept alive needs no words: it is as young as after an election.
            if left_s > 0 && ms(ttl_s - left_s) >= LEASE_CHECKPOINT_MS {
                told.insert(id, left_s);
            }
        }
        told.into_iter().collect()
    }
}

fn take_due(set: &mut BTreeSet<(u64, i64)>, now_ms: u64) -> Vec<i64> {
    let mut ids = Vec::new();
    while ids.len() < LEASES_PER_CHANGE_MAX {
        match set.first().copied() {
            Some((at, id)) if at <= now_ms => {
                set.remove(&(at, id));
                ids.push(id);
            }
            Some(_) | None => break,
        }
    }
    ids
}

fn ms(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)
}
