//! The log store: one bounded memory for the output of every unit, the kernel's messages and our own notes.
//!
//! The memory is an *arena*: plain bytes in a fixed layout (`docs/logs.md`), kept in a memory file that
//! outlives PID 1's own death. [`LogStore`] writes it; it is the only writer. Readers (`keelctl`, the
//! flush worker) get the arena as a read-only descriptor and read it with [`snapshot`], without
//! costing PID 1 anything; every block bears a checksum that tells a reader whether it was
//! overtaken. On the disk the same blocks lie in [`segment`]s.
//!
//! ```text
//! arena:  | head | slot 0 | slot 1 | …            one slot per source: its name and counters
//!         | block 0 | block 1 | block 2 | …       each of 1 KiB, owned by one source
//! block:  | head | record | record | …
//! record: | length u16 | flags u8 | time after the block's base, u40 µs | text |
//! ```
//!
//! Who writes much loses its own oldest lines first; whoever writes nothing costs nothing.

pub mod block;
pub mod bytes;
pub mod flush_policy;
pub mod kmsg;
pub mod layout;
pub mod line;
pub mod merge;
mod pool;
mod recover;
mod relocate;
pub mod segment;
mod slot;
pub mod snapshot;
pub mod store;
#[cfg(test)]
mod tests;

pub use block::{BlockView, Record};
pub use line::{Line, LineJoiner};
pub use store::{LogMemory, LogStore, Opened, SourceView};

/// The source of the kernel's messages.
pub const KERNEL: &str = "kernel";
/// The source of PID 1's own words. Records of [`Stream::Note`] are typed notes, one per line.
pub const OWN: &str = "keelson";

/// Where a record came from within its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output; for the kernel and PID 1: words.
    Stdout,
    /// Standard error.
    Stderr,
    /// A typed note of the supervisor.
    Note,
}

impl Stream {
    /// All of them, by their number in a record.
    pub const ALL: [Stream; 3] = [Stream::Stdout, Stream::Stderr, Stream::Note];

    fn number(self) -> u8 {
        match self {
            Stream::Stdout => 0,
            Stream::Stderr => 1,
            Stream::Note => 2,
        }
    }

    fn from_number(number: u8) -> Option<Stream> {
        Stream::ALL.get(usize::from(number)).copied()
    }

    /// The word for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
            Stream::Note => "note",
        }
    }
}
