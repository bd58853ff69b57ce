//! What the crash test and its units in the guest agree upon.

/// Where units in the guest keep their counts.
pub const FOLDER: &str = "/run/crash";
/// Once this is there, writers end and nothing is counted any more.
pub const STOP: &str = "/run/crash-stop";

/// The exit code of a unit's run, never zero: a clean exit would not be told of.
#[must_use]
pub fn code(run: u64) -> u8 {
    u8::try_from(run % 200).unwrap_or(0) + 1
}
