//! All keys of our own format, table by table.

mod container;
mod limits;
mod mounts;
mod probes;
mod process;
mod restart;
mod sandbox;
mod triggers;
mod unit;

pub(super) use process::{argument, command_of};
pub(super) use unit::default_wanted_by;

use super::reader::{Key, Of, key};
use crate::name::UnitKind::{Mount, Socket, Target, Timer};
use crate::spec::RelationKind as R;

/// The keys at the top of a file.
pub(super) const TOP: &[Key] = &[
    // What it is.
    key("description", |r, v| r.set("Unit", "Description", v)).of(Of::All),
    key("documentation", |r, v| r.set_words("Unit", "Documentation", v)).of(Of::Primary),
    key("enabled", unit::enabled).of(Of::All),
    // Other units.
    key("needs", |r, v| r.link(v, &[R::Requires, R::After])).of(Of::Primary),
    key("wants", |r, v| r.link(v, &[R::Wants, R::After])).of(Of::Primary),
    key("after", |r, v| r.link(v, &[R::After])).of(Of::Primary),
    key("before", |r, v| r.link(v, &[R::Before])).of(Of::Primary),
    key("conflicts", |r, v| r.link(v, &[R::Conflicts])).of(Of::Primary),
    key("requisite", |r, v| r.link(v, &[R::Requisite, R::After])).of(Of::Primary),
    key("binds-to", |r, v| r.link(v, &[R::BindsTo, R::After])).of(Of::Primary),
    key("part-of", |r, v| r.link(v, &[R::PartOf])).of(Of::Primary),
    key("upholds", |r, v| r.link(v, &[R::Upholds])).of(Of::Primary),
    key("on-failure", |r, v| r.link(v, &[R::OnFailure])).of(Of::Primary),
    key("on-success", |r, v| r.link(v, &[R::OnSuccess])).of(Of::Primary),
    key("wanted-by", unit::wanted_by).of(Of::Primary),
    key("required-by", unit::required_by).of(Of::Primary),
    key("aliases", unit::aliases).of(Of::Primary),
    key("default-dependencies", |r, v| r.set("Unit", "DefaultDependencies", v)).of(Of::Primary),
    key("needs-mounts-for", |r, v| r.set_words("Unit", "RequiresMountsFor", v)).of(Of::Primary),
    key("conditions", unit::conditions).of(Of::Primary),
    key("asserts", unit::asserts).of(Of::Primary),
    key("failure-action", |r, v| r.set("Unit", "FailureAction", v)).of(Of::Primary),
    key("success-action", |r, v| r.set("Unit", "SuccessAction", v)).of(Of::Primary),
    key("placement", unit::placement).of(Of::Primary),
    // What runs.
    key("image", container::image),
    key("root", container::root),
    key("command", process::command),
    key("args", process::args),
    key("type", |r, v| r.set("Service", "Type", v)),
    key("hooks", process::hooks),
    key("remain-after-exit", |r, v| r.set("Service", "RemainAfterExit", v)),
    key("notify-access", |r, v| r.set("Service", "NotifyAccess", v)),
    // As whom, where, with what.
    key("user", process::user),
    key("group", process::group),
    key("groups", process::groups),
    key("workdir", |r, v| r.set("Service", "WorkingDirectory", v)),
    key("env", process::env),
    key("env-file", process::env_file),
    key("umask", |r, v| r.set("Service", "UMask", v)),
    key("nice", |r, v| r.set("Service", "Nice", v)),
    key("oom-score", |r, v| r.set("Service", "OOMScoreAdjust", v)),
    key("stdin", |r, v| r.set("Service", "StandardInput", v)),
    key("stdout", |r, v| r.set("Service", "StandardOutput", v)),
    key("stderr", |r, v| r.set("Service", "StandardError", v)),
    key("tty", |r, v| r.set("Service", "TTYPath", v)),
    key("log-name", |r, v| r.set("Service", "SyslogIdentifier", v)),
    key("directories", process::directories),
    key("credentials", process::credentials),
    key("sockets", process::sockets),
    // Its life.
    key("restart", restart::restart),
    key("start-limit", restart::start_limit),
    key("start-timeout", |r, v| r.set("Service", "TimeoutStartSec", v)),
    key("runtime-max", |r, v| r.set("Service", "RuntimeMaxSec", v)),
    key("watchdog", |r, v| r.set("Service", "WatchdogSec", v)),
    key("stop", restart::stop),
    key("success-status", restart::success_status),
    key("probes", probes::probes),
    // What it may use.
    key("limits", limits::limits),
    key("rlimits", limits::rlimits),
    key("oom", limits::oom),
    key("delegate", |r, v| r.set("Service", "Delegate", v)),
    // What it sees.
    key("mounts", mounts::mounts),
    key("volumes", mounts::mounts),
    key("tmpfs", mounts::tmpfs),
    key("devices", container::devices),
    key("network", container::network),
    key("ports", container::ports),
    key("hostname", container::hostname),
    key("user-namespace", container::user_namespace),
    key("pid", container::pid),
    key("ipc", container::ipc),
    key("shm-size", container::shm_size),
    // What it may do.
    key("read-only", container::read_only),
    key("writable", container::writable),
    key("capabilities", container::capabilities),
    key("privileged", container::privileged),
    key("seccomp", container::seccomp),
    key("no-new-privileges", container::no_new_privileges),
    key("sandbox", sandbox::sandbox),
    key("systemd", sandbox::systemd),
    // The units that belong to it.
    key("schedule", triggers::schedule).of(Of::Only(Timer)),
    key("timer", triggers::timer).of(Of::Only(Timer)),
    key("socket", triggers::socket).of(Of::Only(Socket)),
    key("mount", triggers::mount).of(Of::Only(Mount)),
    key("target", triggers::target).of(Of::Only(Target)),
];

/// The names of all keys with the tables that they stand in, for a test of the documentation.
#[cfg(test)]
pub(super) fn names() -> Vec<String> {
    let tables: &[(&str, &[Key])] = &[
        ("", TOP),
        ("placement.", unit::PLACEMENT),
        ("hooks.", process::HOOKS),
        ("directories.", process::DIRECTORIES),
        ("restart.", restart::RESTART),
        ("start-limit.", restart::START_LIMIT),
        ("stop.", restart::STOP),
        ("probes.", probes::PROBES),
        ("probes.*.", probes::PROBE),
        ("limits.", limits::LIMITS),
        ("capabilities.", container::CAPABILITIES),
        ("timer.", triggers::TIMER),
        ("socket.", triggers::SOCKET),
        ("mount.", triggers::MOUNT),
    ];
    let full = |(table, keys): &(&str, &'static [Key])| {
        let table = (*table).to_owned();
        keys.iter().map(move |key| format!("{table}{}", key.name)).collect::<Vec<_>>()
    };
    tables.iter().flat_map(full).collect()
}
