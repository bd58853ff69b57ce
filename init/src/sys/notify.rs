//! The notification socket: datagrams with their sender and descriptors.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SocketAddrUnix, SocketFlags, SocketType, bind, recvmsg, socket_with,
};

use crate::limits::NOTIFY_DESCRIPTORS_MAX;

/// One datagram.
#[derive(Debug)]
pub(crate) struct Datagram {
    /// The sender, as the kernel says.
    pub(crate) pid: u32,
    /// How much of the buffer it filled.
    pub(crate) length: usize,
    /// What came along.
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Opens the socket at `path`, writable for everybody: the sender is known by its credentials.
pub(crate) fn open(path: &str) -> io::Result<OwnedFd> {
    // A socket of an earlier life may be in the way; that there is none is the usual case.
    let _ = rustix::fs::unlink(path);
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    set_socket_passcred(&socket, true)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::fs::chmod(path, rustix::fs::Mode::from_raw_mode(0o666))?;
    Ok(socket)
}

/// Takes one datagram; `None` when there is no more, or when it was refused (cut, without sender).
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
    let mut space = [MaybeUninit::uninit();
        rustix::cmsg_space!(ScmRights(NOTIFY_DESCRIPTORS_MAX), ScmCredentials(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(
        socket,
        &mut [IoSliceMut::new(buffer)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
    )?;
    let mut pid = None;
    let mut descriptors = Vec::new();
    for part in ancillary.drain() {
        match part {
            RecvAncillaryMessage::ScmRights(rights) => descriptors.extend(rights),
            RecvAncillaryMessage::ScmCredentials(who) => pid = Some(who.pid),
            _ => {}
        }
    }
    // What was cut, text or descriptors, cannot be trusted to mean what it says.
    if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Ok(None);
    }
    let Some(pid) = pid else { return Ok(None) };
    let pid = pid.as_raw_nonzero().get().unsigned_abs();
    Ok(Some(Datagram { pid, length: message.bytes, descriptors }))
}
