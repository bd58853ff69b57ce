//! Making a process of a unit: clone3 straight into its group, then our own binary as the stage.
//!
//! The child shares our memory until it executes (`CLONE_VM | CLONE_VFORK`, on a stack of its own): no
//! page table is copied, however much we hold, and we stand still for one exec and no longer. It does
//! nothing but put descriptors in their places and execute: no allocation, no lock, nothing that can
//! wait. Whatever can wait (mounts, name spaces, files) is the stage's, with a life of its own.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::{MemfdFlags, Mode, OFlags, SeekFrom, memfd_create, open, seek};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;
use units::plan::{NEW_PIDS, Plan};

use crate::work::{StageInput, encode};

/// Where the stage finds its plan.
pub(crate) const PLAN_DESCRIPTOR: RawFd = 3;
/// Where the stage writes what failed.
pub(crate) const REPORT_DESCRIPTOR: RawFd = 4;
/// Where the stage finds the process whose surroundings it enters.
pub(crate) const TARGET_DESCRIPTOR: RawFd = 5;
/// Where the descriptors begin that the program gets from 3 on.
pub(crate) const PASSED_DESCRIPTOR: RawFd = 6;
/// The largest plan that fits into a pipe at once (its default size); a larger one takes a file in memory.
const PIPE_BYTES: usize = 65_536;
/// What the child of a clone needs: a few frames of plain calls.
const CHILD_STACK_BYTES: usize = 16 * 1024;

/// Standard descriptors; `None` is `/dev/null`.
#[derive(Debug, Clone, Copy)]
pub struct Stdio<'a> {
    /// Standard input.
    pub stdin: Option<BorrowedFd<'a>>,
    /// Standard output.
    pub stdout: Option<BorrowedFd<'a>>,
    /// Standard error.
    pub stderr: Option<BorrowedFd<'a>>,
}

/// A new process, not yet its program.
#[derive(Debug)]
pub struct Spawned {
    /// Its number.
    pub pid: Pid,
    /// Its handle.
    pub pidfd: OwnedFd,
    /// Ends when the program was executed; else says what failed.
    pub report: OwnedFd,
}

/// How a child comes to be; `Shared` unless a benchmark compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Birth {
    /// It borrows our memory until it executes.
    Shared,
    /// It gets a copy of our page tables, as with fork(2).
    Copied,
}

/// `CLONE_INTO_CGROUP` of clone3(2); too wide for the C library's flags.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// `CLONE_CLEAR_SIGHAND`: a fault of the child must not run our handlers.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

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
pub struct Cradle {
    /// Of the child's number.
    pub pid: *mut i32,
    /// Of its handle.
    pub pidfd: *mut i32,
}

/// What the child needs, made ready before there is a child.
struct Child {
    /// In the order of their places, from 0 on; `aside` has room for as many.
    descriptors: Vec<RawFd>,
    aside: Vec<RawFd>,
    program: RawFd,
    /// A second child is born into the pid name space of this process, as our own child.
    enters: Option<RawFd>,
    group: u64,
    cradle: Cradle,
    /// Who that second child is, as we see it; or the errno of what failed.
    second: i64,
}

