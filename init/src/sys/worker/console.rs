//! The shell on the console: `keelctl` without having to type its name.
//!
//! A person at the machine's own console may do everything, as with any console; whoever does not want
//! that says `keelson.console=off`, or `[console] shell = false`. The kernel's own line editing is used
//! (backspace, ^U, ^W, ^D), so this program sleeps while nobody finishes a line.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, dup2, read, write};
use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{InputModes, LocalModes, OptionalActions, OutputModes, tcgetattr, tcsetattr};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode};
use units::text::words::{self, Escapes};

use crate::cmdline::{CommandLine, Options};
use crate::limits::CONSOLE_LINE_BYTES_MAX;
use crate::sys::files::read_small;
use crate::sys::net::Netlink;
use crate::sys::resident::forget_code;
use crate::sys::{configuration, console};

/// What stands before each line.
pub const PROMPT: &str = "keelson# ";

const HELP: &str = "\
Type a keelctl command, with or without `keelctl` before it:
  status              what runs, and how it is
  status UNIT         one unit
  logs UNIT           what it wrote; -f to follow, ^C to stop
  start, stop, restart UNIT
  exec UNIT COMMAND   run something inside it
  reboot, poweroff    end it all, in order
  help                this; --help: everything
  exit                show who and where this machine is again
";

/// The worker: `console` serves all configured terminals, `console PATH` one.
#[must_use]
pub fn main(arguments: &[String]) -> ExitCode {
    if let [path] = arguments {
        return serve(path);
    }
    let config = configuration::read().0.console;
    let line = CommandLine::parse(&read_small("/proc/cmdline").unwrap_or_default());
    if !Options::read(&line).console.unwrap_or(config.shell) {
        return ExitCode::SUCCESS;
    }
    let paths = match config.terminals.is_empty() {
        true => console::paths(&line),
        false => config.terminals.iter().map(|name| terminal_path(name)).collect(),
    };
    match &paths[..] {
        [path] => serve(path),
        paths => serve_all(paths),
    }
}

