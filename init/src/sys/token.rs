//! What a poll token says: the kind of source, its generation, its slot.

use mio::Token as MioToken;

/// Kinds of sources, in the order in which one turn takes them. The order is load-bearing: a
/// notification of a process that just ended must be heard before its exit is, an out-of-memory
/// kill before the exit that it caused, and an exit before the emptiness that it brought
/// (`init.md` 29: systemd lost READY=1 and hung in final-sigkill until it had this order).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Notification socket.
    Notify = 1,
    /// A stage's report of success or failure.
    Report,
    /// `memory.events` of all groups.
    Memory,
    /// Signals, SIGCHLD among them.
    Signals,
    /// `cgroup.events` of all groups.
    Groups,
    /// A unit's listening socket.
    Listen,
    /// A descriptor that a unit stored with us.
    Stored,
    /// The wall clock was set.
    Clock,
    /// Devices come and go.
    Uevent,
    /// The control socket.
    Control,
    /// A client of it.
    Client,
    /// A unit's output.
    Output,
    /// The kernel's ring.
    Kmsg,
    /// The console can take more.
    Console,
    /// A test orders faults.
    Faults,
}

const KINDS: [Kind; 15] = [
    Kind::Notify,
    Kind::Report,
    Kind::Memory,
    Kind::Signals,
    Kind::Groups,
    Kind::Listen,
    Kind::Stored,
    Kind::Clock,
    Kind::Uevent,
    Kind::Control,
    Kind::Client,
    Kind::Output,
    Kind::Kmsg,
    Kind::Console,
    Kind::Faults,
];

/// A source's name in the poll set: kind in the top byte, 24 bits of generation, 32 bits of slot.
/// Ordered by kind first, as a turn takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its slot in the slab.
    pub(crate) slot: u32,
    /// How often the slot was used before.
    pub(crate) generation: u32,
}

const GENERATION_MASK: u32 = 0x00ff_ffff;

impl Token {
    /// A token; the generation wraps at 24 bits.
    pub(crate) fn new(kind: Kind, slot: u32, generation: u32) -> Token {
        Token { kind, slot, generation: generation & GENERATION_MASK }
    }

    /// The word that the kernel carries.
    pub(crate) fn to_mio(self) -> MioToken {
        let word = u64::from(self.kind as u8) << 56
            | u64::from(self.generation) << 32
            | u64::from(self.slot);
        MioToken(usize::try_from(word).expect("a word has 64 bits on x86-64"))
    }

    /// What the kernel gave back; `None` for what we never handed out.
    pub(crate) fn from_mio(token: MioToken) -> Option<Token> {
        let bytes = token.0.to_be_bytes();
        let kind = KINDS.into_iter().find(|kind| *kind as u8 == bytes[0])?;
        let generation = u32::from_be_bytes([0, bytes[1], bytes[2], bytes[3]]);
        let slot = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        Some(Token { kind, slot, generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_kernel() {
        for (generation, kind) in (0x0123_4567..).zip(KINDS) {
            let token = Token::new(kind, u32::MAX - 7, generation);
            assert_eq!(Token::from_mio(token.to_mio()), Some(token));
        }
        assert_eq!(Token::from_mio(MioToken(0)), None);
    }

    #[test]
    fn a_turn_hears_before_it_reaps_and_reaps_before_it_empties() {
        assert!(Kind::Notify < Kind::Signals);
        assert!(Kind::Memory < Kind::Signals);
        assert!(Kind::Signals < Kind::Groups);
    }
}
