//! How `keelctl` ends when it does not end well: a code for programs, a sentence and a hint for people.

use std::fmt;
use std::process::ExitCode;

use crate::wire::{Refusal, RefusalKind};

/// Why a verb did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The code that the program ends with.
    pub(crate) code: Code,
    /// What is wrong, and where; empty if everything was said already.
    pub(crate) text: String,
    /// What to do about it; may be empty.
    pub(crate) advice: String,
}

/// The codes that `keelctl` ends with, besides 0 and those of programs run with `exec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// It was tried and did not work: the unit failed, the files have errors.
    Failed,
    /// The command line is not understood.
    Usage,
    /// A unit is not up, or the machine is not well.
    NotUp,
    /// There is no such unit.
    NoSuchUnit,
    /// The machine does not let you.
    Forbidden,
    /// There is no keelson here, or it does not answer.
    NotHere,
    /// It is not possible for this unit, in this state, or beyond a limit.
    NotApplicable,
    /// The program given to `exec` could not be started.
    NotStarted,
    /// Any other code: that of a program run with `exec`.
    Other(u8),
}

impl Code {
    /// Every code with its meaning, for the manual.
    pub(crate) const MEANINGS: [(Code, &'static str); 8] = [
        (Code::Failed, "it was tried and did not work: the unit failed, the files have errors"),
        (Code::Usage, "the command line is not understood"),
        (Code::NotUp, "a unit is not up (`status UNIT`), or the machine is not well (`health`)"),
        (Code::NoSuchUnit, "there is no such unit"),
        (Code::Forbidden, "the machine does not let you: most verbs are for root"),
        (Code::NotHere, "keelson is not running here, or does not answer"),
        (Code::NotApplicable, "not possible for this unit, in this state, or beyond a limit"),
        (Code::NotStarted, "the program given to `exec` could not be started"),
    ];

    /// The number.
    pub(crate) fn number(self) -> u8 {
        match self {
            Code::Failed => 1,
            Code::Usage => 2,
            Code::NotUp => 3,
            Code::NoSuchUnit => 4,
            Code::Forbidden => 5,
            Code::NotHere => 6,
            Code::NotApplicable => 7,
            Code::NotStarted => 125,
            Code::Other(code) => code,
        }
    }
}

impl Failure {
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Failure {
        Failure { code, text: text.into(), advice: String::new() }
    }

    /// Everything was said already.
    pub(crate) fn quiet(code: Code) -> Failure {
        Failure::new(code, "")
    }

    pub(crate) fn usage(text: impl Into<String>) -> Failure {
        Failure::new(Code::Usage, text)
    }

    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Failure {
        self.advice = advice.into();
        self
    }

    /// Says it on standard error, and gives the code.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.text.is_empty() {
            eprintln!("keelctl: {self}");
        }
        ExitCode::from(self.code.number())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if !self.advice.is_empty() {
            write!(f, "\n  {}", self.advice.replace('\n', "\n  "))?;
        }
        Ok(())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let (code, advice) = match refusal.kind {
            RefusalKind::BadRequest => (
                Code::NotHere,
                "keelctl and the running keelson do not understand each other; use the keelctl of this machine",
            ),
            RefusalKind::Forbidden => (Code::Forbidden, "try it as root"),
            RefusalKind::UnknownUnit => {
                (Code::NoSuchUnit, "`keelctl status` lists the units that there are")
            }
            RefusalKind::WrongPhase | RefusalKind::Limit | RefusalKind::NotApplicable => {
                (Code::NotApplicable, "")
            }
            RefusalKind::Failed => (Code::Failed, ""),
            RefusalKind::Interrupted => {
                (Code::Failed, "`keelctl status` tells what came of it; ask again if need be")
            }
        };
        Failure::new(code, refusal.text).advise(advice)
    }
}
