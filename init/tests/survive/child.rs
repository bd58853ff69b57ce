//! What PID 1's children do: write numbered lines, and exit with a code that follows from their number.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// Lines that each short-lived child writes.
pub(crate) const LINES: u32 = 7;

/// The code with which the `run`th child of a slot exits.
pub(crate) fn code(slot: u32, run: u32) -> u8 {
    (slot.wrapping_mul(37).wrapping_add(run.wrapping_mul(101)) % 251) as u8
}

/// `child SLOT RUN`; slot `for-ever` never ends and writes a line now and then.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u32>().ok());
    let run = number(1).unwrap_or(0);
    let Some(slot) = number(0) else { for_ever() };
    for line in 0..LINES {
        say(slot, run * LINES + line);
        std::thread::sleep(Duration::from_micros(u64::from((slot + run + line) % 5) * 200));
    }
    ExitCode::from(code(slot, run))
}

fn for_ever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

fn say(slot: u32, line: u32) {
    let text = format!("slot {slot} line {line}\n");
    // One write: a line is whole in the pipe or not there.
    let _ = std::io::stdout().write_all(text.as_bytes()); // a test that failed reads no more
}
