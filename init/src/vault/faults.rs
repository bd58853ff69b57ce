//! What went wrong, and what follows from it: go on, go on without something, or give up in order.

use std::fmt;
use std::time::Duration;

use crate::limits::{FAULTS_KEPT_MAX, FAULTS_MAX, FAULTS_WINDOW, QUARANTINE_MAX};

use super::front::{Front, mix, place};
use super::operation::Operation;

/// Words of one entry of the ring.
const ENTRY_WORDS: usize = 8;

/// How the program failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// A Rust panic.
    Panic,
    /// A signal with this number.
    Signal(u8),
}

/// One failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// How.
    pub kind: FaultKind,
    /// When, on `CLOCK_BOOTTIME`.
    pub at_ns: u64,
    /// What was being done.
    pub operation: Operation,
    /// `si_addr`: the address that could not be used; 0 if there is none.
    pub address: u64,
    /// Where the program was.
    pub instruction: u64,
    /// A test wanted it: not laid to the operation.
    pub injected: bool,
}

/// What to do about the newest fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Recover,
    /// Too many in too short a time: keep what runs, then start the machine anew.
    Degrade,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FaultKind::Panic => write!(f, "a panic in {}", self.operation)?,
            FaultKind::Signal(number) => {
                write!(f, "signal {number} at {:#x}", self.instruction)?;
                write!(f, " (address {:#x}) in {}", self.address, self.operation)?;
            }
        }
        if self.injected { f.write_str(", on purpose") } else { Ok(()) }
    }
}

impl Fault {
    fn to_words(self) -> [u64; ENTRY_WORDS - 1] {
        let kind = match self.kind {
            FaultKind::Panic => 0,
            FaultKind::Signal(number) => u64::from(number),
        };
        let flags = u64::from(self.injected) << 8;
        [self.at_ns, self.operation.to_word(), kind | flags, self.address, self.instruction, 0, 0]
    }

    fn from_words(words: [u64; ENTRY_WORDS - 1]) -> Fault {
        let [at_ns, operation, kind, address, instruction, _, _] = words;
        let [number, flags, ..] = kind.to_le_bytes();
        Fault {
            kind: if number == 0 { FaultKind::Panic } else { FaultKind::Signal(number) },
            at_ns,
            operation: Operation::from_word(operation),
            address,
            instruction,
            injected: flags & 1 != 0,
        }
    }
}

fn check(count: u64, words: &[u64; ENTRY_WORDS - 1]) -> u64 {
    words.iter().fold(mix(count), |sum, word| mix(sum ^ word))
}

impl Front {
    /// Faults since boot.
    #[must_use]
    pub fn fault_count(&self) -> u64 {
        self.load(place::FAULTS)
    }

    /// Writes down a fault. Safe in a signal handler: words are stored, nothing else.
    pub fn record_fault(&self, fault: Fault) {
        let count = self.fault_count().wrapping_add(1);
        let words = fault.to_words();
        let at = ring_place(count);
        for (offset, word) in words.iter().enumerate() {
            self.store(at + offset, *word);
        }
        self.store(at + ENTRY_WORDS - 1, check(count, &words));
        self.store(place::FAULTS, count);
    }

    /// The faults that are remembered, newest first.
    pub fn faults(&self) -> impl Iterator<Item = Fault> + '_ {
        let newest = self.fault_count();
        let kept = newest.min(FAULTS_KEPT_MAX as u64);
        (0..kept).filter_map(move |back| self.fault(newest - back))
    }

    fn fault(&self, count: u64) -> Option<Fault> {
        let at = ring_place(count);
        let words = std::array::from_fn(|offset| self.load(at + offset));
        let whole = self.load(at + ENTRY_WORDS - 1) == check(count, &words);
        whole.then(|| Fault::from_words(words))
    }

    /// How many faults within a minute end in the degraded mode; 0: none ever do.
    pub fn set_faults_max(&self, faults: u64) {
        // Zero is what a new vault holds and means the default, so the number is stored plus one.
        self.store(place::FAULTS_MAX, faults.saturating_add(1));
    }

    fn faults_max(&self) -> u64 {
        self.load(place::FAULTS_MAX).checked_sub(1).unwrap_or(FAULTS_MAX)
    }

    /// What to do about the newest fault. An operation that the last two faults have in common goes
    /// into quarantine.
    pub fn judge(&self, now: Duration) -> Verdict {
        if self.degraded_since_ns() != 0 {
            return Verdict::Degrade;
        }
        let window_ns = u64::try_from(FAULTS_WINDOW.as_nanos()).unwrap_or(u64::MAX);
        let since_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX).saturating_sub(window_ns);
        let recent = self.faults().filter(|fault| fault.at_ns >= since_ns).count() as u64;
        let faults_max = self.faults_max();
        if faults_max != 0 && recent >= faults_max {
            return Verdict::Degrade;
        }
        if let Some(operation) = self.poison(since_ns) {
            self.quarantine(operation);
        }
        Verdict::Recover
    }

    /// What the last two faults have in common, if it can be laid to the input.
    fn poison(&self, since_ns: u64) -> Option<Operation> {
        let mut faults = self.faults().take(2).filter(|fault| fault.at_ns >= since_ns);
        let (last, before) = (faults.next()?, faults.next()?);
        let same = last.operation.same_work(before.operation);
        let meant = last.injected || before.injected;
        (same && !meant && last.operation.code.attributable()).then_some(last.operation)
    }

    /// Puts an operation into quarantine; the oldest one leaves when there are too many.
    fn quarantine(&self, operation: Operation) {
        let free = (0..QUARANTINE_MAX).find(|slot| {
            let word = self.load(place::QUARANTINE + slot);
            word == 0 || Operation::from_word(word).same_work(operation)
        });
        let slot = free.unwrap_or_else(|| {
            for slot in 1..QUARANTINE_MAX {
                self.store(place::QUARANTINE + slot - 1, self.load(place::QUARANTINE + slot));
            }
            QUARANTINE_MAX - 1
        });
        self.store(place::QUARANTINE + slot, operation.to_word());
    }

    /// What crashed us twice: not to be tried a third time.
    pub fn quarantined(&self) -> impl Iterator<Item = Operation> + '_ {
        let words = (0..QUARANTINE_MAX).map(|slot| self.load(place::QUARANTINE + slot));
        words.filter(|word| *word != 0).map(Operation::from_word)
    }

    /// Lets a unit's operations out of quarantine, since somebody changed or reset it; `None`: all.
    pub fn release(&self, unit: Option<units::UnitId>) {
        let mut kept = 0;
        for slot in 0..QUARANTINE_MAX {
            let word = self.load(place::QUARANTINE + slot);
            self.store(place::QUARANTINE + slot, 0);
            let freed = unit.is_none() || Operation::from_word(word).unit == unit;
            if word != 0 && !freed {
                self.store(place::QUARANTINE + kept, word);
                kept += 1;
            }
        }
    }
}

