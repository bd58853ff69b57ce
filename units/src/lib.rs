//! What should run, and its life.
//!
//! This island holds no clock, no file and no process: text and facts come in as arguments, orders
//! go out as values. `Spec` is what an author wrote; the supervisor makes state follow goal.
#![forbid(unsafe_code)]

pub mod calendar;
pub mod container;
pub mod execution;
pub mod limits;
pub mod name;
pub mod probe;
pub mod resources;
pub mod service;
pub mod spec;
pub mod triggers;

pub use name::{NameError, UnitKind, UnitName};
pub use spec::{Body, Spec};
