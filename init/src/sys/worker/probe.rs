//! Tries a probe once, from where the unit is: its network, its files, its name spaces.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use units::event::{Outcome, Refusal};
use units::probe::ProbeAction;

use super::{answer, fail, request};
use crate::sys::workers::TARGET_DESCRIPTOR;
use crate::work::{ProbeRequest, decode, encode};

/// Most of an answer that is looked at: the status line is at its beginning.
const ANSWER_BYTES_MAX: usize = 4096;

/// The worker.
#[must_use]
pub fn main() -> ExitCode {
    let request = request().ok().and_then(|bytes| decode::<ProbeRequest>(&bytes).ok());
    let Some(request) = request else { return fail("unreadable request") };
    let outcome = match try_once(&request) {
        Ok(()) => Outcome::Ok,
        Err(why) => Outcome::Refused(Refusal { stage: None, errno: 0, text: why.into() }),
    };
    answer(&encode(&outcome))
}

fn try_once(request: &ProbeRequest) -> Result<(), String> {
    let timeout = request.timeout;
    match &request.action {
        ProbeAction::Tcp { host, port } => {
            if !request.host_network {
                enter(libc::CLONE_NEWNET)?;
            }
            connect(host, *port, timeout).map(drop)
        }
        ProbeAction::Http { host, port, path, headers } => {
            if !request.host_network {
                enter(libc::CLONE_NEWNET)?;
            }
            ask(connect(host, *port, timeout)?, host, path, headers)
        }
        ProbeAction::Exec { command } => {
            enter_all()?;
            execute(command, &request.environment, timeout)
        }
        ProbeAction::File { path } => {
            enter(libc::CLONE_NEWNS)?;
            match rustix::fs::stat(&**path) {
                Ok(_) => Ok(()),
                Err(errno) => Err(format!("{path}: {errno}")),
            }
        }
    }
}

fn enter_all() -> Result<(), String> {
    enter(
        libc::CLONE_NEWNET
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNS,
    )
}

/// Enters name spaces of the unit's main process.
fn enter(kinds: i32) -> Result<(), String> {
    // SAFETY: setns takes a descriptor and a mask.
    match unsafe { libc::setns(TARGET_DESCRIPTOR, kinds) } {
        0 => Ok(()),
        _ => Err(format!("cannot enter the unit: {}", std::io::Error::last_os_error())),
    }
}

fn connect(host: &str, port: u16, timeout: Duration) -> Result<TcpStream, String> {
    let said = |error: std::io::Error| format!("{host}:{port}: {error}");
    let mut addresses = (host, port).to_socket_addrs().map_err(said)?;
    let address = addresses.next().ok_or_else(|| format!("{host}: no address"))?;
    let stream = TcpStream::connect_timeout(&address, timeout).map_err(said)?;
    stream.set_read_timeout(Some(timeout)).map_err(said)?;
    stream.set_write_timeout(Some(timeout)).map_err(said)?;
    Ok(stream)
}

fn ask(
    mut stream: TcpStream,
    host: &str,
    path: &str,
    headers: &[(Box<str>, Box<str>)],
) -> Result<(), String> {
    let mut text = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    text.push_str("User-Agent: keelson-probe\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    let mut chunk = [0; 512];
    while !answer.contains(&b'\n') && answer.len() < ANSWER_BYTES_MAX {
        match stream.read(&mut chunk).map_err(|error| error.to_string())? {
            0 => break,
            count => answer.extend_from_slice(&chunk[..count]),
        }
    }
    match status(&answer) {
        Some(200..=399) => Ok(()),
        Some(code) => Err(format!("GET {path}: answered with {code}")),
        None => Err(format!("GET {path}: no HTTP answer")),
    }
}

/// The number of a status line.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    line.strip_prefix("HTTP/")?.split_whitespace().nth(1)?.parse().ok()
}

fn execute(
    command: &[Box<str>],
    environment: &[(Box<str>, Box<str>)],
    timeout: Duration,
) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("the command is empty")?;
    let pairs = environment.iter().map(|(name, value)| (&**name, &**value));
    let mut child = Command::new(&**program)
        .args(arguments.iter().map(|argument| &**argument))
        .envs(pairs)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let until = Instant::now() + timeout;
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{program}: {status}")),
            None if Instant::now() >= until => {
                // It is killed and gone, or was gone a moment before.
                let _ = child.kill();
                return Err(format!("{program}: not done within {timeout:?}"));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines() {
        assert_eq!(status(b"HTTP/1.1 204 No Content\r\n"), Some(204));
        assert_eq!(status(b"HTTP/1.0 500\n"), Some(500));
        assert_eq!(status(b"SSH-2.0-x\n"), None);
    }
}
