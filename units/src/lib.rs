//! What should run, and its life.
//!
//! This island holds no clock, no file and no process: text and facts come in as arguments, orders
//! go out as values. `Spec` is what an author wrote; the supervisor makes state follow goal.
#![forbid(unsafe_code)]

// The vocabulary.
pub mod action;
pub mod compact;
pub mod container;
pub mod event;
pub mod execution;
pub mod limits;
pub mod name;
pub mod note;
pub mod plan;
pub mod probe;
pub mod resources;
pub mod run;
pub mod service;
pub mod spec;
pub mod triggers;

// Life: facts in, orders out.
mod backoff;
mod evidence;
pub mod fault;
pub mod goal;
mod graph;
mod next;
mod probe_watch;
pub mod record;
mod socket;
mod state;
pub mod supervisor;
mod timer;
mod unit;
pub mod view;

// Text: files in, specs and remarks out.
pub mod calendar;
pub mod check;
mod connection;
pub mod diagnostic;
mod draft;
mod finish;
pub mod load;
mod native;
pub mod source;
pub mod systemd;
pub mod text;

pub use action::{Action, Answer, Outbox};
pub use event::Event;
pub use fault::Fault;
pub use goal::Goal;
pub use name::{NameError, UnitKind, UnitName};
pub use note::Note;
pub use record::Record;
pub use run::{ExitStatus, Role, Run, StageFault, StageStep, Ticket, UnitId};
pub use spec::{Body, Spec};
pub use supervisor::Supervisor;
pub use view::{UnitView, View};

pub use check::{Checked, check};
pub use diagnostic::{Diagnostic, Severity};
pub use load::{Loaded, load};
pub use source::{Facts, LoadOptions, SourceFile, SourceKind, UnitDirectory};
