//! The simulator and its checkers.
#![allow(clippy::wildcard_enum_match_arm, reason = "a checker looks at what concerns it")]

pub mod agenda;
pub mod agent;
pub mod check;
pub mod cluster;
pub mod corpus;
pub mod crash;
pub mod faulty;
pub mod forge;
pub mod fuzz;
pub mod guest;
pub mod kernel_model;
pub mod node_brain;
pub mod observe;
pub mod oracle;
pub mod prng;
pub mod promise;
pub mod simulation;
pub mod swarm;
pub mod temper;
pub mod transcript;
pub mod world;
