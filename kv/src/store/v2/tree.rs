//! Directories and values, and what expires when.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{KEY_NOT_FOUND, NOT_DIRECTORY};
use crate::limits::V2_DEPTH_MAX;
use crate::nesting::deeper;
use crate::v2::V2Node;

/// A directory or a value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) value: String,
    #[serde(deserialize_with = "children")]
    children: Option<BTreeMap<String, Node>>,
    pub(super) created: u64,
    pub(super) modified: u64,
    pub(super) expires_unix_ms: Option<u64>,
}

fn children<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<BTreeMap<String, Node>>, D::Error> {
    deeper(V2_DEPTH_MAX + 1, || Option::deserialize(from))
}

impl Node {
    pub(super) fn new(dir: bool, value: &str, index: u64, expires_unix_ms: Option<u64>) -> Self {
        let value = if dir { String::new() } else { value.into() };
        let children = dir.then(BTreeMap::new);
        Self { value, children, created: index, modified: index, expires_unix_ms }
    }

    pub(super) fn is_directory(&self) -> bool {
        self.children.is_some()
    }

    pub(super) fn has_children(&self) -> bool {
        self.children.as_ref().is_some_and(|children| !children.is_empty())
    }

    /// As told, with so many levels of what is in it. Hidden nodes are only shown by their own name.
    pub(super) fn shown(&self, path: &str, levels: usize, now_unix_ms: u64) -> V2Node {
        let left_ms = self.expires_unix_ms.map_or(0, |at| at.saturating_sub(now_unix_ms));
        let children = self.children.iter().flatten().filter(|_| levels > 0);
        let nodes = children
            .filter(|(name, _)| !name.starts_with('_'))
            .map(|(name, child)| child.shown(&join(path, name), levels - 1, now_unix_ms));
        V2Node {
            key: path.into(),
            value: (!self.is_directory()).then(|| self.value.clone()),
            dir: self.is_directory(),
            expires_unix_ms: self.expires_unix_ms,
            ttl_s: i64::try_from(left_ms.div_ceil(1000)).unwrap_or(i64::MAX),
            nodes: nodes.collect(),
            modified_index: self.modified,
            created_index: self.created,
        }
    }

    /// All that expires in here.
    fn expiries(&self, path: &str, found: &mut Vec<(u64, String)>) {
        found.extend(self.expires_unix_ms.map(|at| (at, path.to_owned())));
        for (name, child) in self.children.iter().flatten() {
            child.expiries(&join(path, name), found);
        }
    }
}

/// The whole tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tree {
    root: Node,
    expiries: BTreeSet<(u64, String)>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { root: Node::new(true, "", 0, None), expiries: BTreeSet::new() }
    }
}

impl Tree {
    pub(super) fn next_expiry(&self) -> Option<(u64, &str)> {
        self.expiries.first().map(|(at, path)| (*at, path.as_str()))
    }

    /// The node of a clean path, or etcd's code and the path where the way ended.
    pub(super) fn get(&self, path: &str) -> Result<&Node, (u16, String)> {
        let mut node = &self.root;
        let mut walked = String::new();
        for name in names(path) {
            let Some(children) = &node.children else {
                return Err((NOT_DIRECTORY, walked));
            };
            walked = format!("{walked}/{name}");
            node = children.get(name).ok_or_else(|| (KEY_NOT_FOUND, walked.clone()))?;
        }
        Ok(node)
    }

    /// Puts a node in its place, with the directories that lead there. The way was looked at before.
    pub(super) fn insert(&mut self, path: &str, node: Node, index: u64) {
        self.remove(path);
        if let Some(at) = node.expires_unix_ms {
            self.expiries.insert((at, path.to_owned()));
        }
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut parent = &mut self.root;
        for name in names(directory) {
            let children = parent.children.get_or_insert_default();
            parent =
                children.entry(name.to_owned()).or_insert_with(|| Node::new(true, "", index, None));
        }
        parent.children.get_or_insert_default().insert(name.to_owned(), node);
    }

    /// Changes a node that is there.
    pub(super) fn change(&mut self, path: &str, how: impl FnOnce(&mut Node)) {
        let mut node = &mut self.root;
        for name in names(path) {
            let Some(child) = node.children.as_mut().and_then(|children| children.get_mut(name))
            else {
                return;
            };
            node = child;
        }
        if let Some(at) = node.expires_unix_ms {
            self.expiries.remove(&(at, path.to_owned()));
        }
        how(node);
        if let Some(at) = node.expires_unix_ms {
            self.expiries.insert((at, path.to_owned()));
        }
    }

    /// Takes a node away with all that is in it.
    pub(super) fn remove(&mut self, path: &str) {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut parent = &mut self.root;
        for name in names(directory) {
            let Some(child) = parent.children.as_mut().and_then(|children| children.get_mut(name))
            else {
                return;
            };
            parent = child;
        }
        let gone = parent.children.as_mut().and_then(|children| children.remove(name));
        let mut expiries = Vec::new();
        if let Some(gone) = gone {
            gone.expiries(path, &mut expiries);
        }
        expiries.iter().for_each(|expiry| {
            self.expiries.remove(expiry);
        });
    }
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

fn join(path: &str, name: &str) -> String {
    if path == "/" { format!("/{name}") } else { format!("{path}/{name}") }
}

/// A path from the root without empty names, `.` and `..`. Nothing if it is deeper than any tree may be:
/// walking it would use up the stack.
pub(super) fn clean(path: &str) -> Option<String> {
    let mut kept: Vec<&str> = Vec::new();
    for name in names(path) {
        match name {
            "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    (kept.len() <= V2_DEPTH_MAX).then(|| format!("/{}", kept.join("/")))
}
