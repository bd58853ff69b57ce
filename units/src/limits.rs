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
/// How long a unit may take to start and for each step of stopping, unless it says otherwise.
pub const PHASE_TIMEOUT: Duration = Duration::from_secs(90);
/// The wait before a restart unless the unit says otherwise (systemd's default).
pub const RESTART_DELAY: Duration = Duration::from_millis(100);
/// A run that was up this long makes the waits before restarts begin anew.
pub const RESTART_RESET_AFTER: Duration = Duration::from_secs(60);
/// Longest single value of a directive, specifiers replaced, in bytes.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Most conditions of one unit.
pub const CONDITIONS_MAX: usize = 128;
/// Most times of one timer.
pub const ELAPSES_MAX: usize = 64;
/// A span that no machine lives to see the end of (136 years); can be added to any moment.
pub const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);
/// Highest number of a processor or memory node.
pub const PROCESSORS_MAX: u16 = 8191;
/// Most descriptors that one unit may keep with us.
pub const DESCRIPTORS_MAX: u32 = 4096;
/// Most addresses of one socket unit.
pub const LISTENS_MAX: usize = 64;
/// Longest name of a local socket in bytes (`sun_path`, less the NUL).
pub const UNIX_PATH_BYTES_MAX: usize = 107;
/// Most links that are followed from an alias to its unit.
pub const ALIAS_DEPTH_MAX: usize = 16;
/// Most remarks of one load.
pub const DIAGNOSTICS_MAX: usize = 10_000;
/// Most cycles that one load reports.
pub const CYCLES_MAX: usize = 32;
/// How long a unit of our own format may take to stop unless it says otherwise (Docker's default).
pub const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How many restarts it takes in our own format to grow from the first wait to the longest: the
/// wait about doubles each time.
pub const RESTART_STEPS: u32 = 9;
/// Most processes of a container unless it says otherwise.
pub const CONTAINER_TASKS_MAX: u64 = 2048;
/// Size of a container's `/dev/shm` in bytes unless it says otherwise (Docker's default).
pub const SHM_BYTES: u64 = 64 << 20;
/// What a back-off that starts at zero grows from.
pub const BACKOFF_FROM_ZERO: Duration = Duration::from_millis(10);
/// A growing back-off is shortened by up to this part, so that units do not come back together.
pub const BACKOFF_JITTER_DIVISOR: u32 = 8;
/// Most requests that may wait for one unit.
pub const ASKS_MAX: usize = 64;
/// Longest `STATUS=` that is kept, in bytes.
pub const STATUS_BYTES_MAX: usize = 256;
/// How long an idle unit waits for others to finish starting (systemd.service(5)).
pub const IDLE_WAIT_MAX: Duration = Duration::from_secs(5);
/// Between two looks for the main process of a forking unit.
pub const FIND_MAIN_PERIOD: Duration = Duration::from_millis(100);
/// How much longer than a worker's own deadline the supervisor waits for its answer.
pub const ORDER_GRACE: Duration = Duration::from_secs(10);
/// How long opening the sockets of a unit may take.
pub const LISTEN_TIMEOUT: Duration = Duration::from_secs(20);
/// The wait before a unit without a restart delay of its own is brought back because another upholds it.
pub const UPHOLD_DELAY: Duration = Duration::from_millis(100);
/// Most turns of the settling in one step, per unit. More means that definitions chase each other.
pub const SETTLE_TURNS_PER_UNIT_MAX: usize = 64;
/// Most names in the explanation why a unit does not run.
pub const EXPLAIN_DEPTH_MAX: usize = 8;
/// A step of the wall clock up to which calendar timers neither lose nor repeat a time (cron(8): three hours).
pub const CLOCK_STEP_SMALL_MAX: Duration = Duration::from_secs(3 * 60 * 60);
/// Most unknown words of one unit for which similar ones are looked for.
pub const SUGGESTIONS_MAX: usize = 32;
/// The pause before the settling goes on that used up its turns.
pub const UNSETTLED_PAUSE: Duration = Duration::from_secs(1);
/// The first pause of a probe that somebody waits for; it doubles until the probe's period is reached.
pub const PROBE_EAGER_PAUSE: Duration = Duration::from_millis(100);
