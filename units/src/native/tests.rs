//! Our own format, file by file.

use std::time::Duration;

use crate::container::{MountSource, Network, RootSource};
use crate::load::{Loaded, load};
use crate::probe::ProbeAction;
use crate::resources::Amount;
use crate::service::{KillMode, RestartPolicy, Startup};
use crate::source::{LoadOptions, SourceFile};
use crate::spec::{Body, RelationKind, Spec};
use crate::triggers::Elapse;

fn read(name: &str, text: &str) -> Loaded {
    let file = SourceFile::regular(&format!("/etc/keelson/units/{name}.toml"), text.as_bytes());
    load(&[file], &LoadOptions::default())
}

fn good(text: &str) -> Vec<Spec> {
    let loaded = read("web", text);
    assert_eq!(loaded.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
    loaded.specs
}

fn unit<'a>(specs: &'a [Spec], name: &str) -> &'a Spec {
    specs.iter().find(|spec| spec.name.as_str() == name).unwrap_or_else(|| panic!("no {name}"))
}

/// What is said about a file, without the quoted lines.
fn said(name: &str, text: &str) -> Vec<String> {
    let said = read(name, text).diagnostics.into_iter();
    said.map(|d| format!("{}:{} {} ({})", d.line, d.column, d.message, d.advice)).collect()
}

#[test]
fn a_container_with_everything_left_out() {
    let specs = good("image = \"nginx\"\n");
    let web = unit(&specs, "web.service");
    let service = web.service().unwrap();
    let container = service.container.as_deref().unwrap();
    assert_eq!(container.root, RootSource::Image("nginx".into()));
    assert_eq!(container.network, Network::Private);
    assert_eq!(service.startup, Startup::Exec);
    assert_eq!(service.restart.policy, RestartPolicy::Always);
    assert_eq!(service.restart.delay, Duration::from_millis(100));
    assert_eq!(service.restart.delay_max, Duration::from_secs(60));
    assert_eq!(web.start_limit.interval, Duration::ZERO);
    assert_eq!(service.stopping.mode, KillMode::Mixed);
    assert_eq!(service.resources.tasks_max, Some(Amount::Absolute(2048)));
    assert!(service.execution.no_new_privileges);
    let target = unit(&specs, "multi-user.target");
    assert!(target.related(RelationKind::Wants).any(|unit| *unit == web.name));
}

