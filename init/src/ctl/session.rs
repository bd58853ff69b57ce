//! One run of `keelctl`: where it speaks to, and how it writes.

use std::io::{self, IsTerminal, Write};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use serde::Serialize;
use units::UnitName;

use super::connection::{Answer, Connection};
use super::failure::{Code, Failure};
use super::paint::Painter;
use super::parse::Parsed;
use crate::wire::{Access, Machine, RefusalKind, Request, Response};

/// Columns of a terminal that does not tell.
const COLUMNS: usize = 100;

/// One run.
#[derive(Debug)]
pub(crate) struct Session {
    socket: PathBuf,
    connection: Option<Connection>,
    pub(crate) paint: Painter,
}

impl Session {
    pub(crate) fn new(parsed: &Parsed) -> Result<Session, Failure> {
        let when = parsed.value("color");
        if let Some(when) = when.filter(|when| !["auto", "always", "never"].contains(when)) {
            return Err(Failure::usage(format!("--color {when}: write auto, always or never")));
        }
        let socket = parsed.value("socket").unwrap_or(crate::paths::CONTROL_SOCKET);
        Ok(Session { socket: socket.into(), connection: None, paint: Painter::for_output(when) })
    }

    /// The line to PID 1, opened when it is first used.
    pub(crate) fn connection(&mut self) -> Result<&mut Connection, Failure> {
        if self.connection.is_none() {
            self.connection = Some(Connection::open(&self.socket)?);
        }
        self.connection.as_mut().ok_or_else(|| Failure::quiet(Code::NotHere))
    }

    /// Gives up the line; the next request opens another.
    pub(crate) fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Asks; a refusal is a failure.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Response, Failure> {
        self.ask_fully(request).map(|answer| answer.response)
    }

    /// Asks; gives also the descriptor that came along.
    pub(crate) fn ask_fully(&mut self, request: &Request) -> Result<Answer, Failure> {
        let answer = self.connection()?.ask(request)?;
        if interrupted(&answer.response) && request.access() == Access::Read {
            // PID 1 was replaced in between; looking again changes nothing.
            return admitted(self.connection()?.ask(request)?);
        }
        admitted(answer)
    }

    /// Sends a request whose answer may take long.
    pub(crate) fn send(
        &mut self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<u32, Failure> {
        self.connection()?.send(request, descriptors)
    }

    /// The machine and every unit in short.
    pub(crate) fn machine(&mut self) -> Result<Machine, Failure> {
        match self.ask(&Request::Status)? {
            Response::Machine(machine) => Ok(*machine),
            other => Err(unexpected(&other)),
        }
    }

    /// Writes to standard output. Whoever reads it may stop reading.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Failure::quiet(Code::Other(0)))
            }
            Err(error) => {
                Err(Failure::new(Code::Failed, format!("cannot write the output: {error}")))
            }
        }
    }

    /// Writes a value as JSON in one line.
    pub(crate) fn print_json<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::new(Code::Failed, error.to_string()))?;
        self.print(&format!("{text}\n"))
    }

    /// Whether a person looks at the output.
    pub(crate) fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// How many columns there are.
    pub(crate) fn columns(&self) -> usize {
        let told = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let size = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
        // A file has no edge at which lines break.
        let elsewhere = if self.is_terminal() { COLUMNS } else { 1000 };
        told.or(size).unwrap_or(elsewhere)
    }
}

/// Whether PID 1 was replaced before it could answer.
pub(crate) fn interrupted(response: &Response) -> bool {
    matches!(response, Response::Refused(refusal) if refusal.kind == RefusalKind::Interrupted)
}

/// The answer, unless it is a refusal.
pub(crate) fn admitted(answer: Answer) -> Result<Answer, Failure> {
    match answer.response {
        Response::Refused(refusal) => Err(refusal.into()),
        _ => Ok(answer),
    }
}

/// A response of a kind that does not belong to the request.
pub(crate) fn unexpected(response: &Response) -> Failure {
    let kind = serde_json::to_value(response)
        .ok()
        .and_then(|value| value.as_object().and_then(|object| object.keys().next().cloned()));
    let kind = kind.unwrap_or_else(|| "something".to_owned());
    Failure::new(Code::NotHere, format!("PID 1 answered with `{kind}`, which was not asked for"))
        .advise("keelctl and the running keelson differ; use the keelctl of this machine")
}

/// A unit's name as a person typed it.
pub(crate) fn unit_name(text: &str) -> Result<UnitName, Failure> {
    UnitName::from_typed(text).map_err(|error| {
        let advice = match text.contains('/') {
            true => "a unit is named without its path: `web` or `web.service`",
            false => "`keelctl status` lists the units that there are",
        };
        Failure::usage(format!("{text:?} is no unit name: {error}")).advise(advice)
    })
}
