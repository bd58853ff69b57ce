//! What is read from the kernel and gone there: kept in the vault until the node has made something of it.

use std::os::fd::AsFd;

use units::run::{Role, Run, UnitId};

use crate::limits::{NOTIFY_BYTES_MAX, READ_BYTES_MAX};
use crate::node::Event;
use crate::node::event::Stream;
use crate::sys::notify::{self, Datagram};
use crate::sys::run::Shore;
use crate::sys::sources::Source;
use crate::sys::survive::Input;
use crate::sys::token::Token;

/// Bytes of a unit's output.
const WROTE: u32 = 1;
/// A notification.
const NOTIFIED: u32 = 2;
/// A record of the kernel's ring.
const KERNEL_WROTE: u32 = 3;

/// A notification's sender and what came along, in two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Notice {
    run: Run,
    role: Option<Role>,
    pid: u32,
    /// The first number of the descriptors that came along, which are numbered in a row.
    first: u32,
    count: u8,
}

impl Notice {
    fn input(self) -> Input {
        let role = match self.role {
            None => 0,
            Some(Role::Main) => 1,
            Some(Role::Control) => 2,
        };
        let unit = u64::from(self.run.unit.0);
        let source = unit << 48 | role << 40 | u64::from(self.run.number);
        // Process numbers have 22 bits at most (`PID_MAX_LIMIT`).
        let before = u64::from(self.first) << 32
            | u64::from(self.count) << 24
            | u64::from(self.pid & 0x00ff_ffff);
        Input { kind: NOTIFIED, source, before }
    }

    fn from_numbers(source: u64, before: u64) -> Notice {
        let [u0, u1, role, _, n0, n1, n2, n3] = source.to_be_bytes();
        let [f0, f1, f2, f3, count, p0, p1, p2] = before.to_be_bytes();
        let role = match role {
            1 => Some(Role::Main),
            2 => Some(Role::Control),
            _ => None,
        };
        let unit = UnitId(u16::from_be_bytes([u0, u1]));
        Notice {
            run: Run { unit, number: u32::from_be_bytes([n0, n1, n2, n3]) },
            role,
            pid: u32::from_be_bytes([0, p0, p1, p2]),
            first: u32::from_be_bytes([f0, f1, f2, f3]),
            count,
        }
    }

    fn descriptors(self) -> Vec<u32> {
        (0..u32::from(self.count)).map(|nth| self.first.wrapping_add(nth)).collect()
    }
}

impl Shore {
    /// Takes bytes of a unit's output; `None`: there is nothing more just now.
    pub(crate) fn receive_output(&mut self, token: Token, buffer: &mut [u8]) -> Option<usize> {
        let Some(Source::Output { unit, stream, pipe }) = self.sources.get(token) else {
            return None;
        };
        let (unit, stream) = (*unit, *stream);
        let source = u64::from(unit.0) << 8 | u64::from(stream == Stream::Stderr);
        let input = Input { kind: WROTE, source, before: self.node.log_position(unit, stream) };
        let received = self
            .keeper
            .receive(input, |room| Ok(rustix::io::read(pipe, &mut room[..READ_BYTES_MAX])?));
        let length = received.ok().filter(|length| *length > 0)?;
        buffer[..length].copy_from_slice(self.keeper.received(length));
        self.step(Event::Wrote { unit, stream, bytes: &buffer[..length] });
        Some(length)
    }

    /// Takes a record of the kernel's ring.
    ///
    /// # Errors
    /// `PIPE` when the ring went round, `AGAIN` when there is no more.
    pub(crate) fn receive_kernel_record(
        &mut self,
        token: Token,
        buffer: &mut [u8],
    ) -> std::io::Result<()> {
        let Some(Source::Kmsg(ring)) = self.sources.get(token) else {
            return Err(std::io::ErrorKind::NotFound.into());
        };
        let input = Input { kind: KERNEL_WROTE, source: 0, before: 0 };
        let length = self
            .keeper
            .receive(input, |room| Ok(rustix::io::read(ring, &mut room[..READ_BYTES_MAX])?))?;
        buffer[..length].copy_from_slice(self.keeper.received(length));
        self.step(Event::KernelWrote { record: &buffer[..length] });
        Ok(())
    }

    /// Takes a notification; `false`: there is nothing more.
    pub(crate) fn receive_notification(&mut self, token: Token, buffer: &mut [u8]) -> bool {
        let Some(Source::Notify(socket)) = self.sources.get(token) else { return false };
        self.keeper.begin_input();
        let received = notify::receive(socket.as_fd(), &mut self.keeper.room()[..NOTIFY_BYTES_MAX]);
        let noticed = match &received {
            Ok(Some(datagram)) => self.attribute(datagram.pid),
            Ok(None) | Err(_) => None,
        };
        let notice = match (received, noticed) {
            (Ok(Some(datagram)), Some((run, role))) => Some(self.notice(datagram, run, role)),
            (Ok(_), _) => None,
            (Err(_), _) => {
                self.keeper.end_input();
                return false;
            }
        };
        self.keeper.end_input();
        if let Some((notice, length)) = notice {
            buffer[..length].copy_from_slice(self.keeper.received(length));
            self.tell_notice(notice, &buffer[..length]);
        }
        true
    }

    fn notice(&mut self, datagram: Datagram, run: Run, role: Option<Role>) -> (Notice, usize) {
        let Datagram { pid, length, descriptors } = datagram;
        let mut numbers = descriptors.into_iter().map(|fd| self.offer(fd)).collect::<Vec<_>>();
        let first = numbers.first().copied().unwrap_or(0);
        numbers.truncate(usize::from(u8::MAX));
        let count = u8::try_from(numbers.len()).unwrap_or(u8::MAX);
        let notice = Notice { run, role, pid, first, count };
        self.keeper.accept(notice.input(), length);
        (notice, length)
    }

    fn tell_notice(&mut self, notice: Notice, text: &[u8]) {
        let Notice { run, role, pid, .. } = notice;
        let descriptors = notice.descriptors();
        self.step(Event::Notified { run, role, pid, text, descriptors });
    }

    /// Hands the node the input that the last life did not finish.
    pub(super) fn finish_input(&mut self) {
        let Some(inbox) = self.keeper.unfinished() else { return };
        let (kind, source, before) = (inbox.kind, inbox.source, inbox.before);
        let bytes = inbox.bytes.to_vec();
        match kind {
            WROTE => {
                let unit = UnitId(u16::try_from(source >> 8 & 0xffff).unwrap_or(0));
                let stream = if source & 1 == 1 { Stream::Stderr } else { Stream::Stdout };
                let from = bytes.len() - self.node.log_rest(unit, stream, before, &bytes).len();
                self.step(Event::Wrote { unit, stream, bytes: &bytes[from..] });
            }
            NOTIFIED => {
                let notice = Notice::from_numbers(source, before);
                self.tell_notice(notice, &bytes);
            }
            KERNEL_WROTE => self.step(Event::KernelWrote { record: &bytes }),
            _ => self.keeper.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_survives_its_numbers() {
        for role in [None, Some(Role::Main), Some(Role::Control)] {
            let run = Run { unit: UnitId(4095), number: u32::MAX };
            let notice = Notice { run, role, pid: 4_194_304, first: u32::MAX - 9, count: 253 };
            let input = notice.input();
            assert_eq!(Notice::from_numbers(input.source, input.before), notice);
        }
    }
}
