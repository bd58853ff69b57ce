//! What the leader does to the store without being asked: forgets history before it fills the quota, raises
//! the alarm when it is full all the same, and clears it again.

use std::collections::VecDeque;

use super::Store;
use crate::command::{Alarm, AlarmChange, Change, Op, TxnRequest};
use crate::error::Error;
use crate::limits::QUOTA_CLEAR_PERCENT;

/// What a put is reckoned to need beside key and value, as in etcd.
const PUT_COST_BYTES: u64 = 256;
/// A proposal that did not come about is made again after this time.
const AGAIN_MS: u64 = 2000;
/// How often a retention period is looked at within itself.
const SAMPLES_PER_PERIOD: u64 = 10;

/// When history is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Only when somebody asks for it, or space runs out.
    Asked,
    /// When it is longer than this many revisions, to half of that.
    Revisions(i64),
    /// What is older than this.
    Ms(u64),
}

/// The leader's care for space.
#[derive(Debug)]
pub struct Chores {
    member: u64,
    quota_bytes: u64,
    retention: Retention,
    /// Revisions as of former times, oldest first.
    samples: VecDeque<(u64, i64)>,
    /// Somebody was refused for want of space.
    is_refusing: bool,
    /// When to propose again what was proposed.
    next_compaction_ms: u64,
    next_alarm_ms: u64,
}

impl Chores {
    /// For a member with a quota.
    pub fn new(member: u64, quota_bytes: u64, retention: Retention) -> Self {
        Self {
            member,
            quota_bytes,
            retention,
            samples: VecDeque::new(),
            is_refusing: false,
            next_compaction_ms: 0,
            next_alarm_ms: 0,
        }
    }

    /// Is there space for a change? To be asked before it is proposed.
    ///
    /// # Errors
    ///
    /// There is none; the alarm will be raised.
    pub fn admit(&mut self, store: &Store, change: &Change) -> Result<(), Error> {
        let cost = cost(change);
        if cost == 0 || store.bytes().saturating_add(cost) <= self.quota_bytes {
            return Ok(());
        }
        self.is_refusing = true;
        Err(Error::NoSpace)
    }

    /// What the leader should propose now. To be asked after commands were applied, and about each second.
    pub fn due(&mut self, store: &Store, now_ms: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        if now_ms >= self.next_compaction_ms
            && let Some(revision) = self.compaction(store, now_ms)
        {
            self.next_compaction_ms = now_ms + AGAIN_MS;
            changes.push(Change::Compact { revision });
        }
        if now_ms >= self.next_alarm_ms
            && let Some(alarm) = self.alarm(store)
        {
            self.next_alarm_ms = now_ms + AGAIN_MS;
            changes.push(Change::Alarm(alarm));
        }
        changes
    }

    fn compaction(&mut self, store: &Store, now_ms: u64) -> Option<i64> {
        let revision = match self.retention {
            Retention::Revisions(most) if store.revision() - store.compact_revision() > most => {
                store.revision() - most / 2
            }
            Retention::Ms(period) => self.expired(store, period, now_ms).unwrap_or(0),
            Retention::Asked | Retention::Revisions(_) => 0,
        };
        let is_tight = store.bytes() > self.quota_bytes / 100 * QUOTA_CLEAR_PERCENT;
        let revision = match is_tight && !store.has_garbage() {
            // Writes are refused already: no history is worth that.
            true if store.alarms.is_raised(Alarm::NoSpace) => store.revision(),
            // Better to lose history than to refuse writes: half of it goes, again and again.
            true => {
                let kept = (store.revision() - store.compact_revision()) / 2;
                revision.max(store.revision() - kept)
            }
            false => revision,
        };
        (revision > store.compact_revision()).then_some(revision)
    }

    /// The last revision that is older than a period.
    fn expired(&mut self, store: &Store, period_ms: u64, now_ms: u64) -> Option<i64> {
        let step_ms = (period_ms / SAMPLES_PER_PERIOD).max(1);
        if self.samples.back().is_none_or(|(at, _)| now_ms >= at + step_ms) {
            self.samples.push_back((now_ms, store.revision()));
        }
        let mut expired = None;
        while let Some((at, revision)) = self.samples.front().copied() {
            if now_ms < at + period_ms {
                break;
            }
            self.samples.pop_front();
            expired = Some(revision);
        }
        expired
    }

    fn alarm(&mut self, store: &Store) -> Option<AlarmChange> {
        let is_raised = store.alarms.is_raised(Alarm::NoSpace);
        let is_full = store.bytes() > self.quota_bytes;
        if (is_full || self.is_refusing) && !is_raised {
            self.is_refusing = false;
            return Some(AlarmChange::Raise { member: self.member, alarm: Alarm::NoSpace });
        }
        let is_free = store.bytes() <= self.quota_bytes / 100 * QUOTA_CLEAR_PERCENT;
        if is_raised && is_free {
            self.is_refusing = false;
            return Some(AlarmChange::Clear { member: 0, alarm: Some(Alarm::NoSpace) });
        }
        None
    }
}

/// What a change may add. Only puts add anything.
fn cost(change: &Change) -> u64 {
    match change {
        Change::Put(put) => PUT_COST_BYTES + (put.key.len() + put.value.len()) as u64,
        Change::Txn(txn) => txn_cost(txn),
        Change::LeaseGrant { .. } => 1,
        Change::DeleteRange(_)
        | Change::Compact { .. }
        | Change::LeaseRevoke { .. }
        | Change::LeaseEra
        | Change::LeaseExpire { .. }
        | Change::LeaseCheckpoint { .. }
        | Change::Alarm(_)
        | Change::Auth(_)
        | Change::V2(_)
        | Change::Publish { .. }
        | Change::Unpublish { .. } => 0,
    }
}

fn txn_cost(txn: &TxnRequest) -> u64 {
    let side = |ops: &[Op]| -> u64 {
        let cost = |op: &Op| match op {
            Op::Put(put) => PUT_COST_BYTES + (put.key.len() + put.value.len()) as u64,
            Op::Txn(nested) => txn_cost(nested),
            Op::Range(_) | Op::DeleteRange(_) => 0,
        };
        ops.iter().map(cost).sum()
    };
    side(&txn.success).max(side(&txn.failure))
}
