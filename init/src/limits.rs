//! Every limit of this crate, by name.

/// Longest kernel command line that is looked at, in bytes (x86-64 itself stops at 2,048).
pub const COMMAND_LINE_BYTES_MAX: usize = 16 * 1024;
/// Most words of the command line that are looked at.
pub const COMMAND_LINE_WORDS_MAX: usize = 512;
/// Longest record that the kernel's log takes (`PRINTKRB_RECORD_MAX` less its own prefix).
pub const KMSG_LINE_BYTES_MAX: usize = 976;
/// Largest file that early boot reads (machine.toml, a sysctl, a DMI field).
pub const SMALL_FILE_BYTES_MAX: usize = 256 * 1024;
/// Most mounts that are looked at (the kernel's own `fs.mount-max` is 100,000).
pub const MOUNTS_MAX: usize = 100_000;
