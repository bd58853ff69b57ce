//! Making a process of a unit: clone3 straight into its group, then our own binary as the stage.
//!
//! The child of the clone does nothing but put descriptors in their places and execute: no allocation,
//! no lock, nothing that a fault could leave half done.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, SeekFrom, memfd_create, open, seek};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;
use units::plan::{IdMap, NEW_USERS, Plan};

use crate::work::{StageInput, encode};

/// Where the stage finds its plan.
pub(crate) const PLAN_DESCRIPTOR: RawFd = 3;
/// Where the stage writes what failed.
pub(crate) const REPORT_DESCRIPTOR: RawFd = 4;
/// Where the stage finds the process whose surroundings it enters.
pub(crate) const TARGET_DESCRIPTOR: RawFd = 5;
/// Where the descriptors begin that the program gets from 3 on.
pub(crate) const PASSED_DESCRIPTOR: RawFd = 6;

/// Standard descriptors; `None` is `/dev/null`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stdio<'a> {
    /// Standard input.
    pub(crate) stdin: Option<BorrowedFd<'a>>,
    /// Standard output.
    pub(crate) stdout: Option<BorrowedFd<'a>>,
    /// Standard error.
    pub(crate) stderr: Option<BorrowedFd<'a>>,
}

/// A new process, not yet its program.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// Its number.
    pub(crate) pid: Pid,
    /// Its handle.
    pub(crate) pidfd: OwnedFd,
    /// Ends when the program was executed; else says what failed.
    pub(crate) report: OwnedFd,
}

/// `CLONE_INTO_CGROUP` of clone3(2); too wide for the C library's flags.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The arguments of clone3(2), `struct clone_args`.
#[repr(C)]
#[derive(Debug, Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Where the kernel writes who was born, before anything else can happen: two places in the vault.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cradle {
    /// Of the child's number.
    pub(crate) pid: *mut i32,
    /// Of its handle.
    pub(crate) pidfd: *mut i32,
}

/// What the child needs, made ready before there is a child.
struct Child<'a> {
    /// In the order of their places, from 0 on.
    descriptors: &'a [RawFd],
    program: RawFd,
    /// The other end says when the user ids are mapped.
    mapped: Option<RawFd>,
}

/// Starts the stage with a plan, in a group, with descriptors.
///
/// # Errors
/// When the kernel makes no process; what goes wrong later is in the report.
pub(crate) fn spawn(
    plan: &Plan,
    group: BorrowedFd<'_>,
    stdio: Stdio<'_>,
    passed: &[(BorrowedFd<'_>, &str)],
    target: Option<BorrowedFd<'_>>,
    cradle: Cradle,
) -> io::Result<Spawned> {
    let names = passed.iter().map(|(_, name)| (*name).into()).collect();
    let input = plan_file(&encode(&StageInput { plan: plan.clone(), names }))?;
    let (report, report_writer) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&report, true)?;
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    let place = |fd: Option<BorrowedFd<'_>>| fd.map_or(null.as_raw_fd(), |fd| fd.as_raw_fd());
    let mut descriptors = vec![
        place(stdio.stdin),
        place(stdio.stdout),
        place(stdio.stderr),
        input.as_raw_fd(),
        report_writer.as_raw_fd(),
        place(target),
    ];
    descriptors.extend(passed.iter().map(|(fd, _)| fd.as_raw_fd()));
    let program = open("/proc/self/exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let flags = u64::from(plan.namespaces_at_birth());
    let gate = match plan.namespaces_at_birth() & NEW_USERS {
        0 => None,
        _ => Some(pipe_with(PipeFlags::CLOEXEC)?),
    };
    let child = Child {
        descriptors: &descriptors,
        program: program.as_raw_fd(),
        mapped: gate.as_ref().map(|(reader, _)| reader.as_raw_fd()),
    };
    let (pid, pidfd) = clone(flags, group.as_raw_fd(), &child, cradle)?;
    if let (Some((_, writer)), Some(map)) = (&gate, &plan.id_map) {
        map_ids(pid, *map)?;
        rustix::io::write(writer, b"m")?;
    }
    Ok(Spawned { pid, pidfd, report })
}

fn plan_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    let file = memfd_create(c"plan", MemfdFlags::CLOEXEC)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = rustix::io::write(&file, rest)?;
        rest = &rest[count..];
    }
    seek(&file, SeekFrom::Start(0))?;
    Ok(file)
}

