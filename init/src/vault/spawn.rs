//! The newborn: a process that exists but is not written down anywhere else yet.
//!
//! Between the moment in which the kernel makes a process and the moment in which we have written its
//! number down, a fault would lose it. So the intent is written first, and the kernel itself writes
//! number and descriptor of the child into the vault: `clone3`'s `parent_tid` and `pidfd` point here.

use units::UnitId;
use units::run::{Role, Run, Ticket};

use super::front::{Front, place};

/// Whose a process is going to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// A run's.
    Run {
        /// Which.
        run: Run,
        /// As what.
        role: Role,
    },
    /// A worker, by the ticket of its order.
    Worker(Ticket),
}

/// A process that was made and not entered into the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newborn {
    /// Whose.
    pub intent: Intent,
    /// Its number.
    pub pid: u32,
    /// Its descriptor.
    pub pidfd: i32,
}

const RUN: u64 = 1;
const WORKER: u64 = 2;
const CONTROL_BIT: u64 = 1 << 8;

impl Front {
    /// Says for whom a process is about to be made. Returns where the kernel shall write its number (the
    /// lower half, `parent_tid`) and its descriptor (the upper half, `pidfd`).
    pub fn expect_child(&self, intent: Intent) -> *mut u64 {
        let (kind, word) = match intent {
            Intent::Run { run, role } => {
                let control = if role == Role::Control { CONTROL_BIT } else { 0 };
                (RUN | control | u64::from(run.unit.0) << 16, u64::from(run.number))
            }
            Intent::Worker(ticket) => (WORKER, ticket.0),
        };
        self.store(place::SPAWN_INTENT, 0);
        self.store(place::SPAWN_BORN, 0);
        self.store(place::SPAWN_INTENT + 1, word);
        self.store(place::SPAWN_INTENT, kind);
        self.words[place::SPAWN_BORN].as_ptr()
    }

    /// The child is in the table now, or was not made.
    pub fn forget_child(&self) {
        self.store(place::SPAWN_INTENT, 0);
    }

    /// The child that was made and is not in the table.
    #[must_use]
    pub fn newborn(&self) -> Option<Newborn> {
        let kind = self.load(place::SPAWN_INTENT);
        let word = self.load(place::SPAWN_INTENT + 1);
        let born = self.load(place::SPAWN_BORN).to_le_bytes();
        let [p0, p1, p2, p3, f0, f1, f2, f3] = born;
        let pid = u32::from_le_bytes([p0, p1, p2, p3]);
        let intent = match kind & 0xff {
            RUN => {
                let unit = UnitId(u16::try_from(kind >> 16 & 0xffff).ok()?);
                let role = if kind & CONTROL_BIT == 0 { Role::Main } else { Role::Control };
                Intent::Run { run: Run { unit, number: u32::try_from(word).ok()? }, role }
            }
            WORKER => Intent::Worker(Ticket(word)),
            _ => return None,
        };
        let newborn = Newborn { intent, pid, pidfd: i32::from_le_bytes([f0, f1, f2, f3]) };
        (pid != 0).then_some(newborn)
    }

    /// Begins a few instructions between which a signal from outside must not end this image, because
    /// bytes were read from the kernel and are not yet said to be there.
    pub fn begin_critical(&self) {
        self.store(place::CRITICAL, 1);
    }

    /// Ends them. Returns the signal that came meanwhile, to be treated now.
    #[must_use]
    pub fn end_critical(&self) -> Option<u8> {
        self.store(place::CRITICAL, 0);
        let deferred = self.load(place::DEFERRED);
        if deferred != 0 {
            self.store(place::DEFERRED, 0);
        }
        u8::try_from(deferred).ok().filter(|signal| *signal != 0)
    }

    /// In a signal handler: whether the signal has to wait, in which case it is remembered.
    pub fn defer(&self, signal: u8) -> bool {
        let critical = self.load(place::CRITICAL) == 1;
        if critical {
            self.store(place::DEFERRED, u64::from(signal));
        }
        critical
    }

    /// A new image begins outside of any critical section.
    pub fn clear_critical(&self) {
        self.store(place::CRITICAL, 0);
        self.store(place::DEFERRED, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_never_between_two_chairs() {
        let front = Front::default();
        for intent in [
            Intent::Run { run: Run { unit: UnitId(4095), number: u32::MAX }, role: Role::Control },
            Intent::Run { run: Run { unit: UnitId(0), number: 1 }, role: Role::Main },
            Intent::Worker(Ticket(u64::MAX)),
        ] {
            let _ = front.expect_child(intent); // the kernel is played by the store below
            assert_eq!(front.newborn(), None, "not born yet");
            front.store(place::SPAWN_BORN, 77 << 32 | 4321);
            assert_eq!(front.newborn(), Some(Newborn { intent, pid: 4321, pidfd: 77 }));
            front.forget_child();
            assert_eq!(front.newborn(), None);
        }
    }

    #[test]
    fn a_signal_waits_for_the_end_of_the_section() {
        let front = Front::default();
        assert!(!front.defer(6));
        front.begin_critical();
        assert!(front.defer(6));
        assert_eq!(front.end_critical(), Some(6));
        front.begin_critical();
        assert_eq!(front.end_critical(), None);
    }
}
