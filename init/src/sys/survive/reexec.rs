//! Replacing the running program on purpose, without touching what runs.
//!
//! The order is the point. The new program reads a copy of the vault in a child of its own while the old
//! one goes on; only when it says that it can read everything is it executed, and if that fails the old
//! one is still there, with everything as before.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_get_seals, memfd_create, open};
use units::run::ExitStatus;

use super::exec;
use super::keeper::Keeper;
use super::memory;
use crate::limits::CHECK_OUTPUT_BYTES_MAX;
use crate::vault::layout::LAYOUT;
use crate::vault::{Full, Operation, OperationCode, Phase, Vault, VaultError, check};

/// The word by which a program is asked whether it can read a vault (on standard input).
pub const CHECK_ARGUMENT: &str = "--check-vault";
/// How the answer begins.
const CHECK_OK: &str = "keelson vault ok";

/// Why the program was not replaced.
#[derive(Debug)]
pub enum ReexecError {
    /// The binary can still be changed by somebody.
    NotSealed,
    /// It is no program for this machine.
    NotAProgram,
    /// It refused the vault; its own words.
    Refused(String),
    /// Not everything could be written for another build to read.
    Full(Full),
    /// The world said no.
    Io(&'static str, io::Error),
}

impl fmt::Display for ReexecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReexecError::NotSealed => f.write_str(
                "new binary is not in a memory file sealed against writing; \
                 let keelctl reexec --binary FILE pass it",
            ),
            ReexecError::NotAProgram => f.write_str("new binary is no x86-64 ELF program"),
            ReexecError::Refused(why) => write!(f, "new binary cannot take over: {why}"),
            ReexecError::Full(_) => f.write_str("definitions do not fit into the vault"),
            ReexecError::Io(doing, error) => write!(f, "{doing}: {error}"),
        }
    }
}

impl std::error::Error for ReexecError {}

/// A program that is to take over.
#[derive(Debug)]
pub struct Candidate {
    program: OwnedFd,
    /// Another build may read the vault only in the form that is meant for others.
    foreign: bool,
}

impl Candidate {
    /// The running program itself.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn same() -> Result<Candidate, ReexecError> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let program = open("/proc/self/exe", flags, Mode::empty())
            .map_err(|errno| ReexecError::Io("open the running program", errno.into()))?;
        Ok(Candidate { program, foreign: false })
    }

    /// A program in a memory file that nobody can change any more.
    ///
    /// # Errors
    /// When it can be changed, or is no program.
    pub fn of(program: OwnedFd) -> Result<Candidate, ReexecError> {
        let needed = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW;
        let sealed = fcntl_get_seals(&program).is_ok_and(|seals| seals.contains(needed));
        if !sealed {
            return Err(ReexecError::NotSealed);
        }
        let mut head = [0; 20];
        let read = rustix::io::pread(&program, &mut head, 0).unwrap_or(0);
        // ELF, 64 bits, little-endian; machine 62 is x86-64 (elf(5)).
        let elf = head.starts_with(b"\x7fELF\x02\x01") && head[18..20] == [62, 0];
        if read < head.len() || !elf {
            return Err(ReexecError::NotAProgram);
        }
        Ok(Candidate { program, foreign: true })
    }

    /// Asks the program in a child whether it can read a copy of the vault. The caller reaps the child,
    /// within a deadline of its own, and then asks [`Check::verdict`].
    ///
    /// # Errors
    /// When the child cannot be started, or there is no memory for the copy.
    pub fn check(&self, keeper: &mut Keeper) -> Result<Check, ReexecError> {
        if self.foreign {
            keeper.define_for_others().map_err(ReexecError::Full)?;
        }
        let failed = |doing| move |error: io::Error| ReexecError::Io(doing, error);
        let copy = memory::copy().map_err(failed("copy the vault"))?;
        let output = memfd_create(c"check", MemfdFlags::CLOEXEC)
            .map_err(|errno| ReexecError::Io("make a memory file", errno.into()))?;
        let stdio = |file: &OwnedFd| file.try_clone().map(Stdio::from);
        let mut command = Command::new(format!("/proc/self/fd/{}", self.program.as_raw_fd()));
        command.arg0("keelson").arg(CHECK_ARGUMENT).stdin(Stdio::from(copy));
        command.stdout(stdio(&output).map_err(failed("pass a memory file"))?);
        command.stderr(stdio(&output).map_err(failed("pass a memory file"))?);
        let child = command.spawn().map_err(failed("start the new binary"))?;
        Ok(Check { child, output })
    }

    /// Executes the program in place of this one. Returns only if that fails; everything is as before
    /// then, except that signals are blocked: the caller lets them through again.
    pub fn execute(&self, keeper: &mut Keeper) -> ReexecError {
        let front = keeper.front();
        keeper.enter(Operation::of(OperationCode::Reexec));
        if self.foreign
            && let Err(full) = keeper.define_for_others()
        {
            return ReexecError::Full(full);
        }
        front.set_phase(Phase::Replacing);
        front.count_reexec();
        exec::execute(front, self.program.as_raw_fd());
        let error = io::Error::last_os_error();
        front.set_phase(Phase::Running);
        self.withdraw(keeper);
        ReexecError::Io("execute the new binary", error)
    }

    /// The program is not to take over after all: what was written for it becomes ours again.
    pub fn withdraw(&self, keeper: &mut Keeper) {
        let units = check::read_units(keeper.vault());
        // When it does not fit, the other form stays in force, and we can read both.
        let _ = keeper.define_for_ourselves(&units);
    }
}

