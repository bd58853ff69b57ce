//! The maintenance service: state of the member, alarms, hashes, snapshots.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the node gives this room its own methods only"
)]

use kv::command::{Alarm, AlarmChange, Change};
use kv::error::Error;
use kv::etcd::message as etcd;
use kv::etcd::method::Method;
use kv::etcd::status::Status;
use kv::store::{Snapshot, Store};
use sha2::{Digest, Sha256};

use super::keys::decode;
use super::node::{Node, unknown};
use super::{Call, Moment, Order};
use crate::limits::SNAPSHOT_CHUNK_BYTES;

/// A snapshot on its way to a client: our own format, and its digest behind it as in etcd.
#[derive(Debug)]
pub(super) struct Saving {
    snapshot: Snapshot,
    digest: Sha256,
    bytes: usize,
}

/// What etcd's file is a multiple of; its clients tell by the rest whether there is a digest.
const PAGE_BYTES: usize = 512;

impl Saving {
    pub(super) fn stop(self, store: &mut Store) {
        store.snapshot_end(self.snapshot);
    }
}

fn alarm(number: i32) -> Option<Alarm> {
    match number {
        1 => Some(Alarm::NoSpace),
        2 => Some(Alarm::Corrupt),
        _ => None,
    }
}

/// Alarms as etcd tells them.
pub(super) fn alarms(all: Vec<(u64, Alarm)>) -> Vec<etcd::AlarmMember> {
    let number = |alarm| match alarm {
        Alarm::NoSpace => 1,
        Alarm::Corrupt => 2,
    };
    let told = |(member_id, alarm)| etcd::AlarmMember { member_id, alarm: number(alarm) };
    all.into_iter().map(told).collect()
}

impl Node {
    pub(super) fn on_maintenance(
        &mut self,
        method: Method,
        call: Call,
        message: &[u8],
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        match method {
            Method::Status => {
                let status = self.status();
                self.reply(call, &status, out);
                return Ok(());
            }
            Method::Downgrade => return Err(unknown(method)),
            _ => self.administer(call, moment)?,
        }
        match method {
            Method::Alarm => self.on_alarm(call, decode(message)?, moment, out),
            Method::Hash => {
                let hash = self.replica.machine().hash_kv(0)?;
                let header = self.header_now();
                self.reply(call, &etcd::HashResponse { header, hash }, out);
                Ok(())
            }
            Method::HashKv => self.on_hash(call, decode(message)?, out),
            Method::Snapshot => {
                self.save(call, out);
                Ok(())
            }
            // Space is reused as it becomes free: there is nothing to defragment.
            _ => {
                let header = self.header_now();
                self.reply(call, &etcd::HeaderResponse { header }, out);
                Ok(())
            }
        }
    }

    fn on_alarm(
        &mut self,
        call: Call,
        asked: etcd::AlarmRequest,
        moment: Moment,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        let alarm = alarm(asked.alarm);
        let change = match (asked.action, alarm) {
            (1, Some(alarm)) => AlarmChange::Raise { member: asked.member_id, alarm },
            (2, alarm) => AlarmChange::Clear { member: asked.member_id, alarm },
            _ => {
                let all = self.replica.machine().alarms();
                let of = |(member, kind): &(u64, Alarm)| {
                    (asked.member_id == 0 || asked.member_id == *member)
                        && alarm.is_none_or(|alarm| alarm == *kind)
                };
                let alarms = alarms(all.into_iter().filter(of).collect());
                let header = self.header_now();
                self.reply(call, &etcd::AlarmResponse { header, alarms }, out);
                return Ok(());
            }
        };
        self.propose(call, Change::Alarm(change), moment, out)
    }

    fn status(&self) -> etcd::StatusResponse {
        let view = self.replica.view();
        let store = self.replica.machine();
        let bytes = i64::try_from(store.bytes()).unwrap_or(i64::MAX);
        let me = self.settings.replica.id;
        let mut errors: Vec<String> = alarms(store.alarms())
            .into_iter()
            .map(|alarm| {
                let name = if alarm.alarm == 1 { "NOSPACE" } else { "CORRUPT" };
                format!("memberID:{} alarm:{name} ", alarm.member_id)
            })
            .collect();
        if view.leader == 0 {
            errors.push(Error::NoLeader.text().into());
        }
        etcd::StatusResponse {
            header: self.header_now(),
            version: self.settings.version.into(),
            db_size: bytes,
            leader: view.leader,
            raft_index: view.committed,
            raft_term: view.term,
            raft_applied_index: view.applied,
            errors,
            db_size_in_use: bytes,
            is_learner: view.members.present.get(&me).is_some_and(|member| member.learner),
            storage_version: String::new(),
            db_size_quota: i64::try_from(self.settings.quota_bytes).unwrap_or(i64::MAX),
        }
    }

    fn on_hash(
        &mut self,
        call: Call,
        asked: etcd::HashKvRequest,
        out: &mut Vec<Order>,
    ) -> Result<(), Status> {
        let store = self.replica.machine();
        let hash = store.hash_kv(asked.revision)?;
        let at = if asked.revision > 0 { asked.revision } else { store.revision() };
        let told = etcd::HashKvResponse {
            header: self.header_now(),
            hash,
            compact_revision: store.compact_revision(),
            hash_revision: at,
        };
        self.reply(call, &told, out);
        Ok(())
    }

    fn save(&mut self, call: Call, out: &mut Vec<Order>) {
        let snapshot = self.replica.machine_mut().snapshot_begin();
        let saving = Saving { snapshot, digest: Sha256::new(), bytes: 0 };
        if let Some(open) = self.calls.get_mut(&call) {
            // A second request in one call takes the place of the first.
            let before = open.saving.replace(saving);
            if let Some(before) = before {
                before.stop(self.replica.machine_mut());
            }
        }
        self.save_on(call, out);
    }

    /// The next piece: one at a time, when the one before has left.
    pub(super) fn save_on(&mut self, call: Call, out: &mut Vec<Order>) {
        let header = self.header_now();
        let store = self.replica.machine();
        let version = self.settings.version;
        let Some(open) = self.calls.get_mut(&call) else { return };
        let Some(saving) = &mut open.saving else { return };
        let told = |blob: Vec<u8>, remaining_bytes: u64| etcd::SnapshotResponse {
            header,
            remaining_bytes,
            blob,
            version: version.into(),
        };
        match store.snapshot_next(&mut saving.snapshot, SNAPSHOT_CHUNK_BYTES) {
            Some(piece) => {
                // Each piece with its size: the file can be cut where the pieces were.
                let size = u32::try_from(piece.len()).unwrap_or(u32::MAX).to_le_bytes();
                let blob = [size.as_slice(), &piece].concat();
                saving.digest.update(&blob);
                saving.bytes += blob.len();
                self.say(call, &told(blob, 1), out);
            }
            None => {
                // No piece has no bytes: this is the end, and then zeros up to a whole page.
                let end = (saving.bytes + 4).next_multiple_of(PAGE_BYTES);
                let mut blob = vec![0; end - saving.bytes];
                saving.digest.update(&blob);
                blob.extend_from_slice(&saving.digest.clone().finalize());
                self.say(call, &told(blob, 0), out);
                self.end(call, None, out);
            }
        }
    }
}
