//! Every limit of this island, by name.

use std::time::Duration;

/// Longest unit name in bytes, suffix included (systemd.unit(5): 255).
pub const UNIT_NAME_BYTES_MAX: usize = 255;
/// Most units that a machine may define at once.
pub const UNITS_MAX: usize = 4096;
/// Largest unit file in bytes.
pub const UNIT_FILE_BYTES_MAX: usize = 256 * 1024;
/// Most directives or values of one unit, all drop-ins together.
pub const UNIT_ENTRIES_MAX: usize = 8192;
/// Deepest back-off between restarts unless the unit says otherwise.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Longest line that a diagnostic quotes, in bytes.
pub const QUOTE_BYTES_MAX: usize = 240;
/// Longest word for which a similar one is looked for, in bytes.
pub const SUGGEST_BYTES_MAX: usize = 64;
/// Longest path in bytes (Linux: 4096 with the NUL).
pub const PATH_BYTES_MAX: usize = 4095;
/// Most commands of one phase of a unit.
pub const COMMANDS_MAX: usize = 256;
/// Most words of one command.
pub const COMMAND_WORDS_MAX: usize = 1024;
/// Most values of one field of a calendar expression.
pub const CALENDAR_COMPONENTS_MAX: usize = 240;
