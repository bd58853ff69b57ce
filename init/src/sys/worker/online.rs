//! Waits until the network can be used: until some interface has an address that others can reach.

use std::process::ExitCode;
use std::time::Duration;

use super::network::ONLINE_FILE;

/// The worker; its unit's time limit is its own.
#[must_use]
pub fn main() -> ExitCode {
    while !std::fs::exists(ONLINE_FILE).unwrap_or(false) {
        std::thread::sleep(Duration::from_millis(100));
    }
    ExitCode::SUCCESS
}
