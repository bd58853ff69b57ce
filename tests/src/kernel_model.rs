//! A model of the kernel and of the shore: processes with tempers, groups, and what is told of them.
//!
//! It keeps the promises of `units::event` and `units::action`, no more: a process's end is told once and after
//! its spawn was answered, an empty group after the ends that emptied it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use units::event::{Errand, Event, KillTarget, Notification, Sender};
use units::run::{ExitStatus, Role, Run};
use units::service::Signal;

use crate::agenda::{Agenda, Item};
use crate::temper::{Act, Reaction, Temper};

/// How long the stage takes to become the program.
pub const STAGE_TIME: Duration = Duration::from_micros(300);
/// How long a process takes to die of a signal.
const DYING_TIME: Duration = Duration::from_micros(100);

/// Processes and groups.
#[derive(Debug, Default)]
pub struct Kernel {
    processes: BTreeMap<u32, Process>,
    /// The processes that the shore knows by their role.
    roles: BTreeMap<(Run, Role), u32>,
    /// Groups that exist.
    groups: BTreeSet<Run>,
    /// Runs whose main process is the first of a process name space: its end is everyone's.
    contained: BTreeSet<Run>,
    last_pid: u32,
}

/// One process, dead ones included until their end was told.
#[derive(Debug, Clone)]
pub struct Process {
    /// Whose group it is in.
    pub run: Run,
    /// What it was spawned for; children have nothing.
    pub errand: Option<(Role, Errand)>,
    /// How it behaves.
    pub temper: Rc<Temper>,
    /// When it was executed.
    pub executed: Option<Duration>,
    /// How it ended.
    pub ended: Option<ExitStatus>,
    /// It will end; nothing else impresses it any more.
    dying: bool,
    /// The daemon that it made.
    daemon: Option<u32>,
    /// When it was made.
    born: Duration,
}

/// The next step of a process.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The stage becomes the program.
    Execute,
    /// It does what its temper says at that place.
    Act(usize),
    /// It ends.
    End(ExitStatus),
    /// It feeds its watchdog.
    Feed,
    /// It says something.
    Say(Notification),
}

impl Kernel {
    /// Makes a process, unless the one that is ordered exists already.
    pub fn spawn(
        &mut self,
        now: Duration,
        agenda: &mut Agenda,
        (run, role, errand): (Run, Role, Errand),
        temper: Temper,
    ) -> u32 {
        let same = |process: &Process| process.run == run && process.errand == Some((role, errand));
        if let Some((pid, _)) = self.processes.iter().find(|(_, process)| same(process)) {
            return *pid;
        }
        self.groups.insert(run);
        let pid = self.make(now, run, Some((role, errand)), Rc::new(temper));
        self.roles.insert((run, role), pid);
        agenda.plan(now + STAGE_TIME, Item::Life(pid, Step::Execute));
        pid
    }

    /// The run's main process is the first of its own process name space.
    pub fn contain(&mut self, run: Run) {
        self.contained.insert(run);
    }

    fn make(
        &mut self,
        now: Duration,
        run: Run,
        errand: Option<(Role, Errand)>,
        temper: Rc<Temper>,
    ) -> u32 {
        self.last_pid += 1;
        let pid = 100 + self.last_pid;
        let process = Process {
            run,
            errand,
            temper,
            executed: None,
            ended: None,
            dying: false,
            daemon: None,
            born: now,
        };
        self.processes.insert(pid, process);
        pid
    }

    /// A process takes a step that was planned for it.
    pub fn live(&mut self, now: Duration, agenda: &mut Agenda, pid: u32, step: Step) {
        let Some(process) = self.processes.get(&pid) else { return };
        let alive = process.ended.is_none();
        match step {
            Step::End(status) if alive => self.end(now, agenda, pid, status),
            _ if !alive || process.dying => {}
            Step::Execute => self.execute(now, agenda, pid),
            Step::Act(place) => self.act(now, agenda, pid, place),
            Step::Feed => {
                self.say(now, agenda, pid, Notification::Watchdog);
                self.plan_feed(now, agenda, pid);
            }
            Step::Say(notification) => self.say(now, agenda, pid, notification),
            Step::End(_) => {}
        }
    }

    fn execute(&mut self, now: Duration, agenda: &mut Agenda, pid: u32) {
        let process = self.processes.get_mut(&pid).expect("it lives");
        if let Some(fault) = process.temper.stage {
            return self.end(now, agenda, pid, ExitStatus::Stage(fault));
        }
        process.executed = Some(now);
        for (place, (after, _)) in process.temper.acts.iter().enumerate() {
            agenda.plan(now + *after, Item::Life(pid, Step::Act(place)));
        }
        let run = process.run;
        if let Some(role) = self.role_of(pid) {
            agenda.tell(now, Event::Executed { run, role });
        }
        self.plan_feed(now, agenda, pid);
    }

