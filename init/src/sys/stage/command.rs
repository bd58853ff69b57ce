//! The program: found, its arguments complete, executed.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;
use units::plan::{Plan, SEARCH_PATH};
use units::run::{StageFault, StageStep};
use units::service::Argument;

use super::environment::Environment;
use super::{Done, fault, last_errno};

/// Everything that `execve` takes.
#[derive(Debug)]
pub(super) struct Program {
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    ignore_pipe: bool,
}

impl Program {
    /// Finds the program in the root that the process sees, and expands its arguments.
    pub(super) fn find(plan: &Plan, environment: &Environment) -> Done<Program> {
        let command = &plan.command;
        let said = |errno| fault(StageStep::Exec, errno);
        let search = command.search.as_deref().or(environment.get("PATH")).unwrap_or(SEARCH_PATH);
        let path = found(&command.program, search).ok_or_else(|| said(Errno::NOENT))?;
        let mut arguments = Vec::new();
        for argument in &command.arguments {
            expand(argument, environment, &mut arguments);
        }
        let plain = |text: String| CString::new(text).map_err(|_| said(Errno::INVAL));
        Ok(Program {
            path: plain(path)?,
            arguments: arguments.into_iter().map(plain).collect::<Done<_>>()?,
            environment: environment.assignments().map(plain).collect::<Done<_>>()?,
            ignore_pipe: plan.ignore_sigpipe,
        })
    }

    /// Becomes the program; comes back only if that failed.
    pub(super) fn execute(self) -> StageFault {
        let pointers = |texts: &[CString]| {
            let ends = std::iter::once(std::ptr::null());
            texts.iter().map(|text| text.as_ptr()).chain(ends).collect::<Vec<_>>()
        };
        let (argv, envp) = (pointers(&self.arguments), pointers(&self.environment));
        reset_signals(self.ignore_pipe);
        // SAFETY: path, arguments and environment are live C strings, the lists end with a null.
        unsafe {
            libc::execve(self.path.as_ptr(), argv.as_ptr(), envp.as_ptr());
        }
        fault(StageStep::Exec, last_errno())
    }
}

/// Every signal does what it does by default, and none is blocked.
fn reset_signals(ignore_pipe: bool) {
    let pipe = if ignore_pipe { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: the set is a live local that `sigemptyset` fills; no handler of ours is installed. The raw
    // calls reach the two signals that the C library keeps for itself; zeros are the default action.
    unsafe {
        let default = [0_u64; 4];
        for signal in 1..=64 {
            let none = std::ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, 8);
        }
        libc::signal(libc::SIGPIPE, pipe);
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

fn found(program: &str, search: &str) -> Option<String> {
    if program.contains('/') {
        return Some(program.to_owned());
    }
    search.split(':').map(|directory| format!("{directory}/{program}")).find(|path| {
        let path = Path::new(path);
        let access = rustix::fs::access(path.as_os_str().as_bytes(), rustix::fs::Access::EXEC_OK);
        access.is_ok() && path.is_file()
    })
}

fn expand(argument: &Argument, environment: &Environment, into: &mut Vec<String>) {
    match argument {
        Argument::Literal(text) => into.push(text.to_string()),
        Argument::Expand(text) => into.push(replaced(text, environment)),
        Argument::Split(name) => {
            let name = name.trim_start_matches('$');
            let value = environment.get(name).unwrap_or_default();
            into.extend(value.split_whitespace().map(str::to_owned));
        }
    }
}

/// `${NAME}` within a word.
fn replaced(text: &str, environment: &Environment) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        result.push_str(&rest[..start]);
        let after = &rest[start + 2..];
        let Some(end) = after.find('}') else {
            rest = &rest[start..];
            break;
        };
        result.push_str(environment.get(&after[..end]).unwrap_or_default());
        rest = &after[end + 1..];
    }
    result.push_str(rest);
    result
}
