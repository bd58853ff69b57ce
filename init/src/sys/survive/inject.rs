//! Faults on purpose, for tests only.
//!
//! Nothing here can be reached unless the machine's owner put `keelson.fault_injection=1` on the kernel's
//! command line: without it [`Injector::arm`] refuses, and the countdown never begins.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::fault::INJECTED;
use crate::vault::Front;
use crate::vault::front::mix;

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

/// A series of faults: each is armed when the machine has recovered from the one before, or now and then
/// while it is still recovering. It lives in the vault, since no image of the program sees two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Campaign {
    /// One kind, or all of them in no order.
    pub kind: Option<Kind>,
    /// How many faults.
    pub faults: u32,
    /// Each comes within this many operations.
    pub within: u32,
    /// What decides kinds and places.
    pub seed: u64,
}

impl Campaign {
    fn to_words(self) -> [u64; 3] {
        let kind = self.kind.map_or(0, |kind| kind as u64 + 1);
        [u64::from(self.faults) << 32 | u64::from(self.within), self.seed, kind]
    }

    fn from_words(words: [u64; 3]) -> Campaign {
        let [numbers, seed, kind] = words;
        let half = |word: u64| u32::try_from(word & 0xffff_ffff).unwrap_or(0);
        let kind = usize::try_from(kind).unwrap_or(0).checked_sub(1);
        Campaign {
            kind: kind.and_then(|kind| Kind::ALL.get(kind).copied()),
            faults: half(numbers >> 32),
            within: half(numbers),
            seed,
        }
    }

    /// The next fault: its kind, after how many operations, and whether it may come while the machine is
    /// still recovering.
    fn next(self) -> (Kind, u32, bool) {
        let random = mix(self.seed ^ mix(u64::from(self.faults)));
        let pick = |shift: u32, below: u64| random.rotate_right(shift) % below.max(1);
        let kinds = Kind::ALL.len() as u64;
        let picked = usize::try_from(pick(0, kinds)).unwrap_or(0);
        let early = pick(20, EARLY_EACH) == 0;
        let within = if early { EARLY_WITHIN } else { u64::from(self.within) };
        let after = u32::try_from(pick(40, within)).unwrap_or(0);
        (self.kind.unwrap_or(Kind::ALL[picked]), after, early)
    }
}

/// Every so many faults one comes while the machine recovers from the one before.
const EARLY_EACH: u64 = 8;
/// Within so many operations of the recovery, that is.
const EARLY_WITHIN: u64 = 60;

/// `KIND FAULTS WITHIN SEED`, where the kind may be `all`.
impl FromStr for Campaign {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Campaign, UnknownKind> {
        let mut words = text.split_whitespace();
        let kind = match words.next() {
            Some("all") => None,
            Some(word) => Some(word.parse()?),
            None => return Err(UnknownKind),
        };
        let mut number = || words.next().and_then(|word| word.parse().ok());
        let (faults, within, seed) = (number(), number(), number());
        Ok(Campaign {
            kind,
            faults: faults.unwrap_or(1),
            within: within.unwrap_or(1),
            seed: u64::from(seed.unwrap_or(0)),
        })
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

    /// Begins a series of faults. The first one comes in this image.
    ///
    /// # Errors
    /// When the machine was not booted for it.
    pub fn begin(&mut self, front: &Front, campaign: Campaign) -> Result<(), NotAllowed> {
        if !self.allowed {
            return Err(NotAllowed);
        }
        front.set_campaign(campaign.to_words());
        self.go_on(front, false);
        Ok(())
    }

    /// Arms the next fault of the series, if there is one. Called twice in each image: before the machine
    /// recovers (`early`) and when it has.
    pub fn go_on(&mut self, front: &Front, early: bool) {
        let campaign = Campaign::from_words(front.campaign());
        if !self.allowed || self.armed.is_some() || campaign.faults == 0 {
            return;
        }
        let (kind, after, may_be_early) = campaign.next();
        if may_be_early || !early {
            self.armed = Some((kind, after));
            front.set_campaign(Campaign { faults: campaign.faults - 1, ..campaign }.to_words());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_armed_without_leave() {
        let front = Front::default();
        let mut injector = Injector::new(false);
        let campaign: Campaign = "all 10 5 1".parse().unwrap();
        assert_eq!(injector.begin(&front, campaign), Err(NotAllowed));
        assert_eq!(injector.arm(Kind::Segv, 0), Err(NotAllowed));
        // Not even if somebody else wrote a series into the vault.
        front.set_campaign(campaign.to_words());
        injector.go_on(&front, false);
        assert_eq!(injector.armed, None);
    }

    #[test]
    fn a_series_lives_in_the_vault() {
        let front = Front::default();
        let campaign: Campaign = "all 200 50 7".parse().unwrap();
        Injector::new(true).begin(&front, campaign).unwrap();
        let mut kinds = std::collections::BTreeSet::new();
        let mut images = 1;
        while Campaign::from_words(front.campaign()).faults > 0 {
            let mut injector = Injector::new(true);
            injector.go_on(&front, true);
            injector.go_on(&front, false);
            kinds.insert(injector.armed.unwrap().0.name());
            images += 1;
        }
        assert_eq!((images, kinds.len()), (200, Kind::ALL.len()));
    }
}