fn ring_place(count: u64) -> usize {
    let slot = usize::try_from(count % FAULTS_KEPT_MAX as u64).unwrap_or(0);
    place::FAULT_RING + slot * ENTRY_WORDS
}

const _: () = assert!(place::QUARANTINE + QUARANTINE_MAX <= place::FAULT_RING);
const _: () = assert!(place::FAULT_RING + FAULTS_KEPT_MAX * ENTRY_WORDS <= super::front::WORDS);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::operation::OperationCode;
    use units::UnitId;

    fn fault(at_s: u64, code: OperationCode, unit: u16) -> Fault {
        Fault {
            kind: FaultKind::Signal(11),
            at_ns: at_s * 1_000_000_000,
            operation: Operation::on(code, UnitId(unit)),
            address: 0x10,
            instruction: 0x40_0000,
            injected: false,
        }
    }

    #[test]
    fn faults_are_remembered_newest_first() {
        let front = Front::default();
        for second in 1..=40 {
            front.record_fault(fault(second, OperationCode::Exited, 3));
        }
        let kept: Vec<u64> = front.faults().map(|fault| fault.at_ns / 1_000_000_000).collect();
        assert_eq!(kept.len(), FAULTS_KEPT_MAX);
        assert_eq!(kept[..3], [40, 39, 38]);
        assert_eq!(front.faults().next(), Some(fault(40, OperationCode::Exited, 3)));
    }

    #[test]
    fn three_within_a_minute_are_too_many() {
        let front = Front::default();
        front.record_fault(fault(100, OperationCode::Exited, 1));
        front.record_fault(fault(130, OperationCode::Asked, 2));
        assert_eq!(front.judge(Duration::from_secs(130)), Verdict::Recover);
        front.record_fault(fault(161, OperationCode::Wrote, 3));
        assert_eq!(front.judge(Duration::from_secs(161)), Verdict::Recover);
        front.record_fault(fault(162, OperationCode::Wrote, 4));
        assert_eq!(front.judge(Duration::from_secs(162)), Verdict::Degrade);
    }

    #[test]
    fn a_trial_bears_no_fault_and_a_test_bears_all() {
        let front = Front::default();
        front.set_faults_max(1);
        front.record_fault(fault(5, OperationCode::Exited, 1));
        assert_eq!(front.judge(Duration::from_secs(5)), Verdict::Degrade);
        front.set_faults_max(0);
        for second in 6..20 {
            front.record_fault(fault(second, OperationCode::Poll, 1));
        }
        assert_eq!(front.judge(Duration::from_secs(20)), Verdict::Recover);
    }

    #[test]
    fn the_same_work_twice_goes_into_quarantine() {
        let front = Front::default();
        front.record_fault(fault(1, OperationCode::Notified, 7));
        assert_eq!(front.judge(Duration::from_secs(1)), Verdict::Recover);
        assert_eq!(front.quarantined().count(), 0);
        front.record_fault(fault(2, OperationCode::Notified, 7));
        assert_eq!(front.judge(Duration::from_secs(2)), Verdict::Recover);
        let quarantined: Vec<_> = front.quarantined().map(|operation| operation.unit).collect();
        assert_eq!(quarantined, [Some(UnitId(7))]);
        front.release(Some(UnitId(7)));
        assert_eq!(front.quarantined().count(), 0);
    }

    #[test]
    fn waiting_and_wanted_faults_are_nobodys_fault() {
        let front = Front::default();
        for _ in 0..2 {
            front.record_fault(fault(1, OperationCode::Poll, 7));
        }
        assert_eq!(front.judge(Duration::from_secs(1)), Verdict::Recover);
        let front = Front::default();
        for _ in 0..2 {
            front.record_fault(Fault { injected: true, ..fault(1, OperationCode::Exited, 7) });
        }
        assert_eq!(front.judge(Duration::from_secs(1)), Verdict::Recover);
        assert_eq!(front.quarantined().count(), 0);
    }

    #[test]
    fn the_quarantine_has_a_limit() {
        let front = Front::default();
        for unit in 0..u16::try_from(QUARANTINE_MAX).unwrap() + 5 {
            front.quarantine(Operation::on(OperationCode::Exited, UnitId(unit)));
        }
        assert_eq!(front.quarantined().count(), QUARANTINE_MAX);
        assert_eq!(front.quarantined().last().unwrap().unit, Some(UnitId(36)));
    }
}
