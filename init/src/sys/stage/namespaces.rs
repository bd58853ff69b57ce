//! Name spaces: entering a running unit's, or making new ones.

use rustix::thread::{UnshareFlags, unshare_unsafe};
use units::plan::Plan;
use units::run::StageStep;

use super::{Done, fault, last_errno};
use crate::sys::spawn::TARGET_DESCRIPTOR;

/// Enters all name spaces of the target; the program becomes a child of this process, which waits for it
/// and ends as it ended, because a pid name space is entered only by being born into it.
pub(super) fn enter() -> Done {
    let kinds = libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWNS;
    // SAFETY: setns takes a descriptor and a mask.
    if unsafe { libc::setns(TARGET_DESCRIPTOR, kinds) } < 0 {
        return Err(fault(StageStep::Namespaces, last_errno()));
    }
    // SAFETY: this process has one thread, so the child may go on as if nothing had happened.
    match unsafe { libc::fork() } {
        0 => Ok(()),
        child if child > 0 => wait_for(child),
        _ => Err(fault(StageStep::Clone, last_errno())),
    }
}

/// Passes signals on to the child and ends as it ends.
fn wait_for(child: i32) -> ! {
    let mut status = 0;
    // The report is the child's to give: an open copy here would hide that the program was executed.
    // SAFETY: plain numbers and a live local; the process ends here.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0);
        while libc::waitpid(child, &raw mut status, 0) < 0 {}
        if libc::WIFSIGNALED(status) {
            libc::_exit(128 + libc::WTERMSIG(status));
        }
        libc::_exit(libc::WEXITSTATUS(status));
    }
}

/// Makes the name spaces that the spawner did not make.
pub(super) fn leave(plan: &Plan) -> Done {
    let left = plan.namespaces & !plan.namespaces_at_birth();
    if plan.enters || left == 0 {
        return Ok(());
    }
    // SAFETY: one thread; no descriptor table is unshared.
    unsafe { unshare_unsafe(UnshareFlags::from_bits_retain(left)) }
        .map_err(|errno| fault(StageStep::Namespaces, errno))
}

/// Gives the new name spaces what they need: a host name, a loopback.
pub(super) fn furnish(plan: &Plan) -> Done {
    if let Some(hostname) = &plan.hostname {
        rustix::system::sethostname(hostname.as_bytes())
            .map_err(|errno| fault(StageStep::Hostname, errno))?;
    }
    if plan.loopback {
        raise_loopback()?;
    }
    Ok(())
}

fn raise_loopback() -> Done {
    // SAFETY: `ifreq` is plain bytes, for which zeros are valid; the kernel reads the live local.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l'.cast_signed();
        request.ifr_name[1] = b'o'.cast_signed();
        request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP).unwrap_or(1);
        let done = libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request);
        libc::close(socket);
        if done < 0 { Err(fault(StageStep::Network, last_errno())) } else { Ok(()) }
    }
}
