//! Loading kernel modules, without any program's aid.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, Result};
use rustix::system::{finit_module, uname};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::modules::{Index, name_of};
use crate::sys::files::read_large;

/// `MODULE_INIT_COMPRESSED_FILE`: the kernel itself unpacks the file (5.17).
const COMPRESSED: i32 = 4;

/// The running kernel's modules.
#[derive(Debug)]
pub struct Modules {
    directory: String,
    index: Index,
    /// The files that were loaded, or are built in, or were tried in vain.
    done: Mutex<BTreeSet<Box<str>>>,
}

/// One module that could not be loaded.
#[derive(Debug)]
pub struct Refused {
    /// Its file.
    pub file: Box<str>,
    /// Why.
    pub errno: Errno,
}

impl Modules {
    /// Reads the index of the running kernel; a machine without modules has an empty one.
    #[must_use]
    pub fn open() -> Modules {
        let release = uname().release().to_string_lossy().into_owned();
        let directory = format!("/lib/modules/{release}");
        let read = |name: &str| {
            let bytes = read_large(&format!("{directory}/{name}")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (alias, dep) = (read("modules.alias"), read("modules.dep"));
        let index = Index::parse(&alias, &dep, &read("modules.softdep"));
        Modules { directory, index, done: Mutex::new(BTreeSet::new()) }
    }

    /// Whether there is nothing to load from.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Whether an alias or a name means a module that has a file here.
    #[must_use]
    pub fn knows(&self, wanted: &str) -> bool {
        !self.index.resolve(wanted).is_empty()
    }

    /// Loads what one alias or name means, what it needs first.
    ///
    /// Several threads may do so at the same time. The answer is what could not be loaded.
    pub fn load(&self, wanted: &str) -> Vec<Refused> {
        let mut refused = Vec::new();
        for file in self.index.resolve(wanted) {
            // A module that another thread is loading right now is asked for again: the kernel lets
            // the second wait for the first, and what needs it must wait too.
            if self.done().contains(file) {
                continue;
            }
            let loaded = self.insert(file);
            self.done().insert(file.into());
            if let Err(errno) = loaded {
                refused.push(Refused { file: file.into(), errno });
            }
        }
        refused
    }

    fn done(&self) -> MutexGuard<'_, BTreeSet<Box<str>>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, file: &str) -> Result<()> {
        if rustix::fs::stat(format!("/sys/module/{}/initstate", name_of(file))).is_ok() {
            return Ok(());
        }
        let path = format!("{}/{file}", self.directory);
        let module = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let flags = if file.ends_with(".ko") { 0 } else { COMPRESSED };
        match finit_module(&module, c"", flags) {
            Err(Errno::EXIST) => Ok(()),
            other => other,
        }
    }
}
