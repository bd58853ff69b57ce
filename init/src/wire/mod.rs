//! The one request vocabulary: what may be asked of a node, and what it answers.
//!
//! `keelctl`, the console and the dashboard all speak it. A connection is a stream of frames (see
//! [`frame`]) over the unix socket [`crate::paths::CONTROL_SOCKET`]. The rule of the conversation is short: the client
//! numbers its requests, and **each request gets exactly one response**, in any order. Nothing is
//! pushed: who wants to follow something asks [`Request::LogsWait`], which is answered when there
//! is news. So a slow reader costs a node one pending request and no buffer.
//!
//! `docs/wire.md` describes every request and response; a test keeps it in step with the types.
//!
//! # History of versions
//!
//! | version | date | what changed |
//! |---|---|---|
//! | 1 | 2026-11 | the first |
//!
//! A node speaks every version from [`frame::VERSION_MIN`] to [`frame::VERSION`]. Within a version fields
//! are only added to responses, and clients ignore fields that they do not know. Requests are strict:
//! a field that the node does not know is an error, because ignoring it would mean something else than asked.

pub mod access;
pub mod apply;
pub mod frame;
pub mod machine;
pub mod request;
pub mod response;
pub mod status;

pub use access::Access;
pub use apply::{ApplyReport, ApplyRequest, Change, Effect, UnitText};
pub use frame::{Frame, FrameDecoder, FrameError, FrameKind};
pub use machine::{
    BootChart, BootStep, Clock, Health, Machine, Metrics, NodePhase, Transition, Version,
};
pub use request::{ExecRequest, KillWhom, Limits, PowerKind, Request};
pub use response::{ExecEnd, LogArena, Refusal, RefusalKind, Response};
pub use status::{FaultView, PortView, UnitDetail, UnitFile, UnitStatus};

#[cfg(test)]
mod golden;
