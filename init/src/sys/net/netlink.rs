//! The socket over which the kernel's network is configured and watched (rtnetlink(7)).

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{bind, recv, send, socket_with};

use crate::limits::NETLINK_BUFFER_BYTES;

/// Bytes of a message's head: length, type, flags, sequence, port.
const HEAD_BYTES: usize = 16;
/// `NLM_F_REQUEST`, `NLM_F_ACK`, `NLM_F_DUMP`.
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
/// `NLMSG_ERROR`, `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// The kernel answers at once; whoever waits longer waits for nothing.
const ANSWER_MAX: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// `NLM_F_CREATE | NLM_F_REPLACE`: make it, or make the existing one like this.
pub(super) const CREATE_OR_REPLACE: u16 = 0x400 | 0x100;

/// A socket.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

/// One message: its type and what follows its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// The message's type.
    pub kind: u16,
    sequence: u32,
    /// The family's own header and the attributes.
    pub payload: &'a [u8],
}

impl Netlink {
    /// Opens a socket that hears of the groups in the mask (`RTMGRP_…`), besides answers.
    ///
    /// # Errors
    /// The system call's error.
    pub fn open(groups: u32) -> Result<Netlink> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // No protocol is protocol 0, and that is NETLINK_ROUTE.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(Netlink { socket, sequence: 0 })
    }

    /// Makes a request that is answered by "done" or an error.
    ///
    /// # Errors
    /// The kernel's answer, or that of the system call; `ETIMEDOUT` without any.
    pub fn request(
        &mut self,
        kind: u16,
        flags: u16,
        fill: impl FnOnce(&mut Vec<u8>),
    ) -> Result<()> {
        self.send(kind, REQUEST | ACK | flags, fill)?;
        self.answers(&mut |_| ())
    }

    /// Asks for all of a kind and takes each.
    ///
    /// # Errors
    /// As [`Netlink::request`].
    pub fn dump(
        &mut self,
        kind: u16,
        fill: impl FnOnce(&mut Vec<u8>),
        each: &mut dyn FnMut(Part<'_>),
    ) -> Result<()> {
        self.send(kind, REQUEST | DUMP, fill)?;
        self.answers(each)
    }

    /// Takes the news that are there.
    ///
    /// # Errors
    /// `ENOBUFS` when some were lost: then everything has to be looked at again.
    pub fn hear(&mut self, each: &mut dyn FnMut(Part<'_>)) -> Result<()> {
        let mut buffer = vec![0; NETLINK_BUFFER_BYTES];
        loop {
            match recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => parts(&buffer[..length]).for_each(&mut *each),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
    }

    fn send(&mut self, kind: u16, flags: u16, fill: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut bytes = vec![0; HEAD_BYTES];
        fill(&mut bytes);
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::MSGSIZE)?;
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.sequence.to_ne_bytes());
        send(&self.socket, &bytes, SendFlags::empty()).map(|_| ())
    }

    fn answers(&mut self, each: &mut dyn FnMut(Part<'_>)) -> Result<()> {
        let mut buffer = vec![0; NETLINK_BUFFER_BYTES];
        loop {
            if poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&ANSWER_MAX))? == 0 {
                return Err(Errno::TIMEDOUT);
            }
            let (length, _) = match recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                Err(Errno::AGAIN | Errno::INTR) => continue,
                other => other?,
            };
            for part in parts(&buffer[..length]).filter(|part| part.sequence == self.sequence) {
                match part.kind {
                    DONE => return Ok(()),
                    ERROR => return error_of(part.payload),
                    _ => each(part),
                }
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The error's number, negative; zero is the acknowledgement.
fn error_of(payload: &[u8]) -> Result<()> {
    let number = payload.first_chunk().copied().map_or(-libc::EIO, i32::from_ne_bytes);
    match number {
        0 => Ok(()),
        number => Err(Errno::from_raw_os_error(number.wrapping_neg())),
    }
}

/// Takes a datagram apart; stops at the first message that is not whole.
fn parts(mut rest: &[u8]) -> impl Iterator<Item = Part<'_>> {
    std::iter::from_fn(move || {
        let head: &[u8; HEAD_BYTES] = rest.first_chunk()?;
        let length = u32::from_ne_bytes(*head.first_chunk()?);
        let length = usize::try_from(length).ok().filter(|length| *length >= HEAD_BYTES)?;
        let payload = rest.get(HEAD_BYTES..length)?;
        let part = Part {
            kind: u16::from_ne_bytes([head[4], head[5]]),
            sequence: u32::from_ne_bytes(*head[8..].first_chunk()?),
            payload,
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_datagrams_end_where_they_break() {
        let mut bytes = vec![20, 0, 0, 0, 16, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
        bytes.extend_from_slice(&[15, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        let found: Vec<Part<'_>> = parts(&bytes).collect();
        assert_eq!(found, [Part { kind: 16, sequence: 7, payload: &[1, 2, 3, 4] }]);
        for end in 0..bytes.len() {
            assert!(parts(&bytes[..end]).count() <= 1);
        }
    }
}
