//! The fault handler: one line to the kernel's log, one entry in the vault, and the program again.
//!
//! It runs on a stack of its own and does nothing that could need the heap, a lock or the state of what
//! failed. What it may not do decides its shape: no formatting, no unwinding, no allocation.

use std::ffi::{c_int, c_void};
use std::fmt::Write;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering};

use super::exec::{boottime_ns, execute_again};
use super::line::Line;
use crate::vault::{Fault, FaultKind, Front, Phase};

/// The kernel's log; negative: not opened yet.
pub(super) static KMSG: AtomicI32 = AtomicI32::new(-1);
/// Whether a copy of the failed image is left behind to write a core.
pub(super) static CORE_WANTED: AtomicBool = AtomicBool::new(false);
/// The next fault is a test's.
pub(super) static INJECTED: AtomicBool = AtomicBool::new(false);

static FRONT: AtomicPtr<Front> = AtomicPtr::new(ptr::null_mut());
/// How many faults this image has had: a second one is a fault of the handler.
static DEPTH: AtomicU32 = AtomicU32::new(0);
/// The process that the handlers are for. A child that has not executed yet has them too.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// Bytes of the stack for handlers.
const STACK_BYTES: usize = 64 * 1024;
const PAGE_BYTES: usize = 4096;

/// The signals that tell of a fault.
pub(super) const FAULT_SIGNALS: [c_int; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGSYS,
    libc::SIGABRT,
    libc::SIGTRAP,
];

/// Installs handlers and panic hook. From here on no fault of this image ends it.
///
/// # Errors
/// When the kernel refuses the stack or a handler.
pub(super) fn install(front: &'static Front) -> io::Result<()> {
    FRONT.store(ptr::from_ref(front).cast_mut(), Ordering::Relaxed);
    // SAFETY: asks for a number.
    OWNER.store(unsafe { libc::getpid() }, Ordering::Relaxed);
    take_stack()?;
    for signal in FAULT_SIGNALS {
        take_signal(signal)?;
    }
    std::panic::set_hook(Box::new(on_panic));
    Ok(())
}

