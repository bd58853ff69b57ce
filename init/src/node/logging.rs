//! What is written down: units' output, the kernel's messages, our own words; and when it goes to disk.

use std::time::Duration;

use units::run::{Ticket, UnitId};

use crate::logs::flush_policy::{FLUSH_PATIENCE, FlushPolicy, KEEP_BLOCKS};
use crate::logs::layout::Layout;
use crate::logs::{KERNEL, LogStore, OWN, Stream as LogStream, kmsg};
use crate::node::Node;
use crate::node::action::{Action, Outbox};
use crate::node::answers::signed_us;
use crate::node::event::{Stream, WorkerFault};
use crate::node::orders::Order;
use crate::node::work;
use crate::wire::response::LogArena;
use crate::work::{FlushReply, FlushRequest, decode};

/// What PID 1 writes before its own words in the kernel's ring.
const OWN_PREFIX: &[u8] = b"keelson: ";
/// Its facility there: daemon.
const OWN_FACILITY: u16 = 3;

/// The log store, and its way to the disk.
#[derive(Debug)]
pub(crate) struct Logging {
    store: LogStore,
    policy: FlushPolicy,
    /// The worker that writes, and when patience with it ends.
    worker: Option<(Ticket, Option<Duration>)>,
    /// The disk did not take the last writing; said once.
    failing: bool,
    /// The machine ends when the last lines are on the disk.
    last: Last,
}

/// The last writing before the machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Not yet.
    No,
    /// As soon as the worker that is at it is done.
    Wanted,
    /// It is being done.
    Running,
}

impl Logging {
    pub(super) fn new(store: LogStore) -> Logging {
        Logging {
            store,
            policy: FlushPolicy::default(),
            worker: None,
            failing: false,
            last: Last::No,
        }
    }

    /// When lines are to be written, or patience with the worker ends.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match &self.worker {
            Some((_, patience)) => *patience,
            None => self.policy.deadline(),
        }
    }

    /// Whether lines go to a disk.
    pub(super) fn has_disk(&self) -> bool {
        self.policy.is_enabled()
    }
}

impl Node {
    pub(super) fn on_wrote(&mut self, unit: UnitId, stream: Stream, bytes: &[u8], now: Duration) {
        let unix_us = self.unix_us(now);
        let Some(spec) = self.supervisor.spec(unit) else { return };
        self.logging.store.append(spec.name.as_str(), log_stream(stream), unix_us, bytes);
        self.logging.policy.on_appended(&self.logging.store, now);
    }

    /// Where a unit's log stands, in one number.
    pub(crate) fn log_position(&self, unit: UnitId, stream: Stream) -> u64 {
        let name = self.name_of(unit);
        let (record, line_bytes) = self.logging.store.position(name, log_stream(stream));
        record << 16 | u64::from(line_bytes)
    }