/// Starts the stage with a plan, in a group, with descriptors.
///
/// `target` is the handle of the running main process that a plan enters.
///
/// # Errors
/// When the kernel makes no process; what goes wrong later is in the report.
pub fn spawn(
    plan: &Plan,
    group: BorrowedFd<'_>,
    stdio: Stdio<'_>,
    passed: &[(BorrowedFd<'_>, &str)],
    target: Option<BorrowedFd<'_>>,
    cradle: Cradle,
) -> io::Result<Spawned> {
    spawn_as(Birth::Shared, plan, group, stdio, passed, target, cradle)
}

/// As [`spawn`], with a choice of how.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_as(
    birth: Birth,
    plan: &Plan,
    group: BorrowedFd<'_>,
    stdio: Stdio<'_>,
    passed: &[(BorrowedFd<'_>, &str)],
    target: Option<BorrowedFd<'_>>,
    cradle: Cradle,
) -> io::Result<Spawned> {
    if plan.enters && target.is_none() {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    let names = passed.iter().map(|(_, name)| (*name).into()).collect();
    let input = plan_file(&encode(&StageInput { plan: plan.clone(), names }))?;
    let (report, report_writer) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&report, true)?;
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    let program = open("/proc/self/exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
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
    let mut child = Child {
        aside: vec![-1; descriptors.len()],
        descriptors,
        program: program.as_raw_fd(),
        enters: target.filter(|_| plan.enters).map(|fd| fd.as_raw_fd()),
        group: u64::try_from(group.as_raw_fd()).unwrap_or(0),
        cradle,
        second: 0,
    };
    let (pid, pidfd) = match child.enters {
        None => clone(birth, plan.namespaces_at_birth(), &mut child)?,
        Some(_) => clone_twice(&mut child)?,
    };
    Ok(Spawned { pid, pidfd, report })
}

/// The plan, ready to be read to its end.
fn plan_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    if bytes.len() <= PIPE_BYTES {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&writer, true)?;
        if rustix::io::write(&writer, bytes) == Ok(bytes.len()) {
            return Ok(reader);
        }
        // Pipes are short when their user holds too many (pipe(7)): take memory.
    }
    let file = memfd_create(c"plan", MemfdFlags::CLOEXEC)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = rustix::io::write(&file, rest)?;
        rest = &rest[count..];
    }
    seek(&file, SeekFrom::Start(0))?;
    Ok(file)
}

/// One clone: the child becomes the stage.
fn clone(birth: Birth, namespaces: u32, child: &mut Child) -> io::Result<(Pid, OwnedFd)> {
    let mut arguments = CloneArguments {
        flags: u64::from(namespaces)
            | (libc::CLONE_PIDFD | libc::CLONE_PARENT_SETTID) as u64
            | CLONE_INTO_CGROUP
            | CLONE_CLEAR_SIGHAND,
        pidfd: child.cradle.pidfd as u64,
        parent_tid: child.cradle.pid as u64,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: child.group,
        ..CloneArguments::default()
    };
    let pid = with_child(birth, &mut arguments, become_stage, child)?;
    // SAFETY: the cradle is a live place, and the kernel just wrote the descriptor there, which nobody
    // else has.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(*child.cradle.pidfd) }))
}

/// Two clones: a pid name space is entered only by being born into it, so the first child turns to the
/// target's name space and has a child there, which is ours by `CLONE_PARENT`; then it is gone.
fn clone_twice(child: &mut Child) -> io::Result<(Pid, OwnedFd)> {
    // With CLONE_PARENT the second child's exit signal is the first one's.
    let mut arguments = CloneArguments {
        flags: CLONE_CLEAR_SIGHAND,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArguments::default()
    };
    let first = with_child(Birth::Shared, &mut arguments, bear_second, child)?;
    let mut status = 0;
    // SAFETY: our own child, which has ended or is just about to; the status is a live local.
    while unsafe { libc::waitpid(first.as_raw_nonzero().get(), &raw mut status, libc::__WALL) } < 0
        && io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
    {}
    let second = i32::try_from(child.second).unwrap_or(-libc::EIO);
    match Pid::from_raw(second).filter(|_| second > 0) {
        // Not reaped yet, whatever happened to it: the number is still its own.
        Some(pid) => {
            let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
            // SAFETY: the cradle is a live place of ours.
            unsafe { *child.cradle.pidfd = pidfd.as_raw_fd() };
            Ok((pid, pidfd))
        }
        None => Err(io::Error::from_raw_os_error(-second)),
    }
}

/// Makes a child that runs `body` and never comes back. Signals wait meanwhile.
fn with_child(
    birth: Birth,
    arguments: &mut CloneArguments,
    body: extern "C" fn(*mut Child) -> !,
    child: &mut Child,
) -> io::Result<Pid> {
    let mut stack: Vec<u8> = Vec::with_capacity(CHILD_STACK_BYTES);
    if birth == Birth::Shared {
        arguments.flags |= (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
        arguments.stack = stack.as_mut_ptr() as u64 & !15;
        arguments.stack_size = CHILD_STACK_BYTES as u64 - 16;
    }
    let before = block_signals();
    // SAFETY: arguments, stack and child outlive the call. With shared memory we stand still until the
    // child has executed or ended; without, it has a copy of this single-threaded process. `body` calls
    // only async-signal-safe functions and never returns.
    let pid = unsafe { clone_raw(arguments, body, child) };
    restore_signals(&before);
    if pid < 0 {
        return Err(io::Error::from_raw_os_error(i32::try_from(-pid).unwrap_or(libc::EIO)));
    }
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::from(io::ErrorKind::Other))
}

/// The system call itself: in the child, calls `body` on whatever stack it has.
///
/// # Safety
/// The arguments must be right for clone3(2), and `body` must be fit to run after it.
unsafe fn clone_raw(
    arguments: *const CloneArguments,
    body: extern "C" fn(*mut Child) -> !,
    child: *mut Child,
) -> i64 {
    let result: i64;
    // SAFETY: the caller's word. The child takes only registers over: the function and its argument.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "and rsp, -16",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") arguments,
            in("rsi") size_of::<CloneArguments>(),
            in("r12") child,
            in("r13") body,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// In the child: descriptors to their places, then the stage.
extern "C" fn become_stage(child: *mut Child) -> ! {
    const ARGV: [&CStr; 2] = [c"keelson", c"stage"];
    let argv = [ARGV[0].as_ptr(), ARGV[1].as_ptr(), std::ptr::null()];
    let envp = [std::ptr::null::<libc::c_char>()];
    // SAFETY: the child is live as long as the clone's caller waits or we have a copy; every call takes
    // plain numbers, or pointers to live constants and locals; the process ends here whatever they answer.
    unsafe {
        let child = &mut *child;
        let count = child.descriptors.len();
        let floor = i32::try_from(count).unwrap_or(i32::MAX);
        // First out of the way of all places, then into them.
        for index in 0..count {
            child.aside[index] = libc::fcntl(child.descriptors[index], libc::F_DUPFD, floor);
        }
        let program = libc::fcntl(child.program, libc::F_DUPFD_CLOEXEC, floor);
        for index in 0..count {
            libc::dup2(child.aside[index], i32::try_from(index).unwrap_or(-1));
        }
        // Nothing of ours goes along, whether somebody thought of marking it or not.
        let rest = libc::c_uint::try_from(floor).unwrap_or(3);
        let close = libc::CLOSE_RANGE_CLOEXEC;
        libc::syscall(libc::SYS_close_range, rest, libc::c_uint::MAX, close);
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

/// In the first child of two.
extern "C" fn bear_second(child: *mut Child) -> ! {
    // SAFETY: as for `become_stage`; the second child shares memory with us as we do with our parent,
    // and needs no stack of its own while we stand still.
    unsafe {
        let target = (*child).enters.unwrap_or(-1);
        let pids = i32::try_from(NEW_PIDS).unwrap_or(0);
        if libc::setns(target, pids) < 0 {
            (*child).second = -i64::from(*libc::__errno_location());
            libc::_exit(1);
        }
        let shared =
            libc::CLONE_PARENT | libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PARENT_SETTID;
        let arguments = CloneArguments {
            flags: shared as u64 | CLONE_INTO_CGROUP | CLONE_CLEAR_SIGHAND,
            parent_tid: (*child).cradle.pid as u64,
            cgroup: (*child).group,
            ..CloneArguments::default()
        };
        (*child).second = clone_raw(&raw const arguments, become_stage, child);
        libc::_exit(0);
    }
}

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
