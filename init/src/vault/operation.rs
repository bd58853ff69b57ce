//! What PID 1 is doing right now, in one word: the first thing to know about a fault.

use std::fmt;

use units::UnitId;

/// Kinds of operations. The number is written to the vault: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
#[allow(missing_docs, reason = "the node's events and the shore's deeds, by their names")]
pub enum OperationCode {
    Unknown = 0,
    Boot = 1,
    Poll = 2,
    Tick = 3,
    Define = 4,
    Exited = 5,
    Emptied = 6,
    Executed = 7,
    Notified = 8,
    OutOfMemory = 9,
    Called = 10,
    ClockStepped = 11,
    Spawned = 12,
    Worked = 13,
    Wrote = 14,
    KernelWrote = 15,
    Connected = 16,
    Asked = 17,
    Drained = 18,
    Left = 19,
    Signalled = 20,
    Device = 21,
    Paused = 22,
    Orphaned = 23,
    Started = 24,
    Done = 25,
    DescriptorGone = 26,
    GuestExited = 27,
    Read = 64,
    Commit = 65,
    Spawn = 66,
    Work = 67,
    Signal = 68,
    KillGroup = 69,
    Release = 70,
    FindMain = 71,
    AdoptMain = 72,
    SetLimits = 73,
    Listen = 74,
    Keep = 75,
    Reply = 76,
    Say = 77,
    Power = 78,
    Reap = 79,
    Flush = 80,
    Reexec = 96,
    Inherit = 97,
    Recover = 98,
    Adopt = 99,
    Sweep = 100,
    Degraded = 101,
}

impl OperationCode {
    const ALL: [OperationCode; 51] = {
        use OperationCode::*;
        [
            Unknown,
            Boot,
            Poll,
            Tick,
            Define,
            Exited,
            Emptied,
            Executed,
            Notified,
            OutOfMemory,
            Called,
            ClockStepped,
            Spawned,
            Worked,
            Wrote,
            KernelWrote,
            Connected,
            Asked,
            Drained,
            Left,
            Signalled,
            Device,
            Paused,
            Orphaned,
            Started,
            Done,
            DescriptorGone,
            GuestExited,
            Read,
            Commit,
            Spawn,
            Work,
            Signal,
            KillGroup,
            Release,
            FindMain,
            AdoptMain,
            SetLimits,
            Listen,
            Keep,
            Reply,
            Say,
            Power,
            Reap,
            Flush,
            Reexec,
            Inherit,
            Recover,
            Adopt,
            Sweep,
            Degraded,
        ]
    };

    fn from_number(number: u16) -> OperationCode {
        let found = OperationCode::ALL.into_iter().find(|code| *code as u16 == number);
        found.unwrap_or(OperationCode::Unknown)
    }

    /// Whether a fault in it can be laid to the input that was handled. Waiting is nobody's fault.
    #[must_use]
    pub fn attributable(self) -> bool {
        use OperationCode::{Boot, Commit, Degraded, Inherit, Poll, Read, Reexec, Unknown};
        !matches!(self, Unknown | Boot | Poll | Read | Commit | Reexec | Inherit | Degraded)
    }
}

/// One operation: what, for whom, and a number that tells it from its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// What.
    pub code: OperationCode,
    /// For which unit, if for one.
    pub unit: Option<UnitId>,
    /// Its kind of request, signal, role: whatever the caller finds telling.
    pub detail: u32,
}

/// The unit's place in the word when there is none.
const NO_UNIT: u16 = u16::MAX;

impl Operation {
    /// An operation for no unit in particular.
    #[must_use]
    pub const fn of(code: OperationCode) -> Operation {
        Operation { code, unit: None, detail: 0 }
    }

    /// An operation for a unit.
    #[must_use]
    pub const fn on(code: OperationCode, unit: UnitId) -> Operation {
        Operation { code, unit: Some(unit), detail: 0 }
    }

    /// The same with a number that tells it from its like.
    #[must_use]
    pub const fn with(mut self, detail: u32) -> Operation {
        self.detail = detail;
        self
    }

    /// One word: code, unit, detail, from the top.
    #[must_use]
    pub fn to_word(self) -> u64 {
        let unit = self.unit.map_or(NO_UNIT, |unit| unit.0);
        u64::from(self.code as u16) << 48 | u64::from(unit) << 32 | u64::from(self.detail)
    }

    /// Reads the word; a code that this program does not know is `Unknown`.
    #[must_use]
    pub fn from_word(word: u64) -> Operation {
        let [c0, c1, u0, u1, d0, d1, d2, d3] = word.to_be_bytes();
        let unit = u16::from_be_bytes([u0, u1]);
        Operation {
            code: OperationCode::from_number(u16::from_be_bytes([c0, c1])),
            unit: (unit != NO_UNIT).then_some(UnitId(unit)),
            detail: u32::from_be_bytes([d0, d1, d2, d3]),
        }
    }

    /// Whether both are the same work: on the same unit or, for work on none, of the same kind.
    #[must_use]
    pub fn same_work(self, other: Operation) -> bool {
        let same = self.code == other.code && self.unit == other.unit;
        same && (self.unit.is_some() || self.detail == other.detail)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.code)?;
        if let Some(unit) = self.unit {
            write!(f, " unit={}", unit.0)?;
        }
        if self.detail != 0 {
            write!(f, " detail={}", self.detail)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_survives_its_word() {
        for code in OperationCode::ALL.into_iter() {
            for unit in [None, Some(UnitId(0)), Some(UnitId(4095))] {
                let operation = Operation { code, unit, detail: 0xdead_beef };
                assert_eq!(Operation::from_word(operation.to_word()), operation);
            }
        }
    }

    #[test]
    fn a_strange_word_is_an_unknown_operation() {
        assert_eq!(Operation::from_word(u64::MAX).code, OperationCode::Unknown);
    }
}