#[test]
fn a_container_with_much() {
    let specs = good(
        r#"
description = "A shop at 100%"
image = "shop:1.2"
command = ["/app", "--greeting", "hello you"]
args = ["x"]
user = "1000:100"
workdir = "/srv"
needs = "db.mount-less"
env = { A = "b c", N = 1, YES = true }
env-file = ["/etc/shop.env", "-/etc/more.env"]
mounts = ["data:/var/lib/x:ro", { type = "tmpfs", target = "/scratch", size = "16M" }]
tmpfs = "/tmp:size=64M"
ports = ["8080:80", 9090, { container = 53, protocol = "udp", name = "dns" }]
network = "host"
limits = { memory = "64M", cpu = 0.5, pids = 100 }
rlimits = { nofile = "1024:4096" }
restart = { policy = "on-failure", delay = "1s", delay-max = "5min", reset-after = "10min" }
stop = { timeout = "30s", signal = "SIGQUIT" }
capabilities = { add = ["CAP_NET_ADMIN"], drop = ["all"] }
user-namespace = true
devices = ["/dev/fuse"]
read-only = true

[probes.readiness]
http = { path = "/health", port = 8080 }
period = "5s"

[probes.liveness]
tcp = 8080
failure-threshold = 5
"#
        .replace("needs = \"db.mount-less\"\n", "")
        .as_str(),
    );
    let web = unit(&specs, "web.service");
    assert_eq!(&*web.description, "A shop at 100%");
    let service = web.service().unwrap();
    let container = service.container.as_deref().unwrap();
    assert_eq!(container.entrypoint.as_deref().unwrap()[2], "hello you".into());
    assert_eq!(container.arguments.as_deref(), Some(&["x".into()][..]));
    assert_eq!(container.mounts[0].source, MountSource::Volume("data".into()));
    assert!(container.mounts[0].read_only);
    assert_eq!(container.mounts.len(), 3);
    assert_eq!(container.ports[0].host, 8080);
    assert!(container.ports[2].udp);
    assert_eq!(container.capabilities_add, ["NET_ADMIN".into()]);
    assert_eq!(container.capabilities_drop, ["ALL".into()]);
    assert_eq!(service.resources.memory_max, Some(Amount::Absolute(64 << 20)));
    assert_eq!(service.resources.cpu_quota_us_per_s, Some(500_000));
    assert_eq!(service.execution.user.as_deref(), Some("1000"));
    assert_eq!(service.execution.group.as_deref(), Some("100"));
    assert_eq!(service.execution.environment.len(), 3);
    assert!(service.execution.environment_files[1].optional);
    assert_eq!(service.restart.reset_after, Duration::from_secs(600));
    assert_eq!(service.stopping.signal.0, 3);
    assert_eq!(service.stopping.restart_signal.0, 3);
    let readiness = service.probes.readiness.as_deref().unwrap();
    assert_eq!(readiness.period, Duration::from_secs(5));
    assert!(
        matches!(&readiness.action, ProbeAction::Http { port: 8080, path, .. } if &**path == "/health")
    );
    assert_eq!(service.probes.liveness.as_deref().unwrap().failure_threshold, 5);
}

#[test]
fn a_plain_program_and_its_relations() {
    let specs = good(
        r#"
command = "/usr/bin/web --name 'a b' ${PORT}"
needs = ["net"]
wants = "cache.socket"
hooks = { pre-start = ["/bin/a x", "-/bin/b"], reload = [["/bin/kill", "-HUP", "1"]] }
directories = { state = ["web"], mode = "0700" }
sandbox = { protect-system = "strict", private-tmp = true, restrict-address-families = ["AF_INET", "AF_UNIX"] }
systemd = { CPUSchedulingPolicy = "batch" }
conditions = { path-exists = ["/a", "!/b"] }
enabled = false
"#
        .replace("needs = [\"net\"]\nwants = \"cache.socket\"\n", "")
        .as_str(),
    );
    let web = unit(&specs, "web.service");
    let service = web.service().unwrap();
    assert_eq!(service.commands.start[0].arguments.len(), 4);
    assert_eq!(service.commands.start_pre.len(), 2);
    assert!(service.commands.start_pre[1].ignore_failure);
    assert_eq!(service.execution.directories[0].mode, 0o700);
    let sandbox = service.execution.sandbox.as_deref().unwrap();
    assert!(sandbox.private_tmp);
    assert_eq!(sandbox.address_families.as_ref().unwrap().families, [1, 2]);
    assert_eq!(service.execution.scheduling.unwrap().policy, 3);
    assert_eq!(web.conditions.len(), 2);
    assert!(web.conditions[1].negated);
    assert!(web.install.wanted_by.is_empty());
    assert_eq!(service.timeouts.stop, Some(Duration::from_secs(10)));
}

#[test]
fn one_file_with_a_timer_and_a_socket() {
    let specs = good("command = \"/bin/backup\"\nschedule = \"daily\"\n[timer]\njitter = \"1h\"\n");
    let Body::Timer(timer) = &unit(&specs, "web.timer").body else { panic!() };
    assert!(
        matches!(&timer.elapses[0], Elapse::Calendar(calendar) if calendar.to_string() == "*-*-* 00:00:00")
    );
    assert_eq!(timer.randomized_delay, Duration::from_secs(3600));
    let service = unit(&specs, "web.service");
    assert_eq!(service.service().unwrap().startup, Startup::Oneshot);
    assert_eq!(service.service().unwrap().restart.policy, RestartPolicy::No);
    assert!(service.install.wanted_by.is_empty());
    let timers = unit(&specs, "timers.target");
    assert!(timers.related(RelationKind::Wants).any(|unit| unit.as_str() == "web.timer"));

    let specs = good(
        "command = \"/bin/echo\"\n[socket]\nlisten = [8080, \"/run/x.sock\"]\naccept = true\n",
    );
    let Body::Socket(socket) = &unit(&specs, "web.socket").body else { panic!() };
    assert_eq!(socket.unit.as_str(), "web@.service");
    unit(&specs, "web@.service");
}

