//! Workers: the confined one-shot children of PID 1 (`keelson worker NAME …`).
//!
//! A worker reads its request from standard input, writes its result to standard output, complains on
//! standard error in one line, and exits with zero if the result counts. It has no memory of PID 1's.

pub mod apply;
pub mod cat;
pub mod coldplug;
pub mod conditions;
pub mod console;
pub mod flush;
pub mod kexec;
pub mod load;
pub mod modprobe;
pub mod mount;
pub mod network;
pub mod online;
pub mod prepare;
pub mod probe;
pub mod restore;
pub mod setup;
pub mod stamp;
pub mod state;
pub mod unpack;

use std::io::{Read, Write};
use std::process::ExitCode;

/// Runs the worker of that name.
#[must_use]
pub fn main(name: &str, arguments: &[String]) -> ExitCode {
    match name {
        "console" => console::main(arguments),
        "coldplug" => coldplug::main(),
        "flush" => flush::main(),
        "kexec" => kexec::main(arguments),
        "load" => load::main(),
        "apply" => apply::main(),
        "cat" => cat::main(),
        "mount" => mount::mount_main(),
        "unmount" => mount::unmount_main(),
        "modprobe" => modprobe::main(arguments),
        "network" => network::main(),
        "online" => online::main(),
        "prepare" => prepare::main(),
        "probe" => probe::main(),
        "restore" => restore::main(),
        "setup" => setup::main(),
        "state" => state::main(),
        "stamp" => stamp::main(arguments),
        _ => fail(&format!("there is no worker {name:?}")),
    }
}

/// Ends a worker with a result.
#[must_use]
pub fn answer(result: &[u8]) -> ExitCode {
    match std::io::stdout().write_all(result) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("cannot write the result: {error}")),
    }
}

/// Ends a worker without one; the line is what people read.
#[must_use]
pub fn fail(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}

/// The whole request.
///
/// # Errors
/// When standard input cannot be read.
pub fn request() -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Tells the supervisor something (sd_notify(3)); without one to tell, nothing.
pub fn notify(text: &str) {
    let Ok(path) = std::env::var("NOTIFY_SOCKET") else { return };
    let socket = std::os::unix::net::UnixDatagram::unbound();
    // Whoever waits for this in vain says so when its time is over.
    let _ = socket.and_then(|socket| socket.send_to(text.as_bytes(), path));
}
