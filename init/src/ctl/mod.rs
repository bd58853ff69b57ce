//! tmp
use std::process::ExitCode;
/// tmp
#[must_use]
pub fn main(_w: &[String]) -> ExitCode {
    ExitCode::FAILURE
}
