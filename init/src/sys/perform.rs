//! Orders carried out: one match from `Action` to system calls.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mio::Interest;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use units::event::{KillTarget, Outcome, Refusal};
use units::plan::Plan;
use units::resources::Resources;
use units::run::{Role, Run, Ticket, UnitId};
use units::service::Signal;
use units::triggers::Socket;

use crate::node::action::Action;
use crate::node::event::{Event, Fault, Stream, WorkerFault};
use crate::sys::holdings::{OutputPipe, output_pipe};
use crate::sys::listen;
use crate::sys::processes::{Owner, Process};
use crate::sys::run::Shore;
use crate::sys::sources::Source;
use crate::sys::spawn::{self, Spawned, Stdio};
use crate::sys::workers::{self, Worker};
use crate::sys::{cgroup, limit};
use crate::vault::{Intent, Role as Keepsake};
use crate::wire::{Limits, Response};

/// What an order brought about at once; told when the whole outbox is carried out.
type FollowUp = Option<Event<'static>>;

impl Shore {
    /// Carries out one order.
    pub(crate) fn perform(&mut self, action: Action) -> FollowUp {
        match action {
            Action::Spawn { ticket, run, role, plan, resources, connection } => {
                let result = self.spawn(run, role, &plan, &resources, connection);
                Some(Event::Spawned { ticket, result: result.map_err(|error| fault(&error)) })
            }
            Action::Exec { ticket, run, plan, stdio } => {
                let result = self.exec(ticket, run, &plan, stdio);
                Some(Event::Spawned { ticket, result: result.map_err(|error| fault(&error)) })
            }
            Action::SignalGuest { ticket, signal } => {
                if let Some(pid) = self.processes.guest(ticket) {
                    kill(pid, signal);
                }
                None
            }
            Action::Work { ticket, arguments, input, target } => {
                self.work(ticket, &arguments, &input, target)
            }
            Action::Flush { ticket, input } => self.flush(ticket, &input),
            Action::KillWorker { ticket } => self.kill_worker(ticket),
            Action::Signal { run, target, signal } => self.signal(run, target, signal),
            Action::KillGroup { run } => self.kill_group(run),
            Action::Release { run, drop_descriptors, directories } => {
                self.release(run, drop_descriptors, &directories)
            }
            Action::FindMain { ticket, run, pid_file } => {
                let outcome = self.find_main(run, pid_file.as_deref());
                Some(Event::Unit(units::Event::Done { ticket, outcome }))
            }
            Action::AdoptMain { run, pid } => self.adopt_main(run, pid),
            Action::SetLimits { run, resources } => self.set_limits(run, &resources),
            Action::ChangeLimits { client, id, run, limits } => {
                let refused = self.change_limits(run, &limits);
                Some(Event::LimitsChanged { client, id, refused })
            }
            Action::Listen { ticket, unit, socket } => self.listen(ticket, unit, &socket),
            Action::Watch { unit, on } => self.watch(unit, on),
            Action::Close { unit } => self.close(unit),
            Action::Hang { connection } => self.drop_number(connection),
            Action::Keep { unit, number, name, poll } => self.keep(unit, number, name, poll),
            Action::Drop { number } => self.drop_number(number),
            Action::Forget { unit } => self.forget(unit),
            Action::Reply { client, id, response } => {
                let descriptor = self.attachment(&response);
                self.reply(client, id, &response, descriptor);
                None
            }
            Action::Hangup { client } => {
                self.hang_up(client);
                None
            }
            Action::Record { slot, bytes } => {
                self.record(slot, &bytes);
                None
            }
            Action::Definitions => {
                self.record_definitions();
                None
            }
            Action::Note { number, bytes } => {
                self.note(number, &bytes);
                None
            }
            Action::Image { unit, bytes } => {
                self.know_image(unit, &bytes);
                None
            }
            Action::Pardon { unit } => {
                self.keeper.front().release(unit);
                None
            }
            Action::Say { line, level } => {
                self.say(&line, level);
                None
            }
            Action::MoveLogs { bytes } => {
                self.move_logs(bytes);
                None
            }
            Action::ArmWatchdog { path, timeout } => {
                // Without a device there is nothing to be said: it may come later.
                let _armed = self.arm_watchdog(&path, timeout);
                None
            }
            Action::Power(power) => {
                self.power = Some(power);
                None
            }
            Action::Reexec { binary, client } => self.reexec(binary, client),
        }
    }

