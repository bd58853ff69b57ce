//! The last events, for those who wait.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::limits::V2_EVENTS_MAX;
use crate::v2::{V2Action, V2Event};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    event: V2Event,
    /// Only a time was renewed: nobody is told.
    quiet: bool,
}

/// In order of their index, without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Events {
    events: VecDeque<Remembered>,
}

impl Events {
    pub(super) fn remember(&mut self, event: V2Event, quiet: bool) {
        if self.events.len() == V2_EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(Remembered { event, quiet });
    }

    /// The first event from an index on that concerns a path. If it is forgotten, the first index known.
    pub(super) fn first(
        &self,
        path: &str,
        recursive: bool,
        since: u64,
    ) -> Result<Option<&V2Event>, u64> {
        let Some(first) = self.events.front().map(|first| first.event.index) else {
            return Ok(None);
        };
        let Some(skipped) = since.checked_sub(first) else { return Err(first) };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let told = self.events.iter().skip(skipped).filter(|kept| !kept.quiet);
        Ok(told.map(|kept| &kept.event).find(|event| concerns(event, path, recursive)))
    }
}

/// Is it about the path, below it and asked for, or did the path go with a directory above it?
fn concerns(event: &V2Event, path: &str, recursive: bool) -> bool {
    let key = event.node.key.as_str();
    if key == path {
        return true;
    }
    if let Some(below) = below(key, path) {
        return recursive && !below.split('/').any(|name| name.starts_with('_'));
    }
    let went = matches!(event.action, V2Action::Delete | V2Action::Expire);
    let was_directory = event.prev_node.as_ref().is_some_and(|node| node.dir);
    went && was_directory && below(path, key).is_some()
}

/// The rest of a key below a directory.
fn below<'a>(key: &'a str, directory: &str) -> Option<&'a str> {
    if directory == "/" {
        key.strip_prefix('/')
    } else {
        key.strip_prefix(directory)?.strip_prefix('/')
    }
}
