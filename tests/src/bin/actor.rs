//! What services of boot tests say to the supervisor: the protocols of sd_notify(3) and
//! sd_listen_fds(3), spoken as any program speaks them.
//!
//! `actor say WORD…` sends a notification, `actor store NAME FILE` gives an open file away,
//! `actor barrier` waits until everything sent before was taken note of, `actor serve` answers
//! connections of the listening socket that is its standard input. `actor answer PORT DIRECTORY` is a
//! web server: `GET /NAME` is answered with 200 if there is such a file, else with 503. `actor listen
//! PORT FILE…` takes connections on each port for as long as its file is there. `actor terminal
//! ROWSxCOLUMNS[,…] PROGRAM…` is a person's terminal, and `actor as UID GID PROGRAM…` another person.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketType,
};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match &words[..] {
        ["say", words @ ..] => send(&words.join("\n"), None).and_then(|()| wait_until_heard()),
        ["store", name, path] => store(name, path),
        ["barrier"] => wait_until_heard(),
        ["serve"] => serve(),
        ["answer", port, directory] => answer(port, Path::new(directory)),
        ["listen", doors @ ..] => listen(doors),
        ["terminal", sizes, program @ ..] => terminal(sizes, program),
        ["as", user, group, program @ ..] => run_as(user, group, program),
        _ => Err(io::Error::other("say, store, barrier, serve, answer, listen, terminal or as")),
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

fn answer(port: &str, directory: &Path) -> io::Result<()> {
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    loop {
        let (mut stream, _) = listener.accept()?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let asked = lines.next().transpose()?.unwrap_or_default();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let name = asked.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
        let status = if directory.join(name).exists() { "200 OK" } else { "503 Not Now" };
        // Whoever asked may have gone.
        let _gone = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    }
}

fn listen(doors: &[&str]) -> io::Result<()> {
    let mut open: Vec<Option<TcpListener>> = Vec::new();
    open.resize_with(doors.len() / 2, || None);
    loop {
        for (door, listener) in doors.chunks(2).zip(&mut open) {
            let [port, file] = door else { return Err(io::Error::other("PORT FILE…")) };
            match (Path::new(file).exists(), listener.is_some()) {
                (true, false) => *listener = Some(TcpListener::bind(format!("127.0.0.1:{port}"))?),
                (false, true) => *listener = None,
                (true, true) | (false, false) => {}
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a program at a terminal of the first size. Each time it writes `next`, the terminal takes the next
/// size and the return key is pressed. Prints all that was seen.
fn terminal(sizes: &str, program: &[&str]) -> io::Result<()> {
    let sizes: Option<Vec<Winsize>> = sizes.split(',').map(size).collect();
    let mut sizes = sizes.ok_or_else(|| io::Error::other("ROWSxCOLUMNS"))?.into_iter();
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let theirs = OpenOptions::new().read(true).write(true).open(&*name.to_string_lossy())?;
    let first = sizes.next().ok_or_else(|| io::Error::other("no size"))?;
    tcsetwinsize(&ours, first)?;
    // With `-c` it is the controlling terminal, so that a change of its size is told.
    let mut child = Command::new("/state/test/busybox")
        .args(["setsid", "-c"])
        .args(program)
        .stdin(theirs.try_clone()?)
        .stdout(theirs.try_clone()?)
        .stderr(theirs)
        .spawn()?;
    let mut ours = File::from(ours);
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    // The end is EIO: nobody has the other end open.
    while let Ok(count @ 1..) = ours.read(&mut buffer) {
        let before = seen.len();
        seen.extend_from_slice(&buffer[..count]);
        if String::from_utf8_lossy(&seen[before.saturating_sub(3)..]).contains("next") {
            if let Some(size) = sizes.next() {
                tcsetwinsize(&ours, size)?;
            }
            ours.write_all(b"\r")?;
        }
    }
    io::stdout().write_all(&seen)?;
    end_like(child.wait()?)
}

fn size(text: &str) -> Option<Winsize> {
    let (rows, columns) = text.split_once('x')?;
    let (ws_row, ws_col) = (rows.parse().ok()?, columns.parse().ok()?);
    Some(Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 })
}

/// Runs a program as another user and group, in no other group.
fn run_as(user: &str, group: &str, program: &[&str]) -> io::Result<()> {
    let [program, words @ ..] = program else { return Err(io::Error::other("no program")) };
    let number = |text: &str| text.parse().map_err(io::Error::other);
    let mut command = Command::new(program);
    end_like(command.args(words).uid(number(user)?).gid(number(group)?).status()?)
}

/// Ends as a program did that was run.
fn end_like(status: ExitStatus) -> io::Result<()> {
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => std::process::exit(code),
        None => Err(io::Error::other(status.to_string())),
    }
}
