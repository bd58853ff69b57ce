//! Filters that the sandboxing directives of systemd.exec(5) add, one after the other: the kernel asks all
//! of them, and the strictest wins.

use std::collections::BTreeMap;

use rustix::io::Errno;
use units::execution::SystemCallFilter;
use units::plan::{Plan, SeccompRules};
use units::run::StageStep;

use super::filter::{Filter, Test, Verdict};
use super::{Done, calls, fault};

const EPERM_NUMBER: u16 = 1;
const EPERM: Verdict = Verdict::Refuse(EPERM_NUMBER);
const EAFNOSUPPORT: Verdict = Verdict::Refuse(97);

/// Installs what the plan's directives ask for.
pub(super) fn install(plan: &Plan) -> Done {
    let Some(rules) = &plan.seccomp.rules else { return Ok(()) };
    install_rules(rules).map_err(|errno| fault(StageStep::Seccomp, errno))
}

fn install_rules(rules: &SeccompRules) -> Result<(), Errno> {
    let mut filter = Filter::new(match rules.native_calls_only {
        true => Verdict::Kill,
        false => Verdict::Allow,
    });
    if let Some(families) = &rules.address_families {
        for family in &families.families {
            let verdict = if families.allow { Verdict::Allow } else { EAFNOSUPPORT };
            filter.rule_if(libc::SYS_socket, 0, Test::Is((*family).into()), verdict);
        }
        if families.allow {
            filter.rule(&[libc::SYS_socket], EAFNOSUPPORT);
        }
    }
    if let Some(allowed) = rules.namespaces_allowed {
        const ALL: u32 = 0x7e02_0000;
        let forbidden = ALL & !allowed;
        filter.rule_any(libc::SYS_unshare, 0, forbidden, EPERM);
        filter.rule_any(libc::SYS_clone, 0, forbidden, EPERM);
        filter.rule_any(libc::SYS_setns, 1, forbidden, EPERM);
        filter.rule_if(libc::SYS_setns, 1, Test::Is(0), EPERM);
        filter.rule(&[libc::SYS_clone3], Verdict::Refuse(38));
    }
    if rules.restrict_realtime {
        for policy in [1, 2, 6] {
            filter.rule_if(libc::SYS_sched_setscheduler, 1, Test::Masked(0xffff, policy), EPERM);
        }
    }
    if rules.restrict_suid_sgid {
        restrict_set_id(&mut filter);
    }
    if rules.lock_personality {
        filter.rule_if(libc::SYS_personality, 0, Test::Is(u32::MAX), Verdict::Allow);
        filter.rule_if(libc::SYS_personality, 0, Test::Is(0), Verdict::Allow);
        filter.rule(&[libc::SYS_personality], EPERM);
    }
    if rules.memory_deny_write_execute {
        const WRITE_EXECUTE: u32 = 2 | 4;
        filter.rule_if(libc::SYS_mmap, 2, Test::Masked(WRITE_EXECUTE, WRITE_EXECUTE), EPERM);
        filter.rule_any(libc::SYS_mprotect, 2, 4, EPERM);
        filter.rule_any(libc::SYS_pkey_mprotect, 2, 4, EPERM);
        filter.rule_any(libc::SYS_shmat, 2, 0o100_000, EPERM);
    }
    protect(&mut filter, rules);
    if rules.native_calls_only || !filter.is_empty() {
        filter.install(Verdict::Allow)?;
    }
    match &rules.system_calls {
        Some(wanted) => {
            let (filter, otherwise) = named(wanted, rules.native_calls_only);
            filter.install(otherwise)
        }
        None => Ok(()),
    }
}

/// `SystemCallFilter=`: later words win over earlier ones.
fn named(wanted: &SystemCallFilter, native_only: bool) -> (Filter, Verdict) {
    let refused = wanted.errno.map_or(Verdict::Kill, Verdict::Refuse);
    let (listed, otherwise) = match wanted.allow {
        true => (Verdict::Allow, refused),
        false => (refused, Verdict::Allow),
    };
    let mut verdicts = BTreeMap::new();
    if wanted.allow {
        // Without these no program could even start or end.
        for call in members("@default") {
            verdicts.insert(call, Verdict::Allow);
        }
    }
    for entry in &wanted.entries {
        let (word, is_taken) = match entry.strip_prefix('~') {
            Some(word) => (word, true),
            None => (&**entry, false),
        };
        let (name, errno) = word.split_once(':').unwrap_or((word, ""));
        let verdict = match errno {
            "" => listed,
            "kill" => Verdict::Kill,
            // By name: what such a filter refuses is refused, if not always with the errno it names.
            number => Verdict::Refuse(number.parse().unwrap_or(EPERM_NUMBER)),
        };
        for call in members(name) {
            match is_taken {
                true => verdicts.remove(&call),
                false => verdicts.insert(call, verdict),
            };
        }
    }
    let foreign = match native_only {
        true => Verdict::Kill,
        false => otherwise,
    };
    let mut filter = Filter::new(foreign);
    for (call, verdict) in verdicts {
        filter.rule(&[call.into()], verdict);
    }
    (filter, otherwise)
}

/// The numbers that a name or a group of names means; a call that this machine lacks means nothing.
fn members(name: &str) -> Vec<u32> {
    let Some(group) = calls::group(name) else {
        return calls::number(name).into_iter().collect();
    };
    group.iter().flat_map(|member| members(member)).collect()
}

/// Modes with set-user-id or set-group-id bits are refused wherever a mode is given.
fn restrict_set_id(filter: &mut Filter) {
    const SET_ID: u32 = 0o6000;
    let calls = [
        (libc::SYS_chmod, 1),
        (libc::SYS_fchmod, 1),
        (libc::SYS_fchmodat, 2),
        (libc::SYS_mkdir, 1),
        (libc::SYS_mkdirat, 2),
        (libc::SYS_mknod, 1),
        (libc::SYS_mknodat, 2),
        (libc::SYS_creat, 1),
    ];
    for (call, argument) in calls {
        filter.rule_any(call, argument, SET_ID, EPERM);
    }
    // The mode lies in memory: programs fall back to `openat`.
    filter.rule(&[libc::SYS_openat2], Verdict::Refuse(38));
}

fn protect(filter: &mut Filter, rules: &SeccompRules) {
    if rules.protect_clock {
        let calls = [
            libc::SYS_adjtimex,
            libc::SYS_clock_adjtime,
            libc::SYS_clock_settime,
            libc::SYS_settimeofday,
        ];
        filter.rule(&calls, EPERM);
    }
    if rules.protect_kernel_modules {
        let calls = [libc::SYS_delete_module, libc::SYS_finit_module, libc::SYS_init_module];
        filter.rule(&calls, EPERM);
    }
    if rules.protect_kernel_logs {
        filter.rule(&[libc::SYS_syslog], EPERM);
    }
    if rules.protect_hostname {
        filter.rule(&[libc::SYS_sethostname, libc::SYS_setdomainname], EPERM);
    }
    if rules.private_devices {
        filter.rule(&[libc::SYS_ioperm, libc::SYS_iopl], EPERM);
    }
}