    fn spawn(
        &mut self,
        run: Run,
        role: Role,
        plan: &Plan,
        resources: &Resources,
        connection: Option<u32>,
    ) -> io::Result<u32> {
        // After a change of lives the order may come a second time.
        if let Some(pid) = self.processes.find(run, role) {
            return Ok(pid);
        }
        self.make_group(run, plan, resources)?;
        let stdout = self.output(run.unit, Stream::Stdout)?;
        let stderr = self.output(run.unit, Stream::Stderr)?;
        let group = self.groups.get(run).ok_or(Errno::NOENT)?;
        let connection = connection.and_then(|number| self.holdings.descriptor(number));
        let stdio = Stdio {
            stdin: connection,
            stdout: Some(self.writer(stdout)?),
            stderr: Some(self.writer(stderr)?),
        };
        let passed = self.passed(run.unit, connection);
        let target = self.main_pidfd(run).filter(|_| plan.enters);
        let cradle = self.keeper.expect_child(Intent::Run { run, role });
        let spawned = spawn::spawn(plan, group.directory.as_fd(), stdio, &passed, target, cradle)?;
        Ok(self.adopt_spawned(Owner::Run { run, role }, spawned))
    }

    fn exec(
        &mut self,
        ticket: Ticket,
        run: Run,
        plan: &Plan,
        numbers: [u32; 3],
    ) -> io::Result<u32> {
        let group = self.groups.get(run).ok_or(Errno::NOENT)?;
        let [stdin, stdout, stderr] = numbers.map(|number| self.holdings.descriptor(number));
        let stdio = Stdio { stdin, stdout, stderr };
        let target = self.main_pidfd(run);
        let cradle = self.keeper.expect_child(Intent::Worker(ticket));
        let spawned = spawn::spawn(plan, group.directory.as_fd(), stdio, &[], target, cradle)?;
        let pid = self.adopt_spawned(Owner::Guest(ticket), spawned);
        for number in numbers {
            self.drop_number(number);
        }
        Ok(pid)
    }

    fn adopt_spawned(&mut self, owner: Owner, spawned: Spawned) -> u32 {
        let pid = spawned.pid.as_raw_nonzero().get().unsigned_abs();
        let report = Source::Report { pid, pipe: spawned.report };
        let report = self.add_source(report, Some(Interest::READABLE)).ok();
        let process = Process { owner, pidfd: Some(spawned.pidfd), report, fault: None };
        self.hold_process(pid, process);
        pid
    }

    /// The run's group, made with its limits if it is not there yet.
    fn make_group(&mut self, run: Run, plan: &Plan, resources: &Resources) -> io::Result<()> {
        if self.groups.get(run).is_some() {
            return Ok(());
        }
        let name = format!("{}:{}", plan.unit, run.number);
        let directory = cgroup::create(&name, resources)?;
        if let Some(rules) = crate::sys::devices::rules(plan) {
            crate::sys::devices::allow_only(directory.as_fd(), &rules)?;
        }
        self.watch_group(run, name, directory)
    }

    /// Begins to watch a run's group.
    pub(crate) fn watch_group(
        &mut self,
        run: Run,
        name: String,
        directory: OwnedFd,
    ) -> io::Result<()> {
        let (events, memory) = (self.events_watch, self.memory_watch);
        let (Some(Source::Groups(events)), Some(Source::Memory(memory))) =
            (self.sources.get(events), self.sources.get(memory))
        else {
            return Err(Errno::BADF.into());
        };
        self.groups.insert(run, name, directory, events.as_fd(), memory.as_fd())
    }

