//! A new life of PID 1: everything that the last one held, in its place again.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use mio::Interest;
use units::run::{ExitStatus, Role as ProcessRole, Run, UnitId};

use crate::node::action::Outbox;
use crate::node::event::Stream;
use crate::node::resuming::{Left, NOTE};
use crate::node::{Event, Facts, Node};
use crate::sys::holdings::OutputPipe;
use crate::sys::logs::LogFile;
use crate::sys::outward::Voices;
use crate::sys::processes::{Owner, Process};
use crate::sys::run::Shore;
use crate::sys::sources::Source;
use crate::sys::survive::{self, Adopted, Cause, Inheritance, Kept};
use crate::sys::uevent::UeventSocket;
use crate::sys::watchdog::Watchdog;
use crate::sys::{cgroup, clock};
use crate::vault::{Intent, Operation, OperationCode, PipeEnd, Role};

/// Takes over: a shore that holds all that the last life held.
///
/// # Errors
/// When the poll set cannot be made.
pub(super) fn take_over(
    mut left: Inheritance,
    facts: Facts,
    voices: Voices,
    reopen: impl FnOnce(&mut Shore),
) -> io::Result<Shore> {
    left.keeper.enter(Operation::of(OperationCode::Recover));
    let arena = left.claim(|role| *role == Role::LogArena).map(|kept| kept.descriptor);
    let (store, logs) = LogFile::take_over(arena, &facts);
    let note = left.keeper.noted(usize::from(NOTE)).map(<[u8]>::to_vec);
    let Inheritance { keeper, repairs, units, quarantined, descriptors, missing, .. } = left;
    let mut outbox = Outbox::default();
    let left_to_node = Left { units, note, repairs, quarantined };
    let node = Node::restore(facts, store, left_to_node, clock::since_boot(), &mut outbox);
    let mut shore = Shore::new(node, voices, logs, keeper)?;
    shore.enter_arena();
    let mut lost = Vec::new();
    for role in missing {
        shore.miss(role, &mut lost);
    }
    shore.adopt_all(descriptors, &mut lost);
    if let Some(newborn) = left.newborn {
        shore.adopt_newborn(newborn.intent, newborn.pid);
    }
    shore.adopt_groups();
    reopen(&mut shore);
    shore.catch_up(outbox, lost);
    let cause = describe(left.cause);
    shore.step(Event::Resumed { cause, gap: survive::gap_since(left.since_ns) });
    let front = shore.keeper.front();
    shore.keeper.injector().go_on(front, false);
    Ok(shore)
}

fn describe(cause: Cause) -> String {
    match cause {
        Cause::Replaced => "was replaced".to_owned(),
        Cause::Unknown => "was executed again, nobody knows why".to_owned(),
        Cause::Fault(fault) => format!("recovered from {fault}"),
    }
}

impl Shore {
    /// Puts every descriptor in its place: processes first, since stages' reports belong to them.
    fn adopt_all(&mut self, descriptors: Vec<Kept>, lost: &mut Vec<(Run, ProcessRole)>) {
        self.keeper.enter(Operation::of(OperationCode::Adopt));
        let mut rest = Vec::new();
        for Kept { role, descriptor } in descriptors {
            if let Role::Process { run, role, pid, start_ticks } = role {
                self.adopt_process(run, role, pid, start_ticks, Some(descriptor), lost);
            } else {
                rest.push(Kept { role, descriptor });
            }
        }
        let is_writer =
            |kept: &Kept| matches!(kept.role, Role::LogPipe { end: PipeEnd::Write, .. });
        let (writers, rest): (Vec<Kept>, Vec<Kept>) = rest.into_iter().partition(is_writer);
        // Writers last, since each is kept together with its reader.
        let unclaimed =
            rest.into_iter().chain(writers).filter_map(|kept| self.adopt(kept)).collect();
        survive::close_all(&mut self.keeper, unclaimed);
    }

