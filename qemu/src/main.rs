//! The program behind `cargo boot`.
fn main() {}
