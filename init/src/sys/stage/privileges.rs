//! What of root's power is left: capabilities, user, no way back.

use rustix::io::Errno;
use units::plan::Plan;
use units::run::StageStep;

use super::identity::User;
use super::{Done, fault, last_errno};

const CAPABILITIES: u8 = 41;
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up everything that the plan does not leave.
pub(super) fn give_up(plan: &Plan, user: &User) -> Done {
    let privileges = &plan.privileges;
    for number in 0..CAPABILITIES {
        if privileges.bounding & (1 << number) == 0 {
            // A number that this kernel does not know cannot be had either.
            let _ = prctl(libc::PR_CAPBSET_DROP, number.into());
        }
    }
    let keeps = privileges.ambient != 0;
    if keeps && user.changes {
        prctl(libc::PR_SET_KEEPCAPS, 1).map_err(|errno| fault(StageStep::Capabilities, errno))?;
    }
    become_user(user)?;
    narrow(plan, user)?;
    if privileges.secure_bits != 0 {
        prctl(libc::PR_SET_SECUREBITS, privileges.secure_bits.into())
            .map_err(|errno| fault(StageStep::SecureBits, errno))?;
    }
    if privileges.no_new {
        prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
            .map_err(|errno| fault(StageStep::NoNewPrivileges, errno))?;
    }
    Ok(())
}

fn become_user(user: &User) -> Done {
    if !user.changes {
        return Ok(());
    }
    let said = || fault(StageStep::User, last_errno());
    // SAFETY: plain numbers, and a live slice with its length; this process has one thread, so the raw
    // calls change all there is.
    unsafe {
        if libc::setgroups(user.groups.len(), user.groups.as_ptr()) < 0 {
            return Err(said());
        }
        if libc::syscall(libc::SYS_setresgid, user.gid, user.gid, user.gid) < 0 {
            return Err(said());
        }
        if libc::syscall(libc::SYS_setresuid, user.uid, user.uid, user.uid) < 0 {
            return Err(said());
        }
    }
    Ok(())
}

/// Permitted and effective shrink to the bounding set for root, to the ambient set for others.
fn narrow(plan: &Plan, user: &User) -> Done {
    let privileges = &plan.privileges;
    let is_root = user.uid == 0;
    if is_root && privileges.bounding == u64::MAX && privileges.ambient == 0 {
        return Ok(());
    }
    let kept = if is_root { privileges.bounding } else { privileges.ambient };
    let possible = current().map_err(|errno| fault(StageStep::Capabilities, errno))?;
    let kept = kept & possible;
    set(kept, privileges.ambient & kept).map_err(|errno| fault(StageStep::Capabilities, errno))?;
    for number in (0..CAPABILITIES).filter(|number| privileges.ambient & kept & (1 << number) != 0)
    {
        prctl_4(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, number.into())
            .map_err(|errno| fault(StageStep::Capabilities, errno))?;
    }
    Ok(())
}

fn current() -> Result<u64, Errno> {
    let mut header = Header { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut sets = [Sets { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: header and sets are live and laid out as capget(2) says for version 3.
    let done = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) };
    if done < 0 {
        return Err(last_errno());
    }
    Ok(u64::from(sets[0].permitted) | u64::from(sets[1].permitted) << 32)
}

fn set(kept: u64, inheritable: u64) -> Result<(), Errno> {
    let low = |mask: u64| u32::try_from(mask & 0xffff_ffff).unwrap_or(0);
    let high = |mask: u64| u32::try_from(mask >> 32).unwrap_or(0);
    let mut header = Header { version: CAPABILITY_VERSION_3, pid: 0 };
    let sets = [
        Sets { effective: low(kept), permitted: low(kept), inheritable: low(inheritable) },
        Sets { effective: high(kept), permitted: high(kept), inheritable: high(inheritable) },
    ];
    // SAFETY: as for `current`; the kernel only reads the sets.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, sets.as_ptr()) };
    if done < 0 { Err(last_errno()) } else { Ok(()) }
}

fn prctl(option: i32, value: u64) -> Result<(), Errno> {
    // SAFETY: these options take plain numbers.
    let done = unsafe { libc::prctl(option, value, 0, 0, 0) };
    if done < 0 { Err(last_errno()) } else { Ok(()) }
}

fn prctl_4(option: i32, verb: i32, value: u64) -> Result<(), Errno> {
    // SAFETY: these options take plain numbers.
    let done = unsafe { libc::prctl(option, verb, value, 0, 0) };
    if done < 0 { Err(last_errno()) } else { Ok(()) }
}