/// A program that is looking at a copy of the vault.
#[derive(Debug)]
pub struct Check {
    child: Child,
    output: OwnedFd,
}

impl Check {
    /// The child that looks.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it found, now that it ended so: a line for people.
    ///
    /// # Errors
    /// When it did not say that it can take over.
    pub fn verdict(&self, status: ExitStatus) -> Result<String, ReexecError> {
        let mut bytes = [0; CHECK_OUTPUT_BYTES_MAX];
        let length = rustix::io::pread(self.output.as_fd(), &mut bytes, 0).unwrap_or(0);
        let text = String::from_utf8_lossy(&bytes[..length]).trim().to_owned();
        if status == ExitStatus::Code(0) && text.starts_with(CHECK_OK) {
            return Ok(text);
        }
        let line = text.lines().next_back().unwrap_or("it said nothing");
        Err(ReexecError::Refused(format!("{line} ({status:?})")))
    }
}

/// What `--check-vault` does: reads the vault on standard input as a new image would, and says what it
/// found.
///
/// # Errors
/// Why this program cannot take over from it.
pub fn check_standard_input() -> Result<String, String> {
    let (front, body) = memory::map_input().map_err(|error| format!("read the vault: {error}"))?;
    let mut vault = Vault::open(front, body).map_err(|error: VaultError| error.to_string())?;
    let report = check::check(&mut vault);
    if !report.is_whole() {
        return Err(format!("not everything in the vault can be read: {report}"));
    }
    Ok(format!("{CHECK_OK} layout={LAYOUT} {report}"))
}

/// Copies a program into a memory file and seals it, as [`Candidate::of`] wants it.
///
/// # Errors
/// When the file cannot be read or there is no memory for it.
pub fn seal(path: &str) -> io::Result<OwnedFd> {
    let source = std::fs::File::open(path)?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let target = memfd_create(c"keelson", flags)?;
    let mut buffer = [MaybeUninit::<u8>::uninit(); 64 * 1024];
    loop {
        let (bytes, _) = rustix::io::read(&source, &mut buffer)?;
        if bytes.is_empty() {
            break;
        }
        let mut rest: &[u8] = bytes;
        while !rest.is_empty() {
            let count = rustix::io::write(&target, rest)?;
            rest = &rest[count..];
        }
    }
    rustix::fs::fchmod(&target, Mode::from_raw_mode(0o500))?;
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&target, seals)?;
    Ok(target)
}
