//! A small PID 1 on the real vault, handler and recovery: slots of short-lived children, started again
//! as soon as they end, and a few that never end.
//!
//! All that it knows of a slot is in the slot's note. Each input (an exit, bytes of a pipe) is one
//! transaction, as the real loop does it: read into the inbox, step, write notes, finish; an exit is
//! looked at, then stepped, then reaped.
#![allow(unsafe_code, reason = "a process is made here as the shore makes one")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::process::ExitCode;

use init::sys::survive::inject::Kind;
use init::sys::survive::reexec::Candidate;
use init::sys::survive::{self, Adopted, Cause, Inheritance, Input, Keeper, Start};
use init::vault::{Held, Intent, Operation, OperationCode, PipeEnd, Role, Section};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};
use units::UnitId;
use units::run::{Role as ProcessRole, Run};

use crate::child::{LINES, code};

/// Slots with short-lived children.
const SLOTS: usize = 8;
/// Children that never end.
const ETERNAL: usize = 6;
/// The name that PID 1 has once it supervises.
pub(crate) const READY: &str = "ready";
/// The note in which the story so far is.
const STORY: usize = 0;
/// Kind of input: bytes of a pipe.
const WROTE: u32 = 1;

/// What the test asks for, and what came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Story {
    /// Faults to commit by ourselves.
    pub(crate) faults: u32,
    /// Kinds of faults, by name; empty: all in turn.
    pub(crate) kind: String,
    /// Wait for a fault from outside instead.
    pub(crate) outside: bool,
    /// Replace ourselves by this binary once the faults are over.
    pub(crate) replace: String,
    /// Faults that were survived.
    pub(crate) survived: u32,
    /// Replacements.
    pub(crate) replaced: u32,
    /// Why a replacement did not take place.
    pub(crate) refused: String,
    /// Gaps without supervision, in microseconds.
    pub(crate) gaps_us: Vec<u32>,
    /// What went wrong.
    pub(crate) complaints: Vec<String>,
    /// Exits that were seen.
    pub(crate) exits: u32,
    /// Lines that were read.
    pub(crate) lines: u32,
    /// The children that never end.
    pub(crate) eternal: Vec<u32>,
}

/// A slot's fate, in a note of its own.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Slot {
    /// The present run, from 0.
    run: u32,
    /// Its process, 0 before it is made.
    pid: u32,
    /// Lines read.
    lines: u32,
    /// The beginning of a line that is not complete.
    rest: Vec<u8>,
}

struct Pid1 {
    keeper: Keeper,
    story: Story,
    slots: Vec<Slot>,
    /// Both ends of each slot's pipe.
    pipes: Vec<(OwnedFd, OwnedFd)>,
    /// Every process that was adopted or made, with its handle.
    processes: Vec<(u32, OwnedFd)>,
    steps_left: u32,
}

pub(crate) fn run() -> ExitCode {
    let mut pid1 = match survive::begin().unwrap() {
        Start::Fresh(keeper) => Pid1::boot(keeper),
        Start::Inherited(inheritance) => Pid1::recover(*inheritance),
        Start::Degraded(mut degraded) => {
            degraded.hold();
            return ExitCode::from(77);
        }
    };
    pid1.aim();
    std::fs::write("/proc/self/comm", READY).unwrap();
    loop {
        if pid1.is_over() {
            return pid1.end();
        }
        pid1.turn();
    }
}

fn slot_operation(code: OperationCode, slot: usize) -> Operation {
    Operation::on(code, UnitId(slot as u16))
}