#[test]
fn mounts_and_targets() {
    let specs = good(
        "[mount]\nwhat = \"LABEL=data\"\nwhere = \"/srv/data\"\noptions = [\"ro\", \"noatime\"]\n",
    );
    let Body::Mount(mount) = &unit(&specs, "srv-data.mount").body else { panic!() };
    assert_eq!(&*mount.options, "ro,noatime");
    let specs = good("description = \"All\"\n[target]\n");
    assert_eq!(&*unit(&specs, "web.target").description, "All");
}

#[test]
fn specifiers_are_for_templates() {
    let files = [
        SourceFile::regular(
            "/etc/keelson/units/w@.toml",
            b"command = \"/bin/w %i\"\nenv = { D = \"%%Y\" }\nenabled = false\n",
        ),
        SourceFile::regular(
            "/etc/keelson/units/x.toml",
            b"command = \"/bin/x %i\"\nwants = \"w@one\"\n",
        ),
    ];
    let specs = load(&files, &LoadOptions::default()).specs;
    let words =
        |name| format!("{:?}", unit(&specs, name).service().unwrap().commands.start[0].arguments);
    assert!(words("w@one.service").contains("\"one\""));
    assert!(words("x.service").contains("\"%i\""));
    let one = unit(&specs, "w@one.service").service().unwrap();
    assert_eq!(one.execution.environment[0].1, "%Y".into());
}

#[test]
fn dropins_of_systemd_s_format_apply_to_ours() {
    let files = [
        SourceFile::regular("/etc/keelson/units/w.toml", b"image = \"x\"\n"),
        SourceFile::regular(
            "/etc/systemd/system/w.service.d/a.conf",
            b"[Service]\nNice=3\nMemoryMax=1G\n",
        ),
    ];
    let specs = load(&files, &LoadOptions::default()).specs;
    let service = unit(&specs, "w.service").service().unwrap();
    assert_eq!(service.execution.nice, Some(3));
    assert_eq!(service.resources.memory_max, Some(Amount::Absolute(1 << 30)));
}

#[test]
fn faults_with_their_places() {
    let check = |text: &str, expected: &str| {
        let said = said("web", text);
        assert!(said.iter().any(|line| line.contains(expected)), "{expected}: {said:#?}");
    };
    check("imgae = \"x\"\n", "1:1 the key `imgae` is not known (did you mean `image`?)");
    check(
        "image = \"x\"\n[probes.rediness]\ntcp = 1\n",
        "2:9 the key `rediness` is not known in `probes`",
    );
    check("image = \"x\"\nlimits = { memory = \"lots\" }\n", "2:21 `lots` is no size");
    check(
        "command = \"/x\"\nrestart = \"allways\"\n",
        "2:11 `allways` cannot stand here (did you mean `always`?)",
    );
    check("command = \"/x\"\nports = [80]\n", "2:1 only containers have `ports`");
    check("command = 5\n", "1:11 expected a text or a list of texts, found a whole number");
    check("image = \"x\"\nroot = \"/y\"\n", "2:1 `image` and `root` cannot both be had");
    check("description = \"x\"\n", "the service has no");
    check("a = \n", "1:5");
    check("image = \"x\"\nports = [\"80:80\"]\n", "2:1 ports of a network of its own");
    check("image = \"x\"\n[target]\n", "1:1 `image` has no place in a target unit");
    check(
        "command = \"/x\"\nsandbox = { protect-systm = true }\n",
        "did you mean `protect-system`?",
    );
    check("command = \"/x\"\nsystemd = { CPUAfinity = 1 }\n", "did you mean `CPUAffinity`?");
    check(
        "command = \"/x\"\nconditions = { path-exist = \"/x\" }\n",
        "did you mean `path-exists`?",
    );
    check(
        "image = \"x\"\n[probes]\nliveness = { period = \"1s\" }\n",
        "3:1 a probe tries exactly one thing",
    );
    check("command = \"/x\"\nmounts = [\"data:/x\"]\n", "2:11 only containers have volumes");
    check("command = \"x/y\"\n", "1:11 the program `x/y` is no absolute path");
    check("command = \"/x\"\nwants = \"no such\"\n", "2:9 `no such` is no unit name");
}

