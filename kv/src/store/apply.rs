//! What each command does to the store.

use super::Published;
use super::Store;
use super::check::check_change;
use super::txn;
use super::writing::Writing;
use crate::command::{
    Alarm, AlarmChange, AuthChange, Change, Command, DeleteRangeRequest, PutRequest, TxnRequest,
    User,
};
use crate::error::Error;
use crate::reply::{Answer, Happened, Reply};

type Out = Vec<Happened>;

impl Store {
    /// Does a command, wholly or not at all. Whatever the command is, the store stays sound.
    pub fn apply(&mut self, index: u64, command: &Command, out: &mut Out) -> Reply {
        self.applied = self.applied.max(index);
        self.now_unix_ms = self.now_unix_ms.max(command.now_unix_ms);
        let before = self.history.revision;
        let result = self.change(index, command, out);
        self.wake(before, out);
        Reply { revision: self.history.revision, result }
    }

    fn change(&mut self, index: u64, command: &Command, out: &mut Out) -> Result<Answer, Error> {
        check_change(&command.change)?;
        self.alarms.allow(&command.change)?;
        let who = command.who.as_ref();
        match &command.change {
            Change::Put(put) => self.put(who, put),
            Change::DeleteRange(delete) => self.delete_range(who, delete),
            Change::Txn(txn) => self.txn(who, txn),
            Change::Compact { revision } => self.compact(*revision, out),
            Change::LeaseGrant { id, ttl_s } => self.grant(*id, *ttl_s, index, out),
            Change::LeaseRevoke { id } => self.revoke(who, *id, out),
            Change::LeaseEra => {
                self.leases.era = index;
                Ok(Answer::LeaseEra(index))
            }
            Change::LeaseExpire { era, ids } => {
                // A leader that was deposed has no say, however late its words come.
                if *era == self.leases.era {
                    ids.iter().for_each(|id| self.end_lease(*id, out));
                }
                Ok(Answer::Done)
            }
            Change::LeaseCheckpoint { era, remaining_s } => {
                for (id, remaining_s) in self.leases.checkpoint(*era, remaining_s) {
                    out.push(Happened::LeaseRemaining { id, remaining_s });
                }
                Ok(Answer::Done)
            }
            Change::Alarm(alarm) => Ok(self.alarm(alarm, out)),
            Change::Auth(change) => self.change_auth(who, change, out),
            Change::V2(change) => {
                let before = self.v2.index();
                let reply = self.v2.apply(change, self.now_unix_ms);
                if self.v2.index() != before {
                    out.push(Happened::V2Changed);
                }
                Ok(Answer::V2(reply))
            }
            Change::Publish { member, name, client_urls } => {
                let (name, client_urls) = (name.clone(), client_urls.clone());
                self.published.insert(*member, Published { name, client_urls });
                out.push(Happened::MembersChanged);
                Ok(Answer::Done)
            }
            Change::Unpublish { member } => {
                self.published.remove(member);
                out.push(Happened::MembersChanged);
                Ok(Answer::Done)
            }
        }
    }

    fn put(&mut self, who: Option<&User>, put: &PutRequest) -> Result<Answer, Error> {
        self.auth.may_put(who, put)?;
        self.may_use_lease(who, put.lease)?;
        let mut writing = Writing::new(&mut self.history, &mut self.leases);
        writing.check_put(put)?;
        let reply = writing.put(put);
        writing.finish();
        Ok(Answer::Put(reply))
    }

    fn delete_range(
        &mut self,
        who: Option<&User>,
        delete: &DeleteRangeRequest,
    ) -> Result<Answer, Error> {
        self.auth.may_write(who, &delete.key, &delete.end)?;
        if delete.prev_kv {
            self.auth.may_read(who, &delete.key, &delete.end)?;
        }
        let mut writing = Writing::new(&mut self.history, &mut self.leases);
        let reply = writing.delete_range(delete);
        writing.finish();
        Ok(Answer::DeleteRange(reply))
    }

    fn txn(&mut self, who: Option<&User>, txn: &TxnRequest) -> Result<Answer, Error> {
        self.auth.may_txn(who, txn)?;
        for lease in txn::leases(txn) {
            self.may_use_lease(who, lease)?;
        }
        let mut writing = Writing::new(&mut self.history, &mut self.leases);
        let reply = writing.txn(txn)?;
        writing.finish();
        Ok(Answer::Txn(reply))
    }

    fn compact(&mut self, revision: i64, out: &mut Out) -> Result<Answer, Error> {
        self.history.compact(revision)?;
        out.push(Happened::Compacted { revision });
        Ok(Answer::Done)
    }

    fn grant(&mut self, id: i64, ttl_s: i64, index: u64, out: &mut Out) -> Result<Answer, Error> {
        let id = self.leases.grant(id, ttl_s, index)?;
        out.push(Happened::LeaseGranted { id, ttl_s });
        Ok(Answer::LeaseGranted { id, ttl_s })
    }

    fn revoke(&mut self, who: Option<&User>, id: i64, out: &mut Out) -> Result<Answer, Error> {
        self.may_use_lease(who, id)?;
        if !self.leases.exists(id) {
            return Err(Error::LeaseNotFound);
        }
        self.end_lease(id, out);
        Ok(Answer::Done)
    }

    fn alarm(&mut self, change: &AlarmChange, out: &mut Out) -> Answer {
        let changed: Vec<(u64, Alarm)> = self.alarms.change(change);
        if !changed.is_empty() {
            out.push(Happened::AlarmsChanged);
        }
        Answer::Alarms(changed)
    }

    fn change_auth(
        &mut self,
        who: Option<&User>,
        change: &AuthChange,
        out: &mut Out,
    ) -> Result<Answer, Error> {
        self.auth.may_administer(who)?;
        self.auth.change(change)?;
        out.push(Happened::AuthChanged);
        Ok(Answer::Done)
    }

    /// Whoever hangs a key on a lease, or ends it, decides over the other keys that hang on it.
    fn may_use_lease(&self, who: Option<&User>, id: i64) -> Result<(), Error> {
        if !self.auth.is_enabled() {
            return Ok(());
        }
        let Some(lease) = self.leases.leases.get(&id) else { return Ok(()) };
        for number in &lease.slots {
            self.auth.may_write(who, &self.history.slots.slot(*number).key, &[])?;
        }
        Ok(())
    }

    /// All its keys go in one revision, in order.
    fn end_lease(&mut self, id: i64, out: &mut Out) {
        let Some(lease) = self.leases.leases.remove(&id) else { return };
        let mut doomed: Vec<u32> = lease.slots.into_iter().collect();
        doomed.sort_by_key(|number| &self.history.slots.slot(*number).key);
        let mut writing = Writing::new(&mut self.history, &mut self.leases);
        doomed.into_iter().for_each(|number| writing.delete(number));
        writing.finish();
        out.push(Happened::LeaseGone { id });
    }

    /// Tells the watches of everything that came after a revision.
    fn wake(&mut self, before: i64, out: &mut Out) {
        if self.history.revision == before || self.watches.len() == 0 {
            return;
        }
        let mut woken = Vec::new();
        let first = self.history.log_place(before + 1, 0);
        for change in self.history.log.range(first..) {
            let slot = self.history.slots.slot(change.slot);
            if let Some((version, _)) = slot.change(change.main, change.sub) {
                self.watches.wake(&slot.key, &version, &mut woken);
            }
        }
        out.extend(woken.into_iter().map(Happened::WatchReady));
    }
}