    /// What of `bytes` is not in the unit's log yet, which stood there before they came.
    pub(crate) fn log_rest<'b>(
        &self,
        unit: UnitId,
        stream: Stream,
        position: u64,
        bytes: &'b [u8],
    ) -> &'b [u8] {
        let line_bytes = u16::try_from(position & 0xffff).unwrap_or(0);
        let position = (position >> 16, line_bytes);
        self.logging.store.rest(self.name_of(unit), log_stream(stream), position, bytes)
    }

    pub(super) fn on_kernel_wrote(&mut self, record: &[u8], now: Duration) {
        let Some(record) = kmsg::parse(record) else { return };
        let unix_us = self.unix_us(Duration::from_micros(record.at_us));
        let (name, text) = match record.text.strip_prefix(OWN_PREFIX) {
            Some(text) if record.facility == OWN_FACILITY => (OWN, text),
            Some(_) | None => (KERNEL, &*record.text),
        };
        // Our own stamped lines are written down when they are said.
        if name == OWN && text.starts_with(b"t=") {
            return;
        }
        let priority = Some(record.priority);
        self.logging.store.append_line(name, LogStream::Stdout, priority, unix_us, text);
        self.logging.policy.on_appended(&self.logging.store, now);
    }

    /// Writes down what we say.
    pub(super) fn log_own(&mut self, priority: u8, line: &str, now: Duration) {
        self.log_line(LogStream::Stdout, priority, line, now);
    }

    /// Writes down what happened to a unit.
    pub(super) fn log_note(&mut self, priority: u8, line: &str, now: Duration) {
        self.log_line(LogStream::Note, priority, line, now);
    }

    fn log_line(&mut self, stream: LogStream, priority: u8, line: &str, now: Duration) {
        let unix_us = self.unix_us(now);
        self.logging.store.append_line(OWN, stream, Some(priority), unix_us, line.as_bytes());
        self.logging.policy.on_appended(&self.logging.store, now);
    }

    fn unix_us(&self, at: Duration) -> i64 {
        self.boot_unix_us.saturating_add(signed_us(at))
    }

    pub(super) fn log_layout(&self) -> Layout {
        self.logging.store.layout()
    }

    pub(super) fn log_store_mut(&mut self) -> &mut LogStore {
        &mut self.logging.store
    }

    /// There is a disk now.
    pub(super) fn on_log_disk(&mut self) {
        self.logging.policy.enable(true);
    }

    /// The store is an earlier life's.
    pub(super) fn on_logs_recovered(&mut self, now: Duration) {
        self.logging.policy.on_recovered(&self.logging.store, now);
    }

    pub(super) fn on_logging_tick(&mut self, now: Duration, out: &mut Outbox) {
        let due = self.logging.deadline().is_some_and(|deadline| deadline <= now);
        match &mut self.logging.worker {
            Some((ticket, patience)) if due => {
                // It still answers, when the kernel lets it go.
                out.push(Action::KillWorker { ticket: *ticket });
                *patience = None;
            }
            Some(_) => {}
            None if due => self.flush(false, now, out),
            None => {}
        }
    }

    /// Everything is down: has the last lines written, then ends the machine.
    pub(super) fn flush_and_end(&mut self, now: Duration, out: &mut Outbox) {
        self.logging.last = Last::Wanted;
        if self.logging.worker.is_none() {
            self.on_flush_worker_gone(now, out);
        }
    }

    fn on_flush_worker_gone(&mut self, now: Duration, out: &mut Outbox) {
        match self.logging.last {
            Last::No => {}
            Last::Wanted if self.logging.policy.is_enabled() => {
                self.logging.last = Last::Running;
                self.flush(true, now, out);
            }
            Last::Wanted | Last::Running => self.on_all_written(out),
        }
    }

    fn flush(&mut self, durable: bool, now: Duration, out: &mut Outbox) {
        let store = &self.logging.store;
        let unsafe_sources = store.sources().filter(|s| s.counters.records > s.counters.flushed);
        let limits = &self.facts.machine.log;
        let request = FlushRequest {
            sources: unsafe_sources.map(|s| (s.name.into(), s.counters.flushed)).collect(),
            unit_bytes_max: limits.unit.0,
            all_bytes_max: limits.disk.0,
            durable,
        };
        let ticket = self.orders.issue(Order::Flush);
        self.logging.policy.on_started(now);
        self.logging.worker = Some((ticket, Some(now + FLUSH_PATIENCE)));
        out.push(Action::Flush { ticket, input: work::encode(&request) });
    }

    pub(super) fn on_flushed(
        &mut self,
        result: Result<&[u8], WorkerFault>,
        now: Duration,
        out: &mut Outbox,
    ) {
        self.logging.worker = None;
        let reply = result
            .map_err(|fault| work::describe(&fault))
            .and_then(|bytes| decode::<FlushReply>(bytes).map_err(|error| error.to_string()));
        let complaint = match reply {
            Ok(reply) => {
                for (name, record) in &reply.flushed {
                    self.logging.store.set_flushed(name, *record);
                }
                self.logging.store.release_flushed(KEEP_BLOCKS);
                self.logging.policy.enable(reply.has_disk);
                reply.complaint.map(String::from)
            }
            Err(why) => Some(why),
        };
        self.logging.policy.on_ended(complaint.is_none(), now);
        self.say_flush_trouble(complaint, now, out);
        self.on_flush_worker_gone(now, out);
    }

    /// Says it when writing begins to fail, and when it works again; not each time.
    fn say_flush_trouble(&mut self, complaint: Option<String>, now: Duration, out: &mut Outbox) {
        let was = std::mem::replace(&mut self.logging.failing, complaint.is_some());
        match complaint {
            Some(why) if !was => {
                self.warn(&format!("logs are not written to disk: {why}"), now, out)
            }
            None if was => self.announce("logs are written to disk again", now, out),
            Some(_) | None => {}
        }
    }

    pub(super) fn logs_appended(&self) -> u64 {
        self.logging.store.appended()
    }

    pub(super) fn log_arena(&self, now: Duration) -> LogArena {
        LogArena {
            bytes: self.logging.store.arena().len() as u64,
            clock: self.clock(now),
            boot_id: self.facts.units.boot_id.to_string(),
            disk: self.logging.policy.is_enabled().then(|| crate::paths::STATE_LOGS.to_owned()),
        }
    }
}

fn log_stream(stream: Stream) -> LogStream {
    match stream {
        Stream::Stdout => LogStream::Stdout,
        Stream::Stderr => LogStream::Stderr,
    }
}
