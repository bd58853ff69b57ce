//! The simulator and its checkers.

pub mod agent;
pub mod corpus;
pub mod crash;
pub mod fuzz;
pub mod guest;
pub mod oracle;
