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
/// Most lines of each module index that are looked at (a distribution's kernel has 30,000 aliases).
pub const MODULE_ALIASES_MAX: usize = 1_000_000;
/// Deepest chain of modules that need each other.
pub const MODULE_CHAIN_MAX: usize = 32;
/// Longest message about a device (`UEVENT_BUFFER_SIZE` of the kernel is 2,048, plus the head).
pub const UEVENT_BYTES_MAX: usize = 4096;
/// Room for messages about devices that were not taken yet, in bytes.
pub const UEVENT_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Most threads that load kernel modules at the same time.
pub const MODULE_LOADERS_MAX: usize = 4;
/// Largest file that a worker reads (the alias index of a distribution's kernel has 2 MB).
pub const LARGE_FILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Largest machine.toml in bytes.
pub const MACHINE_FILE_BYTES_MAX: usize = 256 * 1024;
/// Most interfaces that are configured one by one, and most that are managed.
pub const INTERFACES_MAX: usize = 64;
