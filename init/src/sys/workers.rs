//! Children that work for PID 1: everything slow, blocking or untrusted.
//!
//! A worker is the same binary (`keelson worker NAME …`). It reads its request from standard input,
//! writes its result to standard output, complains on standard error, and exits with zero if the result
//! counts. All three are memory files: nobody has to drain them, and nobody can block on them.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use units::run::{ExitStatus, Ticket};

use crate::limits::{WORKER_COMPLAINT_BYTES_MAX, WORKER_RESULT_BYTES_MAX};
use crate::node::event::WorkerFault;

/// The descriptor under which a worker finds the process that it is about.
pub(crate) const TARGET_DESCRIPTOR: i32 = 3;

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Its number.
    pub(crate) pid: u32,
    /// Its handle, by which the next life of PID 1 finds it; lacking only where the kernel gave none.
    pub(crate) pidfd: Option<OwnedFd>,
    result: OwnedFd,
    complaints: OwnedFd,
}

/// All workers, by ticket.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    by_ticket: BTreeMap<Ticket, Worker>,
}

impl Workers {
    /// A new one.
    pub(crate) fn insert(&mut self, ticket: Ticket, worker: Worker) {
        self.by_ticket.insert(ticket, worker);
    }

    /// The worker of a ticket.
    pub(crate) fn get(&self, ticket: Ticket) -> Option<&Worker> {
        self.by_ticket.get(&ticket)
    }

    /// It was reaped.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Worker> {
        self.by_ticket.remove(&ticket)
    }

    /// Whether nobody works.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_ticket.is_empty()
    }

    /// The ticket of the worker with that number.
    pub(crate) fn ticket_of(&self, pid: u32) -> Option<Ticket> {
        self.by_ticket.iter().find(|(_, worker)| worker.pid == pid).map(|(ticket, _)| *ticket)
    }
}

/// Starts a worker with `input` to read, and perhaps a process to be about.
pub(crate) fn start(
    arguments: &[String],
    input: &[u8],
    target: Option<BorrowedFd<'_>>,
) -> io::Result<Worker> {
    let stdin = memory_file(c"worker-input")?;
    write_all(&stdin, input)?;
    seek(&stdin, SeekFrom::Start(0))?;
    let result = memory_file(c"worker-result")?;
    let complaints = memory_file(c"worker-complaints")?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("keelson")
        .arg("worker")
        .args(arguments)
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::from(result.try_clone()?))
        .stderr(Stdio::from(complaints.try_clone()?));
    if let Some(target) = target {
        let target = target.as_raw_fd();
        // SAFETY: between fork and exec only `dup2` and `fcntl` are called, both async-signal-safe.
        unsafe {
            command.pre_exec(move || pass(target));
        }
    }
    let child = command.spawn()?;
    let number = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pidfd = number.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    Ok(Worker { pid: child.id(), pidfd, result, complaints })
}

/// In the child: puts the descriptor in its place, inheritable.
fn pass(descriptor: i32) -> io::Result<()> {
    // SAFETY: both calls take plain numbers and touch no memory.
    let done = unsafe {
        if descriptor == TARGET_DESCRIPTOR {
            libc::fcntl(descriptor, libc::F_SETFD, 0)
        } else {
            libc::dup2(descriptor, TARGET_DESCRIPTOR)
        }
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn memory_file(name: &CStr) -> io::Result<OwnedFd> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC)?)
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = rustix::io::write(file, bytes)?;
        bytes = &bytes[count..];
    }
    Ok(())
}

impl Worker {
    /// What the node is told of the worker, which ended so.
    pub(crate) fn result(&self, status: ExitStatus) -> Result<Vec<u8>, WorkerFault> {
        if status == ExitStatus::Code(0) {
            let length = size(&self.result);
            if length > WORKER_RESULT_BYTES_MAX {
                return Err(WorkerFault::TooMuch);
            }
            return Ok(read_at(&self.result, 0, length));
        }
        let length = size(&self.complaints);
        let tail = length.min(WORKER_COMPLAINT_BYTES_MAX);
        let bytes = read_at(&self.complaints, length - tail, tail);
        let text = String::from_utf8_lossy(&bytes);
        let complaint = text.trim_end().lines().next_back().unwrap_or("").to_owned();
        Err(WorkerFault::Ended { status, complaint })
    }
}

fn size(file: &OwnedFd) -> usize {
    rustix::fs::fstat(file).map_or(0, |stat| usize::try_from(stat.st_size).unwrap_or(0))
}

fn read_at(file: &OwnedFd, offset: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let count = rustix::io::pread(file, &mut bytes[..], offset as u64).unwrap_or(0);
    bytes.truncate(count);
    bytes
}
