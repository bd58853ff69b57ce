//! The simulator and its checkers.

pub mod fuzz;
