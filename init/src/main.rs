//! One binary: PID 1, `keelctl`, the stage and the workers.
fn main() {}
