//! tmp
use std::process::ExitCode;
/// tmp
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::FAILURE
}
