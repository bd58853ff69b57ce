//! What services of boot tests say to the supervisor: the protocols of sd_notify(3) and
//! sd_listen_fds(3), spoken as any program speaks them.
//!
//! `actor say WORD…` sends a notification, `actor store NAME FILE` gives an open file away,
//! `actor barrier` waits until everything sent before was taken note of, `actor serve` answers
//! connections of the listening socket that is its standard input.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketType,
};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match &words[..] {
        ["say", words @ ..] => send(&words.join("\n"), None).and_then(|()| wait_until_heard()),
        ["store", name, path] => store(name, path),
        ["barrier"] => wait_until_heard(),
        ["serve"] => serve(),
        _ => Err(io::Error::other("say WORD…, store NAME FILE, barrier or serve")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("actor {words:?}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One datagram to whoever supervises us.
fn send(text: &str, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let path = std::env::var("NOTIFY_SOCKET").map_err(io::Error::other)?;
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes())?,
        None => SocketAddrUnix::new(path)?,
    };
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.map(|descriptor| [descriptor]);
    if let Some(descriptors) = &descriptors {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let text = [IoSlice::new(text.as_bytes())];
    rustix::net::sendmsg_addr(&socket, &address, &text, &mut ancillary, SendFlags::empty())?;
    Ok(())
}

/// Gives away one end of a pipe, and waits until the supervisor has closed it.
fn wait_until_heard() -> io::Result<()> {
    let (ours, theirs) = rustix::pipe::pipe()?;
    send("BARRIER=1", Some(theirs.as_fd()))?;
    drop(theirs);
    poll(&mut [PollFd::new(&ours, PollFlags::empty())], None)?;
    Ok(())
}

fn store(name: &str, path: &str) -> io::Result<()> {
    let file = File::open(path)?;
    send(&format!("FDSTORE=1\nFDNAME={name}"), Some(file.as_fd()))?;
    wait_until_heard()
}

fn serve() -> io::Result<()> {
    let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    let told = |name: &str| std::env::var(name).unwrap_or_default();
    let is_for_us = told("LISTEN_PID") == std::process::id().to_string();
    loop {
        let (mut stream, _) = listener.accept()?;
        let (count, names) = (told("LISTEN_FDS"), told("LISTEN_FDNAMES"));
        writeln!(stream, "ours={is_for_us} count={count} names={names}")?;
    }
}
