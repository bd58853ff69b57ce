//! Resource limits, priorities, the terminal.

use rustix::io::Errno;
use units::plan::Plan;
use units::run::StageStep;

use super::{Done, at, fault, last_errno};

/// How soon the kernel takes this process when memory lacks.
pub(super) fn adjust_oom_score(plan: &Plan) -> Done {
    let Some(adjust) = plan.limits.oom_score_adjust else { return Ok(()) };
    std::fs::write("/proc/self/oom_score_adj", adjust.to_string())
        .map_err(|error| fault(StageStep::OomScore, raw(&error)))
}

/// Applies what the kernel keeps with the process.
pub(super) fn apply(plan: &Plan) -> Done {
    let limits = &plan.limits;
    for (index, limit) in limits.rlimits.iter().enumerate() {
        let value = libc::rlimit { rlim_cur: limit.soft, rlim_max: limit.hard };
        // SAFETY: the value is a live local.
        let done = unsafe { libc::setrlimit(limit.resource.into(), &raw const value) };
        if done < 0 {
            return Err(at(StageStep::Limits, last_errno(), index));
        }
    }
    if let Some(mask) = limits.umask {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
    }
    if let Some(nice) = limits.nice {
        rustix::process::setpriority_process(None, nice.into())
            .map_err(|errno| fault(StageStep::Priority, errno))?;
    }
    schedule(plan)
}

fn schedule(plan: &Plan) -> Done {
    if let Some(scheduling) = plan.limits.scheduling {
        const RESET_ON_FORK: i32 = 0x4000_0000;
        let flag = if scheduling.reset_on_fork { RESET_ON_FORK } else { 0 };
        let parameters = libc::sched_param { sched_priority: scheduling.priority.into() };
        let policy = i32::from(scheduling.policy) | flag;
        // SAFETY: the parameters are a live local.
        if unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } < 0 {
            return Err(fault(StageStep::Scheduling, last_errno()));
        }
    }
    if let Some((class, priority)) = plan.limits.io_priority {
        let value = i64::from(class) << 13 | i64::from(priority);
        // SAFETY: ioprio_set takes plain numbers: this process, 0 meaning itself.
        if unsafe { libc::syscall(libc::SYS_ioprio_set, 1, 0, value) } < 0 {
            return Err(fault(StageStep::Priority, last_errno()));
        }
    }
    if !plan.limits.cpu_affinity.is_empty() {
        // SAFETY: the set is a live local of plain bits; numbers beyond it are left out.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            for cpu in plan.limits.cpu_affinity.iter().filter(|cpu| **cpu < 1024) {
                libc::CPU_SET(usize::from(*cpu), &mut set);
            }
            if libc::sched_setaffinity(0, size_of_val(&set), &raw const set) < 0 {
                return Err(fault(StageStep::Affinity, last_errno()));
            }
        }
    }
    if let Some(personality) = plan.limits.personality {
        // SAFETY: a plain number.
        if unsafe { libc::personality(personality.into()) } < 0 {
            return Err(fault(StageStep::Personality, last_errno()));
        }
    }
    Ok(())
}

/// The terminal on standard input becomes the controlling one.
pub(super) fn terminal(plan: &Plan) -> Done {
    if !plan.stdio.control_terminal {
        return Ok(());
    }
    rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())
        .map_err(|errno| fault(StageStep::Terminal, errno))
}

/// The errno of an I/O error.
pub(super) fn raw(error: &std::io::Error) -> Errno {
    Errno::from_raw_os_error(error.raw_os_error().unwrap_or(0))
}
