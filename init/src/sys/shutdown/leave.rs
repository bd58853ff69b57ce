//! The last call, and what follows if even that does not work.

use std::ffi::CString;
use std::time::Duration;

use super::Power;
use super::child::{Child, Ended};
use crate::sys::boot::since_boot;
use crate::sys::files::{read_text, write_setting};
use crate::sys::kmsg::{Kmsg, Level};

/// How long the kernel may take to bring its devices down before it is forced.
const LEAVE_MAX: Duration = Duration::from_secs(10);

/// Leaves. Every way is tried in a child first: some kernels kill the caller, and the death of PID 1
/// would be a panic.
pub(super) fn leave(power: &Power, kmsg: Option<&Kmsg>, feed: &mut dyn FnMut()) -> ! {
    for command in commands(power) {
        let until = since_boot() + LEAVE_MAX;
        let ended = match Child::start(|| call(&command)) {
            Ok(child) => child.wait(until, Duration::from_secs(1), feed),
            Err(_) => Ended::Code(Some(call(&command))),
        };
        if ended == Ended::Code(Some(libc::EPERM)) {
            // In a container without the right to reboot, our end is the container's.
            std::process::exit(exit_code(power));
        }
        if let Some(kmsg) = kmsg {
            kmsg.log(Level::Alert, &format!("shutdown: {command:?} did not work: {ended:?}"));
        }
    }
    loop {
        // The watchdog is no longer fed, so a machine that has one is reset now.
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// One way to leave.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    /// reboot(2) with this command.
    Reboot(libc::c_int),
    /// `RESTART2`, with a word for the firmware or the driver.
    Restart(CString),
    /// A letter for `/proc/sysrq-trigger`, which asks no driver.
    Force(&'static str),
}

/// The ways in the order in which they are tried.
fn commands(power: &Power) -> Vec<Command> {
    use Command::{Force, Reboot, Restart};
    let restart = [Reboot(libc::RB_AUTOBOOT), Force("b")];
    match power {
        Power::Poweroff | Power::Exit(_) => {
            vec![Reboot(libc::RB_POWER_OFF), Force("o"), Reboot(libc::RB_HALT_SYSTEM)]
        }
        Power::Halt => vec![Reboot(libc::RB_HALT_SYSTEM)],
        Power::Kexec => std::iter::once(Reboot(libc::RB_KEXEC)).chain(restart).collect(),
        Power::Reboot { argument } => {
            let word = argument.as_deref().and_then(|text| CString::new(text).ok());
            word.map(Restart).into_iter().chain(restart).collect()
        }
    }
}

/// The call itself; comes back only with an error's number.
fn call(command: &Command) -> i32 {
    let result = match command {
        // SAFETY: reboot(2) with these commands takes no pointer.
        Command::Reboot(libc::RB_KEXEC) if !is_kexec_loaded() => return libc::EINVAL,
        // SAFETY: reboot(2) with these commands takes no pointer.
        Command::Reboot(number) => unsafe { libc::c_long::from(libc::reboot(*number)) },
        // SAFETY: the argument is a terminated string that lives through the call.
        Command::Restart(word) => unsafe {
            libc::syscall(
                libc::SYS_reboot,
                libc::LINUX_REBOOT_MAGIC1,
                libc::LINUX_REBOOT_MAGIC2,
                libc::LINUX_REBOOT_CMD_RESTART2,
                word.as_ptr(),
            )
        },
        Command::Force(letter) => {
            let written = write_setting("/proc/sysrq-trigger", letter);
            std::thread::sleep(LEAVE_MAX);
            return written.map_or_else(rustix::io::Errno::raw_os_error, |()| libc::EIO);
        }
    };
    debug_assert_ne!(result, 1, "reboot(2) gives 0 or -1");
    if result == 0 {
        // A machine that halts, or a container whose maker is being told: wait for it.
        std::thread::sleep(LEAVE_MAX);
    }
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

fn is_kexec_loaded() -> bool {
    read_text("/sys/kernel/kexec_loaded").is_ok_and(|text| text == "1")
}

fn exit_code(power: &Power) -> i32 {
    match power {
        Power::Exit(code) => *code,
        Power::Poweroff | Power::Halt | Power::Reboot { .. } | Power::Kexec => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_out_has_a_next_one() {
        let reboot = commands(&Power::Reboot { argument: Some("bootloader".into()) });
        assert_eq!(reboot[0], Command::Restart(c"bootloader".into()));
        assert_eq!(reboot[1], Command::Reboot(libc::RB_AUTOBOOT));
        let kexec = commands(&Power::Kexec);
        assert_eq!(kexec[1], Command::Reboot(libc::RB_AUTOBOOT), "kexec falls back to a restart");
        assert_eq!(commands(&Power::Poweroff).last(), Some(&Command::Reboot(libc::RB_HALT_SYSTEM)));
    }
}
