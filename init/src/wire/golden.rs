//! The exact bytes of every request and response: what an older client or another program relies on.
//!
//! A line of `wire/golden.jsonl` that changes is a new version of the wire, unless a field was only added
//! to a response. `UPDATE=1 cargo test -p init golden` rewrites the file.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use units::UnitName;
use units::action::Answer;
use units::note::StateName;
use units::resources::Amount;

use super::apply::{ApplyReport, ApplyRequest, Change, Effect, FieldChange, UnitText};
use super::machine::*;
use super::request::*;
use super::response::*;
use super::status::*;

fn web() -> UnitName {
    UnitName::new("web.service").unwrap()
}

/// One of each variant; the match makes a new variant stop here.
fn requests() -> Vec<Request> {
    let unit = web;
    let all = vec![
        Request::Version,
        Request::Health,
        Request::Metrics,
        Request::Status,
        Request::Show { unit: unit() },
        Request::Cat { unit: unit() },
        Request::Logs,
        Request::LogsWait { appended: 7 },
        Request::BootChart,
        Request::Dump,
        Request::Start { unit: unit(), wait: true },
        Request::Stop { unit: unit(), wait: true },
        Request::Restart { unit: unit(), wait: true, only_if_up: false },
        Request::Reload { unit: unit(), wait: false, or_restart: true },
        Request::Kill { unit: unit(), signal: 15, whom: KillWhom::Main },
        Request::ResetFailed { unit: None },
        Request::Isolate { unit: UnitName::new("rescue.target").unwrap(), wait: true },
        Request::SetLimits { unit: unit(), limits: limits() },
        Request::Exec(exec()),
        Request::ExecSignal { request: 3, signal: 2 },
        Request::Apply(apply()),
        Request::Confirm,
        Request::Revert,
        Request::Reexec,
        Request::Power { kind: PowerKind::Reboot, force: false },
    ];
    for request in &all {
        // The compiler names this place when a variant is added.
        let _ = request.access();
    }
    all
}

fn limits() -> Limits {
    Limits {
        memory_max: Some(Amount::Absolute(128 << 20)),
        cpu_quota_us_per_s: Some(500_000),
        tasks_max: Some(Amount::Unlimited),
        ..Limits::default()
    }
}

fn exec() -> ExecRequest {
    ExecRequest {
        unit: web(),
        arguments: vec!["sh".into(), "-l".into()],
        environment: vec!["TERM=xterm".into()],
        directory: None,
        user: Some("nobody".into()),
        terminal: true,
    }
}

fn apply() -> ApplyRequest {
    let file = |path: &str, link: Option<&str>| UnitText {
        path: path.into(),
        text: "[Unit]\n".into(),
        link: link.map(Into::into),
    };
    ApplyRequest {
        files: vec![file("web.service", None), file("multi.wants/web.service", Some("../web"))],
        whole: false,
        dry_run: true,
        confirm_within_ms: Some(60_000),
    }
}

fn responses() -> Vec<Response> {
    let all = vec![
        Response::Done(Answer::Ok),
        Response::Done(Answer::Failed("exited with 1".into())),
        Response::refused(RefusalKind::Forbidden, "only root may do this"),
        Response::Version(version()),
        Response::Health(health()),
        Response::Metrics(Metrics { turns: 3, ..Metrics::default() }),
        Response::Machine(Box::new(machine())),
        Response::Unit(Box::new(detail())),
        Response::Files(vec![UnitFile { path: "/a".into(), text: "b".into() }]),
        Response::Logs(arena()),
        Response::LogsGrown { appended: 9 },
        Response::BootChart(Box::new(chart())),
        Response::Dump { text: "…".into() },
        Response::Exited(ExecEnd::Code(3)),
        Response::Exited(ExecEnd::NotStarted("no such program".into())),
        Response::Applied(Box::new(report())),
    ];
    for response in &all {
        let _ = response_word(response);
    }
    all
}

/// The compiler names this place when a variant is added: then add it above, too.
fn response_word(response: &Response) -> &'static str {
    match response {
        Response::Done(_) => "done",
        Response::Refused(_) => "refused",
        Response::Version(_) => "version",
        Response::Health(_) => "health",
        Response::Metrics(_) => "metrics",
        Response::Machine(_) => "machine",
        Response::Unit(_) => "unit",
        Response::Files(_) => "files",
        Response::Logs(_) => "logs",
        Response::LogsGrown { .. } => "logs-grown",
        Response::BootChart(_) => "boot-chart",
        Response::Dump { .. } => "dump",
        Response::Exited(_) => "exited",
        Response::Applied(_) => "applied",
    }
}

fn version() -> Version {
    Version {
        keelson: "0.1.0".into(),
        build: "b".into(),
        kernel: "6.1".into(),
        machine_id: "00".into(),
        boot_id: "01".into(),
        reexecs: 1,
        faults: 0,
    }
}

fn clock() -> Clock {
    Clock { now_us: 5, boot_unix_us: -1, utc_offset_s: 3600 }
}

fn health() -> Health {
    Health {
        phase: NodePhase::Serving,
        well: false,
        failed: vec![web()],
        pending: vec![],
        warnings: vec![],
    }
}

