//! What of root's power is left: capabilities, user, no way back.

use rustix::io::Errno;
use units::plan::Plan;
use units::run::StageStep;

use super::identity::User;
use super::{Done, fault, last_errno};

const CAPABILITIES: u8 = 41;
const SETPCAP: u64 = 1 << 8;
const SYS_ADMIN: u64 = 1 << 21;
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
    if user.changes && user.uid != 0 {
        prctl(libc::PR_SET_KEEPCAPS, 1).map_err(|errno| fault(StageStep::Capabilities, errno))?;
    }
    become_user(user)?;
    if privileges.secure_bits != 0 {
        become_effective(SETPCAP)?;
        prctl(libc::PR_SET_SECUREBITS, privileges.secure_bits.into())
            .map_err(|errno| fault(StageStep::SecureBits, errno))?;
    }
    narrow(plan, user)?;
    if privileges.no_new {
        prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
            .map_err(|errno| fault(StageStep::NoNewPrivileges, errno))?;
    }
    Ok(())
}

/// After a change of user, capabilities are only permitted.
fn become_effective(mask: u64) -> Done {
    let said = |errno| fault(StageStep::Capabilities, errno);
    let permitted = current().map_err(said)?;
    set_all(permitted & mask, permitted, 0).map_err(said)
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
    let mut kept = if is_root { privileges.bounding } else { privileges.ambient };
    if !privileges.no_new && !plan.is_unfiltered() {
        // To install a filter takes this or no new privileges. It goes at the exec: no user but root
        // keeps what is not ambient, and root keeps what is bounded.
        kept |= SYS_ADMIN;
    }
    let possible = current().map_err(|errno| fault(StageStep::Capabilities, errno))?;
    let kept = kept & possible;
    let ambient = privileges.ambient & possible;
    set(kept, ambient).map_err(|errno| fault(StageStep::Capabilities, errno))?;
    for number in (0..CAPABILITIES).filter(|number| ambient & (1 << number) != 0) {
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
    set_all(kept, kept, inheritable)
}

fn set_all(effective: u64, permitted: u64, inheritable: u64) -> Result<(), Errno> {
    let low = |mask: u64| u32::try_from(mask & 0xffff_ffff).unwrap_or(0);
    let high = |mask: u64| u32::try_from(mask >> 32).unwrap_or(0);
    let mut header = Header { version: CAPABILITY_VERSION_3, pid: 0 };
    let sets = [
        Sets {
            effective: low(effective),
            permitted: low(permitted),
            inheritable: low(inheritable),
        },
        Sets {
            effective: high(effective),
            permitted: high(permitted),
            inheritable: high(inheritable),
        },
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
