//! What people see, word for word: `UPDATE=1 cargo test -p init golden` rewrites the files, a reviewer
//! reads the difference.

use units::UnitName;
use units::note::StateName;

use super::overview::Shown;
use super::paint::Painter;
use super::usage::Process;
use super::{detail, overview};
use crate::wire::status::Usage;
use crate::wire::{
    Clock, FaultView, Machine, NodePhase, PortView, UnitDetail, UnitStatus, Version,
};

const SECOND: u64 = 1_000_000;

fn name(text: &str) -> UnitName {
    UnitName::from_typed(text).unwrap()
}

fn unit(text: &str, state: StateName, description: &str, pulls: &[&str]) -> UnitStatus {
    let wanted = state != StateName::Down;
    UnitStatus {
        name: name(text),
        description: description.to_owned(),
        state,
        wanted,
        since_us: 4 * SECOND,
        until_us: None,
        run: u32::from(wanted),
        restarts: 0,
        main_pid: None,
        group: None,
        ready: state == StateName::Up,
        says: String::new(),
        fault: None,
        image: None,
        ports: Vec::new(),
        next_unix_us: None,
        last_unix_us: None,
        triggers: None,
        pulls: pulls.iter().map(|text| name(text)).collect(),
        waits_for: Vec::new(),
        usage: None,
    }
}

fn using(memory_bytes: u64) -> Option<Usage> {
    Some(Usage { memory_bytes: Some(memory_bytes), tasks: Some(3), ..Usage::default() })
}

/// A machine on which much goes on.
fn machine() -> Machine {
    use StateName::*;
    let system = ["sysinit.target"];
    let mut web = unit("web", Up, "nginx, the front", &system);
    web.pulls.push(name("cache"));
    web.usage = using(12 << 20);
    web.says = "3 workers".to_owned();
    let mut cache = unit("cache", Up, "redis", &system);
    cache.usage = using(4_300_000);
    cache.restarts = 2;
    cache.since_us = 170 * SECOND;
    let mut broken = unit("broken", Failed, "fails for the demo", &system);
    broken.restarts = 5;
    broken.since_us = 40 * SECOND;
    broken.fault = Some(FaultView { text: "exited with 1".into(), at_us: 40 * SECOND, run: 6 });
    let mut flaky = unit("flaky", Backoff, "fails now and then", &system);
    flaky.fault =
        Some(FaultView { text: "killed for lack of memory".into(), at_us: 190 * SECOND, run: 9 });
    flaky.until_us = Some(205 * SECOND);
    flaky.since_us = 190 * SECOND;
    flaky.restarts = 8;
    let mut report = unit("report", Waiting, "reports", &system);
    report.waits_for = vec![name("db")];
    let mut timer = unit("backup.timer", Up, "nightly backup", &["timers.target"]);
    timer.triggers = Some(name("backup"));
    timer.next_unix_us = Some(1_795_233_906_000_000 + 424_000_000);
    let mut db = unit("db", Starting, "postgres", &system);
    db.ready = false;
    Machine {
        name: "demo".to_owned(),
        phase: NodePhase::Serving,
        clock: Clock { now_us: 200 * SECOND, boot_unix_us: 1_795_233_706_000_000, utc_offset_s: 0 },
        version: Version {
            keelson: "0.1.0".to_owned(),
            build: "test".to_owned(),
            kernel: "6.1.0-28-cloud-amd64".to_owned(),
            machine_id: "0".repeat(32),
            boot_id: "1".repeat(32),
            reexecs: 1,
            faults: 1,
        },
        group_root: "/sys/fs/cgroup".to_owned(),
        revert_at_us: Some(245 * SECOND),
        warnings: vec!["no state partition: everything is kept in memory".to_owned()],
        units: vec![
            unit("backup", Down, "copies everything", &[]),
            timer,
            unit("basic.target", Up, "", &["sysinit.target", "timers.target"]),
            broken,
            cache,
            unit("coldplug", Up, "drivers", &[]),
            db,
            flaky,
            unit(
                "multi-user.target",
                Up,
                "",
                &[
                    "backup.timer",
                    "basic.target",
                    "broken",
                    "cache",
                    "db",
                    "flaky",
                    "report",
                    "web",
                ],
            ),
            report,
            unit("shutdown.target", Down, "", &[]),
            unit("sysinit.target", Up, "", &["coldplug"]),
            unit("timers.target", Up, "", &[]),
            web,
        ],
    }
}

fn check(file: &str, text: &str) {
    let path = format!("{}/src/ctl/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(text == expected, "{file}:\n{text}");
}

#[test]
fn golden_status() {
    let machine = machine();
    let tree = Shown::default();
    check("status.txt", &overview::render(&machine, tree, 100, &Painter::SIGNS));
    check("status-ascii.txt", &overview::render(&machine, tree, 80, &Painter::PLAIN));
    let all = Shown { all: true, flat: false };
    check("status-all.txt", &overview::render(&machine, all, 100, &Painter::SIGNS));
    let list = Shown { all: false, flat: true };
    check("status-list.txt", &overview::render(&machine, list, 100, &Painter::SIGNS));
}

#[test]
fn golden_status_of_a_unit() {
    let machine = machine();
    let mut status = machine.units.iter().find(|unit| unit.name == name("web")).unwrap().clone();
    status.usage = Some(Usage {
        memory_bytes: Some(12 << 20),
        memory_max_bytes: Some(128 << 20),
        memory_peak_bytes: Some(19 << 20),
        cpu_us: Some(1_234_567),
        tasks: Some(3),
        read_bytes: Some(2 << 20),
        written_bytes: Some(0),
    });
    status.group = Some("units/web.service:3".to_owned());
    status.run = 3;
    status.restarts = 1;
    status.main_pid = Some(214);
    status.image = Some("nginx:demo".to_owned());
    status.ports =
        vec![PortView { address: "80".into(), protocol: "tcp".into(), name: "http".into() }];
    status.fault = Some(FaultView { text: "exited with 1".into(), at_us: 3 * SECOND, run: 2 });
    let detail = UnitDetail {
        status,
        spec: serde_json::json!({"sources": ["/state/units/web.toml"]}),
        pulled_by: vec![name("multi-user.target")],
        remarks: vec![],
        state: String::new(),
    };
    let process = |pid, parent, command: &str| Process { pid, parent, command: command.to_owned() };
    let processes = [
        process(214, 1, "nginx: master process nginx -g daemon off;"),
        process(219, 214, "nginx: worker process"),
        process(220, 214, "nginx: worker process"),
        process(300, 1, "sh -l"),
    ];
    check("status-unit.txt", &detail::render(&machine, &detail, &processes, 100, &Painter::SIGNS));
}

#[test]
fn golden_help() {
    check("help.txt", &super::help::overview(&Painter::SIGNS));
    let logs = super::verb::find("logs").unwrap();
    check("help-logs.txt", &super::help::explain(logs, &Painter::SIGNS));
}