    /// Puts one descriptor in its place; gives it back when it has none any more.
    fn adopt(&mut self, kept: Kept) -> Option<Kept> {
        let Kept { role, descriptor } = kept;
        let source = match role {
            Role::Notify => Source::Notify(descriptor),
            Role::Control => Source::Control(descriptor),
            Role::Uevent => Source::Uevent(UeventSocket::adopt(descriptor)),
            Role::KernelRing => Source::Kmsg(descriptor),
            Role::Report { pid } => Source::Report { pid, pipe: descriptor },
            Role::LogPipe { unit, stderr, end: PipeEnd::Write } => {
                return self.adopt_writer(unit, stream(stderr), Kept { role, descriptor });
            }
            Role::LogPipe { unit, stderr, end: PipeEnd::Read } => {
                Source::Output { unit, stream: stream(stderr), pipe: descriptor }
            }
            Role::Listen { unit, index } => {
                self.adopt_listener(unit, index, descriptor);
                return None;
            }
            Role::Watchdog => {
                self.adopt_watchdog(descriptor);
                return None;
            }
            Role::Offered { number } => {
                self.holdings.offer(number, descriptor);
                return None;
            }
            Role::Stored { unit, number, poll } => {
                self.adopt_stored(unit, number, poll, descriptor);
                return None;
            }
            Role::Client { number } => return self.adopt_client(number, descriptor),
            Role::Guest { pid, .. } | Role::Child { pid, .. } => {
                // Whoever waited for it is gone with the last life.
                if survive::is_of(descriptor.as_fd(), pid) {
                    let signal = rustix::process::Signal::KILL;
                    // Who is gone needs no signal.
                    let _ = rustix::process::pidfd_send_signal(&descriptor, signal);
                }
                return Some(Kept { role, descriptor });
            }
            Role::Program | Role::Kmsg | Role::Console | Role::LogArena | Role::Process { .. } => {
                return Some(Kept { role, descriptor });
            }
        };
        self.adopt_source(source);
        None
    }

    fn adopt_source(&mut self, source: Source) {
        let report = if let Source::Report { pid, .. } = &source { Some(*pid) } else { None };
        let token = match self.sources.add(source, Some(Interest::READABLE)) {
            Ok(token) => token,
            Err(error) => return self.complain("take a descriptor over", &error),
        };
        match report.map(|pid| self.processes.get_mut(pid)) {
            Some(Some(process)) => process.report = Some(token),
            Some(None) => {
                self.remove_source(token);
            }
            None => {}
        }
    }

    fn adopt_process(
        &mut self,
        run: Run,
        role: ProcessRole,
        pid: u32,
        start_ticks: u64,
        pidfd: Option<OwnedFd>,
        lost: &mut Vec<(Run, ProcessRole)>,
    ) {
        if let Some(pidfd) = &pidfd {
            // Entered again under the number that it may get; the old one is free then.
            self.keeper.strike(pidfd.as_fd());
        }
        match survive::adopt(pidfd, pid, start_ticks) {
            Adopted::Alive(pidfd) => {
                let owner = Owner::Run { run, role };
                let process = Process { owner, pidfd: Some(pidfd), report: None, fault: None };
                self.hold_process(pid, process);
            }
            Adopted::Lost => lost.push((run, role)),
        }
    }

    /// What the table names and is gone: a process can still be found by its number.
    fn miss(&mut self, role: Role, lost: &mut Vec<(Run, ProcessRole)>) {
        if let Role::Process { run, role, pid, start_ticks } = role {
            return self.adopt_process(run, role, pid, start_ticks, None, lost);
        }
        self.complain("find a descriptor of the last life", &format!("{role:?}"));
    }

    fn adopt_newborn(&mut self, intent: Intent, pid: u32) {
        if let (Intent::Run { run, role }, Adopted::Alive(pidfd)) =
            (intent, survive::adopt(None, pid, 0))
        {
            let owner = Owner::Run { run, role };
            self.hold_process(
                pid,
                Process { owner, pidfd: Some(pidfd), report: None, fault: None },
            );
        }
        self.keeper.forget_child();
    }

    /// Without its other end a pipe is of no use; the unit gets a new one when it starts.
    fn adopt_writer(&mut self, unit: UnitId, stream: Stream, kept: Kept) -> Option<Kept> {
        let is_reader = |source: &Source| match source.keepsake() {
            Some((_, Role::LogPipe { unit: u, stderr, .. })) => {
                (u, self::stream(stderr)) == (unit, stream)
            }
            Some(_) | None => false,
        };
        let reader = self.sources.find(is_reader);
        let Some(reader) = reader else { return Some(kept) };
        let pipe = OutputPipe { writer: kept.descriptor, reader };
        self.holdings.outputs.insert((unit, stream), pipe);
        None
    }

    fn adopt_listener(&mut self, unit: UnitId, index: u16, socket: OwnedFd) {
        let name: Box<str> = self.socket_name(unit);
        match self.sources.add(Source::Listen { unit, index, socket }, None) {
            Ok(token) => {
                let sockets = self.holdings.sockets.entry(unit).or_default();
                sockets.push((token, name));
                let sources = &self.sources;
                sockets.sort_by_key(|(token, _)| match sources.get(*token) {
                    Some(Source::Listen { index, .. }) => *index,
                    _ => u16::MAX,
                });
            }
            Err(error) => self.complain("take a socket over", &error),
        }
    }

