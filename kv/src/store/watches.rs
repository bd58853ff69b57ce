//! Who wants to hear of which keys. A watch holds a place in the log of changes and nothing else: what it
//! has to tell is made when it is drained, so one that nobody drains costs no more than one that is idle.

use std::collections::BTreeMap;

use super::history::{Change, History, shown};
use super::span::Span;
use super::version::Version;
use crate::limits::WATCH_SCAN_MAX;
use crate::read::{Drained, Event, EventKind, KeyValue, WatchId, WatchRequest};

/// Roughly what an event costs on the wire beside key and value.
const EVENT_COST_BYTES: usize = 32;

#[derive(Debug)]
struct Watch {
    key: Box<[u8]>,
    end: Box<[u8]>,
    /// The next change it may hear of.
    next: (i64, u32),
    /// There may be something to tell from `next` on.
    is_ready: bool,
    wants: Wants,
}

#[derive(Debug, Clone, Copy)]
struct Wants {
    put: bool,
    delete: bool,
    prev_kv: bool,
    fragment: bool,
}

impl Watch {
    fn span(&self) -> Span<'_> {
        Span::new(&self.key, &self.end)
    }

    fn wants(&self, version: &Version<'_>) -> bool {
        if version.is_deletion() { self.wants.delete } else { self.wants.put }
    }
}

/// All watches, found by key.
#[derive(Debug, Default)]
pub(super) struct Watches {
    watches: BTreeMap<WatchId, Watch>,
    last_id: u64,
    /// Watches of one key.
    by_key: BTreeMap<Box<[u8]>, Vec<WatchId>>,
    /// Watches of all keys that begin alike.
    by_prefix: BTreeMap<Box<[u8]>, Vec<WatchId>>,
    /// How many prefixes of each length there are: a key is looked up by each length.
    prefix_lengths: BTreeMap<usize, usize>,
    /// Watches of any other range.
    others: Vec<WatchId>,
}

impl Watches {
    pub(super) fn len(&self) -> usize {
        self.watches.len()
    }

    pub(super) fn create(&mut self, asked: &WatchRequest, revision: i64) -> WatchId {
        self.last_id += 1;
        let id = WatchId(self.last_id);
        let now = asked.start_revision <= 0;
        let next = if now { revision + 1 } else { asked.start_revision };
        let wants = Wants {
            put: !asked.no_put,
            delete: !asked.no_delete,
            prev_kv: asked.prev_kv,
            fragment: asked.fragment,
        };
        // Everything is asked for by an empty key, too.
        let (key, end) = (asked.key.as_slice().into(), asked.end.as_slice().into());
        let is_ready = next <= revision;
        let watch = Watch { key, end, next: (next, 0), is_ready, wants };
        self.enter(id, &watch);
        self.watches.insert(id, watch);
        id
    }

    fn enter(&mut self, id: WatchId, watch: &Watch) {
        if watch.end.is_empty() {
            self.by_key.entry(watch.key.clone()).or_default().push(id);
        } else if let Some(prefix) = watch.span().prefix() {
            let ids = self.by_prefix.entry(prefix.into()).or_default();
            if ids.is_empty() {
                *self.prefix_lengths.entry(prefix.len()).or_default() += 1;
            }
            ids.push(id);
        } else {
            self.others.push(id);
        }
    }

