//! What of our program stays mapped while nothing happens.
//!
//! The kernel maps the program's pages as they are used, sixteen at a time, and keeps them mapped. Boot,
//! the parsers and `keelctl` use nearly all of them once; at rest a few dozen are enough. Letting go of them
//! costs nothing to keep and one cheap fault per sixteen pages that are used again: their content stays in
//! the page cache.

use std::ptr::{addr_of, without_provenance_mut};

use rustix::mm::{Advice, madvise};
use rustix::param::page_size;

// The linker puts these at the two ends of what is only read and executed.
unsafe extern "C" {
    static __executable_start: u8;
    static etext: u8;
}

/// Unmaps the pages of constants and code; each comes back when it is used next.
pub(crate) fn forget_code() {
    let start = addr_of!(__executable_start).addr().next_multiple_of(page_size());
    let end = addr_of!(etext).addr() / page_size() * page_size();
    let length = end.saturating_sub(start);
    // SAFETY: nothing writes between these two symbols (the linker puts what is written behind `etext`), so
    // that every page of it is the file's, and dropping a mapping of it changes no content.
    // A refusal leaves the pages mapped, which is no fault.
    let _ = unsafe { madvise(without_provenance_mut(start), length, Advice::LinuxDontNeed) };
}

/// Gives back what the heap holds and nobody uses: loading a thousand definitions takes, for a moment, a
/// multiple of what is kept of them.
pub(crate) fn forget_heap() {
    // SAFETY: the C library's own allocator, and ours; nothing that is in use moves.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use super::forget_code;

    #[test]
    fn the_program_goes_on() {
        let resident = || {
            let text = std::fs::read_to_string("/proc/self/statm").unwrap();
            text.split(' ').nth(2).unwrap().parse::<u64>().unwrap()
        };
        let before = resident();
        forget_code();
        let after = resident();
        assert!(after < before, "{after} of {before} file pages are still mapped");
    }
}
