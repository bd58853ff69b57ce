//! Every limit of this crate, by name.

/// Highest descriptor number that survives a replacement of PID 1; our own limit of open files is this.
pub const DESCRIPTORS_MAX: usize = 65_536;
/// Cells for facts of the node's own in the vault.
pub const NOTES_MAX: usize = 16;
/// Largest input that the vault holds while it is handled.
pub const INBOX_BYTES_MAX: usize = 128 * 1024;
/// Bytes of each half of the definitions log: 4 KiB for each unit that there may be.
pub const DEFINITIONS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Faults that are remembered, the newest ones.
pub const FAULTS_KEPT_MAX: usize = 16;
/// Operations that may be in quarantine at once.
pub const QUARANTINE_MAX: usize = 32;
/// Faults within [`FAULTS_WINDOW`] that end in the degraded mode, unless the command line says otherwise.
pub const FAULTS_MAX: u64 = 3;
/// How long a fault counts.
pub const FAULTS_WINDOW: std::time::Duration = std::time::Duration::from_secs(60);
/// Unanswered requests of one client that are known to the next life of PID 1.
pub const CLIENT_REQUESTS_KEPT_MAX: usize = 32;
/// How long the program that is to replace PID 1 may take to look at the vault.
pub const CHECK_MAX: std::time::Duration = std::time::Duration::from_secs(10);
/// How long units keep running unsupervised after too many faults, before the machine starts anew.
pub const DEGRADED_MAX: std::time::Duration = std::time::Duration::from_secs(60);
/// How long the end of the machine may take after the degraded mode.
pub const DEGRADED_END_MAX: std::time::Duration = std::time::Duration::from_secs(30);
/// How much of a new binary's answer to `--check-vault` is read.
pub const CHECK_OUTPUT_BYTES_MAX: usize = 1024;
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
/// Largest notification datagram in bytes (systemd: `NOTIFY_BUFFER_MAX`).
pub const NOTIFY_BYTES_MAX: usize = 4096;
/// Most descriptors that one notification may bring (the kernel's own limit, `SCM_MAX_FD`).
pub const NOTIFY_DESCRIPTORS_MAX: usize = 253;
/// How long one turn of the loop may go on feeding the watchdog.
pub const TURN_MAX: std::time::Duration = std::time::Duration::from_secs(300);
/// Most notifications that wait to be read (`net.unix.max_dgram_qlen`, which early boot sets).
pub const NOTIFY_QUEUE_MAX: usize = 512;
/// Most events that one poll brings.
pub const EVENTS_PER_POLL_MAX: usize = 256;
/// The loop's read buffer in bytes.
pub const READ_BYTES_MAX: usize = 64 * 1024;
/// What one unit's output may take of a turn, in bytes; the rest waits for the next.
pub const OUTPUT_BYTES_PER_TURN_MAX: usize = 128 * 1024;
/// Datagrams, records, connections or requests that one source may give in a turn.
pub const RECORDS_PER_TURN_MAX: usize = 64;
/// Largest result of a worker in bytes (all specs of a machine, encoded).
pub const WORKER_RESULT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How much of a worker's complaints is looked at, in bytes.
pub const WORKER_COMPLAINT_BYTES_MAX: usize = 1024;
/// Clients of the control socket at a time.
pub const CLIENTS_MAX: usize = 256;
/// Of those, places that only root gets.
pub const CLIENTS_OF_ROOT: usize = 32;
/// What a client may leave unread, in bytes, before it is parted from.
pub const CLIENT_UNSENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// ctrl-alt-del so often within [`IMPATIENT_WITHIN`] means: at once (systemd has the same).
pub const IMPATIENT_PRESSES: usize = 7;
/// See [`IMPATIENT_PRESSES`].
pub const IMPATIENT_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);
/// State transitions that are remembered for the boot chart.
pub const TRANSITIONS_MAX: usize = 4096;
/// Most file descriptors that come with one frame (`exec` brings three).
pub const FRAME_DESCRIPTORS_MAX: usize = 3;
/// Longest request in bytes: an `apply` of all unit files of a large machine.
pub const REQUEST_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// Longest request of a peer that may only look.
pub const READ_REQUEST_BYTES_MAX: u32 = 4 * 1024;
/// Longest response in bytes: the status of all units of a large machine.
pub const RESPONSE_BYTES_MAX: u32 = 16 * 1024 * 1024;
/// Most block devices on which the state partition is looked for.
pub const BLOCK_DEVICES_MAX: usize = 256;
/// Most bytes that wait for one slow console.
pub const CONSOLE_BUFFER_BYTES_MAX: usize = 16 * 1024;
/// Most entries of one list in a DHCP message (resolvers, routes) that are looked at.
pub const DHCP_LIST_MAX: usize = 32;
/// Room for one answer of rtnetlink.
pub const NETLINK_BUFFER_BYTES: usize = 32 * 1024;
/// Most interfaces, and most addresses, that are looked at.
pub const LINKS_MAX: usize = 8192;
/// Longest DHCP message that is taken.
pub const DHCP_MESSAGE_BYTES_MAX: usize = 2048;
/// Sources of log lines that can have something in memory at a time.
pub const LOG_SOURCES_MAX: usize = 4096;
/// Longest name of a source, the longest name of a unit.
pub const LOG_NAME_BYTES_MAX: usize = units::limits::UNIT_NAME_BYTES_MAX;
/// Longest line of a log in bytes; what is longer is cut and marked.
pub const LOG_LINE_BYTES_MAX: usize = 8 * 1024;
/// One source holds at most this part (one in so many) of the log memory.
pub const LOG_SOURCE_SHARE: u32 = 4;
/// Longest line that is taken from a console (`N_TTY_BUF_SIZE`).
pub const CONSOLE_LINE_BYTES_MAX: usize = 4096;
/// Largest segment of a log on the disk in bytes.
pub const LOG_SEGMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Smallest size at which another segment is begun.
pub const LOG_SEGMENT_BYTES_MIN: u64 = 64 * 1024;
/// Segments into which a source's share of the disk is cut: what is dropped at a time.
pub const LOG_SEGMENTS_PER_SOURCE: u64 = 8;