    fn plan_feed(&self, now: Duration, agenda: &mut Agenda, pid: u32) {
        let process = &self.processes[&pid];
        let Some((every, until)) = process.temper.feeds else { return };
        let age = now.saturating_sub(process.executed.unwrap_or(now));
        if until.is_none_or(|until| age + every <= until) {
            agenda.plan(now + every, Item::Life(pid, Step::Feed));
        }
    }

    fn act(&mut self, now: Duration, agenda: &mut Agenda, pid: u32, place: usize) {
        let process = &self.processes[&pid];
        let (run, (_, act)) = (process.run, process.temper.acts[place].clone());
        match act {
            Act::End(status) => self.end(now, agenda, pid, status),
            Act::Say(notification) => self.say(now, agenda, pid, notification),
            Act::Fork(temper) => {
                self.start_child(now, agenda, run, temper);
            }
            Act::Daemonise(temper) => {
                let child = self.start_child(now, agenda, run, temper);
                self.processes.get_mut(&pid).expect("it lives").daemon = Some(child);
                self.end(now, agenda, pid, ExitStatus::Code(0));
            }
            Act::EatMemory => {
                agenda.tell(now, Event::OutOfMemory { run, kills: 1 });
                let status = ExitStatus::Signal { signal: Signal::KILL, core: false };
                self.end(now, agenda, pid, status);
            }
        }
    }

    fn start_child(
        &mut self,
        now: Duration,
        agenda: &mut Agenda,
        run: Run,
        temper: Rc<Temper>,
    ) -> u32 {
        let child = self.make(now, run, None, temper);
        self.execute(now, agenda, child);
        child
    }

    fn say(&self, now: Duration, agenda: &mut Agenda, pid: u32, mut notification: Notification) {
        if let Notification::Reloading { monotonic_us } = &mut notification {
            *monotonic_us = u64::try_from(now.as_micros()).ok();
        }
        let run = self.processes[&pid].run;
        let sender = match self.role_of(pid) {
            Some(Role::Main) => Sender::Main,
            Some(Role::Control) => Sender::Control,
            None => Sender::Other,
        };
        agenda.tell(now, Event::Notified { run, sender, notification });
    }

    fn end(&mut self, now: Duration, agenda: &mut Agenda, pid: u32, status: ExitStatus) {
        let process = self.processes.get_mut(&pid).expect("it lives");
        if let Some(until) = process.temper.stuck_until {
            let until = process.born + until;
            if now < until {
                process.dying = true;
                return agenda.plan(until, Item::Life(pid, Step::End(status)));
            }
        }
        process.ended = Some(status);
        process.dying = true;
        let run = process.run;
        match self.role_of(pid) {
            Some(role) => agenda.tell(now, Event::Exited { run, role, status }),
            None => {
                self.processes.remove(&pid);
            }
        }
        if self.roles.get(&(run, Role::Main)) == Some(&pid) && self.contained.contains(&run) {
            self.kill_group(now, agenda, run);
        }
        if self.is_empty(run) {
            agenda.plan(now, Item::LookEmpty(run));
        }
    }

    /// A signal to some processes of a run.
    pub fn signal(
        &mut self,
        now: Duration,
        agenda: &mut Agenda,
        run: Run,
        target: KillTarget,
        signal: Signal,
    ) {
        let role = |role| self.roles.get(&(run, role)).copied().into_iter().collect();
        let pids: Vec<u32> = match target {
            KillTarget::All => self.living(run).collect(),
            KillTarget::Main => role(Role::Main),
            KillTarget::Control => role(Role::Control),
        };
        for pid in pids {
            self.signal_one(now, agenda, pid, signal);
        }
        if target == KillTarget::All && self.is_empty(run) {
            agenda.plan(now, Item::LookEmpty(run));
        }
    }

