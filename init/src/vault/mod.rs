//! What PID 1 must not forget, in a form that outlives its heap.
//!
//! ```text
//!   page 0       front: words that single stores change (see `front`)
//!   then         sections of double-buffered cells (see `cell`), one per unit, descriptor, name, note
//!   inbox        the bytes of the one input that is being handled
//!   definitions  two halves of an append-only log of specs (see `definitions`)
//! ```
//!
//! The bytes live in a sealed memfd that every image of the program maps (`sys::survive`); this module
//! only knows how to read and write them. It does no I/O, trusts nothing that it reads, never panics on
//! any bytes, and allocates nothing when it writes.
//!
//! **Transactions.** Cells that are put belong to the open transaction; [`Vault::commit`] makes all of
//! them count by one store. A program that dies between two stores therefore leaves either the whole
//! step or nothing of it.

mod cell;
pub mod check;
pub mod definitions;
pub mod descriptor;
pub mod faults;
pub mod front;
pub mod layout;
pub mod operation;
mod record;
mod spawn;
mod store;

pub use descriptor::{Descriptor, PipeEnd, Role};
pub use faults::{Fault, FaultKind, Verdict};
pub use front::{Front, Phase};
pub use layout::Section;
pub use operation::{Operation, OperationCode};
pub use record::HeldRecord;
pub use spawn::{Intent, Newborn};
pub use store::{Full, Held, Inbox, Repairs, Vault, VaultError};
