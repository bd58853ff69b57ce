//! Why a virtual machine did not do what it was asked.

use std::fmt;
use std::time::Duration;

/// Evidence of what went wrong with a virtual machine, with the end of its console.
pub enum Fault {
    /// Something that boots could not be made.
    Boot(boot::Fault),
    /// QEMU could not be started or talked to.
    Qemu {
        /// What was being done.
        doing: String,
        /// What came back.
        why: String,
    },
    /// The guest did not say or do something in time.
    Silent {
        /// What was waited for.
        waited_for: String,
        /// How long.
        waited: Duration,
        /// The end of the console.
        console: String,
    },
    /// The machine ended while something was expected of it.
    Ended {
        /// What was waited for.
        waited_for: String,
        /// The end of the console, and what QEMU itself wrote.
        console: String,
    },
    /// The guest answered, and the answer is wrong.
    Wrong {
        /// What was asked.
        asked: String,
        /// What was answered, shortened.
        answer: String,
    },
}

impl Fault {
    /// For answers that are not what was expected.
    pub fn wrong(asked: impl Into<String>, answer: impl Into<String>) -> Fault {
        Fault::Wrong { asked: asked.into(), answer: answer.into() }
    }

    pub(crate) fn qemu(doing: &str, why: impl fmt::Display) -> Fault {
        Fault::Qemu { doing: doing.to_owned(), why: why.to_string() }
    }
}

impl From<boot::Fault> for Fault {
    fn from(fault: boot::Fault) -> Fault {
        Fault::Boot(fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Boot(fault) => fault.fmt(f),
            Fault::Qemu { doing, why } => write!(f, "cannot {doing}: {why}"),
            Fault::Silent { waited_for, waited, console } => write!(
                f,
                "waited {} s for {waited_for} in vain; the console ended with\n{console}",
                waited.as_secs()
            ),
            Fault::Ended { waited_for, console } => write!(
                f,
                "the machine ended while waiting for {waited_for}; the console ended with\n{console}"
            ),
            Fault::Wrong { asked, answer } => write!(f, "asked for {asked}, got {answer}"),
        }
    }
}

/// As a person reads it: a test that unwraps a fault shows the console line by line.
impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Fault {}
