//! Alarms, and what they forbid.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::command::{Alarm, AlarmChange, Change, Op, TxnRequest};
use crate::error::Error;

/// Which member raised which alarm.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Alarms {
    raised: BTreeSet<(u64, Alarm)>,
}

impl Alarms {
    pub(super) fn all(&self) -> Vec<(u64, Alarm)> {
        self.raised.iter().copied().collect()
    }

    pub(super) fn is_raised(&self, alarm: Alarm) -> bool {
        self.raised.iter().any(|(_, raised)| *raised == alarm)
    }

    /// Tells what was raised or cleared.
    pub(super) fn change(&mut self, change: &AlarmChange) -> Vec<(u64, Alarm)> {
        match change {
            AlarmChange::Raise { member, alarm } => {
                self.raised.insert((*member, *alarm));
                vec![(*member, *alarm)]
            }
            AlarmChange::Clear { member, alarm } => {
                let is_meant = |(whose, which): &(u64, Alarm)| {
                    (*member == 0 || whose == member) && alarm.is_none_or(|alarm| alarm == *which)
                };
                let cleared: Vec<_> = self.raised.iter().copied().filter(is_meant).collect();
                self.raised.retain(|raised| !is_meant(raised));
                cleared
            }
        }
    }

    /// Without space nothing may grow; when replicas disagree, nothing may change.
    pub(super) fn allow(&self, change: &Change) -> Result<(), Error> {
        let (touches_keys, grows) = match change {
            Change::Put(_) | Change::LeaseGrant { .. } => (true, true),
            Change::Txn(txn) => (true, puts(txn)),
            Change::DeleteRange(_) | Change::Compact { .. } | Change::LeaseRevoke { .. } => {
                (true, false)
            }
            Change::LeaseEra
            | Change::LeaseExpire { .. }
            | Change::LeaseCheckpoint { .. }
            | Change::Alarm(_)
            | Change::Auth(_)
            | Change::V2(_)
            | Change::Publish { .. }
            | Change::Unpublish { .. } => (false, false),
        };
        if touches_keys && self.is_raised(Alarm::Corrupt) {
            return Err(Error::Corrupt);
        }
        if grows && self.is_raised(Alarm::NoSpace) {
            return Err(Error::NoSpace);
        }
        Ok(())
    }

    pub(super) fn allow_read(&self) -> Result<(), Error> {
        if self.is_raised(Alarm::Corrupt) { Err(Error::Corrupt) } else { Ok(()) }
    }
}

fn puts(txn: &TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).any(|op| match op {
        Op::Put(_) => true,
        Op::Txn(nested) => puts(nested),
        Op::Range(_) | Op::DeleteRange(_) => false,
    })
}
