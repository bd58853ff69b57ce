//! A store as a row of chunks, made bit by bit while commands go on being applied: whatever came after the
//! snapshot began is left out, and nothing is forgotten until it ends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::alarms::Alarms;
use super::auth::Auth;
use super::history::{Change, History};
use super::leases::Leases;
use super::slots::is_kept;
use super::span::Span;
use super::v2::V2;
use super::version::Version;
use super::{Published, Store};
use crate::reply::Happened;

/// Of all chunks.
const FORMAT: u8 = 1;
/// Length and checksum before each chunk.
const FRAME_BYTES: usize = 12;

/// All but the keys.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: u8,
    applied: u64,
    now_unix_ms: u64,
    revision: i64,
    compacted: i64,
    leases: Leases,
    auth: Auth,
    alarms: Alarms,
    published: BTreeMap<u64, Published>,
    v2: V2,
}

/// A key with its packed versions, oldest first. A long history goes on in the next record.
#[derive(Debug, Serialize, Deserialize)]
struct KeyRecord {
    #[serde(with = "serde_bytes")]
    key: Vec<u8>,
    versions: Vec<serde_bytes::ByteBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Chunk {
    Head(Box<Head>),
    Keys(Vec<KeyRecord>),
    /// How many versions there were.
    Tail(u64),
}

fn encode(chunk: &Chunk) -> Vec<u8> {
    // Writing into memory cannot fail; an empty chunk would be refused by `Restoring`.
    let body = postcard::to_allocvec(chunk).unwrap_or_default();
    let mut bytes = Vec::with_capacity(body.len() + FRAME_BYTES);
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(crc32fast::hash(&body).to_le_bytes());
    bytes.extend(body);
    bytes
}

/// A snapshot in the making.
#[derive(Debug)]
pub struct Snapshot {
    pin: u64,
    applied: u64,
    revision: i64,
    compacted: i64,
    head: Option<Vec<u8>>,
    /// The next key and version; nothing when all are told.
    next: Option<(Vec<u8>, (i64, u32))>,
    versions: u64,
    is_over: bool,
}

impl Snapshot {
    /// The index of the last command that is in it.
    pub fn applied(&self) -> u64 {
        self.applied
    }
}

impl Store {
    /// Begins a snapshot of the store as it is now. It must be ended, or nothing is ever freed again.
    pub fn snapshot_begin(&mut self) -> Snapshot {
        let head = Head {
            format: FORMAT,
            applied: self.applied,
            now_unix_ms: self.now_unix_ms,
            revision: self.history.revision,
            compacted: self.history.compacted,
            leases: self.leases.clone(),
            auth: self.auth.clone(),
            alarms: self.alarms.clone(),
            published: self.published.clone(),
            v2: self.v2.clone(),
        };
        self.pins += 1;
        let pin = self.pins;
        self.pinned.insert(pin);
        Snapshot {
            pin,
            applied: self.applied,
            revision: self.history.revision,
            compacted: self.history.compacted,
            head: Some(encode(&Chunk::Head(Box::new(head)))),
            next: Some((Vec::new(), (0, 0))),
            versions: 0,
            is_over: false,
        }
    }

    /// The next chunk, of about `bytes_max`. Nothing when all are told.
    pub fn snapshot_next(&self, snapshot: &mut Snapshot, bytes_max: usize) -> Option<Vec<u8>> {
        if let Some(head) = snapshot.head.take() {
            return Some(head);
        }
        if snapshot.is_over {
            return None;
        }
        let Some((from, first)) = snapshot.next.take() else {
            snapshot.is_over = true;
            return Some(encode(&Chunk::Tail(snapshot.versions)));
        };
        let mut records = Vec::new();
        let mut bytes = 0;
        let last_key = from.clone();
        for number in self.history.slots.range(Span::new(&from, &[0])) {
            let slot = self.history.slots.slot(number);
            let first = if *slot.key == *last_key { first } else { (0, 0) };
            let mut versions = Vec::new();
            for version in visible(&self.history, number, snapshot.revision, snapshot.compacted) {
                let place = (version.main, version.sub);
                if bytes >= bytes_max.max(1) && snapshot.next.is_none() {
                    snapshot.next = Some((slot.key.to_vec(), place));
                }
                if place >= first && snapshot.next.is_none() {
                    let packed = version.pack();
                    bytes += packed.len();
                    versions.push(serde_bytes::ByteBuf::from(packed));
                }
            }
            // What is not told costs time, too.
            bytes += slot.key.len();
            if !versions.is_empty() {
                snapshot.versions += versions.len() as u64;
                records.push(KeyRecord { key: slot.key.to_vec(), versions });
            }
            if snapshot.next.is_some() {
                break;
            }
        }
        Some(encode(&Chunk::Keys(records)))
    }

    /// Ends a snapshot, complete or not.
    #[expect(clippy::needless_pass_by_value, reason = "it is over")]
    pub fn snapshot_end(&mut self, snapshot: Snapshot) {
        self.pinned.remove(&snapshot.pin);
    }