    /// A unit's output pipe, made on first use.
    fn output(&mut self, unit: UnitId, stream: Stream) -> io::Result<(UnitId, Stream)> {
        let key = (unit, stream);
        if !self.holdings.outputs.contains_key(&key) {
            let (pipe, writer) = output_pipe()?;
            let source = Source::Output { unit, stream, pipe };
            let reader = self.add_source(source, Some(Interest::READABLE))?;
            self.enter_writer(unit, stream, writer.as_fd());
            self.holdings.outputs.insert(key, OutputPipe { writer, reader });
        }
        Ok(key)
    }

    fn writer(&self, key: (UnitId, Stream)) -> io::Result<BorrowedFd<'_>> {
        Ok(self.holdings.outputs.get(&key).ok_or(Errno::BADF)?.writer.as_fd())
    }

    /// The descriptors that a unit's processes get from 3 on, with their names: its sockets or its
    /// connection first, then what it stored.
    fn passed<'a>(
        &'a self,
        unit: UnitId,
        connection: Option<BorrowedFd<'a>>,
    ) -> Vec<(BorrowedFd<'a>, &'a str)> {
        let mut passed: Vec<(BorrowedFd<'a>, &'a str)> =
            connection.into_iter().map(|fd| (fd, "connection")).collect();
        for socket_unit in self.node.sockets_of(unit) {
            let sockets = self.holdings.sockets.get(&socket_unit).into_iter().flatten();
            for (token, name) in sockets {
                if let Some(Source::Listen { socket, .. }) = self.sources.get(*token) {
                    passed.push((socket.as_fd(), name));
                }
            }
        }
        let stored = self.holdings.stored_of(unit);
        passed.extend(stored.map(|(_, stored)| (stored.descriptor.as_fd(), &*stored.name)));
        passed
    }

    fn main_pidfd(&self, run: Run) -> Option<BorrowedFd<'_>> {
        let pid = self.processes.find(run, Role::Main)?;
        self.processes.get(pid)?.pidfd.as_ref().map(OwnedFd::as_fd)
    }

    fn work(
        &mut self,
        ticket: Ticket,
        arguments: &[String],
        input: &[u8],
        target: Option<Run>,
    ) -> FollowUp {
        let target = target.and_then(|run| self.main_pidfd(run));
        let started = workers::start(arguments, input, target);
        self.add_worker(ticket, started)
    }

    fn flush(&mut self, ticket: Ticket, input: &[u8]) -> FollowUp {
        let started = self
            .log_reader()
            .and_then(|reader| workers::start(&["flush".to_owned()], input, Some(reader.as_fd())));
        self.add_worker(ticket, started)
    }

    fn add_worker(&mut self, ticket: Ticket, started: io::Result<Worker>) -> FollowUp {
        match started {
            Ok(worker) => {
                self.enter_worker(ticket, &worker);
                self.workers.insert(ticket, worker);
                None
            }
            Err(error) => {
                let result = Err(WorkerFault::Spawn(fault(&error)));
                Some(Event::Worked { ticket, result })
            }
        }
    }

    fn kill_worker(&mut self, ticket: Ticket) -> FollowUp {
        if let Some(worker) = self.workers.get(ticket) {
            kill(worker.pid, Signal::KILL);
        }
        None
    }

    fn signal(&mut self, run: Run, target: KillTarget, signal: Signal) -> FollowUp {
        match target {
            KillTarget::Main => self.signal_role(run, Role::Main, signal),
            KillTarget::Control => self.signal_role(run, Role::Control, signal),
            KillTarget::All => {
                if let Some(group) = self.groups.get(run) {
                    for pid in cgroup::processes(group.directory.as_fd()).unwrap_or_default() {
                        kill(pid, signal);
                    }
                }
            }
        }
        None
    }

    fn signal_role(&self, run: Run, role: Role, signal: Signal) {
        let Some(pid) = self.processes.find(run, role) else { return };
        let pidfd = self.processes.get(pid).and_then(|process| process.pidfd.as_ref());
        let (Some(pidfd), Some(signal)) = (pidfd, raw_signal(signal)) else {
            return kill(pid, signal);
        };
        // Who is gone needs no signal.
        let _ = pidfd_send_signal(pidfd, signal);
    }

    fn kill_group(&mut self, run: Run) -> FollowUp {
        if let Some(group) = self.groups.get(run)
            && let Err(error) = cgroup::kill(group.directory.as_fd())
        {
            self.complain("kill a group", &error);
        }
        // Whoever waits for the group to be empty is told, also when it was so before.
        self.recheck.push(run);
        None
    }

    fn release(&mut self, run: Run, drop_descriptors: bool, directories: &[String]) -> FollowUp {
        if let Some(group) = self.groups.remove(run) {
            drop(group.directory);
            cgroup::remove(&group.name);
        }
        if drop_descriptors {
            let numbers: Vec<u32> = self.holdings.stored_of(run.unit).map(|(n, _)| n).collect();
            for number in numbers {
                self.drop_number(number);
            }
        }
        for directory in directories {
            crate::sys::files::remove_tree_below_run(directory);
        }
        None
    }

    fn find_main(&self, run: Run, pid_file: Option<&str>) -> Outcome {
        let Some(group) = self.groups.get(run) else { return refused("the unit has no group") };
        let members = cgroup::processes(group.directory.as_fd()).unwrap_or_default();
        let control = self.processes.find(run, Role::Control);
        let Some(path) = pid_file else {
            let mut candidates = members.into_iter().filter(|pid| Some(*pid) != control);
            return match (candidates.next(), candidates.next()) {
                (Some(pid), None) => Outcome::Process { pid },
                (None, _) => refused("no process is left in the unit's group"),
                (Some(pid), Some(_)) => Outcome::Process { pid },
            };
        };
        let text = match crate::sys::files::read_text(path) {
            Ok(text) => text,
            Err(errno) => return refused(&format!("cannot read PID file {path}: {errno}")),
        };
        match text.split_whitespace().next().and_then(|word| word.parse::<u32>().ok()) {
            Some(pid) if members.contains(&pid) => Outcome::Process { pid },
            Some(pid) => refused(&format!(
                "PID file {path} names process {pid}, which is not one of the unit's"
            )),
            None => refused(&format!("PID file {path} has no process number")),
        }
    }

    fn adopt_main(&mut self, run: Run, pid: u32) -> FollowUp {
        if let Some(old) = self.processes.find(run, Role::Main).filter(|old| *old != pid) {
            self.reassign_process(old, Owner::Run { run, role: Role::Control });
        }
        let owner = Owner::Run { run, role: Role::Main };
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pidfd = number.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        match self.processes.get(pid) {
            Some(_) => self.reassign_process(pid, owner),
            None => {
                self.hold_process(pid, Process { owner, pidfd, report: None, fault: None });
            }
        }
        None
    }

    fn set_limits(&mut self, run: Run, resources: &Resources) -> FollowUp {
        if let Some(group) = self.groups.get(run)
            && let Err(refused) = limit::write_all(group.directory.as_fd(), resources)
        {
            let what = format!("write {} of {}", refused.file, group.name);
            self.complain(&what, &refused.error);
        }
        None
    }

    fn change_limits(&self, run: Run, limits: &Limits) -> Option<(&'static str, Fault)> {
        let Some(group) = self.groups.get(run) else {
            return Some(("cgroup.procs", fault(&Errno::NOENT.into())));
        };
        let refused = limit::write_some(group.directory.as_fd(), limits).err()?;
        Some((refused.file, fault(&refused.error)))
    }

    fn listen(&mut self, ticket: Ticket, unit: UnitId, socket: &Socket) -> FollowUp {
        let outcome = match self.open_sockets(unit, socket) {
            Ok(()) => Outcome::Ok,
            Err(error) => Outcome::Refused(Refusal {
                stage: None,
                errno: fault(&error).errno,
                text: format!("cannot listen: {error}").into(),
            }),
        };
        Some(Event::Unit(units::Event::Done { ticket, outcome }))
    }

    fn open_sockets(&mut self, unit: UnitId, socket: &Socket) -> io::Result<()> {
        let name = self.socket_name(unit);
        let mut opened = Vec::new();
        for (index, socket) in listen::open(socket)?.into_iter().enumerate() {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let source = Source::Listen { unit, index, socket };
            opened.push((self.add_source(source, None)?, name.clone()));
        }
        self.holdings.sockets.insert(unit, opened);
        Ok(())
    }

    /// The name under which a socket unit's descriptors are passed on.
    pub(crate) fn socket_name(&self, unit: UnitId) -> Box<str> {
        let socket = self.node.socket_of(unit);
        let own = socket.and_then(|socket| socket.descriptor_name.clone());
        own.unwrap_or_else(|| self.node.name_of(unit).into())
    }

    fn watch(&mut self, unit: UnitId, on: bool) -> FollowUp {
        let sockets = self.holdings.sockets.get(&unit).cloned().unwrap_or_default();
        for (token, _) in sockets {
            self.sources.silence(token);
            if on && let Err(error) = self.sources.wake(token, Interest::READABLE) {
                self.complain("watch a socket", &error);
            }
        }
        None
    }

    fn close(&mut self, unit: UnitId) -> FollowUp {
        for (token, _) in self.holdings.sockets.remove(&unit).unwrap_or_default() {
            self.remove_source(token);
        }
        if let Some(socket) = self.node.socket_of(unit).filter(|socket| socket.remove_on_stop) {
            listen::remove_paths(socket);
        }
        None
    }

    pub(crate) fn keep(
        &mut self,
        unit: UnitId,
        number: u32,
        name: Box<str>,
        poll: bool,
    ) -> FollowUp {
        let stored = self.holdings.stored.get_mut(&number)?;
        stored.unit = Some(unit);
        stored.name = name;
        if poll && let Ok(descriptor) = stored.descriptor.try_clone() {
            // Only its end is of interest, which the kernel tells whatever is asked for. Regular files
            // cannot be polled; they have no other end either.
            let source = Source::Stored { number, descriptor };
            stored.token = self.sources.add(source, Some(Interest::PRIORITY)).ok();
        }
        let kept = Keepsake::Stored { unit, number, poll };
        // It was in the table while it was offered, so that there is room for it.
        let _ = self.keeper.keep(stored.descriptor.as_fd(), kept);
        let _ = self.keeper.name(stored.descriptor.as_fd(), &stored.name);
        self.keeper.commit();
        None
    }

    pub(crate) fn drop_number(&mut self, number: u32) -> FollowUp {
        let stored = self.holdings.take(number)?;
        self.keeper.strike(stored.descriptor.as_fd());
        self.keeper.commit();
        if let Some(token) = stored.token {
            self.remove_source(token);
        }
        None
    }

    /// Closes what a unit that is no more holds with us; it was down, so its pipes are empty.
    fn forget(&mut self, unit: UnitId) -> FollowUp {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if let Some(pipe) = self.holdings.outputs.remove(&(unit, stream)) {
                self.remove_source(pipe.reader);
                self.keeper.strike(pipe.writer.as_fd());
            }
        }
        let numbers: Vec<u32> = self.holdings.stored_of(unit).map(|(n, _)| n).collect();
        for number in numbers {
            self.drop_number(number);
        }
        self.close(unit)
    }

    fn attachment(&self, response: &Response) -> Option<OwnedFd> {
        if matches!(response, Response::Logs(_)) { self.log_reader().ok() } else { None }
    }
}

fn refused(text: &str) -> Outcome {
    Outcome::Refused(Refusal { stage: None, errno: 0, text: text.into() })
}

fn fault(error: &io::Error) -> Fault {
    let errno = error.raw_os_error().and_then(|errno| u16::try_from(errno).ok());
    Fault { errno: errno.unwrap_or(0) }
}

fn raw_signal(signal: Signal) -> Option<rustix::process::Signal> {
    // SAFETY: the number is checked to be one of the kernel's.
    (1..=64)
        .contains(&signal.0)
        .then(|| unsafe { rustix::process::Signal::from_raw_unchecked(i32::from(signal.0)) })
}

/// Signals a process that we have not reaped.
pub(crate) fn kill(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, raw_signal(signal)) {
        // Who is gone needs no signal.
        let _ = rustix::process::kill_process(pid, signal);
    }
}