impl Pid1 {
    fn boot(mut keeper: Keeper) -> Pid1 {
        survive::arm(&mut keeper, false);
        let story = std::env::var("KEELSON_TEST_STORY").unwrap();
        let story: Story = serde_json::from_str(&story).unwrap();
        keeper.allow_injection(true);
        keeper.front().set_faults_max(if story.kind == "degrade" { 3 } else { 0 });
        let mut pid1 = Pid1 {
            keeper,
            story,
            slots: vec![Slot::default(); SLOTS],
            pipes: Vec::new(),
            processes: Vec::new(),
            steps_left: 0,
        };
        for slot in 0..SLOTS {
            let (reader, writer) =
                rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
            rustix::io::ioctl_fionbio(&reader, true).unwrap();
            pid1.keep_pipe(slot, reader.as_fd(), PipeEnd::Read);
            pid1.keep_pipe(slot, writer.as_fd(), PipeEnd::Write);
            pid1.pipes.push((reader, writer));
            pid1.write_slot(slot);
        }
        pid1.write_story();
        pid1.keeper.commit();
        for eternal in 0..ETERNAL {
            let pid = pid1.start(SLOTS + eternal, 0, "for-ever");
            pid1.story.eternal.push(pid);
        }
        pid1.write_story();
        pid1.keeper.commit();
        for slot in 0..SLOTS {
            pid1.start_slot(slot);
        }
        pid1
    }

    fn keep_pipe(&mut self, slot: usize, fd: BorrowedFd<'_>, end: PipeEnd) {
        let role = Role::LogPipe { unit: UnitId(slot as u16), stderr: false, end };
        self.keeper.keep(fd, role).unwrap();
    }

    fn recover(mut left: Inheritance) -> Pid1 {
        left.keeper.allow_injection(true);
        survive::arm(&mut left.keeper, false);
        let story = left.keeper.noted(STORY).expect("the story was never lost");
        let mut story: Story = postcard::from_bytes(story).unwrap();
        match left.cause {
            // The story counts only what was committed; a fault can come before that.
            Cause::Fault(_) => story.survived = left.keeper.front().fault_count() as u32,
            Cause::Replaced => story.replaced += 1,
            Cause::Unknown => story.complaints.push("cause unknown".into()),
        }
        if left.repairs != init::vault::Repairs::default() {
            story.complaints.push(format!("{:?}", left.repairs));
        }
        for missing in &left.missing {
            story.complaints.push(format!("missing {missing:?}"));
        }
        let mut slots = Vec::new();
        for slot in 0..SLOTS {
            let held = left.keeper.vault().read(Section::Notes, 1 + slot);
            let Held::Newest(bytes) = held else { panic!("slot {slot}: {held:?}") };
            slots.push(postcard::from_bytes(bytes).unwrap());
        }
        let mut pid1 = Pid1::assemble(left, story, slots);
        pid1.finish_input();
        pid1.account_for_processes();
        pid1
    }

    fn assemble(mut left: Inheritance, story: Story, slots: Vec<Slot>) -> Pid1 {
        let mut pipe = |slot: usize, wanted: PipeEnd| {
            let unit = UnitId(slot as u16);
            let kept = left.claim(|role| {
                matches!(role, Role::LogPipe { unit: u, end, .. } if *u == unit && *end == wanted)
            });
            kept.expect("both ends of every pipe are handed over").descriptor
        };
        let pipes = (0..SLOTS)
            .map(|slot| (pipe(slot, PipeEnd::Read), pipe(slot, PipeEnd::Write)))
            .collect();
        let mut processes = Vec::new();
        while let Some(kept) = left.claim(|role| matches!(role, Role::Process { .. })) {
            let Role::Process { pid, start_ticks, .. } = kept.role else { continue };
            match survive::adopt(Some(kept.descriptor), pid, start_ticks) {
                Adopted::Alive(pidfd) => processes.push((pid, pidfd)),
                Adopted::Lost => panic!("process {pid} is lost"),
            }
        }
        let gap = survive::gap_since(left.since_ns);
        let newborn = left.newborn;
        let mut pid1 = Pid1 { keeper: left.keeper, story, slots, pipes, processes, steps_left: 0 };
        pid1.story.gaps_us.push(u32::try_from(gap.as_micros()).unwrap_or(u32::MAX));
        if let Some(newborn) = newborn {
            let Intent::Run { run, .. } = newborn.intent else { panic!("no workers here") };
            let slot = usize::from(run.unit.0);
            let Adopted::Alive(pidfd) = survive::adopt(None, newborn.pid, 0) else {
                panic!("newborn {} is lost", newborn.pid)
            };
            pid1.enter_process(slot, run.number, newborn.pid, pidfd);
        }
        pid1
    }

