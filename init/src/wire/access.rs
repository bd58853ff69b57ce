//! Who may ask what: root does everything, the configured group reads.

use super::request::Request;

/// What a request does to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Looks.
    Read,
    /// Changes something, or could.
    Write,
}

impl Request {
    /// A number for the kind of request, the same for all of its kind within one build: for the record
    /// of what PID 1 is doing.
    #[must_use]
    pub fn kind_number(&self) -> u32 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        std::mem::discriminant(self).hash(&mut hasher);
        u32::try_from(hasher.finish() >> 32).unwrap_or(0)
    }

    /// What the request does to the machine. A new request has to be placed here before it compiles.
    #[must_use]
    pub fn access(&self) -> Access {
        match self {
            Request::Version
            | Request::Health
            | Request::Metrics
            | Request::Status
            | Request::Show { .. }
            | Request::Cat { .. }
            | Request::Logs
            | Request::LogsWait { .. }
            | Request::BootChart
            | Request::Dump => Access::Read,
            Request::Start { .. }
            | Request::Stop { .. }
            | Request::Restart { .. }
            | Request::Reload { .. }
            | Request::Kill { .. }
            | Request::ResetFailed { .. }
            | Request::Isolate { .. }
            | Request::SetLimits { .. }
            | Request::Exec(_)
            | Request::ExecSignal { .. }
            | Request::Apply(_)
            | Request::Confirm
            | Request::Revert
            | Request::Reexec
            | Request::Power { .. } => Access::Write,
        }
    }

    /// How many file descriptors must come with the request.
    #[must_use]
    pub fn descriptors(&self) -> std::ops::RangeInclusive<u8> {
        match self {
            Request::Exec(exec) if exec.terminal => 1..=1,
            Request::Exec(_) => 3..=3,
            Request::Reexec => 0..=1,
            Request::Version
            | Request::Health
            | Request::Metrics
            | Request::Status
            | Request::Show { .. }
            | Request::Cat { .. }
            | Request::Logs
            | Request::LogsWait { .. }
            | Request::BootChart
            | Request::Dump
            | Request::Start { .. }
            | Request::Stop { .. }
            | Request::Restart { .. }
            | Request::Reload { .. }
            | Request::Kill { .. }
            | Request::ResetFailed { .. }
            | Request::Isolate { .. }
            | Request::SetLimits { .. }
            | Request::ExecSignal { .. }
            | Request::Apply(_)
            | Request::Confirm
            | Request::Revert
            | Request::Power { .. } => 0..=0,
        }
    }
}

/// What a peer may do: `None`: nothing, not even look.
///
/// `groups` are all groups of the peer; `readers` is the configured group, if there is one.
#[must_use]
pub fn granted(uid: u32, groups: &[u32], readers: Option<u32>) -> Option<Access> {
    if uid == 0 {
        return Some(Access::Write);
    }
    readers.filter(|group| groups.contains(group)).map(|_| Access::Read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_writes_readers_read_others_nothing() {
        assert_eq!(granted(0, &[], None), Some(Access::Write));
        assert_eq!(granted(1000, &[100, 27], Some(27)), Some(Access::Read));
        assert_eq!(granted(1000, &[100], Some(27)), None);
        assert_eq!(granted(1000, &[0], None), None);
    }
}