/// Largest layer of an image, unpacked, in bytes.
pub const LAYER_BYTES_MAX: u64 = 32 << 30;
/// Most files of a layer.
pub const LAYER_ENTRIES_MAX: usize = 1_000_000;

/// How long after something happened PID 1 unmaps its code; what it needs comes back by itself.
pub const CODE_KEPT: std::time::Duration = std::time::Duration::from_secs(3);

/// Calls of the store's clients that are under way at once.
pub const CALLS_MAX: usize = 100_000;
/// Changes that compaction left behind and that one turn frees.
pub const TIDY_CHANGES_MAX: usize = 4096;
/// How long after a change the store's space is looked after.
pub const TIDY_PERIOD: std::time::Duration = std::time::Duration::from_secs(1);
/// Connections of the store's clients and peers at once.
pub const STORE_CONNECTIONS_MAX: usize = 20_000;
/// Calls of one connection that are under way at once.
pub const CALLS_PER_CONNECTION_MAX: u32 = 4096;
/// Connections that one listener takes in a turn.
pub const ACCEPTS_PER_TURN_MAX: usize = 64;
/// How often one connection takes in and sends in a turn, as long as it gets on.
pub const ROUNDS_PER_TURN_MAX: usize = 8;
/// New calls that one connection begins in a turn.
pub const CALLS_PER_TURN_MAX: usize = 256;
/// What gRPC needs around the largest request (etcd: 512 KiB).
pub const REQUEST_EXTRA_BYTES: usize = 512 * 1024;
/// Bytes of all headers of a call.
pub const CALL_HEADERS_BYTES_MAX: u32 = 16 * 1024;
/// Largest file of the store that is read at its start.
pub const STORE_FILE_BYTES_MAX: u64 = 16 << 30;
/// Bytes of unfinished messages that one connection may have.
pub const ARRIVED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a client may send ahead, for a call and for a connection.
pub const WINDOW_BYTES: u32 = 256 * 1024;
/// What one watch stream may say in a turn, and before that has left.
pub const WATCH_BYTES_PER_TURN_MAX: usize = 64 * 1024;
/// How often watches that want it hear that nothing happened (etcd: 10 minutes).
pub const WATCH_PROGRESS_PERIOD: std::time::Duration = std::time::Duration::from_secs(600);
/// Questions about leases that wait for the leader's answer.
pub const FORWARDED_MAX: usize = 10_000;
/// How long they wait.
pub const FORWARDED_PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);
/// Piece of a snapshot that a client saves.
pub const SNAPSHOT_CHUNK_BYTES: usize = 64 * 1024;
/// How long a token is good for.
pub const TOKEN_LIFE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
/// Longest name of a user.
pub const USER_NAME_BYTES_MAX: usize = 1024;
/// Passwords that wait to be hashed or compared.
pub const PASSWORDS_WAITING_MAX: usize = 256;
/// Connections that other members made.
pub const PEER_CONNECTIONS_MAX: usize = 256;
/// Largest frame between members.
pub const PEER_FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What waits for one member; more is lost.
pub const PEER_QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How often a member that cannot be reached is called at most.
pub const PEER_RETRY: std::time::Duration = std::time::Duration::from_millis(200);
