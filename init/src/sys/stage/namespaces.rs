//! Name spaces: entering a running unit's, or making new ones.

use rustix::thread::{UnshareFlags, unshare_unsafe};
use units::plan::{NEW_MOUNTS, NEW_PIDS, Plan};
use units::run::StageStep;

use super::{Done, fault, last_errno};
use crate::sys::spawn::TARGET_DESCRIPTOR;

/// Enters all name spaces of the target, in one call. That of the pids is behind us: we were born there.
pub(super) fn enter(plan: &Plan) -> Done {
    let kinds = i32::try_from(plan.namespaces & !NEW_PIDS).unwrap_or(0);
    // SAFETY: setns takes a descriptor and a mask.
    if kinds != 0 && unsafe { libc::setns(TARGET_DESCRIPTOR, kinds) } < 0 {
        return Err(fault(StageStep::Namespaces, last_errno()));
    }
    Ok(())
}

/// Makes the name spaces that the spawner did not make.
pub(super) fn leave(plan: &Plan) -> Done {
    let mut left = plan.namespaces & !plan.namespaces_at_birth();
    if plan.id_map.is_some() {
        // The others shall belong to its user name space, which is joined when the root is built.
        left &= NEW_MOUNTS;
    }
    if plan.enters || left == 0 {
        return Ok(());
    }
    // SAFETY: one thread; no descriptor table is unshared.
    unsafe { unshare_unsafe(UnshareFlags::from_bits_retain(left)) }
        .map_err(|errno| fault(StageStep::Namespaces, errno))
}

/// Gives the new name spaces what they need: a host name, a loopback.
pub(super) fn furnish(plan: &Plan) -> Done {
    if plan.enters {
        return Ok(());
    }
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
