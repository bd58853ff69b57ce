//! The kernel's messages about devices, from its netlink socket.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};

use crate::limits::{UEVENT_BUFFER_BYTES, UEVENT_BYTES_MAX};
use crate::uevent::Uevent;

/// The group in which the kernel itself speaks (udev speaks in group 2).
const KERNEL_GROUP: u32 = 1;

/// A socket that hears of every device from now on.
#[derive(Debug)]
pub struct UeventSocket {
    socket: OwnedFd,
}

/// What a look at the socket brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A device's message.
    Device(Uevent),
    /// Messages were lost: whoever keeps a picture of the devices looks at all of them again.
    Lost,
    /// Nothing more for now.
    Nothing,
}

impl UeventSocket {
    /// Opens the socket, not blocking.
    ///
    /// # Errors
    /// The system call's error.
    pub fn open() -> Result<UeventSocket> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let family = AddressFamily::NETLINK;
        let socket = socket_with(family, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT))?;
        // A burst (a disk shelf, a hub) must fit; what does not fit is told as lost.
        set_socket_recv_buffer_size_force(&socket, UEVENT_BUFFER_BYTES)
            .or_else(|_| set_socket_recv_buffer_size(&socket, UEVENT_BUFFER_BYTES))?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        Ok(UeventSocket { socket })
    }

    /// Takes over a socket that stayed open while PID 1 replaced itself.
    #[must_use]
    pub fn adopt(socket: OwnedFd) -> UeventSocket {
        UeventSocket { socket }
    }

    /// Takes the next message. What no kernel sent is passed over.
    pub fn next(&self) -> Heard {
        let mut buffer = [0; UEVENT_BYTES_MAX];
        loop {
            match recvfrom(&self.socket, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((length, _, from)) => {
                    let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
                    let is_kernel = from.is_some_and(|from| from.pid() == 0);
                    let event = Uevent::parse(&buffer[..length.min(UEVENT_BYTES_MAX)]);
                    if let (true, Some(event)) = (is_kernel, event) {
                        return Heard::Device(event);
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::NOBUFS) => return Heard::Lost,
                Err(_) => return Heard::Nothing,
            }
        }
    }
}

impl AsFd for UeventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
