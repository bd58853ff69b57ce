//! What units hold with us and what outlives their runs: output pipes, listening sockets, stored
//! descriptors, accepted connections.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};
use units::run::UnitId;

use crate::node::event::Stream;
use crate::sys::token::Token;

/// A pipe of which we keep both ends, so that unit and reader come and go in any order without loss.
#[derive(Debug)]
pub(crate) struct OutputPipe {
    /// What the unit's processes get.
    pub(crate) writer: OwnedFd,
    /// Our end's place among the sources.
    pub(crate) reader: Token,
}

/// A descriptor that a unit left with us.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Whose; `None` while it is only offered.
    pub(crate) unit: Option<UnitId>,
    /// Its name at the next start.
    pub(crate) name: Box<str>,
    /// The descriptor.
    pub(crate) descriptor: OwnedFd,
    /// The place of its twin among the sources, if it is watched.
    pub(crate) token: Option<Token>,
}

/// Everything of that kind.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    /// Output pipes by unit and stream.
    pub(crate) outputs: BTreeMap<(UnitId, Stream), OutputPipe>,
    /// Listening sockets by unit, in the order of the spec, with their names.
    pub(crate) sockets: BTreeMap<UnitId, Vec<(Token, Box<str>)>>,
    /// Descriptors offered or stored, by our number.
    pub(crate) stored: BTreeMap<u32, Stored>,
    /// The last number given to a descriptor or connection.
    last_number: u32,
}

impl Holdings {
    /// A number that was not given before.
    pub(crate) fn number(&mut self) -> u32 {
        self.last_number = self.last_number.wrapping_add(1);
        self.last_number
    }

    /// Takes a descriptor that came along with something, under a number of ours.
    pub(crate) fn offer(&mut self, number: u32, descriptor: OwnedFd) {
        self.last_number = self.last_number.max(number);
        self.stored.insert(number, Stored { unit: None, name: "".into(), descriptor, token: None });
    }

    /// A descriptor by number.
    pub(crate) fn descriptor(&self, number: u32) -> Option<BorrowedFd<'_>> {
        Some(self.stored.get(&number)?.descriptor.as_fd())
    }

    /// Takes a descriptor out for good.
    pub(crate) fn take(&mut self, number: u32) -> Option<Stored> {
        self.stored.remove(&number)
    }

    /// The stored descriptors of a unit, in the order in which they came.
    pub(crate) fn stored_of(&self, unit: UnitId) -> impl Iterator<Item = (u32, &Stored)> {
        self.stored.iter().filter(move |(_, s)| s.unit == Some(unit)).map(|(n, s)| (*n, s))
    }
}

/// A pipe for output: the reading end does not block, the writing end does, as programs expect.
pub(crate) fn output_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    Ok((reader, writer))
}