    /// The input that the last image did not finish.
    fn finish_input(&mut self) {
        let Some(inbox) = self.keeper.unfinished() else { return };
        assert_eq!(inbox.kind, WROTE);
        let slot = usize::try_from(inbox.source).unwrap();
        let bytes = inbox.bytes.to_vec();
        self.on_wrote(slot, &bytes);
    }

    /// A slot whose order to start was never carried out gets its process now.
    fn account_for_processes(&mut self) {
        for slot in 0..SLOTS {
            let pid = self.slots[slot].pid;
            let known = self.processes.iter().any(|(known, _)| *known == pid);
            if pid == 0 {
                self.start_slot(slot);
            } else if !known {
                self.story.complaints.push(format!("slot {slot}: process {pid} has no handle"));
            }
        }
        self.write_story();
        self.keeper.commit();
    }

    /// Arms the next fault, at an operation that depends on how many there were.
    fn aim(&mut self) {
        self.steps_left = 400;
        if self.story.outside || self.story.survived >= self.story.faults {
            return;
        }
        let nth = self.story.survived as usize;
        let kind = match self.story.kind.parse::<Kind>() {
            Ok(kind) => kind,
            Err(_) => Kind::ALL[nth % Kind::ALL.len()],
        };
        let after = (nth * 7919 + 13) % 97;
        self.keeper.injector().arm(kind, after as u32).unwrap();
    }

    fn is_over(&self) -> bool {
        let replaced = self.story.replace.is_empty()
            || self.story.replaced > 0
            || !self.story.refused.is_empty();
        self.story.survived >= self.story.faults && replaced && self.steps_left == 0
    }

    fn turn(&mut self) {
        self.keeper.enter(Operation::of(OperationCode::Poll));
        let wait = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        let mut set: Vec<PollFd<'_>> =
            self.pipes.iter().map(|(pipe, _)| PollFd::new(pipe, PollFlags::IN)).collect();
        let _ = poll(&mut set, Some(&wait)); // a failed poll is a short one
        let ready: Vec<usize> =
            (0..SLOTS).filter(|slot| !set[*slot].revents().is_empty()).collect();
        drop(set);
        for slot in ready {
            self.read_pipe(slot);
        }
        while self.reap_one() {}
        self.steps_left = self.steps_left.saturating_sub(1);
        let calm = self.story.survived >= self.story.faults && self.steps_left == 200;
        if calm && !self.story.replace.is_empty() && self.story.replaced == 0 {
            self.replace();
        }
    }

    fn read_pipe(&mut self, slot: usize) {
        self.keeper.enter(slot_operation(OperationCode::Read, slot));
        let pipe = &self.pipes[slot].0;
        let input = Input { kind: WROTE, source: slot as u64, before: 0 };
        let read = self.keeper.receive(input, |room| Ok(rustix::io::read(pipe, &mut room[..64])?));
        if let Ok(length @ 1..) = read {
            let bytes = self.keeper.received(length).to_vec();
            self.on_wrote(slot, &bytes);
        }
    }

