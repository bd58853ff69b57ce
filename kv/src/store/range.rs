//! Answers a range.

use super::history::{History, shown};
use super::span::Span;
use crate::error::Error;
use crate::read::{KeyValue, RangeReply, RangeRequest, SortOrder, SortTarget};

impl History {
    /// What a range shows while `last` is the last revision (within a transaction it may be one ahead).
    pub(super) fn range(&self, asked: &RangeRequest, last: i64) -> Result<RangeReply, Error> {
        let revision = self.readable(asked.revision, last)?;
        let span = Span::new(&asked.key, &asked.end);
        let count = if revision == last {
            self.slots.count_live(span)
        } else {
            self.seen(span, revision).count()
        };
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let mut reply = RangeReply { revision: last, count, ..RangeReply::default() };
        if !asked.count_only {
            reply.kvs = self.found(asked, span, revision);
            sort(&mut reply.kvs, asked);
            reply.more = cut(&mut reply.kvs, asked.limit);
        }
        if asked.keys_only {
            reply.kvs.iter_mut().for_each(|kv| kv.value = Vec::new());
        }
        Ok(reply)
    }

    /// Stops one after the limit, to know whether there is more; but what is to be sorted or filtered must be there.
    fn found(&self, asked: &RangeRequest, span: Span<'_>, revision: i64) -> Vec<KeyValue> {
        let in_order = asked.order == SortOrder::None && !is_filtered(asked);
        let most = match usize::try_from(asked.limit) {
            Ok(limit) if limit > 0 && in_order => limit.saturating_add(1),
            Ok(_) | Err(_) => usize::MAX,
        };
        let wanted = |(slot, version)| {
            let kv = shown(slot, &version);
            passes(&kv, asked).then_some(kv)
        };
        self.seen(span, revision).take(most).filter_map(wanted).collect()
    }
}

fn is_filtered(asked: &RangeRequest) -> bool {
    asked.mod_revision_min != 0
        || asked.mod_revision_max != 0
        || asked.create_revision_min != 0
        || asked.create_revision_max != 0
}

fn passes(kv: &KeyValue, asked: &RangeRequest) -> bool {
    let within = |value, min, max| (min == 0 || value >= min) && (max == 0 || value <= max);
    within(kv.mod_revision, asked.mod_revision_min, asked.mod_revision_max)
        && within(kv.create_revision, asked.create_revision_min, asked.create_revision_max)
}

/// A target other than the key without a direction is sorted upwards, as etcd does.
fn sort(kvs: &mut [KeyValue], asked: &RangeRequest) {
    if asked.order == SortOrder::None && asked.target == SortTarget::Key {
        return;
    }
    let order = |a: &KeyValue, b: &KeyValue| match asked.target {
        SortTarget::Key => a.key.cmp(&b.key),
        SortTarget::Version => a.version.cmp(&b.version),
        SortTarget::Create => a.create_revision.cmp(&b.create_revision),
        SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
        SortTarget::Value => a.value.cmp(&b.value),
    };
    match asked.order {
        SortOrder::Descend => kvs.sort_by(|a, b| order(b, a)),
        SortOrder::None | SortOrder::Ascend => kvs.sort_by(order),
    }
}

fn cut(kvs: &mut Vec<KeyValue>, limit: i64) -> bool {
    match usize::try_from(limit) {
        Ok(limit) if limit > 0 && kvs.len() > limit => {
            kvs.truncate(limit);
            true
        }
        Ok(_) | Err(_) => false,
    }
}
