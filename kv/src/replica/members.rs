//! Who belongs to the cluster, as the log says.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What is known of one member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Member {
    /// Its number, never zero.
    pub id: u64,
    /// Its name; empty until it has started.
    pub name: String,
    /// Where peers reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// Whether it only listens.
    pub learner: bool,
}

/// All members, and those that were.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Members {
    /// By number.
    pub present: BTreeMap<u64, Member>,
    /// Numbers are never given twice: a removed member that comes back must be a new one.
    pub removed: BTreeSet<u64>,
}

impl Members {
    /// The members of a new cluster.
    #[must_use]
    pub fn of(members: impl IntoIterator<Item = Member>) -> Self {
        let present = members.into_iter().map(|member| (member.id, member)).collect();
        Self { present, removed: BTreeSet::new() }
    }

    /// Those who vote.
    #[must_use]
    pub fn voters(&self) -> Vec<u64> {
        self.present.values().filter(|member| !member.learner).map(|member| member.id).collect()
    }

    /// Those who only listen.
    #[must_use]
    pub fn learners(&self) -> Vec<u64> {
        self.present.values().filter(|member| member.learner).map(|member| member.id).collect()
    }

    /// The bytes in which they are kept.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// Reads these bytes; none at all are no members.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() { Some(Self::default()) } else { postcard::from_bytes(bytes).ok() }
    }
}
