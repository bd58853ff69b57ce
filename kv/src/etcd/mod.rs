//! What etcd's clients say and hear: its messages, and what they mean in our words. Bytes in, bytes out;
//! connections are the shore's.

pub mod accounts;
pub mod ask;
pub mod frame;
pub mod gateway;
pub mod members;
pub mod message;
pub mod method;
pub mod status;
pub mod tell;
pub mod upkeep;
pub mod v2;
pub mod watching;

#[cfg(test)]
mod tests;
