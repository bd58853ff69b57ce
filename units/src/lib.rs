//! What should run, and its life.
#![forbid(unsafe_code)]
