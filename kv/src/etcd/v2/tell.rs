//! From our answers to those of version 2.

use super::moment::rfc3339;
use crate::etcd::gateway::text::quote;
use crate::v2::{V2Action, V2Error, V2Event, V2Node};

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200…
    pub status: u16,
    /// Beside those of every answer.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// What the heads of all answers tell of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The cluster's number.
    pub cluster_id: u64,
    /// The last index of the log.
    pub raft_index: u64,
    /// The term.
    pub raft_term: u64,
}

pub(super) const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A node, or what was done to it.
pub fn event(event: &V2Event, no_value: bool, place: Place) -> Answer {
    let status = if event.is_created() { 201 } else { 200 };
    Answer { status, headers: head(event.index, place), body: body(event, no_value) }
}

/// The head of an answer to one who waits: it goes out before anything has happened.
pub fn head(index: u64, place: Place) -> Vec<(&'static str, String)> {
    vec![
        (JSON.0, JSON.1.into()),
        ("X-Etcd-Cluster-Id", format!("{:x}", place.cluster_id)),
        ("X-Etcd-Index", index.to_string()),
        ("X-Raft-Index", place.raft_index.to_string()),
        ("X-Raft-Term", place.raft_term.to_string()),
    ]
}

/// A refusal.
pub fn error(error: &V2Error, cluster_id: u64) -> Answer {
    let mut body = format!("{{\"errorCode\":{},\"message\":", error.code);
    quote(error.message(), &mut body);
    body.push_str(",\"cause\":");
    quote(&error.cause, &mut body);
    body.push_str(&format!(",\"index\":{}}}\n", error.index));
    let headers = vec![
        (JSON.0, JSON.1.into()),
        ("X-Etcd-Cluster-Id", format!("{cluster_id:x}")),
        ("X-Etcd-Index", error.index.to_string()),
    ];
    Answer { status: error.http_status(), headers, body }
}

/// To a method that a path does not have.
pub fn not_allowed(methods: &str) -> Answer {
    Answer { headers: vec![("Allow", methods.into())], ..text(405, "Method Not Allowed\n") }
}

/// An answer in words.
pub fn text(status: u16, body: impl Into<String>) -> Answer {
    let headers = vec![("Content-Type", "text/plain; charset=utf-8".into())];
    Answer { status, headers, body: body.into() }
}

/// An event as JSON: one line, which is also what one who waits gets.
pub fn body(event: &V2Event, no_value: bool) -> String {
    let writes = matches!(
        event.action,
        V2Action::Set | V2Action::CompareAndSwap | V2Action::Create | V2Action::Update
    );
    let mut out = format!("{{\"action\":\"{}\"", event.action.name());
    if !(no_value && writes) {
        out.push_str(",\"node\":");
        write_node(&event.node, &mut out);
        if let Some(prev_node) = &event.prev_node {
            out.push_str(",\"prevNode\":");
            write_node(prev_node, &mut out);
        }
    }
    out.push_str("}\n");
    out
}

/// The root has neither name nor index.
fn write_node(node: &V2Node, out: &mut String) {
    let mut object = Object { out, is_empty: true };
    object.out.push('{');
    let is_root = node.key == "/";
    if !is_root {
        quote(&node.key, object.name("key"));
    }
    if let Some(value) = &node.value {
        quote(value, object.name("value"));
    }
    if node.dir {
        object.name("dir").push_str("true");
    }
    if let Some(expires) = node.expires_unix_ms {
        quote(&rfc3339(expires), object.name("expiration"));
    }
    if node.ttl_s != 0 {
        object.number("ttl", node.ttl_s);
    }
    if !node.nodes.is_empty() {
        let out = object.name("nodes");
        for (place, inner) in node.nodes.iter().enumerate() {
            out.push(if place == 0 { '[' } else { ',' });
            write_node(inner, out);
        }
        out.push(']');
    }
    if !is_root {
        object.number("modifiedIndex", node.modified_index);
        object.number("createdIndex", node.created_index);
    }
    object.out.push('}');
}

/// An object that is being written.
struct Object<'a> {
    out: &'a mut String,
    is_empty: bool,
}

impl Object<'_> {
    fn name(&mut self, name: &str) -> &mut String {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(',');
        }
        quote(name, self.out);
        self.out.push(':');
        self.out
    }

    fn number(&mut self, name: &str, number: impl std::fmt::Display) {
        let text = number.to_string();
        if text != "0" {
            self.name(name).push_str(&text);
        }
    }
}
