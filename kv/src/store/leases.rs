//! The leases as all replicas know them: how long, what hangs on them. When they end is the leader's business
//! (`lease_clock`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::limits::LEASE_TTL_S_MAX;

/// A lease.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) ttl_s: i64,
    /// Seconds left when the leader last told, or zero for all of them.
    pub(super) remaining_s: i64,
    /// Slots of the keys that hang on it. They are found again from the keys when a replica is restored.
    #[serde(skip)]
    pub(super) slots: BTreeSet<u32>,
}

/// All leases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Leases {
    pub(super) leases: BTreeMap<i64, Lease>,
    /// Log index at which the leader that counts began to.
    pub(super) era: u64,
}

impl Leases {
    pub(super) fn grant(&mut self, id: i64, ttl_s: i64, index: u64) -> Result<i64, Error> {
        if ttl_s > LEASE_TTL_S_MAX {
            return Err(Error::LeaseTtlTooLarge);
        }
        let id = if id == 0 { self.free_id(index) } else { id };
        if self.leases.contains_key(&id) {
            return Err(Error::LeaseExists);
        }
        self.leases.insert(id, Lease { ttl_s, ..Lease::default() });
        Ok(id)
    }

    /// A number that no lease has, from the log index: it looks drawn, and is the same everywhere.
    fn free_id(&self, index: u64) -> i64 {
        let mut mixed = index;
        loop {
            mixed =
                mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_add(index | 1);
            let id = (mixed & (u64::MAX >> 1)).cast_signed();
            if id != 0 && !self.leases.contains_key(&id) {
                return id;
            }
        }
    }

    pub(super) fn exists(&self, id: i64) -> bool {
        self.leases.contains_key(&id)
    }

    /// Hangs a key on another lease, or on none.
    pub(super) fn attach(&mut self, slot: u32, from: i64, to: i64) {
        if let Some(lease) = self.leases.get_mut(&from) {
            lease.slots.remove(&slot);
        }
        if let Some(lease) = self.leases.get_mut(&to) {
            lease.slots.insert(slot);
        }
    }

    /// Notes the time left, if the leader that tells still counts. Tells what was noted.
    pub(super) fn checkpoint(&mut self, era: u64, remaining_s: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let mut noted = Vec::new();
        if era != self.era {
            return noted;
        }
        for (id, left) in remaining_s {
            if let Some(lease) = self.leases.get_mut(id) {
                lease.remaining_s = (*left).clamp(0, lease.ttl_s.max(0));
                noted.push((*id, lease.remaining_s));
            }
        }
        noted
    }
}
