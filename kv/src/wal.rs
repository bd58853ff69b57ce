//! The write-ahead log: pure encoding and decoding. The shore writes what it is told to write, one
//! frame at a time, and says when it is durable.

pub mod frame;
pub mod log;
pub mod record;
pub mod recover;

pub use log::Log;
pub use record::{Mark, Record};
pub use recover::{Bad, Recovered, Segment, recover};

#[cfg(test)]
mod tests;