    fn adopt_stored(&mut self, unit: UnitId, number: u32, poll: bool, descriptor: OwnedFd) {
        let name: Box<str> = self.keeper.named(descriptor.as_fd()).unwrap_or("stored").into();
        self.holdings.offer(number, descriptor);
        self.keep(unit, number, name, poll);
    }

    fn adopt_watchdog(&mut self, descriptor: OwnedFd) {
        match Watchdog::adopt(descriptor) {
            Ok(watchdog) => self.take_watchdog(watchdog),
            Err(errno) => self.complain("take the watchdog over", &errno),
        }
    }

    /// Opens the groups of runs, and begins to watch them. What is in a group of nobody's is ended.
    fn adopt_groups(&mut self) {
        self.keeper.enter(Operation::of(OperationCode::Sweep));
        for name in cgroup::names() {
            let run = name.rsplit_once(':').and_then(|(unit, number)| {
                Some(Run { unit: self.node.unit_named(unit)?, number: number.parse().ok()? })
            });
            match run {
                Some(run) if self.node.is_current(run) => {
                    if let Err(error) = self.adopt_group(run, name) {
                        self.complain("take a group over", &error);
                    }
                }
                // What an earlier run left behind on purpose (`KillMode=process`) stays.
                Some(_) => cgroup::remove(&name),
                None => self.end_stray(&name),
            }
        }
    }

    fn adopt_group(&mut self, run: Run, name: String) -> io::Result<()> {
        let directory = cgroup::open(&name)?;
        self.watch_group(run, name, directory)?;
        let kills = self.keeper.kills(run);
        if let Some(group) = self.groups.get_mut(run) {
            group.kills = kills;
        }
        Ok(())
    }

    /// Processes without a unit: nobody would ever stop them.
    fn end_stray(&mut self, name: &str) {
        self.complain("find the unit of a group, which is ended", &name);
        match cgroup::open(name).and_then(|directory| cgroup::kill(directory.as_fd())) {
            Ok(()) => cgroup::remove(name),
            Err(error) => self.complain("end a group", &error),
        }
    }

    /// Carries out what the node ordered first, and tells it what happened meanwhile, in the order of a
    /// turn: notifications, kills for lack of memory, exits, emptiness.
    fn catch_up(&mut self, outbox: Outbox, lost: Vec<(Run, ProcessRole)>) {
        // First the input that was cut off: what follows would overwrite it.
        self.finish_input();
        for (run, role) in lost {
            let status = ExitStatus::Lost;
            self.step(Event::Unit(units::Event::Exited { run, role, status }));
        }
        self.carry_out(outbox);
        self.tell_kept();
        self.tell_clock();
        if let Some(token) = self.sources.notify() {
            while self.take(token) {}
        }
        self.tell_executed();
        for run in self.groups.runs().collect::<Vec<_>>() {
            self.look_at_memory(run);
        }
        self.reap_all();
        self.recheck.extend(self.groups.runs());
        self.greet_clients();
    }

    fn tell_kept(&mut self) {
        let stored = self.holdings.stored.iter();
        let kept: Vec<(UnitId, u32, Box<str>)> = stored
            .filter_map(|(number, stored)| Some((stored.unit?, *number, stored.name.clone())))
            .collect();
        for (unit, number, name) in kept {
            self.step(Event::Unit(units::Event::Kept { unit, number, name }));
        }
    }

    /// A stage that became its program in the last moment of the last life: its report is read and
    /// gone, so the program itself is looked at.
    fn tell_executed(&mut self) {
        let Some(own) = program_of("self") else { return };
        let silent = self.processes.iter().filter(|(_, process)| process.report.is_none());
        let runs: Vec<(Run, ProcessRole)> = silent
            .filter(|(pid, _)| program_of(&pid.to_string()).is_some_and(|program| program != own))
            .filter_map(|(_, process)| match process.owner {
                Owner::Run { run, role } => Some((run, role)),
                Owner::Guest(_) => None,
            })
            .collect();
        for (run, role) in runs {
            self.step(Event::Unit(units::Event::Executed { run, role }));
        }
    }
}

/// The file that a process executes, by device and inode.
fn program_of(process: &str) -> Option<(u64, u64)> {
    let stat = rustix::fs::stat(format!("/proc/{process}/exe")).ok()?;
    Some((stat.st_dev, stat.st_ino))
}

fn stream(stderr: bool) -> Stream {
    if stderr { Stream::Stderr } else { Stream::Stdout }
}
