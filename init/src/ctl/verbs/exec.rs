//! `exec`: a program inside a unit, with our terminal or our pipes. PID 1 passes descriptors, not bytes.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::ctl::failure::{Code, Failure};
use crate::ctl::parse::{Parsed, usage};
use crate::ctl::session::{Session, admitted, unexpected, unit_name};
use crate::ctl::terminal::{Pair, RawMode, adopt_size};
use crate::ctl::verb::{self, Completes, Family, Verb, switch, valued};
use crate::wire::{ExecEnd, ExecRequest, Request, Response};

/// What ends input in a terminal.
const END_OF_INPUT: u8 = 4;
/// Shells add this to the number of the signal that ended a program.
const SIGNALLED: u8 = 128;
/// Signals that are passed on when the program has no terminal of its own.
const PASSED_ON: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

pub(super) const VERBS: &[Verb] = &[Verb {
    name: "exec",
    family: Family::Units,
    operands: "UNIT",
    least: 1,
    most: 1,
    completes: Completes::Units,
    takes_command: true,
    summary: "run a program inside a unit",
    details: "The program runs in the unit's namespaces, control group and limits, with the unit's user and environment. \
              At a terminal it gets a terminal of its own, elsewhere standard input, output and error as they \
              are. keelctl ends with the program's exit code, with 128 and the number of the signal that \
              ended it, or with 125 if it could not be started. The `--` before the command may be left out.",
    flags: &[
        switch("interactive", Some('i'), "pass standard input on (always so at a terminal)"),
        switch("tty", Some('t'), "give it a terminal, whatever we have"),
        switch("no-tty", Some('T'), "give it no terminal"),
        valued("env", Some('e'), "NAME=VALUE", "add to its environment; can be repeated"),
        valued("workdir", Some('w'), "DIR", "start in this directory of the unit"),
        valued(
            "user",
            Some('u'),
            "USER[:GROUP]",
            "run as this user of the unit, by name or number",
        ),
    ],
    examples: &[
        ("keelctl exec -it web -- sh", "a shell in web's container"),
        ("keelctl exec db pg_dump shop", "a dump through our own pipe"),
    ],
    run: exec,
}];

fn exec(session: &mut Session, parsed: &Parsed) -> Result<(), Failure> {
    if parsed.command.is_empty() {
        let text = "the program to run is missing";
        return Err(
            usage(verb::find("exec"), text).advise("for example: keelctl exec -it web -- sh")
        );
    }
    let at_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let terminal = match (parsed.has("tty"), parsed.has("no-tty")) {
        (_, true) => false,
        (true, false) => true,
        (false, false) => at_terminal,
    };
    let mut environment: Vec<String> = parsed.values("env").map(str::to_owned).collect();
    if let Some(wrong) = environment.iter().find(|entry| !entry.contains('=')) {
        return Err(Failure::usage(format!("--env {wrong}: write NAME=VALUE")));
    }
    if let (true, Ok(term)) = (terminal, std::env::var("TERM")) {
        environment.insert(0, format!("TERM={term}"));
    }
    let request = Request::Exec(ExecRequest {
        unit: unit_name(&parsed.operands[0])?,
        arguments: parsed.command.clone(),
        environment,
        directory: parsed.value("workdir").map(str::to_owned),
        user: parsed.value("user").map(str::to_owned),
        terminal,
    });
    let end = match terminal {
        true => with_terminal(session, &request)?,
        false => with_pipes(session, &request, at_terminal || parsed.has("interactive"))?,
    };
    match end {
        ExecEnd::Code(0) => Ok(()),
        ExecEnd::Code(code) => Err(Failure::quiet(Code::Other(code))),
        ExecEnd::Signal(signal) => {
            Err(Failure::quiet(Code::Other(SIGNALLED.saturating_add(signal))))
        }
        ExecEnd::NotStarted(why) => {
            let program = &parsed.command[0];
            Err(Failure::new(Code::NotStarted, format!("{program} was not started: {why}")))
        }
    }
}

fn broken(error: io::Error) -> Failure {
    Failure::new(Code::NotStarted, format!("no terminal can be made for the program: {error}"))
}

/// The program gets our own three descriptors; all that is left to do is to wait and to pass signals on.
fn with_pipes(
    session: &mut Session,
    request: &Request,
    interactive: bool,
) -> Result<ExecEnd, Failure> {
    let nothing = File::open("/dev/null").map_err(broken)?;
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let interactive = interactive || !io::stdin().is_terminal();
    let input: BorrowedFd<'_> = if interactive { stdin.as_fd() } else { nothing.as_fd() };
    let mut signals = Signals::listen(&PASSED_ON).map_err(broken)?;
    let id = session.send(request, &[input, stdout.as_fd(), stderr.as_fd()])?;
    loop {
        let connection = session.connection()?;
        let mut waiting = [
            PollFd::new(connection, PollFlags::IN),
            PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
        ];
        wait_for_any(&mut waiting)?;
        if let Some(answer) = session.connection()?.take(id)? {
            return end_of(admitted(answer)?.response);
        }
        for signal in signals.take() {
            session.send(&Request::ExecSignal { request: id, signal }, &[])?;
        }
    }
}

