//! `[Service]` (systemd.service(5)).

use super::unit::{ACTIONS, set_start_limit_interval};
use crate::compact::List;
use crate::diagnostic::{Code, Severity};
use crate::draft::{Draft, StartupWord};
use crate::limits::{COMMANDS_MAX, DESCRIPTORS_MAX, FOREVER};
use crate::name::UnitKind;
use crate::service::{Command, NotifyAccess, OomPolicy, PreserveMode, RestartPolicy, TimeoutMode};
use crate::systemd::setting::{Setting, fill, put};
use crate::systemd::{Directive, Place, Treatment, passive, row};
use crate::text::{BadValue, number, path, signal, status};

type Set = fn(&mut Draft, &mut Setting<'_>) -> Result<(), BadValue>;

const fn service(name: &'static str, set: Set) -> Directive {
    row(Place::Service, name, set)
}

pub(super) const ROWS: &[Directive] = &[
    service("Type", set_type),
    service("ExitType", |d, s| put(&mut d.service.lives_with_group, s.one_of(EXIT_TYPES))),
    service("RemainAfterExit", |d, s| put(&mut d.service.remain_after_exit, s.boolean())),
    service("GuessMainPID", |d, s| put(&mut d.guess_main_pid, s.boolean())),
    service("PIDFile", set_pid_file),
    passive(Place::Service, "BusName", Treatment::Ignored("there is no message bus here")),
    service("ExecCondition", |d, s| extend(&mut d.service.commands.condition, s)),
    service("ExecStartPre", |d, s| extend(&mut d.service.commands.start_pre, s)),
    service("ExecStart", |d, s| extend(&mut d.service.commands.start, s)),
    service("ExecStartPost", |d, s| extend(&mut d.service.commands.start_post, s)),
    service("ExecReload", |d, s| extend(&mut d.service.commands.reload, s)),
    service("ExecStop", |d, s| extend(&mut d.service.commands.stop, s)),
    service("ExecStopPost", |d, s| extend(&mut d.service.commands.stop_post, s)),
    service("RestartSec", |d, s| put(&mut d.restart_delay, s.span())),
    service("RestartSteps", |d, s| put(&mut d.service.restart.steps, s.integer(0, 1_000))),
    service("RestartMaxDelaySec", |d, s| {
        let delay = s.span_or_never()?;
        fill(&mut d.restart_delay_max, Ok(delay.unwrap_or(FOREVER)))
    }),
    service("TimeoutStartSec", |d, s| fill(&mut d.timeout_start, s.limit())),
    service("TimeoutStopSec", |d, s| put(&mut d.service.timeouts.stop, s.limit())),
    service("TimeoutAbortSec", |d, s| fill(&mut d.timeout_abort, s.limit())),
    service("TimeoutSec", |d, s| {
        let limit = s.limit()?;
        d.timeout_start = Some(limit);
        d.service.timeouts.stop = limit;
        Ok(())
    }),
    service("TimeoutStartFailureMode", |d, s| {
        put(&mut d.service.timeouts.start_failure, s.one_of(TIMEOUT_MODES))
    }),
    service("TimeoutStopFailureMode", |d, s| {
        put(&mut d.service.timeouts.stop_failure, s.one_of(TIMEOUT_MODES))
    }),
    service("RuntimeMaxSec", |d, s| put(&mut d.service.timeouts.runtime, s.limit())),
    passive(
        Place::Service,
        "RuntimeRandomizedExtraSec",
        Treatment::NotHonoured("the longest run is exactly `RuntimeMaxSec=`", ""),
    ),
    service("WatchdogSec", |d, s| put(&mut d.service.timeouts.watchdog, s.limit())),
    service("Restart", |d, s| put(&mut d.service.restart.policy, s.one_of(POLICIES))),
    service("RestartMode", |d, s| put(&mut d.service.restart.direct, s.one_of(RESTART_MODES))),
    service("SuccessExitStatus", |d, s| add_status(&mut d.service.success, s)),
    service("RestartPreventExitStatus", |d, s| add_status(&mut d.service.restart.prevent, s)),
    service("RestartForceExitStatus", |d, s| add_status(&mut d.service.restart.force, s)),
    service("RootDirectoryStartOnly", |_, s| match s.boolean()? {
        false => Ok(()),
        true => {
            let bad = BadValue::new("`RootDirectoryStartOnly=yes` is not honoured")
                .advise("put `+` before the commands that need the machine's own root");
            s.remark(Severity::Warning, Code::NotHonoured, bad);
            Ok(())
        }
    }),
    service("PermissionsStartOnly", |d, s| put(&mut d.permissions_start_only, s.boolean()))
        .translated("the prefix `!` on all commands but ExecStart="),
    passive(
        Place::Service,
        "NonBlocking",
        Treatment::NotHonoured(
            "descriptors are passed on as they are",
            "programs that are passed sockets set O_NONBLOCK themselves",
        ),
    ),
    service("NotifyAccess", |d, s| fill(&mut d.notify_access, s.one_of(ACCESS))),
    service("Sockets", |d, s| {
        let sockets = s.units()?;
        if let Some(other) = sockets.iter().find(|unit| unit.kind() != UnitKind::Socket) {
            return Err(BadValue::new(format!("`{other}` is no socket unit")));
        }
        d.service.sockets.extend(sockets);
        Ok(())
    }),
    service("FileDescriptorStoreMax", set_descriptors_max),
    service("FileDescriptorStorePreserve", |d, s| {
        put(&mut d.service.descriptors_preserve, s.one_of(PRESERVE).map(Some))
    }),
    passive(Place::Service, "USBFunctionDescriptors", NO_GADGET),
    passive(Place::Service, "USBFunctionStrings", NO_GADGET),
    service("OOMPolicy", |d, s| fill(&mut d.oom_policy, s.one_of(OOM_POLICIES))),
    passive(
        Place::Service,
        "OpenFile",
        Treatment::Refused(
            "no files are opened for a unit",
            "let the program open it, or make it a descriptor with `StandardInput=file:…`",
        ),
    ),
    service("ReloadSignal", |d, s| put(&mut d.reload_signal, signal::parse(s.value))),
    // Before systemd 230 these stood here.
    service("StartLimitInterval", set_start_limit_interval)
        .translated("[Unit] StartLimitIntervalSec="),
    service("StartLimitIntervalSec", set_start_limit_interval)
        .translated("[Unit] StartLimitIntervalSec="),
    service("StartLimitBurst", |d, s| {
        put(&mut d.spec.start_limit.burst, s.integer(0, i64::from(u32::MAX)))
    })
    .translated("[Unit] StartLimitBurst="),
    service("StartLimitAction", |d, s| put(&mut d.spec.start_limit.action, s.one_of(ACTIONS)))
        .translated("[Unit] StartLimitAction="),
    service("FailureAction", |d, s| put(&mut d.spec.failure_action, s.one_of(ACTIONS)))
        .translated("[Unit] FailureAction="),
    passive(
        Place::Service,
        "RebootArgument",
        Treatment::NotHonoured("the machine ends without an argument to reboot(2)", ""),
    ),
];

const NO_GADGET: Treatment =
    Treatment::Refused("there are no USB gadget units", "let the program set it up itself");

const EXIT_TYPES: &[(&str, bool)] = &[("main", false), ("cgroup", true)];
const RESTART_MODES: &[(&str, bool)] = &[("normal", false), ("direct", true), ("debug", false)];
const TIMEOUT_MODES: &[(&str, TimeoutMode)] = &[
    ("terminate", TimeoutMode::Terminate),
    ("abort", TimeoutMode::Abort),
    ("kill", TimeoutMode::Kill),
];
pub(crate) const POLICIES: &[(&str, RestartPolicy)] = &[
    ("no", RestartPolicy::No),
    ("always", RestartPolicy::Always),
    ("on-success", RestartPolicy::OnSuccess),
    ("on-failure", RestartPolicy::OnFailure),
    ("on-abnormal", RestartPolicy::OnAbnormal),
    ("on-abort", RestartPolicy::OnAbort),
    ("on-watchdog", RestartPolicy::OnWatchdog),
];
const ACCESS: &[(&str, NotifyAccess)] = &[
    ("none", NotifyAccess::None),
    ("main", NotifyAccess::Main),
    ("exec", NotifyAccess::Exec),
    ("all", NotifyAccess::All),
];
pub(super) const PRESERVE: &[(&str, PreserveMode)] = &[
    ("no", PreserveMode::No),
    ("restart", PreserveMode::Restart),
    ("yes", PreserveMode::Yes),
    ("true", PreserveMode::Yes),
    ("1", PreserveMode::Yes),
    ("on", PreserveMode::Yes),
    ("false", PreserveMode::No),
    ("0", PreserveMode::No),
    ("off", PreserveMode::No),
];
const OOM_POLICIES: &[(&str, OomPolicy)] =
    &[("continue", OomPolicy::Continue), ("stop", OomPolicy::Stop), ("kill", OomPolicy::Kill)];

const TYPES: &[(&str, StartupWord)] = &[
    ("simple", StartupWord::Simple),
    ("exec", StartupWord::Exec),
    ("forking", StartupWord::Forking),
    ("oneshot", StartupWord::Oneshot),
    ("notify", StartupWord::Notify),
    ("notify-reload", StartupWord::NotifyReload),
    ("idle", StartupWord::Idle),
];

fn set_type(d: &mut Draft, s: &mut Setting<'_>) -> Result<(), BadValue> {
    if s.value == "dbus" {
        let bad = BadValue::new(
            "`Type=dbus` is refused: there is no message bus here to tell when it is up",
        )
        .advise(
            "override it with `Type=simple` in a drop-in if the program runs without a bus, or \
                     run bus and program together in a container",
        );
        s.remark(Severity::Error, Code::NotHonoured, bad);
        return Ok(());
    }
    fill(&mut d.startup, s.one_of(TYPES))
}

fn set_descriptors_max(d: &mut Draft, s: &mut Setting<'_>) -> Result<(), BadValue> {
    let wanted: u32 = s.integer(0, i64::from(u32::MAX))?;
    if wanted > DESCRIPTORS_MAX {
        let text = format!("`{}` keeps {DESCRIPTORS_MAX} descriptors, no more", s.label);
        s.remark(Severity::Warning, Code::Limit, BadValue::new(text));
    }
    d.service.descriptors_max = wanted.min(DESCRIPTORS_MAX);
    Ok(())
}

fn set_pid_file(d: &mut Draft, s: &mut Setting<'_>) -> Result<(), BadValue> {
    let text = s.text()?;
    let full = if text.starts_with('/') { text } else { format!("/run/{text}").into() };
    fill(&mut d.pid_file, path::absolute(&full))
}

fn extend(commands: &mut List<Command>, s: &mut Setting<'_>) -> Result<(), BadValue> {
    commands.extend(s.commands()?);
    if commands.len() > COMMANDS_MAX {
        return Err(BadValue::new(format!("more than {COMMANDS_MAX} commands in `{}`", s.label)));
    }
    Ok(())
}

fn add_status(set: &mut crate::service::ExitSet, s: &mut Setting<'_>) -> Result<(), BadValue> {
    let value = s.value;
    status::add(set, value)
}

/// `RuntimeDirectoryPreserve=` and `FileDescriptorStorePreserve=`.
pub(super) fn preserve(text: &str) -> Result<PreserveMode, BadValue> {
    let found = PRESERVE.iter().find(|(word, _)| *word == text).map(|(_, mode)| *mode);
    match found {
        Some(mode) => Ok(mode),
        None => number::boolean(text)
            .map(|yes| if yes { PreserveMode::Yes } else { PreserveMode::No })
            .map_err(|bad| bad.advise("write one of yes, no, restart")),
    }
}
