//! The keys of etcd's version 2: a tree with its own index, time to live by the clock, and the last thousand
//! events. Nobody is registered as waiting: who waits asks `next_event` again whenever something happened.

mod events;
mod tree;

use serde::{Deserialize, Serialize};

use crate::v2::{V2Action, V2Change, V2Error, V2Event, V2Expected, V2Node, V2Put, V2Reply};
use events::Events;
use tree::{Node, Tree, clean};

/// Expiry before this, the year 2000, means *never*, as in etcd.
const EXPIRES_MIN_UNIX_MS: u64 = 946_684_800_000;

const KEY_NOT_FOUND: u16 = 100;
const TEST_FAILED: u16 = 101;
const NOT_FILE: u16 = 102;
const NOT_DIRECTORY: u16 = 104;
const NODE_EXISTS: u16 = 105;
const ROOT_READ_ONLY: u16 = 107;
const DIRECTORY_NOT_EMPTY: u16 = 108;
const INVALID_FIELD: u16 = 209;
const EVENT_CLEARED: u16 = 401;

/// The whole of version 2.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct V2 {
    tree: Tree,
    events: Events,
    index: u64,
}

impl V2 {
    /// The index of the last change.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// When the next node expires: someone has to propose `V2Change::Expire` then.
    pub fn next_expiry_unix_ms(&self) -> Option<u64> {
        self.tree.next_expiry().map(|(expires, _)| expires)
    }

    /// Shows a node; of a directory what is in it, and with `recursive` what is in that. Always in order.
    ///
    /// # Errors
    ///
    /// There is no such node.
    pub fn get(&self, path: &str, recursive: bool, now_unix_ms: u64) -> V2Reply {
        let path = self.clean(path)?;
        let found = self.tree.get(&path).map_err(|(code, cause)| self.error(code, cause))?;
        let node = found.shown(&path, if recursive { usize::MAX } else { 1 }, now_unix_ms);
        Ok(V2Event { action: V2Action::Get, node, prev_node: None, index: self.index })
    }

    /// The first event from index `since` on that concerns a path. Zero means: from now on.
    ///
    /// # Errors
    ///
    /// The event is too old to be remembered.
    pub fn next_event(
        &self,
        path: &str,
        recursive: bool,
        since: u64,
    ) -> Result<Option<V2Event>, V2Error> {
        let since = if since == 0 { self.index + 1 } else { since };
        let cleared = |first: u64| {
            let cause = format!("the requested history has been cleared [{first}/{since}]");
            self.error(EVENT_CLEARED, cause)
        };
        let found = self.events.first(&self.clean(path)?, recursive, since).map_err(cleared)?;
        Ok(found.map(|event| V2Event { index: self.index, ..event.clone() }))
    }

    fn clean(&self, path: &str) -> Result<String, V2Error> {
        clean(path).ok_or_else(|| self.error(INVALID_FIELD, "the path is too deep"))
    }

    fn error(&self, code: u16, cause: impl Into<String>) -> V2Error {
        V2Error { code, cause: cause.into(), index: self.index }
    }

    pub(super) fn apply(&mut self, change: &V2Change, now_unix_ms: u64) -> V2Reply {
        match change {
            V2Change::Set(put) => self.set(put, now_unix_ms),
            V2Change::Update(put) => self.update(put, now_unix_ms),
            V2Change::Create(put) => {
                self.create(&self.clean(&put.path)?, put, V2Action::Create, now_unix_ms)
            }
            V2Change::CreateInOrder(put) => {
                let path = self.clean(&format!("{}/{:020}", put.path, self.index + 1))?;
                self.create(&path, put, V2Action::Create, now_unix_ms)
            }
            V2Change::CompareAndSwap(put, expected) => self.swap(put, expected, now_unix_ms),
            V2Change::Delete { path, dir, recursive } => {
                self.delete(&self.clean(path)?, *dir || *recursive, *recursive, now_unix_ms)
            }
            V2Change::CompareAndDelete { path, expected } => {
                self.compare_and_delete(&self.clean(path)?, expected, now_unix_ms)
            }
            V2Change::Expire => self.expire(now_unix_ms),
        }
    }

    fn set(&mut self, put: &V2Put, now: u64) -> V2Reply {
        let path = self.clean(&put.path)?;
        let there = match self.tree.get(&path) {
            Ok(node) => Some(node),
            Err((KEY_NOT_FOUND, _)) if !put.refresh => None,
            Err((code, cause)) => return Err(self.error(code, cause)),
        };
        let kept = there.filter(|_| put.refresh).map(|node| node.value.clone());
        match kept {
            Some(value) => {
                let put = V2Put { value, ..put.clone() };
                self.create(&path, &put, V2Action::Set, now)
            }
            None => self.create(&path, put, V2Action::Set, now),
        }
    }

