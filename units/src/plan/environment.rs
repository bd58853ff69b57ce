//! The variables of a plan.

use crate::execution::{DirectoryPlace, Execution};
use crate::plan::{Login, NOTIFY_SOCKET_INSIDE, Plan, PlanFacts, Root, SEARCH_PATH, identity};
use crate::run::Run;
use crate::service::{NotifyAccess, Service, Startup};
use crate::spec::Spec;

/// Fills in the layers; systemd.exec(5), "Environment", has their order.
pub(super) fn compose(
    plan: &mut Plan,
    spec: &Spec,
    run: Run,
    service: &Service,
    extra: &[(Box<str>, Box<str>)],
    facts: &PlanFacts<'_>,
) {
    let execution = &*service.execution;
    let contained = matches!(plan.root, Root::Overlay { .. }) || plan.enters;
    let mut base = Vec::with_capacity(facts.environment.len() + extra.len() + 8);
    match facts.image.filter(|_| contained) {
        Some(image) => image_variables(&mut base, &image.environment),
        None if contained => base.push(pair("PATH", SEARCH_PATH)),
        None => base.extend_from_slice(facts.environment),
    }
    base.extend_from_slice(extra);
    if let Some(name) = plan.hostname.as_deref().filter(|_| contained) {
        base.push(pair("HOSTNAME", name));
    }
    base.push(pair("INVOCATION_ID", &invocation(spec, run)));
    if wants_notifications(service) {
        let inside = contained && service.container.is_some();
        let path = if inside { NOTIFY_SOCKET_INSIDE } else { facts.notify_socket };
        base.push(pair("NOTIFY_SOCKET", path));
    }
    directory_variables(&mut base, execution);
    passed_variables(&mut base, execution, facts);
    plan.environment.base = base;
    plan.environment.own.extend_from_slice(&execution.environment);
    plan.environment.files = execution.environment_files.to_vec();
    plan.environment.unset = execution.unset_environment.to_vec();
    plan.environment.login = match (contained, &plan.identity.user) {
        (true, _) => Login::Home,
        (false, Some(_)) => Login::Full,
        (false, None) => Login::No,
    };
}

/// Whether PID 1's socket has to be within reach.
pub(super) fn wants_notifications(service: &Service) -> bool {
    let by_type = matches!(service.startup, Startup::Notify | Startup::NotifyReload { .. });
    by_type || service.notify_access != NotifyAccess::None || service.timeouts.watchdog.is_some()
}

fn image_variables(base: &mut Vec<(Box<str>, Box<str>)>, own: &[(Box<str>, Box<str>)]) {
    if !own.iter().any(|(name, _)| &**name == "PATH") {
        base.push(pair("PATH", SEARCH_PATH));
    }
    base.extend_from_slice(own);
}

/// `RUNTIME_DIRECTORY` and its kin: all directories of one place, colon-separated.
fn directory_variables(base: &mut Vec<(Box<str>, Box<str>)>, execution: &Execution) {
    let places = [
        (DirectoryPlace::Runtime, "RUNTIME_DIRECTORY"),
        (DirectoryPlace::State, "STATE_DIRECTORY"),
        (DirectoryPlace::Cache, "CACHE_DIRECTORY"),
        (DirectoryPlace::Logs, "LOGS_DIRECTORY"),
        (DirectoryPlace::Configuration, "CONFIGURATION_DIRECTORY"),
    ];
    for (place, name) in places {
        let top = identity::directory_place(place);
        let own = execution.directories.iter().filter(|d| d.place == place);
        let paths: Vec<String> = own.map(|d| format!("{top}/{}", d.path)).collect();
        if !paths.is_empty() {
            base.push(pair(name, &paths.join(":")));
        }
    }
    if !execution.credentials.is_empty() {
        base.push(pair("CREDENTIALS_DIRECTORY", ""));
    }
}

/// `PassEnvironment=`.
fn passed_variables(
    base: &mut Vec<(Box<str>, Box<str>)>,
    execution: &Execution,
    facts: &PlanFacts<'_>,
) {
    let wanted = |name: &str| execution.pass_environment.iter().any(|p| &**p == name);
    base.extend(facts.environment.iter().filter(|(name, _)| wanted(name)).cloned());
}

/// A number of 128 bits for this run, in hexadecimal (`INVOCATION_ID`). It has to differ between
/// runs on this machine, not to be secret.
fn invocation(spec: &Spec, run: Run) -> String {
    let name = identity::hash(spec.name.as_str().as_bytes());
    let number = identity::hash(&[&name.to_le_bytes()[..], &run.number.to_le_bytes()].concat());
    format!("{name:016x}{number:016x}")
}

fn pair(name: &str, value: &str) -> (Box<str>, Box<str>) {
    (name.into(), value.into())
}