    /// True if there was one.
    pub(super) fn cancel(&mut self, id: WatchId) -> bool {
        let Some(watch) = self.watches.remove(&id) else { return false };
        if watch.end.is_empty() {
            leave(&mut self.by_key, &watch.key, id);
        } else if let Some(prefix) = watch.span().prefix() {
            if leave(&mut self.by_prefix, prefix, id) {
                let length = prefix.len();
                let count = self.prefix_lengths.entry(length).or_default();
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.prefix_lengths.remove(&length);
                }
            }
        } else {
            self.others.retain(|other| *other != id);
        }
        true
    }

    /// Wakes the watches of a changed key; tells those that were asleep.
    pub(super) fn wake(&mut self, key: &[u8], version: &Version<'_>, woken: &mut Vec<WatchId>) {
        if self.watches.is_empty() {
            return;
        }
        let prefixes = self.prefix_lengths.keys().take_while(|length| **length <= key.len());
        let by_prefix = prefixes.filter_map(|length| self.by_prefix.get(&key[..*length]));
        let by_key = self.by_key.get(key);
        let named = by_key.into_iter().chain(by_prefix).flatten();
        let reached =
            |id: &&WatchId| self.watches.get(id).is_some_and(|watch| watch.span().contains(key));
        let others = self.others.iter().filter(reached);
        let ids: Vec<WatchId> = named.chain(others).copied().collect();
        for id in ids {
            let Some(watch) = self.watches.get_mut(&id) else { continue };
            let is_due = watch.next <= (version.main, version.sub);
            if !watch.is_ready && is_due && watch.wants(version) {
                watch.is_ready = true;
                watch.next = (version.main, version.sub);
                woken.push(id);
            }
        }
    }

    /// The store was replaced by one that is at another revision. Tells which have something to hear.
    pub(super) fn moved(&mut self, before: i64, now: i64) -> Vec<WatchId> {
        let mut woken = Vec::new();
        for (id, watch) in &mut self.watches {
            if !watch.is_ready {
                watch.next = watch.next.max((before + 1, 0));
                watch.is_ready = watch.next.0 <= now;
                if watch.is_ready {
                    woken.push(*id);
                }
            }
        }
        woken
    }

    pub(super) fn is_ready(&self, id: WatchId) -> bool {
        self.watches.get(&id).is_some_and(|watch| watch.is_ready)
    }

    /// The revision up to which a watch has heard everything, if it has.
    pub(super) fn progress(&self, id: WatchId, revision: i64) -> Option<i64> {
        let watch = self.watches.get(&id)?;
        let waits_for_future = !watch.is_ready && watch.next.0 > revision + 1;
        (!watch.is_ready && !waits_for_future).then_some(revision)
    }

    /// What a watch has to tell, of about `bytes_max`. An unknown watch has nothing.
    pub(super) fn drain(&mut self, id: WatchId, history: &History, bytes_max: usize) -> Drained {
        let mut drained = Drained { revision: history.revision, ..Drained::default() };
        let Some(watch) = self.watches.get_mut(&id).filter(|watch| watch.is_ready) else {
            return drained;
        };
        if watch.next.0 < history.compacted {
            drained.compact_revision = Some(history.compacted);
            self.cancel(id);
            return drained;
        }
        let mut telling = Telling { watch, history, bytes: 0, scanned: 0, drained };
        let next = telling.tell(bytes_max);
        let mut drained = telling.drained;
        drained.more = next.is_some();
        watch.is_ready = next.is_some();
        watch.next = next.unwrap_or((history.revision + 1, 0));
        if let Some((main, _)) = next {
            drained.revision = if drained.fragment { main } else { main - 1 };
        }
        drained
    }
}

/// True if it was the last one there.
fn leave(places: &mut BTreeMap<Box<[u8]>, Vec<WatchId>>, place: &[u8], id: WatchId) -> bool {
    let Some(ids) = places.get_mut(place) else { return false };
    ids.retain(|other| *other != id);
    let is_empty = ids.is_empty();
    if is_empty {
        places.remove(place);
    }
    is_empty
}

/// A watch that is being drained.
struct Telling<'a> {
    watch: &'a Watch,
    history: &'a History,
    bytes: usize,
    scanned: usize,
    drained: Drained,
}

impl Telling<'_> {
    /// Goes on until there is enough, always whole revisions unless parts are allowed. Tells where to go on.
    fn tell(&mut self, bytes_max: usize) -> Option<(i64, u32)> {
        let mut at = self.history.log_place(self.watch.next.0, self.watch.next.1);
        while let Some(first) = self.history.log.get(at) {
            if self.scanned >= WATCH_SCAN_MAX || self.bytes >= bytes_max {
                return Some((first.main, first.sub));
            }
            let length = self.history.log.range(at..).take_while(|c| c.main == first.main).count();
            let told_before = self.drained.events.len();
            let bytes_before = self.bytes;
            for part in at..at + length {
                let change = self.history.log[part];
                if self.watch.wants.fragment && self.bytes >= bytes_max {
                    self.drained.fragment = true;
                    return Some((change.main, change.sub));
                }
                self.look(change);
            }
            if self.bytes > bytes_max && told_before > 0 {
                // It does not fit any more; it will be the first next time.
                self.drained.events.truncate(told_before);
                self.bytes = bytes_before;
                return Some((first.main, first.sub));
            }
            at += length;
        }
        None
    }

    fn look(&mut self, change: Change) {
        self.scanned += 1;
        let slot = self.history.slots.slot(change.slot);
        if !self.watch.span().contains(&slot.key) {
            return;
        }
        let Some((version, before)) = slot.change(change.main, change.sub) else { return };
        if !self.watch.wants(&version) {
            return;
        }
        // What was there before the beginning of history cannot be told any more.
        let is_known = change.main > self.history.compacted;
        let before =
            before.filter(|before| self.watch.wants.prev_kv && is_known && !before.is_deletion());
        let event = if version.is_deletion() {
            let kv = KeyValue {
                key: slot.key.to_vec(),
                mod_revision: version.main,
                ..KeyValue::default()
            };
            Event { kind: EventKind::Delete, kv, prev_kv: None }
        } else {
            Event { kind: EventKind::Put, kv: shown(slot, &version), prev_kv: None }
        };
        let prev_kv = before.map(|before| shown(slot, &before));
        let before_bytes = prev_kv.as_ref().map_or(0, |kv| kv.key.len() + kv.value.len());
        self.bytes += slot.key.len() + version.value.len() + before_bytes + EVENT_COST_BYTES;
        self.drained.events.push(Event { prev_kv, ..event });
    }
}