    fn on_wrote(&mut self, slot: usize, bytes: &[u8]) {
        self.keeper.enter(slot_operation(OperationCode::Wrote, slot));
        self.slots[slot].rest.extend_from_slice(bytes);
        while let Some(end) = self.slots[slot].rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.slots[slot].rest.drain(..=end).collect();
            let expected = format!("slot {slot} line {}\n", self.slots[slot].lines);
            if line != expected.as_bytes() {
                let found = String::from_utf8_lossy(&line).into_owned();
                self.story.complaints.push(format!("expected {expected:?}, found {found:?}"));
            }
            self.slots[slot].lines += 1;
            self.story.lines += 1;
        }
        self.write_slot(slot);
        self.write_story();
        self.keeper.enter(slot_operation(OperationCode::Commit, slot));
        self.keeper.finish();
    }

    /// Looks at an exit, steps it, and only then reaps it.
    fn reap_one(&mut self) -> bool {
        self.keeper.enter(Operation::of(OperationCode::Reap));
        // SAFETY: all zero is a valid answer: nobody.
        let mut about: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: `about` is a valid place for the answer.
        let done = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut about, flags) };
        // SAFETY: the answer is about a child, or still all zero.
        let (pid, status) = unsafe { (about.si_pid(), about.si_status()) };
        if done != 0 || pid == 0 {
            return false;
        }
        self.on_exit(pid as u32, status);
        self.keeper.enter(Operation::of(OperationCode::Reap));
        // SAFETY: as above.
        unsafe { libc::waitid(libc::P_PID, pid as u32, &raw mut about, libc::WEXITED) };
        true
    }

    fn on_exit(&mut self, pid: u32, status: i32) {
        let Some(slot) = self.slots.iter().position(|slot| slot.pid == pid) else {
            // Stepped before the fault, and only reaped now.
            return self.forget_process(pid);
        };
        self.keeper.enter(slot_operation(OperationCode::Exited, slot));
        // What it wrote comes before its end.
        let more = |lines: u32, run: u32| lines < (run + 1) * LINES;
        while more(self.slots[slot].lines, self.slots[slot].run) {
            self.read_pipe(slot);
        }
        let expected = i32::from(code(slot as u32, self.slots[slot].run));
        if status != expected {
            let run = self.slots[slot].run;
            self.story.complaints.push(format!("slot {slot} run {run}: {status}, not {expected}"));
        }
        self.story.exits += 1;
        self.slots[slot].run += 1;
        self.slots[slot].pid = 0;
        self.write_slot(slot);
        self.write_story();
        self.keeper.enter(slot_operation(OperationCode::Commit, slot));
        self.keeper.commit();
        self.forget_process(pid);
        self.start_slot(slot);
    }

    fn forget_process(&mut self, pid: u32) {
        if let Some(at) = self.processes.iter().position(|(known, _)| *known == pid) {
            let (_, pidfd) = self.processes.swap_remove(at);
            self.keeper.strike(pidfd.as_fd());
            self.keeper.commit();
        }
    }

    fn start_slot(&mut self, slot: usize) {
        let run = self.slots[slot].run;
        self.start(slot, run, &slot.to_string());
    }

    fn start(&mut self, slot: usize, run: u32, name: &str) -> u32 {
        self.keeper.enter(slot_operation(OperationCode::Spawn, slot));
        let number = Run { unit: UnitId(slot as u16), number: run };
        let intent = Intent::Run { run: number, role: ProcessRole::Main };
        let stdout = self.pipes.get(slot).map(|(_, writer)| writer.as_raw_fd());
        let (pid, pidfd) = self.clone_child(intent, stdout, name, run).unwrap();
        self.keeper.enter(slot_operation(OperationCode::Spawned, slot));
        self.enter_process(slot, run, pid, pidfd);
        pid
    }

    fn enter_process(&mut self, slot: usize, run: u32, pid: u32, pidfd: OwnedFd) {
        let role = Role::Process {
            run: Run { unit: UnitId(slot as u16), number: run },
            role: ProcessRole::Main,
            pid,
            start_ticks: survive::birth(pid).map_or(0, |birth| birth.start_ticks),
        };
        self.keeper.keep(pidfd.as_fd(), role).unwrap();
        if slot < SLOTS {
            self.slots[slot].pid = pid;
            self.write_slot(slot);
        }
        self.keeper.commit();
        self.keeper.forget_child();
        self.processes.push((pid, pidfd));
    }

    fn clone_child(
        &mut self,
        intent: Intent,
        stdout: Option<RawFd>,
        name: &str,
        run: u32,
    ) -> io::Result<(u32, OwnedFd)> {
        let words = ["survive", "child", name, &run.to_string()].map(|w| CString::new(w).unwrap());
        let mut arguments: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
        arguments.push(std::ptr::null());
        let parent_tid = self.keeper.front().expect_child(intent).cast::<i32>();
        let pidfd = parent_tid.wrapping_add(1);
        // SAFETY: all zero is a valid request: a plain fork.
        let mut request: libc::clone_args = unsafe { std::mem::zeroed() };
        const CLEAR_SIGHAND: u64 = 1 << 32;
        request.flags = (libc::CLONE_PIDFD | libc::CLONE_PARENT_SETTID) as u64 | CLEAR_SIGHAND;
        request.parent_tid = parent_tid as u64;
        request.pidfd = pidfd as u64;
        request.exit_signal = libc::SIGCHLD as u64;
        let size = size_of::<libc::clone_args>();
        // SAFETY: the request's two pointers are words of the vault, which outlives us.
        let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut request, size) };
        if pid == 0 {
            // SAFETY: the child calls only what is safe after a fork, with strings made before.
            unsafe {
                if let Some(stdout) = stdout {
                    libc::dup2(stdout, 1);
                }
                libc::execv(c"/proc/self/exe".as_ptr(), arguments.as_ptr());
                libc::_exit(126);
            }
        }
        if pid < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel wrote a new descriptor there, which nobody else owns.
        let handle = unsafe { OwnedFd::from_raw_fd(*pidfd) };
        Ok((pid as u32, handle))
    }

    fn replace(&mut self) {
        let candidate = if self.story.replace == "same" {
            Candidate::same()
        } else {
            survive::reexec::seal(&self.story.replace)
                .map_err(|error| survive::reexec::ReexecError::Io("seal", error))
                .and_then(Candidate::of)
        };
        let refused = candidate.and_then(|candidate| {
            let check = candidate.check(&mut self.keeper)?;
            let mut status = 0;
            // SAFETY: `status` is a valid place for the answer.
            unsafe { libc::waitpid(check.pid() as i32, &raw mut status, 0) };
            let code = units::ExitStatus::Code((status >> 8) as u8);
            if let Err(error) = check.verdict(code) {
                candidate.withdraw(&mut self.keeper);
                return Err(error);
            }
            Err::<(), _>(candidate.execute(&mut self.keeper))
        });
        self.story.refused = refused.unwrap_err().to_string();
        self.write_story();
        self.keeper.commit();
    }

    fn write_slot(&mut self, slot: usize) {
        let bytes = postcard::to_allocvec(&self.slots[slot]).unwrap();
        self.keeper.note(1 + slot, &bytes).unwrap();
    }

    fn write_story(&mut self) {
        // The note has a limit; the newest gaps say enough.
        let excess = self.story.gaps_us.len().saturating_sub(200);
        self.story.gaps_us.drain(..excess);
        self.story.complaints.truncate(4);
        let bytes = postcard::to_allocvec(&self.story).unwrap();
        self.keeper.note(STORY, &bytes).unwrap();
    }

    /// Looks whether the children that never end are there, whether a zombie is, and tells the story.
    fn end(mut self) -> ExitCode {
        while self.reap_one() {}
        for pid in self.story.eternal.clone() {
            match survive::birth(pid) {
                Some(birth) if birth.parent == 1 => {}
                other => self.story.complaints.push(format!("eternal {pid}: {other:?}")),
            }
        }
        for slot in &self.slots {
            if slot.lines / LINES < slot.run {
                self.story.complaints.push(format!("a line is lost: {slot:?}"));
            }
        }
        println!("story {}", serde_json::to_string(&self.story).unwrap());
        let _ = io::Write::flush(&mut io::stdout()); // the exit code tells
        ExitCode::SUCCESS
    }
}
