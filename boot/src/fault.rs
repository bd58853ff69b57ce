//! Why something that boots could not be made.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Evidence of what went wrong while fetching, packing or writing.
#[derive(Debug)]
pub enum Fault {
    /// A file or directory could not be used.
    File {
        /// What was being done with it, as a verb: `read`, `write`, `create`.
        doing: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program of the host is not installed.
    Missing {
        /// The program's name.
        program: String,
    },
    /// A program of the host ran and failed.
    Failed {
        /// The command line, shortened.
        command: String,
        /// The last lines that it wrote.
        said: String,
    },
    /// Something that came from outside is not what its format promises.
    Malformed {
        /// Which file or document.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The machine lacks something that a person has to install.
    Install {
        /// The packages.
        packages: String,
    },
}

impl Fault {
    /// For `map_err` on file operations.
    pub fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Fault {
        let path = path.to_path_buf();
        move |source| Fault::File { doing, path, source }
    }

    /// For formats that do not hold what they promise.
    pub fn malformed(what: impl Into<String>, why: impl Into<String>) -> Fault {
        Fault::Malformed { what: what.into(), why: why.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::File { doing, path, source } => {
                write!(f, "cannot {doing} {}: {source}", path.display())
            }
            Fault::Missing { program } => write!(f, "{program} is not installed"),
            Fault::Failed { command, said } => write!(f, "`{command}` failed: {said}"),
            Fault::Malformed { what, why } => write!(f, "{what}: {why}"),
            Fault::Install { packages } => {
                write!(f, "please install what is missing: apt-get install {packages}")
            }
        }
    }
}

impl std::error::Error for Fault {}