/// A stack of its own for handlers, with a page below it that ends whoever overflows it.
fn take_stack() -> io::Result<()> {
    let bytes = STACK_BYTES + PAGE_BYTES;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new anonymous mapping, used for nothing but this stack and never unmapped.
    let start = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the first page of the mapping just made.
    let guarded = unsafe { libc::mprotect(start, PAGE_BYTES, libc::PROT_NONE) };
    let stack = libc::stack_t {
        ss_sp: start.wrapping_byte_add(PAGE_BYTES),
        ss_flags: 0,
        ss_size: STACK_BYTES,
    };
    // SAFETY: the stack is mapped memory of that size, and not in use.
    let taken = unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
    if guarded != 0 || taken != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn take_signal(signal: c_int) -> io::Result<()> {
    // SAFETY: all zero is a valid `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_signal as *const () as usize;
    action.sa_flags = libc::SA_ONSTACK | libc::SA_SIGINFO | libc::SA_NODEFER;
    // SAFETY: `on_signal` has the signature that SA_SIGINFO asks for and is async-signal-safe.
    let done = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    if done != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

extern "C" fn on_signal(signal: c_int, about: *mut libc::siginfo_t, frame: *mut c_void) {
    // SAFETY: asks for a number.
    let pid = unsafe { libc::getpid() };
    if pid != OWNER.load(Ordering::Relaxed) {
        end_as_child(signal);
        return;
    }
    // SAFETY: the kernel passes a valid `siginfo_t` to a handler with SA_SIGINFO.
    let (code, sender, address) =
        unsafe { ((*about).si_code, (*about).si_pid(), (*about).si_addr() as u64) };
    // SAFETY: the kernel passes the interrupted context, a valid `ucontext_t`.
    let registers = unsafe { (*frame.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let instruction = registers[libc::REG_RIP as usize].cast_unsigned();
    let number = u8::try_from(signal).unwrap_or(0);
    // From a process, not from the kernel or from our own `abort`: it can wait for a few instructions.
    let from_outside = code <= 0 && sender != pid;
    if from_outside && front().is_some_and(|front| front.defer(number)) {
        return;
    }
    let address = if code > 0 { address } else { 0 };
    fail(FaultKind::Signal(number), address, instruction);
}

/// A child between `fork` and `exec`: it dies of its signal as any process would.
fn end_as_child(signal: c_int) {
    // SAFETY: both calls take plain numbers; the default action of each of these signals is to end.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
        libc::_exit(128 + signal);
    }
}

fn on_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let mut line = Line::new("<1>keelson: panic: ");
    let message = panic.payload_as_str().unwrap_or("without a message");
    line.text(message);
    if let Some(place) = panic.location() {
        // Writing to a line cannot fail.
        let _ = write!(line, " at {}:{}", place.file(), place.line());
    }
    say(&line);
    // SAFETY: asks for a number.
    if unsafe { libc::getpid() } == OWNER.load(Ordering::Relaxed) {
        fail(FaultKind::Panic, 0, 0);
    }
}

fn front() -> Option<&'static Front> {
    // SAFETY: null, or the front of the vault, which is mapped for as long as the program runs.
    unsafe { FRONT.load(Ordering::Relaxed).as_ref() }
}

/// Treats a signal that had to wait.
pub(super) fn fail_of(signal: u8) {
    fail(FaultKind::Signal(signal), 0, 0);
}

/// Writes down what happened and executes the program again. Does not return.
fn fail(kind: FaultKind, address: u64, instruction: u64) {
    let depth = DEPTH.fetch_add(1, Ordering::Relaxed);
    let Some(front) = front() else { end() };
    if depth == 0 {
        let fault = Fault {
            kind,
            at_ns: boottime_ns(),
            operation: front.operation(),
            address,
            instruction,
            injected: INJECTED.load(Ordering::Relaxed),
        };
        front.record_fault(fault);
        front.set_phase(Phase::Failing);
        report(front, fault);
        super::inject::inside_handler();
        leave_core(kind);
    }
    // A second fault is one of the lines above. What is left is not to be lost over a log line.
    if depth <= 1 {
        front.set_phase(Phase::Failing);
        execute_again(front);
    }
    end();
}

fn report(front: &Front, fault: Fault) {
    let mut line = Line::new("<1>keelson: fault ");
    line.decimal(front.fault_count());
    match fault.kind {
        FaultKind::Panic => line.text(": panic"),
        FaultKind::Signal(number) => {
            line.text(": signal ");
            line.decimal(u64::from(number));
        }
    }
    line.text(" operation=");
    line.hex(fault.operation.to_word());
    line.text(" address=");
    line.hex(fault.address);
    line.text(" instruction=");
    line.hex(fault.instruction);
    line.text("; executing myself again");
    say(&line);
}

/// Writes a line to the kernel's log, if that is open.
pub(super) fn say(line: &Line) {
    let kmsg = KMSG.load(Ordering::Relaxed);
    if kmsg >= 0 {
        // SAFETY: the bytes are the line's own; a closed number is refused.
        unsafe { libc::write(kmsg, line.bytes().as_ptr().cast(), line.bytes().len()) };
    }
}

/// Leaves a copy of this image behind that dies of the same signal, so that the kernel writes a core
/// as it would for any process. Nobody waits for it: the next image reaps it as an orphan.
fn leave_core(kind: FaultKind) {
    if !CORE_WANTED.load(Ordering::Relaxed) {
        return;
    }
    let signal = match kind {
        FaultKind::Panic => libc::SIGABRT,
        FaultKind::Signal(number) => c_int::from(number),
    };
    let flags = u64::try_from(libc::SIGCHLD).unwrap_or(0);
    // SAFETY: a plain fork by system call, without the C library's locks and handlers. The child calls
    // only async-signal-safe functions and ends.
    unsafe {
        if libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) == 0 {
            let mut only: libc::sigset_t = std::mem::zeroed();
            libc::sigaddset(&raw mut only, signal);
            libc::sigprocmask(libc::SIG_UNBLOCK, &raw const only, ptr::null_mut());
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
            libc::_exit(1);
        }
    }
}

/// Nothing is left to execute. Ending lets the kernel do what `panic=` says; waiting would help nobody.
fn end() -> ! {
    // SAFETY: ends the process, which for PID 1 is the kernel's panic and its reboot.
    unsafe { libc::_exit(255) }
}
