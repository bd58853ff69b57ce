//! etcd's version 2 as HTTP: the keys, and what a cluster tells of itself.

mod ask;
mod form;
mod moment;
mod tell;

#[cfg(test)]
mod tests;

pub use ask::{Asked, METHODS, PREFIX, Request, keys};
pub use moment::{duration, rfc3339};
pub use tell::{Answer, Place, body, error, event, head, not_allowed, text};