/// Every example is loaded, alone and together with the others, without a word.
#[test]
fn examples() {
    let examples = [
        ("agent", include_str!("../../examples/agent.toml")),
        ("alert@", include_str!("../../examples/alert@.toml")),
        ("backup", include_str!("../../examples/backup.toml")),
        ("cache", include_str!("../../examples/cache.toml")),
        ("data", include_str!("../../examples/data.toml")),
        ("database", include_str!("../../examples/database.toml")),
        ("echo", include_str!("../../examples/echo.toml")),
        ("heartbeat", include_str!("../../examples/heartbeat.toml")),
        ("log-collector", include_str!("../../examples/log-collector.toml")),
        ("shop", include_str!("../../examples/shop.toml")),
        ("stack", include_str!("../../examples/stack.toml")),
        ("web", include_str!("../../examples/web.toml")),
    ];
    let file = |(name, text): &(&str, &str)| {
        SourceFile::regular(&format!("/etc/keelson/units/{name}.toml"), text.as_bytes())
    };
    let files: Vec<SourceFile> = examples.iter().map(file).collect();
    let loaded = load(&files, &LoadOptions::default());
    assert_eq!(loaded.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
    for name in ["alert@cache.service", "backup.timer", "srv-data.mount", "stack.target"] {
        unit(&loaded.specs, name);
    }
    unit(&loaded.specs, "echo@.service");
}

const MANUAL: &str = include_str!("../../../docs/units.md");

/// The manual has a row for every key, and none for anything else.
#[test]
fn every_key_is_documented() {
    let mut table = String::new();
    let mut documented = std::collections::BTreeSet::new();
    for line in MANUAL.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            let name = heading.strip_prefix("`[").and_then(|rest| rest.strip_suffix("]`"));
            table = name.map(|name| format!("{name}.")).unwrap_or_default();
        }
        if let Some(key) = line.strip_prefix("| `").and_then(|rest| rest.split_once("` |"))
            && !key.0.starts_with('/')
        {
            documented.insert(format!("{table}{}", key.0));
        }
    }
    let known: std::collections::BTreeSet<String> = super::keys::names().into_iter().collect();
    let lacking: Vec<_> = known.difference(&documented).collect();
    let strange: Vec<_> = documented.difference(&known).collect();
    assert!(lacking.is_empty() && strange.is_empty(), "lacking {lacking:?}, strange {strange:?}");
}

/// The manual's examples say what they should.
#[test]
fn the_manual_s_examples_are_good() {
    let blocks = MANUAL.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut count = 0;
    for text in blocks {
        let name = if text.contains("%i") { "manual@" } else { "manual" };
        let said = read(name, text).diagnostics.into_iter();
        let bad: Vec<_> = said.filter(|d| d.code != crate::diagnostic::Code::UnknownUnit).collect();
        assert!(bad.is_empty(), "{text}\n{}", bad[0]);
        count += 1;
    }
    assert!(count >= 6, "{count} examples");
}
