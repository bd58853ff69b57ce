//! Opening what a socket unit listens on.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, Uid};
use rustix::net::sockopt;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};
use units::triggers::{Address, Listen, Socket, SocketOptions};

/// Opens all of them, in the order of the spec; one that fails closes the rest.
pub(crate) fn open(socket: &Socket) -> io::Result<Vec<OwnedFd>> {
    let opened =
        socket.listens.iter().map(|what| open_one(socket, what)).collect::<io::Result<Vec<_>>>()?;
    if let Some(target) = first_path(socket) {
        for link in &socket.links {
            make_parents(link, socket.directory_mode)?;
            // A link of an earlier life; that there is none is the usual case.
            let _ = rustix::fs::unlink(&**link);
            rustix::fs::symlink(target, &**link)?;
        }
    }
    Ok(opened)
}

/// The paths that belong to the socket unit, for `RemoveOnStop=`.
pub(crate) fn remove_paths(socket: &Socket) {
    let paths = socket.listens.iter().filter_map(path_of);
    for path in paths.chain(socket.links.iter().map(|link| &**link)) {
        // Gone already is as good.
        let _ = rustix::fs::unlink(path);
    }
}

fn first_path(socket: &Socket) -> Option<&str> {
    socket.listens.iter().find_map(path_of)
}

fn path_of(what: &Listen) -> Option<&str> {
    match what {
        Listen::Stream(Address::Path(path))
        | Listen::Datagram(Address::Path(path))
        | Listen::SequentialPacket(Address::Path(path))
        | Listen::Fifo(path) => Some(path),
        Listen::Stream(_)
        | Listen::Datagram(_)
        | Listen::SequentialPacket(_)
        | Listen::Special(_)
        | Listen::Netlink { .. }
        | Listen::MessageQueue(_) => None,
    }
}

fn open_one(socket: &Socket, what: &Listen) -> io::Result<OwnedFd> {
    match what {
        Listen::Stream(address) => open_socket(socket, address, SocketType::STREAM),
        Listen::Datagram(address) => open_socket(socket, address, SocketType::DGRAM),
        Listen::SequentialPacket(address) => open_socket(socket, address, SocketType::SEQPACKET),
        Listen::Fifo(path) => open_fifo(socket, path),
        Listen::Special(path) => open_special(path),
        Listen::Netlink { family, group } => open_netlink(family, *group),
        Listen::MessageQueue(name) => open_queue(socket, name),
    }
}

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

fn open_socket(unit: &Socket, address: &Address, kind: SocketType) -> io::Result<OwnedFd> {
    let socket = match address {
        Address::Internet(address) => open_internet(unit, *address, kind)?,
        Address::Path(path) => open_path(unit, path, kind)?,
        Address::Abstract(name) => {
            let socket = socket_with(AddressFamily::UNIX, kind, FLAGS, None)?;
            set_options(&socket, &unit.options)?;
            bind(&socket, &SocketAddrUnix::new_abstract_name(name.as_bytes())?)?;
            socket
        }
        Address::Vsock(cid, port) => open_vsock(*cid, *port, kind)?,
    };
    if kind != SocketType::DGRAM {
        listen(&socket, i32::try_from(unit.backlog).unwrap_or(i32::MAX))?;
    }
    Ok(socket)
}

fn open_internet(unit: &Socket, address: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, kind, FLAGS, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6()
        && let Some(only) = unit.options.bind_ipv6_only
    {
        sockopt::set_ipv6_v6only(&socket, only)?;
    }
    set_options(&socket, &unit.options)?;
    set_internet_options(&socket, &unit.options, kind)?;
    bind(&socket, &address)?;
    Ok(socket)
}

fn open_path(unit: &Socket, path: &str, kind: SocketType) -> io::Result<OwnedFd> {
    make_parents(path, unit.directory_mode)?;
    // A socket of an earlier life would make the name taken for ever.
    let _ = rustix::fs::unlink(path);
    let socket = socket_with(AddressFamily::UNIX, kind, FLAGS, None)?;
    set_options(&socket, &unit.options)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    give(unit, path)?;
    Ok(socket)
}

