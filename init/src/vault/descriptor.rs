//! What each descriptor number is for, so that the next image of the program finds its own.

use serde::{Deserialize, Serialize};
use units::UnitId;
use units::run::{Role as ProcessRole, Run};

use super::layout::{DESCRIPTOR_PAYLOAD_BYTES_MAX, Section};
use super::store::{Full, Held, Vault};

/// What a descriptor is for. Written by position: add at the end only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// The running program, to be executed again.
    Program,
    /// The kernel's log, for the fault handler's last line.
    Kmsg,
    /// The console.
    Console,
    /// The hardware watchdog, armed.
    Watchdog,
    /// The listening control socket.
    Control,
    /// The notification socket.
    Notify,
    /// The kernel's device events.
    Uevent,
    /// The memory that holds the log.
    LogArena,
    /// A process that we made or adopted, by its pidfd.
    Process {
        /// Whose.
        run: Run,
        /// Which.
        role: ProcessRole,
        /// Its number.
        pid: u32,
        /// When it began (`/proc/PID/stat`, field 22); 0: not known.
        start_ticks: u64,
    },
    /// One end of a pipe that a unit's output goes through.
    LogPipe {
        /// Whose.
        unit: UnitId,
        /// Standard error rather than standard output.
        stderr: bool,
        /// Which end.
        end: PipeEnd,
    },
    /// A listening socket of a socket unit.
    Listen {
        /// Whose.
        unit: UnitId,
        /// Which of its addresses.
        index: u16,
    },
    /// A descriptor that a unit stored with us. Its name is in the cell of the same number in
    /// [`Section::Names`].
    Stored {
        /// Whose.
        unit: UnitId,
        /// The shore's number.
        number: u32,
        /// Watched for its other end's going.
        poll: bool,
    },
    /// An accepted connection that waits for its instance, or a descriptor that somebody offered and
    /// nobody took yet.
    Offered {
        /// The shore's number.
        number: u32,
    },
    /// A client of the control socket.
    Client {
        /// Its number.
        number: u32,
    },
    /// A worker or a stage that had not ended, by its pidfd.
    Child {
        /// The ticket of the order that it is for.
        ticket: u64,
        /// Its number.
        pid: u32,
    },
    /// The pipe on which a stage reports success or failure.
    Report {
        /// The stage's number.
        pid: u32,
    },
    /// The kernel's log, as far as it was read.
    KernelRing,
    /// A program that somebody runs inside a unit, by its pidfd.
    Guest {
        /// The ticket of the order that it is for.
        ticket: u64,
        /// Its number.
        pid: u32,
    },
}

/// Which end of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PipeEnd {
    /// We read from it.
    Read,
    /// Processes write to it; we keep it so that the pipe outlives each of them.
    Write,
}

/// A descriptor as the table has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// What it is for.
    pub role: Role,
    /// The device of the open file (fstat(2)): proof that the number was not used again for another.
    pub device: u64,
    /// Its inode there.
    pub inode: u64,
}

impl Vault<'_> {
    /// Enters descriptor `number` into the table, as part of the open transaction.
    ///
    /// # Errors
    /// When the number is beyond the table.
    pub fn put_descriptor(&mut self, number: usize, descriptor: &Descriptor) -> Result<(), Full> {
        let mut room = [0; DESCRIPTOR_PAYLOAD_BYTES_MAX];
        let bytes = postcard::to_slice(descriptor, &mut room).map_err(|_| Full)?;
        self.put(Section::Descriptors, number, bytes)
    }

    /// Strikes descriptor `number` from the table.
    pub fn clear_descriptor(&mut self, number: usize) {
        self.clear(Section::Descriptors, number);
    }

    /// The descriptor with this number, or `Err` when the entry is damaged.
    ///
    /// # Errors
    /// When there was an entry that cannot be read any more.
    pub fn descriptor(&self, number: usize) -> Result<Option<Descriptor>, Full> {
        match self.read(Section::Descriptors, number) {
            Held::Nothing => Ok(None),
            Held::Lost => Err(Full),
            Held::Newest(payload) | Held::Older(payload) => {
                postcard::take_from_bytes(payload).map(|(d, _)| Some(d)).map_err(|_| Full)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_descriptor_fits() {
        let run = Run { unit: UnitId(u16::MAX), number: u32::MAX };
        let role =
            Role::Process { run, role: ProcessRole::Control, pid: u32::MAX, start_ticks: u64::MAX };
        let descriptor = Descriptor { role, device: u64::MAX, inode: u64::MAX };
        let bytes = postcard::to_allocvec(&descriptor).unwrap();
        assert!(bytes.len() <= DESCRIPTOR_PAYLOAD_BYTES_MAX, "{} bytes", bytes.len());
    }
}