    /// Makes a node with the directories above it; with `Set` in the place of a value that is there.
    fn create(&mut self, path: &str, put: &V2Put, action: V2Action, now: u64) -> V2Reply {
        self.not_root(path)?;
        let prev_node = match self.tree.get(path) {
            Ok(_) if action != V2Action::Set => return Err(self.error(NODE_EXISTS, path)),
            Ok(node) if node.is_directory() => return Err(self.error(NOT_FILE, path)),
            Ok(node) => Some(node.shown(path, 0, now)),
            Err((NOT_DIRECTORY, cause)) => return Err(self.error(NOT_DIRECTORY, cause)),
            Err(_) => None,
        };
        let index = self.index + 1;
        let expires_unix_ms = put.expires_unix_ms.filter(|at| *at >= EXPIRES_MIN_UNIX_MS);
        let node = Node::new(put.dir, &put.value, index, expires_unix_ms);
        let mut shown = node.shown(path, 0, now);
        shown.dir = put.dir;
        self.tree.insert(path, node, index);
        Ok(self.happened(action, shown, prev_node, put.refresh))
    }

    fn update(&mut self, put: &V2Put, now: u64) -> V2Reply {
        let path = self.clean(&put.path)?;
        self.not_root(&path)?;
        let node = self.tree.get(&path).map_err(|(code, cause)| self.error(code, cause))?;
        if node.is_directory() && !put.value.is_empty() {
            return Err(self.error(NOT_FILE, path));
        }
        Ok(self.write(&path, put, V2Action::Update, now))
    }

    fn swap(&mut self, put: &V2Put, expected: &V2Expected, now: u64) -> V2Reply {
        let path = self.clean(&put.path)?;
        self.not_root(&path)?;
        self.compare(&path, expected)?;
        Ok(self.write(&path, put, V2Action::CompareAndSwap, now))
    }

    /// Gives a node that is there a new value and time.
    fn write(&mut self, path: &str, put: &V2Put, action: V2Action, now: u64) -> V2Event {
        let index = self.index + 1;
        let mut prev_node = None;
        let mut shown = V2Node::default();
        self.tree.change(path, |node| {
            prev_node = Some(node.shown(path, 0, now));
            if !node.is_directory() {
                if !put.refresh {
                    node.value.clone_from(&put.value);
                }
                node.modified = index;
            }
            node.expires_unix_ms = put.expires_unix_ms;
            shown = V2Node { modified_index: index, ..node.shown(path, 0, now) };
        });
        self.happened(action, shown, prev_node, put.refresh)
    }

    fn delete(&mut self, path: &str, dir: bool, recursive: bool, now: u64) -> V2Reply {
        self.not_root(path)?;
        let node = self.tree.get(path).map_err(|(code, cause)| self.error(code, cause))?;
        if node.is_directory() && !dir {
            return Err(self.error(NOT_FILE, path));
        }
        if node.has_children() && !recursive {
            return Err(self.error(DIRECTORY_NOT_EMPTY, path));
        }
        Ok(self.remove(path, V2Action::Delete, now))
    }

    fn compare_and_delete(&mut self, path: &str, expected: &V2Expected, now: u64) -> V2Reply {
        self.compare(path, expected)?;
        Ok(self.remove(path, V2Action::CompareAndDelete, now))
    }

    fn remove(&mut self, path: &str, action: V2Action, now: u64) -> V2Event {
        let prev_node = self.tree.get(path).ok().map(|node| node.shown(path, 0, now));
        self.tree.remove(path);
        let gone = prev_node.clone().unwrap_or_default();
        let node = V2Node {
            key: path.into(),
            dir: gone.dir && action != V2Action::CompareAndDelete,
            modified_index: self.index + 1,
            created_index: gone.created_index,
            ..V2Node::default()
        };
        self.happened(action, node, prev_node, false)
    }

    /// Removes whatever has run out, in the order of its time. Tells of the last, or that nothing had.
    fn expire(&mut self, now: u64) -> V2Reply {
        let mut last = None;
        while let Some((_, path)) = self.tree.next_expiry().filter(|(at, _)| *at <= now) {
            let path = path.to_owned();
            last = Some(self.remove(&path, V2Action::Expire, now));
        }
        last.ok_or_else(|| self.error(KEY_NOT_FOUND, ""))
    }

    fn not_root(&self, path: &str) -> Result<(), V2Error> {
        if path == "/" { Err(self.error(ROOT_READ_ONLY, "/")) } else { Ok(()) }
    }

    fn compare(&self, path: &str, expected: &V2Expected) -> Result<(), V2Error> {
        let node = self.tree.get(path).map_err(|(code, cause)| self.error(code, cause))?;
        if node.is_directory() {
            return Err(self.error(NOT_FILE, path));
        }
        let value = (!expected.value.is_empty() && expected.value != node.value)
            .then(|| format!("[{} != {}]", expected.value, node.value));
        let index = (expected.index != 0 && expected.index != node.modified)
            .then(|| format!("[{} != {}]", expected.index, node.modified));
        match (value, index) {
            (None, None) => Ok(()),
            (Some(cause), None) | (None, Some(cause)) => Err(self.error(TEST_FAILED, cause)),
            (Some(value), Some(index)) => Err(self.error(TEST_FAILED, format!("{value} {index}"))),
        }
    }

    /// Counts and remembers a change.
    fn happened(
        &mut self,
        action: V2Action,
        node: V2Node,
        prev_node: Option<V2Node>,
        quiet: bool,
    ) -> V2Event {
        self.index += 1;
        let event = V2Event { action, node, prev_node, index: self.index };
        self.events.remember(event.clone(), quiet);
        event
    }
}
