//! Faults on purpose, for tests only.
//!
//! Nothing here can be reached unless the machine's owner put `keelson.fault_injection=1` on the kernel's
//! command line: without it [`Injector::arm`] refuses, and the countdown never begins.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::fault::INJECTED;

/// A fault inside the fault handler is wanted.
static IN_HANDLER: AtomicBool = AtomicBool::new(false);

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Rust panic.
    Panic,
    /// A store to an address that nobody has.
    Segv,
    /// A load behind the end of a file.
    Bus,
    /// An instruction that the processor does not know.
    Ill,
    /// `abort`.
    Abort,
    /// The stack's end.
    Overflow,
    /// An allocation that cannot be met.
    Alloc,
    /// A fault, and another one in its handler.
    Handler,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 8] = [
        Kind::Panic,
        Kind::Segv,
        Kind::Bus,
        Kind::Ill,
        Kind::Abort,
        Kind::Overflow,
        Kind::Alloc,
        Kind::Handler,
    ];

    /// Its name in requests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Panic => "panic",
            Kind::Segv => "segv",
            Kind::Bus => "bus",
            Kind::Ill => "ill",
            Kind::Abort => "abort",
            Kind::Overflow => "overflow",
            Kind::Alloc => "alloc",
            Kind::Handler => "handler",
        }
    }
}

/// Why a text names no kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownKind;

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fault must be one of")?;
        Kind::ALL.iter().try_for_each(|kind| write!(f, " {}", kind.name()))
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Kind, UnknownKind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == text).ok_or(UnknownKind)
    }
}

/// Counts down to a fault.
#[derive(Debug, Default)]
pub struct Injector {
    allowed: bool,
    armed: Option<(Kind, u32)>,
}

/// Faults on purpose are not allowed on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAllowed;

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fault injection is off; it needs keelson.fault_injection=1 at boot")
    }
}

impl Injector {
    /// One that refuses everything unless the machine was booted for it.
    #[must_use]
    pub fn new(allowed: bool) -> Injector {
        Injector { allowed, armed: None }
    }

    /// A fault of that kind when `after` more operations have begun.
    ///
    /// # Errors
    /// When the machine was not booted for it.
    pub fn arm(&mut self, kind: Kind, after: u32) -> Result<(), NotAllowed> {
        if !self.allowed {
            return Err(NotAllowed);
        }
        self.armed = Some((kind, after));
        Ok(())
    }

    /// An operation begins.
    pub(super) fn tick(&mut self) {
        if let Some((kind, after)) = self.armed {
            match after.checked_sub(1) {
                Some(rest) => self.armed = Some((kind, rest)),
                None => commit(kind),
            }
        }
    }
}

/// Fails in that way, now.
fn commit(kind: Kind) {
    INJECTED.store(true, Ordering::Relaxed);
    match kind {
        Kind::Panic => panic!("a fault was asked for"),
        Kind::Segv => segv(),
        Kind::Bus => bus(),
        // SAFETY: the instruction is defined to be undefined; the handler takes over.
        Kind::Ill => unsafe { std::arch::asm!("ud2") },
        Kind::Abort => std::process::abort(),
        Kind::Overflow => {
            overflow(0);
        }
        Kind::Alloc => allocate(),
        Kind::Handler => {
            IN_HANDLER.store(true, Ordering::Relaxed);
            segv();
        }
    }
}

fn segv() {
    // SAFETY: unsound on purpose; the page of address 16 is never mapped, so the handler takes over.
    unsafe { std::arch::asm!("mov dword ptr [{0}], 0", in(reg) 16_usize) };
}

/// Reads the mapping of an empty file: there is an address, and nothing behind it.
fn bus() {
    let Ok(file) = rustix::fs::memfd_create(c"empty", rustix::fs::MemfdFlags::CLOEXEC) else {
        return segv();
    };
    let flags = rustix::mm::MapFlags::PRIVATE;
    // SAFETY: a new mapping of our own choosing.
    let page = unsafe {
        rustix::mm::mmap(std::ptr::null_mut(), 4096, rustix::mm::ProtFlags::READ, flags, &file, 0)
    };
    match page {
        // SAFETY: unsound on purpose; the load raises SIGBUS and the handler takes over.
        Ok(page) => unsafe {
            std::arch::asm!("mov {1:e}, dword ptr [{0}]", in(reg) page, out(reg) _);
        },
        Err(_) => segv(),
    }
}

/// Calls itself until the stack is used up.
#[inline(never)]
fn overflow(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 128]);
    if depth == u64::MAX {
        return 0;
    }
    overflow(std::hint::black_box(depth + 1)).wrapping_add(frame[0])
}

/// Asks for more than there are addresses, the way a growing collection does.
fn allocate() {
    let bytes = usize::try_from(isize::MAX).unwrap_or(0) - 4096;
    std::hint::black_box(Vec::<u8>::with_capacity(std::hint::black_box(bytes)));
}

/// Called by the fault handler: fails in it if a test wants that.
pub(super) fn inside_handler() {
    if IN_HANDLER.swap(false, Ordering::Relaxed) {
        segv();
    }
}