/// Ids inside from 0 on are ids outside from the base on; groups alike.
fn map_ids(pid: Pid, map: IdMap) -> io::Result<()> {
    let number = pid.as_raw_nonzero();
    let (outside, count) = if map.own { (0, 1) } else { (map.base, map.count) };
    let text = format!("0 {outside} {count}\n");
    for file in ["uid_map", "gid_map"] {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(CWD, format!("/proc/{number}/{file}"), flags, Mode::empty())?;
        rustix::io::write(&file, text.as_bytes())?;
    }
    Ok(())
}

fn clone(
    flags: u64,
    group: RawFd,
    child: &Child<'_>,
    cradle: Cradle,
) -> io::Result<(Pid, OwnedFd)> {
    let mut arguments = CloneArguments {
        flags: flags | (libc::CLONE_PIDFD | libc::CLONE_PARENT_SETTID) as u64 | CLONE_INTO_CGROUP,
        pidfd: cradle.pidfd as u64,
        parent_tid: cradle.pid as u64,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: u64::try_from(group).unwrap_or(0),
        ..CloneArguments::default()
    };
    let blocked = block_signals();
    // SAFETY: the arguments are a live `clone_args` of that size. Without CLONE_VM the child has a copy
    // of this single-threaded process; it calls only async-signal-safe functions until it executes.
    let pid =
        unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<CloneArguments>()) };
    if pid == 0 {
        become_stage(child);
    }
    restore_signals(&blocked);
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::Other))?;
    // SAFETY: the cradle is a place in the vault, and the kernel just wrote the descriptor there, which
    // nobody else has.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(*cradle.pidfd) }))
}

/// In the child: descriptors to their places, then the stage.
fn become_stage(child: &Child<'_>) -> ! {
    const ARGV: [&CStr; 2] = [c"keelson", c"stage"];
    let argv = [ARGV[0].as_ptr(), ARGV[1].as_ptr(), std::ptr::null()];
    let envp = [std::ptr::null::<libc::c_char>()];
    // SAFETY: every call takes plain numbers, or pointers to live constants and locals; all are
    // async-signal-safe, and the process ends here whatever they answer.
    unsafe {
        if let Some(mapped) = child.mapped {
            let mut byte = 0_u8;
            libc::read(mapped, (&raw mut byte).cast(), 1);
        }
        // First out of the way of all places, then into them.
        let floor = 64 + i32::try_from(child.descriptors.len()).unwrap_or(0);
        for (place, descriptor) in child.descriptors.iter().enumerate().take(ASIDE_MAX) {
            ASIDE[place] = libc::fcntl(*descriptor, libc::F_DUPFD, floor);
        }
        let program = libc::fcntl(child.program, libc::F_DUPFD_CLOEXEC, floor);
        let mut place = 0;
        while place < child.descriptors.len().min(ASIDE_MAX) {
            libc::dup2(ASIDE[place], i32::try_from(place).unwrap_or(-1));
            place += 1;
        }
        libc::syscall(
            libc::SYS_execveat,
            program,
            c"".as_ptr(),
            argv.as_ptr(),
            envp.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
        libc::_exit(127);
    }
}

const ASIDE_MAX: usize = 512;
/// Only ever touched by the child of a clone, in its own copy.
static mut ASIDE: [RawFd; ASIDE_MAX] = [-1; ASIDE_MAX];

fn block_signals() -> libc::sigset_t {
    // SAFETY: both sets are live locals; `sigfillset` makes the first valid before it is read.
    unsafe {
        let mut all = std::mem::zeroed();
        let mut before = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        before
    }
}

fn restore_signals(before: &libc::sigset_t) {
    // SAFETY: the set is live and was filled by the kernel.
    unsafe {
        libc::sigprocmask(libc::SIG_SETMASK, before, std::ptr::null_mut());
    }
}
