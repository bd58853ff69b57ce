//! `[Unit]` (systemd.unit(5)).

use crate::diagnostic::{Code, Severity};
use crate::draft::Draft;
use crate::limits::{CONDITIONS_MAX, FOREVER};
use crate::name::UnitKind;
use crate::spec::{Condition, ConditionTest, PowerAction, RelationKind};
use crate::systemd::setting::{Setting, put};
use crate::systemd::{Directive, Place, Treatment, passive, row};
use crate::text::{BadValue, path};

type Set = fn(&mut Draft, &mut Setting<'_>) -> Result<(), BadValue>;

const fn unit(name: &'static str, set: Set) -> Directive {
    row(Place::Unit, name, set)
}

const fn relation(name: &'static str, set: Set) -> Directive {
    unit(name, set).empty_is_nothing()
}

const fn condition_row(name: &'static str, set: Set) -> Directive {
    unit(name, set).group("Condition")
}

const fn assert_row(name: &'static str, set: Set) -> Directive {
    unit(name, set).group("Assert")
}

const fn unheard(name: &'static str) -> Directive {
    let why = "nothing here measures it; the condition counts as met";
    passive(Place::Unit, name, Treatment::NotHonoured(why, "check it in an `ExecCondition=`"))
}

pub(super) const ROWS: &[Directive] = &[
    unit("Description", |d, s| put(&mut d.spec.description, s.text())),
    unit("Documentation", |d, s| s.each(link_text).map(|links| d.spec.documentation.extend(links))),
    passive(Place::Unit, "SourcePath", Treatment::Ignored("only a remark of a generator")),
    relation("Wants", |d, s| s.link(d, RelationKind::Wants)),
    relation("Requires", |d, s| s.link(d, RelationKind::Requires)),
    relation("Requisite", |d, s| s.link(d, RelationKind::Requisite)),
    relation("BindsTo", |d, s| s.link(d, RelationKind::BindsTo)),
    relation("BindTo", |d, s| s.link(d, RelationKind::BindsTo)).translated("BindsTo="),
    relation("PartOf", |d, s| s.link(d, RelationKind::PartOf)),
    relation("Upholds", |d, s| s.link(d, RelationKind::Upholds)),
    relation("Conflicts", |d, s| s.link(d, RelationKind::Conflicts)),
    relation("Before", |d, s| s.link(d, RelationKind::Before)),
    relation("After", |d, s| s.link(d, RelationKind::After)),
    relation("OnFailure", |d, s| s.link(d, RelationKind::OnFailure)),
    relation("OnSuccess", |d, s| s.link(d, RelationKind::OnSuccess)),
    relation("PropagatesReloadTo", |d, s| s.link(d, RelationKind::PropagatesReloadTo)),
    relation("PropagateReloadTo", |d, s| s.link(d, RelationKind::PropagatesReloadTo))
        .translated("PropagatesReloadTo="),
    relation("ReloadPropagatedFrom", |d, s| s.link(d, RelationKind::ReloadPropagatedFrom)),
    relation("PropagateReloadFrom", |d, s| s.link(d, RelationKind::ReloadPropagatedFrom))
        .translated("ReloadPropagatedFrom="),
    relation("PropagatesStopTo", |d, s| s.link(d, RelationKind::PropagatesStopTo)),
    relation("StopPropagatedFrom", |d, s| s.link(d, RelationKind::StopPropagatedFrom)),
    relation("JoinsNamespaceOf", |d, s| s.link(d, RelationKind::JoinsNamespaceOf)),
    relation("RequiresOverridable", |d, s| s.link(d, RelationKind::Requires))
        .translated("Requires="),
    relation("RequisiteOverridable", |d, s| s.link(d, RelationKind::Requisite))
        .translated("Requisite="),
    relation("RequiresMountsFor", |d, s| {
        s.each(path::absolute).map(|paths| d.mounts_for.extend(paths))
    }),
    relation("WantsMountsFor", |d, s| {
        s.each(path::absolute).map(|paths| d.mounts_for.extend(paths))
    })
    .translated("RequiresMountsFor="),
    unit("OnSuccessJobMode", set_job_mode),
    unit("OnFailureJobMode", set_job_mode),
    unit("OnFailureIsolate", |_, s| if s.boolean()? { isolates(s) } else { Ok(()) }),
    unit("IgnoreOnIsolate", |d, s| put(&mut d.spec.ignore_on_isolate, s.boolean())),
    unit("StopWhenUnneeded", |d, s| put(&mut d.spec.stop_when_unneeded, s.boolean())),
    unit("RefuseManualStart", |d, s| put(&mut d.spec.refuse_manual_start, s.boolean())),
    unit("RefuseManualStop", |d, s| put(&mut d.spec.refuse_manual_stop, s.boolean())),
    unit("AllowIsolate", |d, s| put(&mut d.spec.allow_isolate, s.boolean())),
    unit("DefaultDependencies", |d, s| put(&mut d.default_dependencies, s.boolean())),
    passive(
        Place::Unit,
        "CollectMode",
        Treatment::Ignored("a unit stays known as long as its file exists"),
    ),
    unit("FailureAction", |d, s| put(&mut d.spec.failure_action, s.one_of(ACTIONS))),
    unit("SuccessAction", |d, s| put(&mut d.spec.success_action, s.one_of(ACTIONS))),
    passive(Place::Unit, "FailureActionExitStatus", NO_PARENT),
    passive(Place::Unit, "SuccessActionExitStatus", NO_PARENT),
    unit("JobTimeoutSec", |d, s| put(&mut d.spec.job_timeout, s.limit())),
    unit("JobRunningTimeoutSec", |d, s| put(&mut d.spec.job_timeout, s.limit()))
        .translated("JobTimeoutSec="),
    unit("JobTimeoutAction", set_job_timeout_action),
    passive(Place::Unit, "JobTimeoutRebootArgument", NO_ARGUMENT),
    unit("StartLimitIntervalSec", set_start_limit_interval),
    unit("StartLimitInterval", set_start_limit_interval).translated("StartLimitIntervalSec="),
    unit("StartLimitBurst", |d, s| put(&mut d.spec.start_limit.burst, s.integer(0, MOST))),
    unit("StartLimitAction", |d, s| put(&mut d.spec.start_limit.action, s.one_of(ACTIONS))),
    passive(Place::Unit, "RebootArgument", NO_ARGUMENT),
    passive(
        Place::Unit,
        "SurviveFinalKillSignal",
        Treatment::NotHonoured("nothing outlives the end of the machine", ""),
    ),
    passive(Place::Unit, "DebugInvocation", Treatment::Ignored("there is one level of logging")),
    condition_row("ConditionPathExists", |d, s| condition_path(d, s, ConditionTest::PathExists)),
    condition_row("ConditionPathExistsGlob", |d, s| {
        condition_path(d, s, ConditionTest::PathExistsGlob)
    }),
    condition_row("ConditionPathIsDirectory", |d, s| {
        condition_path(d, s, ConditionTest::PathIsDirectory)
    }),
    condition_row("ConditionPathIsSymbolicLink", |d, s| {
        condition_path(d, s, ConditionTest::PathIsSymbolicLink)
    }),
    condition_row("ConditionPathIsMountPoint", |d, s| {
        condition_path(d, s, ConditionTest::PathIsMountPoint)
    }),
    condition_row("ConditionPathIsReadWrite", |d, s| {
        condition_path(d, s, ConditionTest::PathIsReadWrite)
    }),
    condition_row("ConditionPathIsEncrypted", |d, s| {
        condition_path(d, s, ConditionTest::PathIsEncrypted)
    }),
    condition_row("ConditionDirectoryNotEmpty", |d, s| {
        condition_path(d, s, ConditionTest::DirectoryNotEmpty)
    }),
    condition_row("ConditionFileNotEmpty", |d, s| {
        condition_path(d, s, ConditionTest::FileNotEmpty)
    }),
    condition_row("ConditionFileIsExecutable", |d, s| {
        condition_path(d, s, ConditionTest::FileIsExecutable)
    }),
    condition_row("ConditionNeedsUpdate", |d, s| condition_path(d, s, ConditionTest::NeedsUpdate)),
    condition_row("ConditionFirstBoot", |d, s| condition_word(d, s, ConditionTest::FirstBoot)),
    condition_row("ConditionArchitecture", |d, s| {
        condition_word(d, s, ConditionTest::Architecture)
    }),
    condition_row("ConditionFirmware", |d, s| condition_word(d, s, ConditionTest::Firmware)),
    condition_row("ConditionVirtualization", |d, s| {
        condition_word(d, s, ConditionTest::Virtualization)
    }),
    condition_row("ConditionHost", |d, s| condition_word(d, s, ConditionTest::Host)),
    condition_row("ConditionKernelCommandLine", |d, s| {
        condition_word(d, s, ConditionTest::KernelCommandLine)
    }),
    condition_row("ConditionKernelModuleLoaded", |d, s| {
        condition_word(d, s, ConditionTest::KernelModuleLoaded)
    }),
    condition_row("ConditionKernelVersion", |d, s| {
        condition_word(d, s, ConditionTest::KernelVersion)
    }),
    condition_row("ConditionSecurity", |d, s| condition_word(d, s, ConditionTest::Security)),
    condition_row("ConditionCapability", |d, s| condition_word(d, s, ConditionTest::Capability)),
    condition_row("ConditionACPower", |d, s| condition_word(d, s, ConditionTest::AcPower)),
    condition_row("ConditionMemory", |d, s| condition_word(d, s, ConditionTest::Memory)),
    condition_row("ConditionCPUFeature", |d, s| condition_word(d, s, ConditionTest::CpuFeature)),
    condition_row("ConditionCPUs", |d, s| condition_word(d, s, ConditionTest::CpuCount)),
    condition_row("ConditionEnvironment", |d, s| condition_word(d, s, ConditionTest::Environment)),
    condition_row("ConditionUser", |d, s| condition_word(d, s, ConditionTest::User)),
    condition_row("ConditionGroup", |d, s| condition_word(d, s, ConditionTest::Group)),
    condition_row("ConditionControlGroupController", |d, s| {
        condition_word(d, s, ConditionTest::ControlGroupController)
    }),
    condition_row("ConditionOSRelease", |d, s| condition_word(d, s, ConditionTest::OsRelease)),
    unheard("ConditionCredential"),
    unheard("ConditionMemoryPressure"),
    unheard("ConditionCPUPressure"),
    unheard("ConditionIOPressure"),
    unheard("ConditionVersion"),
    assert_row("AssertPathExists", |d, s| condition_path(d, s, ConditionTest::PathExists)),
    assert_row("AssertPathExistsGlob", |d, s| condition_path(d, s, ConditionTest::PathExistsGlob)),
    assert_row("AssertPathIsDirectory", |d, s| {
        condition_path(d, s, ConditionTest::PathIsDirectory)
    }),
    assert_row("AssertPathIsSymbolicLink", |d, s| {
        condition_path(d, s, ConditionTest::PathIsSymbolicLink)
    }),
    assert_row("AssertPathIsMountPoint", |d, s| {
        condition_path(d, s, ConditionTest::PathIsMountPoint)
    }),
    assert_row("AssertPathIsReadWrite", |d, s| {
        condition_path(d, s, ConditionTest::PathIsReadWrite)
    }),
    assert_row("AssertPathIsEncrypted", |d, s| {
        condition_path(d, s, ConditionTest::PathIsEncrypted)
    }),
    assert_row("AssertDirectoryNotEmpty", |d, s| {
        condition_path(d, s, ConditionTest::DirectoryNotEmpty)
    }),
    assert_row("AssertFileNotEmpty", |d, s| condition_path(d, s, ConditionTest::FileNotEmpty)),
    assert_row("AssertFileIsExecutable", |d, s| {
        condition_path(d, s, ConditionTest::FileIsExecutable)
    }),
    assert_row("AssertNeedsUpdate", |d, s| condition_path(d, s, ConditionTest::NeedsUpdate)),
    assert_row("AssertFirstBoot", |d, s| condition_word(d, s, ConditionTest::FirstBoot)),
    assert_row("AssertArchitecture", |d, s| condition_word(d, s, ConditionTest::Architecture)),
    assert_row("AssertFirmware", |d, s| condition_word(d, s, ConditionTest::Firmware)),
    assert_row("AssertVirtualization", |d, s| condition_word(d, s, ConditionTest::Virtualization)),
    assert_row("AssertHost", |d, s| condition_word(d, s, ConditionTest::Host)),
    assert_row("AssertKernelCommandLine", |d, s| {
        condition_word(d, s, ConditionTest::KernelCommandLine)
    }),
    assert_row("AssertKernelModuleLoaded", |d, s| {
        condition_word(d, s, ConditionTest::KernelModuleLoaded)
    }),
    assert_row("AssertKernelVersion", |d, s| condition_word(d, s, ConditionTest::KernelVersion)),
    assert_row("AssertSecurity", |d, s| condition_word(d, s, ConditionTest::Security)),
    assert_row("AssertCapability", |d, s| condition_word(d, s, ConditionTest::Capability)),
    assert_row("AssertACPower", |d, s| condition_word(d, s, ConditionTest::AcPower)),
    assert_row("AssertMemory", |d, s| condition_word(d, s, ConditionTest::Memory)),
    assert_row("AssertCPUFeature", |d, s| condition_word(d, s, ConditionTest::CpuFeature)),
    assert_row("AssertCPUs", |d, s| condition_word(d, s, ConditionTest::CpuCount)),
    assert_row("AssertEnvironment", |d, s| condition_word(d, s, ConditionTest::Environment)),
    assert_row("AssertUser", |d, s| condition_word(d, s, ConditionTest::User)),
    assert_row("AssertGroup", |d, s| condition_word(d, s, ConditionTest::Group)),
    assert_row("AssertControlGroupController", |d, s| {
        condition_word(d, s, ConditionTest::ControlGroupController)
    }),
    assert_row("AssertOSRelease", |d, s| condition_word(d, s, ConditionTest::OsRelease)),
    unheard("AssertCredential"),
    unheard("AssertMemoryPressure"),
    unheard("AssertCPUPressure"),
    unheard("AssertIOPressure"),
];

const MOST: i64 = u32::MAX as i64;
const NO_PARENT: Treatment = Treatment::Ignored("nothing above PID 1 reads an exit status");
const NO_ARGUMENT: Treatment =
    Treatment::NotHonoured("the machine ends without an argument to reboot(2)", "");

pub(super) const ACTIONS: &[(&str, PowerAction)] = &[
    ("none", PowerAction::None),
    ("reboot", PowerAction::Reboot),
    ("reboot-force", PowerAction::RebootForce),
    ("reboot-immediate", PowerAction::RebootImmediate),
    ("poweroff", PowerAction::Poweroff),
    ("poweroff-force", PowerAction::PoweroffForce),
    ("poweroff-immediate", PowerAction::PoweroffImmediate),
    ("exit", PowerAction::Exit),
    ("exit-force", PowerAction::ExitForce),
    ("soft-reboot", PowerAction::SoftReboot),
    ("soft-reboot-force", PowerAction::SoftReboot),
    ("halt", PowerAction::Halt),
    ("halt-force", PowerAction::Halt),
    ("halt-immediate", PowerAction::Halt),
    ("kexec", PowerAction::Kexec),
    ("kexec-force", PowerAction::Kexec),
];

fn link_text(text: &str) -> Result<Box<str>, BadValue> {
    let known = ["http://", "https://", "file:", "info:", "man:"];
    match known.iter().any(|scheme| text.starts_with(scheme)) {
        true => Ok(text.into()),
        false => Err(BadValue::new(format!("`{text}` is no link"))
            .advise("begin it with http://, https://, file:, info: or man:")),
    }
}

/// What a unit starts when it fails or ends always replaces what is under way.
fn set_job_mode(_: &mut Draft, s: &mut Setting<'_>) -> Result<(), BadValue> {
    match s.value {
        "replace" | "replace-irreversibly" | "fail" => Ok(()),
        "isolate" | "flush" | "ignore-dependencies" | "ignore-requirements" => isolates(s),
        _ => {
            Err(BadValue::new(format!("`{}` is no job mode", s.value)).advise("leave the line out"))
        }
    }
}

fn isolates(s: &mut Setting<'_>) -> Result<(), BadValue> {
    let bad = BadValue::new(format!("`{}{}` is not honoured", s.label, s.value)).advise(
        "the units are started beside what runs; name what must stop in their `Conflicts=`",
    );
    s.remark(Severity::Warning, Code::NotHonoured, bad);
    Ok(())
}

fn set_job_timeout_action(d: &mut Draft, s: &mut Setting<'_>) -> Result<(), BadValue> {
    let action = s.one_of(ACTIONS)?;
    // The targets that end the machine carry one; that end is bounded here without it.
    let ends_machine = d.spec.name.kind() == UnitKind::Target;
    if action != PowerAction::None && !ends_machine {
        let bad = BadValue::new("`JobTimeoutAction=` is not honoured")
            .advise("use `TimeoutStartSec=` with `FailureAction=`");
        s.remark(Severity::Warning, Code::NotHonoured, bad);
    }
    Ok(())
}

pub(super) fn set_start_limit_interval(d: &mut Draft, s: &mut Setting<'_>) -> Result<(), BadValue> {
    // An endless interval counts every start for ever.
    let interval = s.span_or_never()?.unwrap_or(FOREVER);
    d.spec.start_limit.interval = interval;
    Ok(())
}

fn condition_path(d: &mut Draft, s: &mut Setting<'_>, test: ConditionTest) -> Result<(), BadValue> {
    add_condition(d, s, test, true)
}

fn condition_word(d: &mut Draft, s: &mut Setting<'_>, test: ConditionTest) -> Result<(), BadValue> {
    add_condition(d, s, test, false)
}

fn add_condition(
    d: &mut Draft,
    s: &mut Setting<'_>,
    test: ConditionTest,
    is_path: bool,
) -> Result<(), BadValue> {
    let text = s.text()?;
    let assertion = s.name.starts_with("Assert");
    d.spec.conditions.push(condition(&text, test, is_path, assertion)?);
    if d.spec.conditions.len() > CONDITIONS_MAX {
        return Err(BadValue::new(format!("more than {CONDITIONS_MAX} conditions")));
    }
    Ok(())
}

/// Reads `|!argument`.
pub(crate) fn condition(
    text: &str,
    test: ConditionTest,
    is_path: bool,
    assertion: bool,
) -> Result<Condition, BadValue> {
    let after_bar = text.strip_prefix('|').map(str::trim_start);
    let rest = after_bar.unwrap_or(text);
    let after_not = rest.strip_prefix('!').map(str::trim_start);
    let argument = after_not.unwrap_or(rest);
    let argument = if is_path { path::absolute(argument)? } else { argument.into() };
    if argument.is_empty() {
        return Err(BadValue::new("the condition has nothing to test"));
    }
    Ok(Condition {
        test,
        argument,
        negated: after_not.is_some(),
        triggering: after_bar.is_some(),
        assertion,
    })
}
