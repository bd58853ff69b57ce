//! Running a program of the host and keeping what it said.

use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};

use crate::Fault;

/// How much of a failed program's words an error repeats.
const SAID_LINES_MAX: usize = 6;

/// Runs `command` to its end and returns its standard output.
///
/// # Errors
/// `Missing` when there is no such program, `Failed` when it exits with anything but success.
pub fn output(command: &mut Command) -> Result<Vec<u8>, Fault> {
    command.stdin(Stdio::null());
    let done = command.output().map_err(|error| not_started(command, &error))?;
    judge(command, done)
}

/// Runs `command`, feeds it `input`, and returns its standard output.
///
/// # Errors
/// As [`output`].
pub fn filter(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, Fault> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| not_started(command, &error))?;
    let mut to = child.stdin.take().expect("standard input was asked for as a pipe");
    let done = std::thread::scope(|scope| {
        // The writer ends when the program closes its input; a refusal shows in its exit status.
        scope.spawn(move || to.write_all(input));
        child.wait_with_output()
    });
    judge(command, done.map_err(|error| not_started(command, &error))?)
}

/// Starts `command` with a pipe on its standard output, which `read` consumes.
///
/// # Errors
/// As [`output`], and whatever `read` returns.
pub fn read_from<T>(
    command: &mut Command,
    read: impl FnOnce(&mut dyn Read) -> Result<T, Fault>,
) -> Result<T, Fault> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().map_err(|error| not_started(command, &error))?;
    let mut from = child.stdout.take().expect("standard output was asked for as a pipe");
    let result = read(&mut from);
    // A reader that stops early must not leave the program waiting for a reader.
    drop(from);
    finish(command, child, result)
}

/// Whether a program of that name answers at all.
pub fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(system).any(|folder| folder.join(program).is_file())
}

/// A command that also finds the programs in `/sbin`, which a plain user's PATH leaves out.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin:/usr/bin:/bin")).env("LC_ALL", "C");
    command
}

fn finish<T>(command: &Command, mut child: Child, result: Result<T, Fault>) -> Result<T, Fault> {
    let status = child.wait().map_err(|error| not_started(command, &error))?;
    let value = result?;
    if status.success() {
        return Ok(value);
    }
    Err(Fault::Failed { command: brief(command), said: status.to_string() })
}

fn judge(command: &Command, done: Output) -> Result<Vec<u8>, Fault> {
    if done.status.success() {
        return Ok(done.stdout);
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let mut lines: Vec<&str> = said.lines().rev().take(SAID_LINES_MAX).collect();
    lines.reverse();
    let said = format!("{}: {}", done.status, lines.join(" / "));
    Err(Fault::Failed { command: brief(command), said })
}

fn not_started(command: &Command, error: &std::io::Error) -> Fault {
    let program = command.get_program().to_string_lossy().into_owned();
    if error.kind() == std::io::ErrorKind::NotFound {
        return Fault::Missing { program };
    }
    Fault::Failed { command: program, said: error.to_string() }
}

fn brief(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|word| word.to_string_lossy()));
    let line = words.join(" ");
    match line.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
