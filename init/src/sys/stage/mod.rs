//! The stage: the child that builds a unit's surroundings around itself and becomes its program.
//!
//! It reads its plan from a descriptor and carries it out step by step, in an order that matters:
//! name spaces before mounts, mounts before the root is left, everything that needs root's power before
//! it is given up. Each step that fails is reported by name with its errno, on a pipe that closes by
//! itself when the program is executed.

mod calls;
mod command;
mod environment;
mod files;
mod filter;
mod identity;
mod limits;
mod mounts;
mod namespaces;
mod privileges;
mod profile;
mod restrictions;
mod root;
mod seccomp;
mod target;
mod users;

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::process::ExitCode;

use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use units::plan::Plan;
use units::run::{StageFault, StageStep};

use crate::sys::spawn::{PASSED_DESCRIPTOR, PLAN_DESCRIPTOR, REPORT_DESCRIPTOR};
use crate::work::{StageInput, decode, encode};

/// Exit code of a stage that failed; the report says more (systemd.exec(5) begins its own there).
const FAILED: u8 = 200;

/// Room for a usual plan.
const PLAN_BYTES: usize = 16 * 1024;

/// A step's result: an errno becomes a fault with the step's name.
type Done<T = ()> = Result<T, StageFault>;

/// The stage's program.
#[must_use]
pub fn main() -> ExitCode {
    // SAFETY: the spawner put these descriptors in their places for us alone.
    let (plan, report) =
        unsafe { (OwnedFd::from_raw_fd(PLAN_DESCRIPTOR), OwnedFd::from_raw_fd(REPORT_DESCRIPTOR)) };
    // They are open; the call cannot fail.
    let _ = fcntl_setfd(&plan, FdFlags::CLOEXEC);
    // Out of the way of what the program gets from 3 on.
    let report = fcntl_dupfd_cloexec(&report, OUT_OF_THE_WAY).unwrap_or(report);
    let fault = match read_input(&plan) {
        Some(input) => run(&input),
        None => StageFault { step: StageStep::Plan, errno: 0, item: 0 },
    };
    // Nobody reads the report any more if PID 1 is gone.
    let _ = rustix::io::write(&report, &encode(&fault));
    ExitCode::from(FAILED)
}

fn read_input(plan: &OwnedFd) -> Option<StageInput> {
    let mut bytes = vec![0; PLAN_BYTES];
    let mut length = 0;
    loop {
        match rustix::io::read(plan, &mut bytes[length..]) {
            Ok(0) => return decode(&bytes[..length]).ok(),
            Ok(count) => length += count,
            Err(_) => return None,
        }
        if length == bytes.len() {
            bytes.resize(2 * length, 0);
        }
    }
}

/// Carries out the plan; comes back only with what failed.
fn run(input: &StageInput) -> StageFault {
    match prepare(input) {
        Ok(program) => program.execute(),
        Err(fault) => fault,
    }
}

fn prepare(input: &StageInput) -> Done<command::Program> {
    let plan = &input.plan;
    // A session of its own; it may already lead one.
    let _ = rustix::process::setsid();
    guard();
    let mut environment = environment::assemble(plan)?;
    let own_filter = profile::read(plan)?;
    // While `/proc` is the machine's: in a running container it may be anything.
    limits::adjust_oom_score(plan)?;
    if plan.enters {
        namespaces::enter(plan)?;
    }
    namespaces::leave(plan)?;
    if plan.id_map.is_none() {
        namespaces::furnish(plan)?;
    }
    files::make_directories(plan)?;
    root::build(plan)?;
    let user = identity::find(plan)?;
    environment::complete(&mut environment, plan, &user, input);
    files::own_directories(plan, &user)?;
    files::open_standard(plan, &user)?;
    let working_directory = root::working_directory(plan, &user)?;
    let program = command::Program::find(plan, &environment)?;
    move_passed(input.names.len());
    limits::terminal(plan)?;
    limits::apply(plan)?;
    privileges::give_up(plan, &user)?;
    // Once more as the user: what root may enter, the user may not.
    root::enter(plan, &working_directory)?;
    seccomp::install(plan, own_filter)?;
    Ok(program)
}

/// Until the program is executed nobody shall look at this process (its `/proc/self/exe` is PID 1's own
/// binary, CVE-2019-5736), and keys of others are not its.
fn guard() {
    // SAFETY: plain numbers, and a null for a key ring without a name. Kernels without key rings say no.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
        // PID 1 wants no huge pages for itself, and its children inherit that.
        libc::prctl(libc::PR_SET_THP_DISABLE, 0, 0, 0, 0);
        libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0);
    }
}

/// `KEYCTL_JOIN_SESSION_KEYRING` of keyctl(2).
const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;

/// Descriptors for the program go to 3 and on; everything above is closed at the exec.
fn move_passed(count: usize) {
    let count = i32::try_from(count).unwrap_or(0);
    for index in 0..count {
        // SAFETY: plain numbers; the descriptors were put there by the spawner.
        unsafe {
            libc::dup2(PASSED_DESCRIPTOR + index, 3 + index);
        }
    }
    close_from(3 + count);
}

/// Above every descriptor that a program may get.
const OUT_OF_THE_WAY: RawFd = 900;

/// Nothing above these reaches the program (CVE-2024-21626: one leaked directory is a way out).
fn close_from(first: RawFd) {
    let first = libc::c_uint::try_from(first).unwrap_or(3);
    // SAFETY: only marks descriptors; the report pipe must stay open until the exec itself.
    unsafe {
        libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}

/// The fault of a step.
fn fault(step: StageStep, errno: Errno) -> StageFault {
    at(step, errno, 0)
}

/// The fault of one item of a step.
fn at(step: StageStep, errno: Errno, item: usize) -> StageFault {
    let number = errno.raw_os_error();
    StageFault {
        step,
        errno: u16::try_from(number).unwrap_or(0),
        item: u16::try_from(item).unwrap_or(u16::MAX),
    }
}

/// The errno of a C call that said no.
fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// Whether the plan is about the machine's own root.
fn is_on_machine(plan: &Plan) -> bool {
    matches!(plan.root, units::plan::Root::Machine)
}