fn end_of(response: Response) -> Result<ExecEnd, Failure> {
    match response {
        Response::Exited(end) => Ok(end),
        other => Err(unexpected(&other)),
    }
}

/// The program gets a new terminal; ours is raw meanwhile and passes everything through.
fn with_terminal(session: &mut Session, request: &Request) -> Result<ExecEnd, Failure> {
    let pair = Pair::open().map_err(broken)?;
    let mut winch = Signals::listen(&[libc::SIGWINCH]).map_err(broken)?;
    let id = session.send(request, &[pair.theirs.as_fd()])?;
    let mut relay = Relay { terminal: File::from(pair.ours), to_program: Vec::new(), input: true };
    drop(pair.theirs);
    // A refusal is easier to read before the terminal is raw; the answer is there at once.
    let raw =
        if io::stdin().is_terminal() { Some(RawMode::enter().map_err(broken)?) } else { None };
    let end = relay.run(session, id, &mut winch);
    drop(raw);
    end
}

/// Bytes between our terminal and the program's.
struct Relay {
    terminal: File,
    to_program: Vec<u8>,
    /// Our input has not ended.
    input: bool,
}

impl Relay {
    fn run(
        &mut self,
        session: &mut Session,
        id: u32,
        winch: &mut Signals,
    ) -> Result<ExecEnd, Failure> {
        let stdin = io::stdin();
        loop {
            let connection = session.connection()?;
            let takes_more = self.input && self.to_program.len() < 64 * 1024;
            let of_input = if takes_more { PollFlags::IN } else { PollFlags::empty() };
            let to_write =
                if self.to_program.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            let mut waiting = [
                PollFd::new(connection, PollFlags::IN),
                PollFd::from_borrowed_fd(winch.as_fd(), PollFlags::IN),
                PollFd::new(&self.terminal, PollFlags::IN | to_write),
                PollFd::new(&stdin, of_input),
            ];
            wait_for_any(&mut waiting)?;
            let input_ready = takes_more && !waiting[3].revents().is_empty();
            if let Some(answer) = session.connection()?.take(id)? {
                self.copy_output();
                return end_of(admitted(answer)?.response);
            }
            if !winch.take().is_empty() {
                adopt_size(self.terminal.as_fd());
            }
            let hung_up = !self.copy_output();
            if input_ready {
                self.read_input();
            }
            self.write_input();
            if hung_up {
                // The program's end is closed; only its exit status is still to come.
                return end_of(admitted(session.connection()?.wait(id, true)?)?.response);
            }
        }
    }

    /// Copies what the program wrote; `false` once nobody can write any more.
    fn copy_output(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.terminal.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => {
                    let mut out = io::stdout().lock();
                    // Whoever reads our output may be gone; the program goes on.
                    let _ = out.write_all(&buffer[..count]).and_then(|()| out.flush());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // EIO: the last one that had the other end open is gone.
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    fn read_input(&mut self) {
        let mut buffer = [0; 4096];
        match rustix::io::read(io::stdin(), &mut buffer) {
            Ok(0) => {
                self.input = false;
                self.to_program.push(END_OF_INPUT);
            }
            Ok(count) => self.to_program.extend_from_slice(&buffer[..count]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.input = false,
        }
    }

    fn write_input(&mut self) {
        while !self.to_program.is_empty() {
            match self.terminal.write(&self.to_program) {
                Ok(count) => drop(self.to_program.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.to_program.clear(),
            }
        }
    }
}

fn wait_for_any(waiting: &mut [PollFd<'_>]) -> Result<(), Failure> {
    match poll(waiting, None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(Failure::new(Code::Failed, format!("cannot wait: {errno}"))),
    }
}

/// Signals as bytes to read, one socket each.
struct Signals {
    sockets: Vec<(u8, UnixStream)>,
    /// Readable when any signal came.
    any: UnixStream,
}

impl Signals {
    fn listen(signals: &[i32]) -> io::Result<Signals> {
        let (any, write_any) = UnixStream::pair()?;
        any.set_nonblocking(true)?;
        let mut sockets = Vec::new();
        for &signal in signals {
            let (read, write) = UnixStream::pair()?;
            read.set_nonblocking(true)?;
            signal_hook::low_level::pipe::register(signal, write)?;
            signal_hook::low_level::pipe::register(signal, write_any.try_clone()?)?;
            sockets.push((u8::try_from(signal).map_err(io::Error::other)?, read));
        }
        Ok(Signals { sockets, any })
    }

    /// Those that came since the last look.
    fn take(&mut self) -> Vec<u8> {
        let mut buffer = [0; 64];
        // Nothing to read is what is to be found out.
        let _ = self.any.read(&mut buffer);
        let mut came = Vec::new();
        for (signal, socket) in &mut self.sockets {
            if socket.read(&mut buffer).is_ok_and(|count| count > 0) {
                came.push(*signal);
            }
        }
        came
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.any.as_fd()
    }
}
