//! What of a unit must survive the death of PID 1.

use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::event::Errand;
use crate::evidence::{Evidence, Process};
use crate::fault::Fault;
use crate::goal::Goal;
use crate::name::UnitName;
use crate::run::{ExitStatus, Ticket, UnitId};
use crate::service::NotifyAccess;
use crate::state::{State, Until};
use crate::unit::{History, Part, Unit};

/// Largest encoded record (postcard), the longest unit name included.
pub const RECORD_BYTES_MAX: usize = 400;

/// One unit's fate, small enough for a fixed slot outside the heap.
///
/// The ids are those of the old life, so that what the shore knows by `Run` stays true. What the shore can tell
/// again (descriptors, empty groups, exits) and what can be asked again (probes, the status text) is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the table.
    pub id: UnitId,
    /// Its name.
    pub name: UnitName,
    /// The number of its present or last run.
    pub run: u32,
    /// Where it is meant to be.
    pub goal: Goal,
    /// How often it came back by itself.
    pub restarts: u32,
    /// What went wrong last.
    pub fault: Option<Fault>,
    pub(crate) flags: u16,
    pub(crate) state: State,
    pub(crate) until_us: Option<u64>,
    pub(crate) since_us: u64,
    pub(crate) job_until_us: Option<u64>,
    pub(crate) tries: u32,
    pub(crate) woke_us: Option<u64>,
    pub(crate) rested_us: Option<u64>,
    /// The window of the start limit, or of a socket's trigger limit.
    pub(crate) window: Window,
    pub(crate) run_now: Option<RunRecord>,
    pub(crate) part: PartRecord,
}

/// A limit's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) since_us: u64,
    pub(crate) count: u16,
}

/// The present run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    pub(crate) main: ProcessRecord,
    pub(crate) control: ProcessRecord,
    pub(crate) arrived_us: Option<u64>,
    pub(crate) fault: Option<Fault>,
    pub(crate) watchdog_ms: u32,
    pub(crate) access: Option<NotifyAccess>,
}

/// A process, as far as the shore does not know better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ProcessRecord {
    None,
    Ordered,
    Alive(u32),
    Ended(ExitStatus),
}

/// What the kind keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum PartRecord {
    Plain,
    Timer { began_us: u64, last_us: Option<u64>, base_unix_us: i64, spent: u32, count: u32 },
    Socket(Window),
    Instance { socket: UnitId, connection: Option<u32> },
}

/// The bits of `Record::flags`.
pub(crate) mod flag {
    pub(crate) const HELD: u16 = 1;
    pub(crate) const PINNED: u16 = 1 << 1;
    pub(crate) const FINISHED: u16 = 1 << 2;
    pub(crate) const POPULATED: u16 = 1 << 3;
    pub(crate) const TOUCHED: u16 = 1 << 4;
    pub(crate) const DECLINED: u16 = 1 << 5;
    pub(crate) const SIGNALLED: u16 = 1 << 6;
    pub(crate) const STUCK: u16 = 1 << 7;
    pub(crate) const OUT_OF_MEMORY: u16 = 1 << 8;
    pub(crate) const PROBED_START: u16 = 1 << 9;
    pub(crate) const PROBED_READY: u16 = 1 << 10;
    pub(crate) const GAVE_UP: u16 = 1 << 11;
}

impl Record {
    pub(crate) fn of(id: UnitId, unit: &Unit) -> Record {
        let history = &unit.history;
        Record {
            id,
            name: unit.spec.name.clone(),
            run: unit.run,
            goal: unit.goal,
            restarts: history.restarts,
            fault: history.fault,
            flags: flags(unit),
            state: unit.state.with_until(None),
            until_us: unit.state.until().map(micros),
            since_us: micros(unit.since),
            job_until_us: unit.job_until.map(micros),
            tries: history.tries,
            woke_us: history.woke.map(micros),
            rested_us: history.rested.map(micros),
            window: Window::of(history.window_since, history.window_starts),
            run_now: unit.now.as_deref().map(RunRecord::of),
            part: PartRecord::of(&unit.part),
        }
    }

    pub(crate) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn history(&self) -> History {
        History {
            window_since: span(self.window.since_us),
            window_starts: u32::from(self.window.count),
            tries: self.tries,
            restarts: self.restarts,
            woke: self.woke_us.map(span),
            rested: self.rested_us.map(span),
            fault: self.fault,
            finished: self.has(flag::FINISHED),
            gave_up: self.has(flag::GAVE_UP),
        }
    }

    /// The state with its deadline. A command that a process belongs to is told by the state.
    pub(crate) fn state(&self) -> State {
        self.state.with_until(self.until_us.map(span))
    }

    pub(crate) fn evidence(&self, errand: Option<Errand>) -> Option<Evidence> {
        let run = self.run_now.as_ref()?;
        Some(Evidence {
            main: run.main.restored(errand),
            control: run.control.restored(errand),
            populated: self.has(flag::POPULATED),
            touched: self.has(flag::TOUCHED),
            arrived: run.arrived_us.map(span),
            fault: run.fault,
            declined: self.has(flag::DECLINED),
            signalled: self.has(flag::SIGNALLED),
            stuck: self.has(flag::STUCK),
            out_of_memory: self.has(flag::OUT_OF_MEMORY),
            access: run.access,
            ..Evidence::default()
        })
    }
}

impl Window {
    pub(crate) fn of(since: Duration, count: u32) -> Window {
        Window { since_us: micros(since), count: u16::try_from(count).unwrap_or(u16::MAX) }
    }
}

