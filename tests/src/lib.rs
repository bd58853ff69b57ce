//! The simulator and its checkers.