    /// Takes the place of another store: its watches go on here, where they were.
    pub fn take_watches(&mut self, from: &mut Store, out: &mut Vec<Happened>) {
        let (before, now) = (from.history.revision, self.history.revision);
        self.watches = std::mem::take(&mut from.watches);
        out.extend(self.watches.moved(before, now).into_iter().map(Happened::WatchReady));
        out.extend([Happened::V2Changed, Happened::AuthChanged, Happened::AlarmsChanged]);
        out.push(Happened::MembersChanged);
    }
}

/// The versions of a key that count as of a revision, when history begins at `compacted`, whatever of the
/// rest is still there.
pub(super) fn visible(
    history: &History,
    number: u32,
    revision: i64,
    compacted: i64,
) -> impl Iterator<Item = Version<'_>> {
    let slot = history.slots.slot(number);
    let first = slot.latest_not_after(compacted);
    let first = first.filter(|version| is_kept(version, compacted)).map(|first| first.main);
    let counts = move |version: &Version<'_>| {
        version.main <= revision && (version.main > compacted || Some(version.main) == first)
    };
    slot.versions().filter(counts)
}

/// Why a snapshot cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadSnapshot {
    /// A chunk's checksum does not fit.
    Checksum,
    /// A newer release made it.
    Format(u8),
    /// What it says cannot be, or does not belong here.
    Broken(&'static str),
    /// Chunks are missing.
    Incomplete,
}

impl std::fmt::Display for BadSnapshot {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Checksum => to.write_str("snapshot chunk is damaged: fetch it again"),
            Self::Format(format) => {
                write!(
                    to,
                    "snapshot of format {format}: a newer release made it, update this member"
                )
            }
            Self::Broken(what) => write!(to, "snapshot is not sound: {what}"),
            Self::Incomplete => to.write_str("snapshot ends too early: fetch it again"),
        }
    }
}

impl std::error::Error for BadSnapshot {}

/// A store that is being built from chunks.
#[derive(Debug, Default)]
pub struct Restoring {
    /// The beginning of a chunk that is not complete.
    rest: Vec<u8>,
    store: Option<Store>,
    log: Vec<Change>,
    /// The last key, and its last version so far.
    last: (Vec<u8>, (i64, u32)),
    versions: u64,
    is_whole: bool,
}

impl Restoring {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, in order, cut anywhere.
    ///
    /// # Errors
    ///
    /// They are damaged, or cannot follow here.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), BadSnapshot> {
        let mut taken = std::mem::take(&mut self.rest);
        taken.extend_from_slice(bytes);
        let mut rest = taken.as_slice();
        while let Some((length, frame)) = rest.split_first_chunk::<8>() {
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
            let Some((sum, body)) = frame.split_first_chunk::<4>() else { break };
            let Some((body, after)) = body.split_at_checked(length) else { break };
            if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
                return Err(BadSnapshot::Checksum);
            }
            self.take_chunk(body)?;
            rest = after;
        }
        self.rest = rest.to_vec();
        Ok(())
    }

    fn take_chunk(&mut self, body: &[u8]) -> Result<(), BadSnapshot> {
        let broken = |_| BadSnapshot::Broken("a chunk cannot be decoded");
        match postcard::from_bytes(body).map_err(broken)? {
            Chunk::Head(head) => self.take_head(*head),
            Chunk::Keys(records) => {
                records.into_iter().try_for_each(|record| self.take_key(record))
            }
            Chunk::Tail(versions) if versions == self.versions && self.store.is_some() => {
                self.is_whole = true;
                Ok(())
            }
            Chunk::Tail(_) => Err(BadSnapshot::Incomplete),
        }
    }

    fn take_head(&mut self, head: Head) -> Result<(), BadSnapshot> {
        if head.format != FORMAT {
            return Err(BadSnapshot::Format(head.format));
        }
        if self.store.is_some() || head.revision < 1 || head.compacted > head.revision {
            return Err(BadSnapshot::Broken("its head"));
        }
        let mut history = History::default();
        (history.revision, history.compacted) = (head.revision, head.compacted);
        self.store = Some(Store {
            applied: head.applied,
            now_unix_ms: head.now_unix_ms,
            history,
            leases: head.leases,
            auth: head.auth,
            alarms: head.alarms,
            published: head.published,
            v2: head.v2,
            ..Store::default()
        });
        Ok(())
    }

    fn take_key(&mut self, record: KeyRecord) -> Result<(), BadSnapshot> {
        let store = self.store.as_mut().ok_or(BadSnapshot::Incomplete)?;
        if record.key < self.last.0 || record.versions.is_empty() {
            return Err(BadSnapshot::Broken("the order of its keys"));
        }
        let mut last = if record.key == self.last.0 { self.last.1 } else { (0, 0) };
        for packed in &record.versions {
            let version = Version::unpack(packed);
            if (version.main, version.sub) <= last || version.main > store.history.revision {
                return Err(BadSnapshot::Broken("the order of its revisions"));
            }
            last = (version.main, version.sub);
            let slot = store.history.slots.push(&record.key, &version);
            if version.main >= store.history.compacted {
                self.log.push(Change { main: version.main, sub: version.sub, slot });
            }
        }
        self.versions += record.versions.len() as u64;
        self.last = (record.key, last);
        Ok(())
    }

    /// The store, when all chunks were taken.
    ///
    /// # Errors
    ///
    /// Chunks are missing.
    pub fn finish(mut self) -> Result<Store, BadSnapshot> {
        let mut store = self.store.filter(|_| self.is_whole).ok_or(BadSnapshot::Incomplete)?;
        self.log.sort_unstable_by_key(|change| (change.main, change.sub));
        store.history.log = self.log.into();
        for number in store.history.slots.range(Span::new(&[], &[0])) {
            let newest = store.history.slots.slot(number).newest();
            if newest.lease != 0 {
                store.leases.attach(number, 0, newest.lease);
            }
        }
        Ok(store)
    }
}