impl RunRecord {
    fn of(evidence: &Evidence) -> RunRecord {
        let watchdog_ms = evidence.watchdog.map_or(0, |watchdog| watchdog.every.as_millis());
        RunRecord {
            main: ProcessRecord::of(evidence.main),
            control: ProcessRecord::of(evidence.control),
            arrived_us: evidence.arrived.map(micros),
            fault: evidence.fault,
            watchdog_ms: u32::try_from(watchdog_ms).unwrap_or(u32::MAX),
            access: evidence.access,
        }
    }
}

impl ProcessRecord {
    fn of(process: Process) -> ProcessRecord {
        match process {
            Process::None => ProcessRecord::None,
            Process::Ordered { .. } => ProcessRecord::Ordered,
            Process::Alive { pid, .. } => ProcessRecord::Alive(pid),
            Process::Ended { status } => ProcessRecord::Ended(status),
        }
    }

    /// A spawn of the old life has a ticket that nobody will answer.
    fn restored(self, errand: Option<Errand>) -> Process {
        match (self, errand) {
            (ProcessRecord::Ordered, Some(errand)) => {
                Process::Ordered { ticket: Ticket(u64::MAX), errand }
            }
            (ProcessRecord::None | ProcessRecord::Ordered, _) => Process::None,
            (ProcessRecord::Alive(pid), errand) => Process::Alive { pid, errand },
            (ProcessRecord::Ended(status), _) => Process::Ended { status },
        }
    }
}

impl PartRecord {
    fn of(part: &Part) -> PartRecord {
        match part {
            Part::Plain => PartRecord::Plain,
            Part::Timer(timer) => PartRecord::Timer {
                began_us: micros(timer.began),
                last_us: timer.last.map(micros),
                base_unix_us: timer.base_unix_us,
                spent: timer.spent,
                count: timer.count,
            },
            Part::Socket(socket) => {
                PartRecord::Socket(Window::of(socket.window_since, socket.window_triggers))
            }
            Part::Instance(serving) => {
                PartRecord::Instance { socket: serving.socket, connection: serving.connection }
            }
        }
    }
}

fn flags(unit: &Unit) -> u16 {
    let evidence = unit.now.as_deref();
    let told = |told: fn(&Evidence) -> bool| evidence.is_some_and(told);
    let (started, ready) =
        evidence.and_then(|now| now.probes.as_ref()).map_or((false, false), |p| p.passed());
    let all = [
        (unit.held.is_some(), flag::HELD),
        (unit.pinned, flag::PINNED),
        (unit.history.finished, flag::FINISHED),
        (unit.history.gave_up, flag::GAVE_UP),
        (told(|now| now.populated), flag::POPULATED),
        (told(|now| now.touched), flag::TOUCHED),
        (told(|now| now.declined), flag::DECLINED),
        (told(|now| now.signalled), flag::SIGNALLED),
        (told(|now| now.stuck), flag::STUCK),
        (told(|now| now.out_of_memory), flag::OUT_OF_MEMORY),
        (started, flag::PROBED_START),
        (ready, flag::PROBED_READY),
    ];
    all.into_iter().filter(|(set, _)| *set).fold(0, |flags, (_, flag)| flags | flag)
}

/// Whole microseconds fit into eight bytes of a record for two thousand years.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

pub(crate) fn span(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

impl State {
    /// The same state with another deadline.
    pub(crate) fn with_until(mut self, deadline: Until) -> State {
        match &mut self {
            State::Finding { again, until } => (*again, *until) = (None, deadline),
            State::StartPre { until, .. }
            | State::Launching { until, .. }
            | State::StartPost { until, .. }
            | State::Probing { until }
            | State::Up { until }
            | State::Reloading { until, .. }
            | State::StopCommand { until, .. }
            | State::Terminating { until }
            | State::Killing { until }
            | State::StopPost { until, .. }
            | State::Emptying { until } => *until = deadline,
            State::Backoff { until } | State::Opening { until } | State::Closing { until } => {
                *until = deadline.unwrap_or_default();
            }
            State::Down | State::Skipped | State::Failed | State::Waiting | State::Preparing => {}
        }
        self
    }
}

#[cfg(test)]
impl Record {
    /// Every field at the largest value that a machine of ten years could hold.
    pub(crate) fn fill(&mut self) {
        use crate::run::{Phase, StageFault, StageStep};
        let late = 10 * 365 * 24 * 3600 * 1_000_000;
        let step = StageStep::Exec;
        let status = ExitStatus::Stage(StageFault { step, errno: u16::MAX, item: u16::MAX });
        let fault = Fault::Exited { phase: Phase::StopPost, status };
        let errand = Errand { phase: Phase::StopPost, index: u16::MAX };
        self.id = UnitId(4095);
        self.run = u32::MAX;
        self.restarts = u32::MAX;
        self.fault = Some(fault);
        self.flags = u16::MAX;
        self.state = State::StartPre { errand, until: None };
        self.until_us = Some(late);
        self.since_us = late;
        self.job_until_us = Some(late);
        self.tries = u32::MAX;
        self.woke_us = Some(late);
        self.rested_us = Some(late);
        self.window = Window { since_us: late, count: u16::MAX };
        self.run_now = Some(RunRecord {
            main: ProcessRecord::Ended(status),
            control: ProcessRecord::Alive(4_194_304),
            arrived_us: Some(late),
            fault: Some(fault),
            watchdog_ms: u32::MAX,
            access: Some(NotifyAccess::All),
        });
        self.part = PartRecord::Instance { socket: UnitId(4095), connection: Some(u32::MAX) };
    }
}