fn machine() -> Machine {
    Machine {
        name: "n".into(),
        phase: NodePhase::Booting,
        clock: clock(),
        version: version(),
        group_root: "/sys/fs/cgroup".into(),
        revert_at_us: Some(8),
        warnings: vec!["no state partition".into()],
        units: vec![status()],
    }
}

fn status() -> UnitStatus {
    UnitStatus {
        name: web(),
        description: "The web".into(),
        state: StateName::Backoff,
        wanted: true,
        since_us: 1,
        until_us: Some(2),
        run: 3,
        restarts: 2,
        main_pid: Some(99),
        group: Some("units/web.service:3".into()),
        ready: false,
        says: "busy".into(),
        fault: Some(FaultView { text: "exited with 1".into(), at_us: 1, run: 2 }),
        image: Some("nginx".into()),
        ports: vec![PortView { address: "80".into(), protocol: "tcp".into(), name: "http".into() }],
        next_unix_us: Some(4),
        last_unix_us: Some(3),
        triggers: Some(web()),
        pulls: vec![web()],
        waits_for: vec![web()],
        usage: Some(Usage { memory_bytes: Some(1), ..Usage::default() }),
    }
}

fn detail() -> UnitDetail {
    UnitDetail {
        status: status(),
        spec: serde_json::json!({"name": "web.service"}),
        pulled_by: vec![web()],
        remarks: vec![Remark { severity: "warning".into(), text: "t".into() }],
        state: "Backoff".into(),
    }
}

fn arena() -> LogArena {
    LogArena { bytes: 4096, clock: clock(), boot_id: "01".into(), disk: Some("/state/logs".into()) }
}

fn chart() -> BootChart {
    BootChart {
        init_us: 1,
        steps: vec![BootStep {
            name: "mounts".into(),
            start_us: 1,
            took_us: 2,
            fault: "none".into(),
        }],
        transitions: vec![Transition { unit: web(), at_us: 4, to: StateName::Up }],
        done_us: None,
    }
}

fn report() -> ApplyReport {
    let field = FieldChange { field: "a.b".into(), before: "1".into(), after: "2".into() };
    ApplyReport {
        done: true,
        changes: vec![Change { unit: web(), effect: Effect::Adjusted, fields: vec![field] }],
        unchanged: 3,
        remarks: vec![],
        revert_at_us: Some(6),
    }
}

fn lines<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(all: &[T]) -> String {
    let mut text = String::new();
    for message in all {
        let line = serde_json::to_string(message).unwrap();
        assert_eq!(&serde_json::from_str::<T>(&line).unwrap(), message);
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[test]
fn golden_bytes_of_every_variant() {
    let now = lines(&requests()) + &lines(&responses());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/wire/golden.jsonl");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let was = std::fs::read_to_string(path).unwrap();
    for (line, (was, is)) in was.lines().zip(now.lines()).enumerate() {
        assert_eq!(is, was, "line {} of golden.jsonl", line + 1);
    }
    assert_eq!(was.lines().count(), now.lines().count());
}

/// The first word of a message: the variant's name on the wire.
fn word<T: Serialize>(message: &T) -> String {
    match serde_json::to_value(message).unwrap() {
        Value::String(word) => word,
        Value::Object(fields) => fields.keys().next().unwrap().clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => unreachable!(),
    }
}

/// The words of the first column of the table below a heading of `docs/wire.md`.
fn documented(heading: &str) -> BTreeSet<String> {
    let page = include_str!("../../../docs/wire.md");
    let part = page.split_once(&format!("## {heading}\n")).expect("the heading is there").1;
    let part = part.split("\n## ").next().unwrap();
    part.lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once('`'))
        .map(|(word, _)| word.to_owned())
        .collect()
}

#[test]
fn the_page_names_every_request_and_response() {
    let requests: BTreeSet<String> = requests().iter().map(word).collect();
    assert_eq!(documented("Requests"), requests);
    let responses: BTreeSet<String> = responses().iter().map(word).collect();
    assert_eq!(documented("Responses"), responses);
}

#[test]
fn the_page_tells_reads_from_writes() {
    use super::access::Access;
    let page = include_str!("../../../docs/wire.md");
    for request in requests() {
        let start = format!("| `{}` |", word(&request));
        let line = page.lines().find(|line| line.starts_with(&start)).expect("documented");
        let word = match request.access() {
            Access::Read => "| read |",
            Access::Write => "| write |",
        };
        assert!(line.contains(word), "{line} should contain {word}");
    }
}

#[test]
fn requests_are_strict() {
    let wrong = [
        r#"{"start":{"unit":"web.service","wait":true,"force":true}}"#,
        r#"{"start":{"unit":"web.service"}}"#,
        r#"{"start":{"unit":"../web.service","wait":true}}"#,
        r#"{"set-limits":{"unit":"web.service","limits":{"memory":1}}}"#,
        r#"{"strat":{}}"#,
    ];
    for text in wrong {
        assert!(serde_json::from_str::<Request>(text).is_err(), "{text}");
    }
}

#[test]
fn responses_may_gain_fields() {
    let text = r#"{"logs-grown":{"appended":9,"hint":"new"}}"#;
    assert!(serde_json::from_str::<Response>(text).is_ok());
}