/// One process for each terminal; over when all are.
fn serve_all(paths: &[Box<str>]) -> ExitCode {
    let start = |path: &str| -> std::io::Result<Child> {
        Command::new("/proc/self/exe").arg0("keelson").args(["worker", "console", path]).spawn()
    };
    let children: Vec<_> = paths.iter().map(|path| start(path)).collect();
    let mut served = false;
    for child in children {
        served |= child.and_then(|mut child| child.wait()).is_ok_and(|status| status.success());
    }
    if served { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn terminal_path(name: &str) -> Box<str> {
    if name.starts_with('/') { name.into() } else { format!("/dev/{name}").into() }
}

fn serve(path: &str) -> ExitCode {
    if let Err(errno) = take_terminal(path) {
        return super::fail(&format!("{path}: {errno}; there is no shell on this console"));
    }
    greet();
    loop {
        say(PROMPT);
        // A person needs a while, and mostly there is none.
        forget_code();
        match next_line() {
            Ok(Some(line)) => obey(&line),
            // ^C at the prompt.
            Err(Errno::INTR) => say("\n"),
            // ^D at the prompt.
            Ok(None) => say("\n"),
            Err(errno) => return super::fail(&format!("{path}: {errno}")),
        }
    }
}

/// Makes the terminal ours: standard input and output, and the source of ^C.
fn take_terminal(path: &str) -> Result<(), Errno> {
    // Already the leader of a session when the stage made us one.
    let _ = setsid();
    let terminal = open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    // Whoever had it before (a shell that was killed) has lost it. Some consoles cannot be taken;
    // they work all the same, without ^C.
    let _ = ioctl_tiocsctty(&terminal);
    for number in 0..2 {
        // SAFETY: standard input and output belong to this process alone, and nothing in it holds
        // their old meaning; the owned value is forgotten, so they stay open.
        let mut standard = unsafe { OwnedFd::from_raw_fd(number) };
        dup2(&terminal, &mut standard)?;
        std::mem::forget(standard);
    }
    make_sane();
    // SAFETY: the handler does nothing, which is allowed at any time. Unlike "ignore", a handler is
    // not passed on to programs that are executed.
    unsafe { libc::signal(libc::SIGINT, on_interrupt as *const () as libc::sighandler_t) };
    unblock_interrupt();
    Ok(())
}

extern "C" fn on_interrupt(_signal: libc::c_int) {}

fn unblock_interrupt() {
    // SAFETY: the set is filled by sigemptyset before it is read, and no old set is asked for.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
    }
}

/// Lines, echo and ^C, whatever the terminal was left as.
fn make_sane() {
    let Ok(mut modes) = tcgetattr(stdin()) else { return };
    modes.input_modes |= InputModes::ICRNL | InputModes::IXON | InputModes::IUTF8;
    modes.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
    modes.local_modes |= LocalModes::ISIG
        | LocalModes::ICANON
        | LocalModes::ECHO
        | LocalModes::ECHOE
        | LocalModes::ECHOK
        | LocalModes::IEXTEN;
    // A terminal that refuses is used as it is.
    let _ = tcsetattr(stdin(), OptionalActions::Now, &modes);
}

/// Who and where this machine is.
fn greet() {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy();
    let kernel = system.release().to_string_lossy();
    let version = env!("CARGO_PKG_VERSION");
    say(&format!("\nkeelson {version} on {name} (kernel {kernel})\n"));
    let addresses = addresses();
    if !addresses.is_empty() {
        say(&format!("addresses: {}\n", addresses.join(", ")));
    }
    say("type `status`, `logs UNIT`, or `help`\n\n");
}

/// The addresses under which others reach us.
fn addresses() -> Vec<String> {
    let asked = Netlink::open(0).and_then(|mut netlink| netlink.addresses());
    let global = asked.unwrap_or_default().into_iter().filter(|address| address.is_global);
    global.map(|address| address.prefix.address.to_string()).collect()
}

/// One line without its end; `None` at the end of the input.
fn next_line() -> Result<Option<String>, Errno> {
    let mut buffer = [0; CONSOLE_LINE_BYTES_MAX];
    let length = read(stdin(), &mut buffer)?;
    let text = String::from_utf8_lossy(&buffer[..length]);
    Ok((length > 0).then(|| text.trim().to_owned()))
}

fn obey(line: &str) {
    let words: Vec<String> = match words::split(line, Escapes::Keep) {
        Ok(words) => words.into_iter().map(|word| word.text).collect(),
        Err(why) => return say(&format!("{why}\n")),
    };
    let words = match words.split_first() {
        Some((first, rest)) if first == "keelctl" => rest,
        _ => &words[..],
    };
    match words {
        [] => {}
        [word] if word == "help" || word == "?" => say(HELP),
        [word] if ["exit", "quit", "logout"].contains(&word.as_str()) => greet(),
        words => run(words),
    }
}

/// Runs `keelctl` with these words, and waits for it.
fn run(words: &[String]) {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("keelctl").args(words).env("TERM", terminal_kind());
    if let Ok(output) = rustix::io::dup(stdout()) {
        command.stderr(output);
    }
    let status = command.spawn().and_then(|mut child| {
        loop {
            match child.wait() {
                // ^C is for the child; we wait on.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    });
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => match status.code() {
            Some(code) => say(&format!("(exit code {code})\n")),
            None => say("\n"),
        },
        Err(error) => say(&format!("keelctl cannot be run: {error}\n")),
    }
}

/// Serial lines are answered by all kinds of terminals; all of them know this one's colours.
fn terminal_kind() -> &'static str {
    let is_screen = rustix::termios::ttyname(stdin(), Vec::new()).is_ok_and(|name| {
        name.to_bytes().starts_with(b"/dev/tty") && !name.to_bytes().contains(&b'S')
    });
    if is_screen { "linux" } else { "vt220" }
}

fn say(text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match write(stdout(), rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            // The next read says what is wrong with the terminal.
            Err(_) => return,
        }
    }
}
