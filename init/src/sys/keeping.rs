//! What PID 1 writes down for its next life: units' records, definitions, and what each descriptor is for.
//!
//! Whatever is opened to stay is entered into the table before anything else is done with it, and
//! struck before it is closed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mio::Interest;
use units::run::{Ticket, UnitId};

use crate::node::event::Stream;
use crate::sys::processes::{Owner, Process};
use crate::sys::run::Shore;
use crate::sys::sources::Source;
use crate::sys::survive;
use crate::sys::token::Token;
use crate::sys::workers::Worker;
use crate::vault::{PipeEnd, Role};

impl Shore {
    /// Adds a source to the poll set, and enters its descriptor into the table.
    pub(crate) fn add_source(
        &mut self,
        source: Source,
        interest: Option<Interest>,
    ) -> io::Result<Token> {
        let keepsake = source.keepsake();
        let token = self.sources.add(source, interest)?;
        if let Some((number, role)) = keepsake {
            // SAFETY: the source that was just added owns the number.
            self.enter(unsafe { BorrowedFd::borrow_raw(number) }, role);
        }
        Ok(token)
    }

    /// Takes a source out of the poll set, and strikes its descriptor from the table.
    pub(crate) fn remove_source(&mut self, token: Token) -> Option<Source> {
        let source = self.sources.remove(token)?;
        if let Some((number, _)) = source.keepsake() {
            // SAFETY: the source, which is still here, owns the number.
            self.keeper.strike(unsafe { BorrowedFd::borrow_raw(number) });
            self.keeper.commit();
        }
        Some(source)
    }

    /// Enters a descriptor into the table. One that cannot be will be missed by the next image only.
    pub(crate) fn enter(&mut self, descriptor: BorrowedFd<'_>, role: Role) {
        if let Err(error) = self.keeper.keep(descriptor, role) {
            self.complain("keep a descriptor for the next life", &error);
        }
        self.keeper.commit();
    }

    /// Takes charge of a process that was made or adopted.
    pub(crate) fn hold_process(&mut self, pid: u32, process: Process) {
        let start_ticks = survive::birth(pid).map_or(0, |birth| birth.start_ticks);
        if let Some(pidfd) = &process.pidfd
            && let Err(error) =
                self.keeper.keep(pidfd.as_fd(), role_of(process.owner, pid, start_ticks))
        {
            self.complain("keep a process for the next life", &error);
        }
        self.keeper.commit();
        self.keeper.forget_child();
        self.processes.insert(pid, process);
    }

    /// Gives a process up that ended: it leaves the table together with what the node makes of its end.
    pub(crate) fn lose_process(&mut self, pid: u32) -> Option<Process> {
        let process = self.processes.remove(pid)?;
        if let Some(pidfd) = &process.pidfd {
            self.keeper.strike(pidfd.as_fd());
        }
        Some(process)
    }

    /// A process has another role from now on.
    pub(crate) fn reassign_process(&mut self, pid: u32, owner: Owner) {
        let Some(process) = self.processes.get_mut(pid) else { return };
        process.owner = owner;
        let start_ticks = survive::birth(pid).map_or(0, |birth| birth.start_ticks);
        if let Some(pidfd) = &process.pidfd {
            // It is in the table already, so that there is room for it.
            let _ = self.keeper.keep(pidfd.as_fd(), role_of(owner, pid, start_ticks));
        }
        self.keeper.commit();
    }

    /// Enters a worker into the table: the next life ends it, since nobody would hear what it says.
    pub(crate) fn enter_worker(&mut self, ticket: Ticket, worker: &Worker) {
        if let Some(pidfd) = &worker.pidfd {
            let role = Role::Child { ticket: ticket.0, pid: worker.pid };
            self.enter(pidfd.as_fd(), role);
        }
    }

    /// Gives a worker up that ended.
    pub(crate) fn lose_worker(&mut self, ticket: Ticket) -> Option<Worker> {
        let worker = self.workers.remove(ticket)?;
        if let Some(pidfd) = &worker.pidfd {
            self.keeper.strike(pidfd.as_fd());
        }
        Some(worker)
    }

    /// Takes a descriptor that came along with something, and numbers it.
    pub(crate) fn offer(&mut self, descriptor: OwnedFd) -> u32 {
        let number = self.holdings.number();
        self.enter(descriptor.as_fd(), Role::Offered { number });
        self.holdings.offer(number, descriptor);
        number
    }

    /// The writing end of a unit's pipe stays with us.
    pub(crate) fn enter_writer(&mut self, unit: UnitId, stream: Stream, writer: BorrowedFd<'_>) {
        let stderr = stream == Stream::Stderr;
        self.enter(writer, Role::LogPipe { unit, stderr, end: PipeEnd::Write });
    }

    /// Writes a unit's record to its cell; with no bytes, frees the cell.
    pub(crate) fn record(&mut self, slot: u16, bytes: &[u8]) {
        if let Err(error) = self.keeper.record(slot, bytes) {
            self.complain("write a unit's record", &error);
        }
    }

    /// Writes a fact of the node's own down.
    pub(crate) fn note(&mut self, number: u8, bytes: &[u8]) {
        if let Err(error) = self.keeper.note(usize::from(number), bytes) {
            self.complain("write the node's note", &error);
        }
    }

    /// Writes down what is known of a unit's image.
    pub(crate) fn know_image(&mut self, unit: UnitId, bytes: &[u8]) {
        if let Err(error) = self.keeper.know_image(unit.0, bytes) {
            self.complain("write down a unit's image", &error);
        }
    }

    /// Writes all definitions down that are in force.
    pub(crate) fn record_definitions(&mut self) {
        if let Err(error) = self.keeper.define(self.node.definitions()) {
            self.complain("write the definitions", &error);
        }
    }
}

fn role_of(owner: Owner, pid: u32, start_ticks: u64) -> Role {
    match owner {
        Owner::Run { run, role } => Role::Process { run, role, pid, start_ticks },
        Owner::Guest(ticket) => Role::Guest { ticket: ticket.0, pid },
    }
}