fn open_fifo(unit: &Socket, path: &str) -> io::Result<OwnedFd> {
    make_parents(path, unit.directory_mode)?;
    match rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(unit.mode), 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    give(unit, path)?;
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

fn open_special(path: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Mode and owner of a socket's or queue's file.
fn give(unit: &Socket, path: &str) -> io::Result<()> {
    rustix::fs::chmod(path, Mode::from_raw_mode(unit.mode))?;
    if unit.user.is_none() && unit.group.is_none() {
        return Ok(());
    }
    let user = unit.user.as_deref().map(|name| lookup("/etc/passwd", name)).transpose()?;
    let group = unit.group.as_deref().map(|name| lookup("/etc/group", name)).transpose()?;
    rustix::fs::chown(path, user.map(Uid::from_raw), group.map(Gid::from_raw))?;
    Ok(())
}

/// A number, or a name in the machine's own table (the root is in memory: reading it cannot block).
fn lookup(table: &str, name: &str) -> io::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let text = crate::sys::files::read_text(table)?;
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no {name} in {table}")))
}

fn make_parents(path: &str, mode: u32) -> io::Result<()> {
    for (index, _) in path.match_indices('/').skip(1) {
        match rustix::fs::mkdir(&path[..index], Mode::from_raw_mode(mode)) {
            Ok(()) | Err(rustix::io::Errno::EXIST | rustix::io::Errno::ROFS) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn set_options(socket: &OwnedFd, options: &SocketOptions) -> io::Result<()> {
    if options.broadcast {
        sockopt::set_socket_broadcast(socket, true)?;
    }
    if options.pass_credentials {
        sockopt::set_socket_passcred(socket, true)?;
    }
    if let Some(bytes) = options.receive_buffer_bytes {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if sockopt::set_socket_recv_buffer_size_force(socket, bytes).is_err() {
            sockopt::set_socket_recv_buffer_size(socket, bytes)?;
        }
    }
    if let Some(bytes) = options.send_buffer_bytes {
        sockopt::set_socket_send_buffer_size(socket, usize::try_from(bytes).unwrap_or(usize::MAX))?;
    }
    if options.pass_security {
        set_int(socket, libc::SOL_SOCKET, libc::SO_PASSSEC, 1)?;
    }
    if let Some(priority) = options.priority {
        set_int(socket, libc::SOL_SOCKET, libc::SO_PRIORITY, priority)?;
    }
    if let Some(mark) = options.mark {
        set_int(socket, libc::SOL_SOCKET, libc::SO_MARK, mark.cast_signed())?;
    }
    Ok(())
}

fn set_internet_options(
    socket: &OwnedFd,
    options: &SocketOptions,
    kind: SocketType,
) -> io::Result<()> {
    if options.reuse_port {
        sockopt::set_socket_reuseport(socket, true)?;
    }
    if options.free_bind {
        sockopt::set_ip_freebind(socket, true)?;
    }
    if options.transparent {
        set_int(socket, libc::SOL_IP, libc::IP_TRANSPARENT, 1)?;
    }
    if let Some(tos) = options.ip_tos {
        set_int(socket, libc::SOL_IP, libc::IP_TOS, tos)?;
    }
    if let Some(ttl) = options.ip_ttl {
        set_int(socket, libc::SOL_IP, libc::IP_TTL, ttl)?;
    }
    if let Some(device) = &options.bind_to_device {
        set_bytes(socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, device.as_bytes())?;
    }
    if kind == SocketType::STREAM {
        set_tcp_options(socket, options)?;
    }
    Ok(())
}

fn set_tcp_options(socket: &OwnedFd, options: &SocketOptions) -> io::Result<()> {
    if options.keep_alive {
        sockopt::set_socket_keepalive(socket, true)?;
    }
    if let Some(time) = options.keep_alive_time {
        sockopt::set_tcp_keepidle(socket, time)?;
    }
    if let Some(time) = options.keep_alive_interval {
        sockopt::set_tcp_keepintvl(socket, time)?;
    }
    if let Some(count) = options.keep_alive_probes {
        sockopt::set_tcp_keepcnt(socket, count)?;
    }
    if options.no_delay {
        sockopt::set_tcp_nodelay(socket, true)?;
    }
    if let Some(time) = options.defer_accept {
        let seconds = i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
        set_int(socket, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, seconds)?;
    }
    Ok(())
}

fn set_int(socket: &OwnedFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    set_bytes(socket, level, name, &value.to_ne_bytes())
}

fn set_bytes(socket: &OwnedFd, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    let length = libc::socklen_t::try_from(value.len()).unwrap_or(0);
    // SAFETY: the pointer and the length name the same live slice; the kernel only reads it.
    let done =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), length) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn open_vsock(cid: u32, port: u32, kind: SocketType) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::VSOCK, kind, FLAGS, None)?;
    let address = libc::sockaddr_vm {
        svm_family: u16::try_from(libc::AF_VSOCK).unwrap_or(0),
        svm_reserved1: 0,
        svm_port: port,
        svm_cid: cid,
        svm_zero: [0; 4],
    };
    bind_raw(&socket, &address)?;
    Ok(socket)
}

fn open_netlink(family: &str, group: u32) -> io::Result<OwnedFd> {
    let protocol = match family {
        "route" => libc::NETLINK_ROUTE,
        "firewall" => libc::NETLINK_FIREWALL,
        "inet-diag" => libc::NETLINK_INET_DIAG,
        "nflog" => libc::NETLINK_NFLOG,
        "xfrm" => libc::NETLINK_XFRM,
        "selinux" => libc::NETLINK_SELINUX,
        "iscsi" => libc::NETLINK_ISCSI,
        "audit" => libc::NETLINK_AUDIT,
        "fib-lookup" => libc::NETLINK_FIB_LOOKUP,
        "connector" => libc::NETLINK_CONNECTOR,
        "netfilter" => libc::NETLINK_NETFILTER,
        "dnrtmsg" => libc::NETLINK_DNRTMSG,
        "kobject-uevent" => libc::NETLINK_KOBJECT_UEVENT,
        "generic" => libc::NETLINK_GENERIC,
        "scsitransport" => libc::NETLINK_SCSITRANSPORT,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "unknown netlink family")),
    };
    let protocol = u32::try_from(protocol).ok().and_then(rustix::net::RawProtocol::new);
    let protocol = protocol.map(rustix::net::Protocol::from_raw);
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, FLAGS, protocol)?;
    bind(&socket, &rustix::net::netlink::SocketAddrNetlink::new(0, group))?;
    Ok(socket)
}

fn bind_raw<T>(socket: &OwnedFd, address: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: the address is a live `sockaddr_…` of exactly that length; the kernel only reads it.
    let done =
        unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(address).cast(), length) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn open_queue(unit: &Socket, name: &str) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    let name = std::ffi::CString::new(name)?;
    let mut attributes: libc::mq_attr =
        // SAFETY: `mq_attr` is plain numbers, for which zeros are valid.
        unsafe { std::mem::zeroed() };
    let sizes = (unit.options.message_queue_max_messages, unit.options.message_queue_message_bytes);
    let given = match sizes {
        (Some(count), Some(bytes)) => {
            attributes.mq_maxmsg = count;
            attributes.mq_msgsize = bytes;
            std::ptr::from_ref(&attributes)
        }
        (_, _) => std::ptr::null(),
    };
    let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_CREAT;
    // SAFETY: the name is a live C string, and the attributes are null or live.
    let queue = unsafe { libc::mq_open(name.as_ptr(), flags, unit.mode, given) };
    if queue < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(queue) })
}
