//! From the store's answers to etcd's messages.

use kv::etcd::message::{AlarmResponse, HeaderResponse};
use kv::etcd::tell;
use kv::reply::{Answer, Reply};

use super::maintenance::alarms;
use super::node::Node;
use super::{Call, Order};

impl Node {
    /// Answers a call whose change was applied.
    pub(super) fn answer_change(&mut self, call: Call, reply: Reply, out: &mut Vec<Order>) {
        let header = self.header();
        let answer = match reply.result {
            Ok(answer) => answer,
            Err(why) => return self.end(call, Some(why.into()), out),
        };
        match answer {
            Answer::Put(put) => self.reply(call, &tell::put(put, &header), out),
            Answer::DeleteRange(gone) => self.reply(call, &tell::delete_range(gone, &header), out),
            Answer::Txn(txn) => self.reply(call, &tell::txn(txn, &header), out),
            Answer::LeaseGranted { id, ttl_s } => {
                let header = tell::header(&header, reply.revision);
                self.reply(call, &tell::lease_granted(id, ttl_s, header), out);
            }
            Answer::Alarms(all) => {
                let header = tell::header(&header, reply.revision);
                self.reply(call, &AlarmResponse { header, alarms: alarms(all) }, out);
            }
            Answer::LeaseEra(_) | Answer::V2(_) | Answer::Done => {
                let header = tell::header(&header, reply.revision);
                self.reply(call, &HeaderResponse { header }, out);
            }
        }
    }
}