    fn signal_one(&mut self, now: Duration, agenda: &mut Agenda, pid: u32, signal: Signal) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        if process.ended.is_some() || (process.dying && signal != Signal::KILL) {
            return;
        }
        let reaction = process.temper.reactions.get(&signal).cloned();
        // A stage has no handlers yet, and nobody has one for SIGKILL.
        let reaction = reaction.filter(|_| process.executed.is_some() && signal != Signal::KILL);
        let died = ExitStatus::Signal { signal, core: signal == Signal::ABRT };
        match reaction {
            None if signal == Signal::CONT => {}
            None => {
                process.dying = true;
                agenda.plan(now + DYING_TIME, Item::Life(pid, Step::End(died)));
            }
            Some(Reaction::Ignore) => {}
            Some(Reaction::End(after, status)) => {
                process.dying = true;
                agenda.plan(now + after, Item::Life(pid, Step::End(status)));
            }
            Some(Reaction::Reload(after)) => {
                let reloading = Notification::Reloading { monotonic_us: None };
                agenda.plan(now, Item::Life(pid, Step::Say(reloading)));
                agenda.plan(now + after, Item::Life(pid, Step::Say(Notification::Ready)));
            }
        }
    }

    /// `cgroup.kill`.
    pub fn kill_group(&mut self, now: Duration, agenda: &mut Agenda, run: Run) {
        let pids: Vec<u32> = self.living(run).collect();
        for pid in pids {
            self.signal_one(now, agenda, pid, Signal::KILL);
        }
        if self.is_empty(run) {
            agenda.plan(now, Item::LookEmpty(run));
        }
    }

    /// The run is over.
    pub fn release(&mut self, run: Run) {
        self.groups.remove(&run);
        self.contained.remove(&run);
        self.roles.retain(|(other, _), _| *other != run);
        self.processes.retain(|_, process| process.run != run || process.ended.is_none());
    }

    /// The process that had a role and ended, and was not reaped yet.
    #[must_use]
    pub fn zombie(&self, run: Run, role: Role) -> Option<u32> {
        let pid = *self.roles.get(&(run, role))?;
        self.processes.get(&pid)?.ended.map(|_| pid)
    }

    /// The shore reaps a process whose end was told.
    pub fn reap(&mut self, pid: u32) {
        self.roles.retain(|_, other| *other != pid);
        self.processes.remove(&pid);
    }

    /// The main process of a forking unit, as its PID file (if it has one) or a look at the group tells.
    pub fn find_main(&mut self, now: Duration, run: Run, by_file: bool) -> Option<u32> {
        let mut members = self.processes.iter().filter(|(_, p)| p.run == run && p.ended.is_none());
        let (pid, process) = members.find(|(_, process)| process.errand.is_none())?;
        let named = now >= process.born + process.temper.pid_file;
        let pid = *pid;
        (named || !by_file).then(|| {
            self.roles.insert((run, Role::Main), pid);
            pid
        })
    }

    /// The unit told its main process.
    pub fn adopt_main(&mut self, run: Run, pid: u32) {
        if self.processes.get(&pid).is_some_and(|process| process.run == run) {
            self.roles.insert((run, Role::Main), pid);
        }
    }

    /// Whether the run's processes say yes to a probe.
    #[must_use]
    pub fn probe(&self, now: Duration, run: Run) -> bool {
        let main = self.roles.get(&(run, Role::Main)).and_then(|pid| self.processes.get(pid));
        // A daemon that nobody named answers as well.
        let main = main.or_else(|| {
            let mut members = self.processes.values();
            members.find(|p| p.run == run && p.errand.is_none() && p.ended.is_none())
        });
        // A try lasts longer than the stage does.
        let age = |process: &Process| now.saturating_sub(process.executed.unwrap_or(now));
        main.is_some_and(|process| process.temper.is_healthy(age(process)))
    }

    /// What a shore that came back tells of its own accord.
    pub fn tell_again(&mut self, now: Duration, agenda: &mut Agenda) {
        for ((run, role), pid) in &self.roles {
            let Some(process) = self.processes.get(pid) else { continue };
            if process.executed.is_some() {
                agenda.tell(now, Event::Executed { run: *run, role: *role });
            }
            if let Some(status) = process.ended {
                agenda.tell(now, Event::Exited { run: *run, role: *role, status });
            }
        }
        for run in self.groups.iter().filter(|run| self.is_empty(**run)) {
            agenda.plan(now, Item::LookEmpty(*run));
        }
    }

    fn role_of(&self, pid: u32) -> Option<Role> {
        let run = self.processes.get(&pid)?.run;
        [Role::Main, Role::Control].into_iter().find(|r| self.roles.get(&(run, *r)) == Some(&pid))
    }

    /// The living processes of a run's group.
    pub fn living(&self, run: Run) -> impl Iterator<Item = u32> + '_ {
        let members = self.processes.iter();
        members.filter(move |(_, p)| p.run == run && p.ended.is_none()).map(|(pid, _)| *pid)
    }

    /// Whether nothing lives in a group.
    #[must_use]
    pub fn is_empty(&self, run: Run) -> bool {
        self.living(run).next().is_none()
    }

    /// Runs with a living process.
    #[must_use]
    pub fn populated(&self) -> BTreeSet<Run> {
        let alive = self.processes.values().filter(|process| process.ended.is_none());
        alive.map(|process| process.run).collect()
    }

    /// Whether a run's group was made and not released.
    #[must_use]
    pub fn has_group(&self, run: Run) -> bool {
        self.groups.contains(&run)
    }

    /// The living process that the shore knows as the run's main one.
    #[must_use]
    pub fn main(&self, run: Run) -> Option<u32> {
        let pid = *self.roles.get(&(run, Role::Main))?;
        self.processes.get(&pid).filter(|process| process.ended.is_none()).map(|_| pid)
    }

    /// Whether the process of that spawn exists.
    #[must_use]
    pub fn has_process(&self, run: Run, role: Role, errand: Errand) -> bool {
        let mut all = self.processes.values();
        all.any(|process| process.run == run && process.errand == Some((role, errand)))
    }

    /// Whether a run has a process that cannot be ended now.
    #[must_use]
    pub fn is_stuck(&self, now: Duration, run: Run) -> bool {
        self.processes.values().any(|process| {
            let until = process.temper.stuck_until.map(|until| process.born + until);
            process.run == run && until.is_some_and(|until| now < until)
        })
    }
}
