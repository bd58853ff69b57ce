//! The two sockets of a DHCP client: one for an interface that has no address yet, one for after.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{SocketAddrV4, bind, recv, sendto, socket_with, sockopt};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use crate::dhcp::{CLIENT_PORT, SERVER_PORT, datagram, udp_payload};
use crate::limits::DHCP_MESSAGE_BYTES_MAX;

/// `ETH_P_IP` in the network's order.
const PROTOCOL_IP: u16 = 0x0800_u16.to_be();

/// Speaks IP on a link without an address of its own (packet(7)); hears only what is for a DHCP client.
#[derive(Debug)]
pub struct LinkSocket {
    socket: OwnedFd,
    index: i32,
}

impl LinkSocket {
    /// Opens the socket on an interface.
    ///
    /// # Errors
    /// The system call's error.
    pub fn open(index: u32) -> Result<LinkSocket> {
        let index = i32::try_from(index).map_err(|_| Errno::NODEV)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::PACKET, SocketType::DGRAM, flags, None)?;
        filter(&socket)?;
        let address = link_address(index);
        // SAFETY: the address is a whole sockaddr_ll and lives through the call.
        check(unsafe {
            libc::bind(socket.as_raw_fd(), (&raw const address).cast(), LINK_ADDRESS_BYTES)
        })?;
        Ok(LinkSocket { socket, index })
    }

    /// Sends a message from no address to everybody.
    ///
    /// # Errors
    /// The system call's error; `ENETDOWN` while the interface is down.
    pub fn broadcast(&self, message: &[u8]) -> Result<()> {
        let bytes = datagram(message);
        let mut address = link_address(self.index);
        address.sll_halen = 6;
        address.sll_addr[..6].fill(0xff);
        // SAFETY: the buffer is valid for its length, the address is a whole sockaddr_ll.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                bytes.as_ptr().cast(),
                bytes.len(),
                0,
                (&raw const address).cast(),
                LINK_ADDRESS_BYTES,
            )
        };
        check(if sent < 0 { -1 } else { 0 })
    }

    /// The next message, if there is one.
    pub fn next(&self) -> Option<Vec<u8>> {
        let mut buffer = [0; DHCP_MESSAGE_BYTES_MAX];
        loop {
            let (length, _) = recv(&self.socket, &mut buffer, RecvFlags::DONTWAIT).ok()?;
            if let Some(payload) = udp_payload(&buffer[..length]) {
                return Some(payload.to_vec());
            }
        }
    }
}

impl AsFd for LinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Speaks UDP from an address that is ours.
#[derive(Debug)]
pub struct AddressSocket {
    socket: OwnedFd,
}

impl AddressSocket {
    /// Opens the client's port on an interface.
    ///
    /// # Errors
    /// The system call's error; `EADDRINUSE` when another client runs on it.
    pub fn open(interface: &str) -> Result<AddressSocket> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sockopt::set_socket_broadcast(&socket, true)?;
        bind_to_device(&socket, interface)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT))?;
        Ok(AddressSocket { socket })
    }

    /// Sends a message to a server.
    ///
    /// # Errors
    /// The system call's error.
    pub fn send(&self, to: Ipv4Addr, message: &[u8]) -> Result<()> {
        let to = SocketAddrV4::new(to, SERVER_PORT);
        sendto(&self.socket, message, SendFlags::empty(), &to).map(|_| ())
    }

    /// The next message, if there is one.
    pub fn next(&self) -> Option<Vec<u8>> {
        let mut buffer = [0; DHCP_MESSAGE_BYTES_MAX];
        let (length, _) = recv(&self.socket, &mut buffer, RecvFlags::DONTWAIT).ok()?;
        Some(buffer[..length].to_vec())
    }
}

impl AsFd for AddressSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the structure has 20 bytes")]
const LINK_ADDRESS_BYTES: libc::socklen_t = size_of::<libc::sockaddr_ll>() as libc::socklen_t;

fn link_address(index: i32) -> libc::sockaddr_ll {
    // SAFETY: all zeros is a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = 17; // AF_PACKET
    address.sll_protocol = PROTOCOL_IP;
    address.sll_ifindex = index;
    address
}

/// Lets only unfragmented UDP to the client's port through, so that the worker sleeps while the
/// machine talks.
fn filter(socket: &OwnedFd) -> Result<()> {
    let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: u16::try_from(code).expect("operations have 16 bits"),
        jt,
        jf,
        k,
    };
    let load_byte = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
    let load_half = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let any_bit = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
    let mut program = [
        // The protocol is UDP.
        op(load_byte, 0, 0, 9),
        op(equal, 0, 6, 17),
        // No part of a fragmented datagram.
        op(load_half, 0, 0, 6),
        op(any_bit, 4, 0, 0x3fff),
        // Behind the IP header: the destination's port.
        op(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0, 0, 0),
        op(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 0, 0, 2),
        op(equal, 0, 1, CLIENT_PORT.into()),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
    ];
    let length = u16::try_from(program.len()).expect("a short program");
    let filter = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    set_option(socket, libc::SO_ATTACH_FILTER, &filter)
}

fn bind_to_device(socket: &OwnedFd, interface: &str) -> Result<()> {
    let mut name = [0_u8; libc::IFNAMSIZ];
    if interface.len() >= name.len() {
        return Err(Errno::NAMETOOLONG);
    }
    name[..interface.len()].copy_from_slice(interface.as_bytes());
    set_option(socket, libc::SO_BINDTODEVICE, &name)
}

fn set_option<T>(socket: &OwnedFd, option: libc::c_int, value: &T) -> Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the value is valid for its own size; what it points to lives through the call.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_ref(value).cast(),
            length,
        )
    })
}

fn check(result: libc::c_int) -> Result<()> {
    match result {
        -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
        _ => Ok(()),
    }
}
