//! Probes, in Kubernetes' words.

use std::time::Duration;

use super::limits::port;
use crate::native::reader::{Fault, Key, Reader, count, expected, key, table};
use crate::native::tree::{Item, Node};
use crate::probe::{Probe, ProbeAction};
use crate::text::{BadValue, path};

pub(super) const PROBES: &[Key] = &[
    key("readiness", |r, v| {
        r.draft.service.probes.readiness = Some(probe(r, v, Duration::from_secs(1))?);
        Ok(())
    }),
    key("liveness", |r, v| {
        r.draft.service.probes.liveness = Some(probe(r, v, Duration::from_secs(10))?);
        Ok(())
    }),
    key("startup", |r, v| {
        r.draft.service.probes.startup = Some(probe(r, v, Duration::from_secs(1))?);
        Ok(())
    }),
];

pub(super) fn probes(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.descend(item, &[PROBES])
}

/// For the list of all keys: what a probe may have. Their values are read by [`probe`].
pub(super) const PROBE: &[Key] = &[
    key("http", |_, _| Ok(())),
    key("tcp", |_, _| Ok(())),
    key("exec", |_, _| Ok(())),
    key("file", |_, _| Ok(())),
    key("initial-delay", |_, _| Ok(())),
    key("period", |_, _| Ok(())),
    key("timeout", |_, _| Ok(())),
    key("success-threshold", |_, _| Ok(())),
    key("failure-threshold", |_, _| Ok(())),
];

fn probe(r: &mut Reader<'_>, item: &Item, period: Duration) -> Result<Box<Probe>, Fault> {
    let action = ProbeAction::File { path: "".into() };
    let mut probe = Probe {
        action,
        initial_delay: Duration::ZERO,
        period,
        timeout: Duration::from_secs(1),
        success_threshold: 1,
        failure_threshold: 3,
    };
    let parts = table(item)?;
    r.inside(item, |r| r.walk_names(parts, PROBE));
    let mut actions = 0;
    for part in parts {
        let value = &part.value;
        match &*part.key {
            "initial-delay" => probe.initial_delay = r.span(value)?,
            "period" => probe.period = r.span(value)?.max(PERIOD_MIN),
            "timeout" => probe.timeout = r.span(value)?.max(PERIOD_MIN),
            "success-threshold" => probe.success_threshold = count(value, 1, 1000)?,
            "failure-threshold" => probe.failure_threshold = count(value, 1, 1000)?,
            _ => {
                if let Some(action) = action_of(r, part)? {
                    probe.action = action;
                    actions += 1;
                }
            }
        }
    }
    if actions != 1 {
        let bad = BadValue::new("a probe tries exactly one thing");
        return Err((item.key_spot, bad.advise("give it one of http, tcp, exec, file")));
    }
    Ok(Box::new(probe))
}

/// Nothing is asked more often.
const PERIOD_MIN: Duration = Duration::from_millis(10);
const LOOPBACK: &str = "127.0.0.1";

fn action_of(r: &Reader<'_>, part: &Item) -> Result<Option<ProbeAction>, Fault> {
    Ok(Some(match &*part.key {
        "http" => http(r, part)?,
        "tcp" => tcp(r, part)?,
        "exec" => ProbeAction::Exec { command: command(r, part)? },
        "file" => {
            let text = r.text(&part.value)?;
            let path = path::absolute(&text).map_err(|bad| (part.value.spot, bad))?;
            ProbeAction::File { path }
        }
        _ => return Ok(None),
    }))
}

/// A port, `"host:port"`, or a table.
fn tcp(r: &Reader<'_>, part: &Item) -> Result<ProbeAction, Fault> {
    match &part.value.node {
        Node::Integer(_) => {
            Ok(ProbeAction::Tcp { host: LOOPBACK.into(), port: port(&part.value)? })
        }
        Node::Text(text) => {
            let (host, port) = host_and_port(text, part)?;
            Ok(ProbeAction::Tcp { host, port })
        }
        Node::Table(table) => {
            let (mut host, mut number) = (LOOPBACK.into(), None);
            for item in table {
                match &*item.key {
                    "host" => host = r.text(&item.value)?.into(),
                    "port" => number = Some(port(&item.value)?),
                    _ => return Err(unknown(item, "host, port")),
                }
            }
            let port = number.ok_or_else(|| lacking(part, "port"))?;
            Ok(ProbeAction::Tcp { host, port })
        }
        other => Err(expected(&part.value, "a port", other)),
    }
}

fn host_and_port(text: &str, part: &Item) -> Result<(Box<str>, u16), Fault> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
        let bad = BadValue::new(format!("`{text}` has no port"));
        (part.value.spot, bad.advise("write `host:port`"))
    })?;
    Ok((if host.is_empty() { LOOPBACK.into() } else { host.into() }, port))
}

/// A port, an address such as `"http://:8080/health"`, or a table.
fn http(r: &Reader<'_>, part: &Item) -> Result<ProbeAction, Fault> {
    match &part.value.node {
        Node::Integer(_) => Ok(ProbeAction::Http {
            host: LOOPBACK.into(),
            port: port(&part.value)?,
            path: "/".into(),
            headers: Vec::new(),
        }),
        Node::Text(text) => http_address(text, part),
        Node::Table(table) => http_table(r, part, table),
        other => Err(expected(&part.value, "a port, an address or a table", other)),
    }
}

fn http_address(text: &str, part: &Item) -> Result<ProbeAction, Fault> {
    if text.starts_with("https:") {
        let bad = BadValue::new("probes do not speak TLS");
        return Err((part.value.spot, bad.advise("use `tcp`, or `exec` with a program that does")));
    }
    let rest = text.strip_prefix("http://").unwrap_or(text);
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let with_port =
        if authority.contains(':') { authority.into() } else { format!("{authority}:80") };
    let (host, port) = host_and_port(&with_port, part)?;
    let path = checked_path(path, part)?;
    Ok(ProbeAction::Http { host, port, path, headers: Vec::new() })
}

fn http_table(r: &Reader<'_>, part: &Item, table: &[Item]) -> Result<ProbeAction, Fault> {
    let (mut host, mut number, mut path) = (LOOPBACK.into(), None, "/".into());
    let mut headers = Vec::new();
    for item in table {
        match &*item.key {
            "host" => host = r.text(&item.value)?.into(),
            "port" => number = Some(port(&item.value)?),
            "path" => path = checked_path(&r.text(&item.value)?, item)?,
            "headers" => {
                for header in crate::native::reader::table(item)? {
                    let value = r.text(&header.value)?;
                    headers.push((one_line(&header.key, header)?, one_line(&value, header)?));
                }
            }
            _ => return Err(unknown(item, "host, port, path, headers")),
        }
    }
    let port = number.ok_or_else(|| lacking(part, "port"))?;
    Ok(ProbeAction::Http { host, port, path, headers })
}

/// A line break would end the request early.
fn one_line(text: &str, item: &Item) -> Result<Box<str>, Fault> {
    if text.chars().any(char::is_control) {
        return Err((item.value.spot, BadValue::new("control characters cannot stand here")));
    }
    Ok(text.into())
}

fn checked_path(text: &str, item: &Item) -> Result<Box<str>, Fault> {
    if !text.starts_with('/') || text.contains(' ') {
        let bad = BadValue::new(format!("`{text}` is no path of a request"));
        return Err((item.value.spot, bad.advise("begin it with `/`; write `%20` for a blank")));
    }
    one_line(text, item)
}

fn command(r: &Reader<'_>, part: &Item) -> Result<Vec<Box<str>>, Fault> {
    let words = super::process::words_of(r, &part.value)?;
    if words.is_empty() {
        return Err((part.value.spot, BadValue::new("the command is empty")));
    }
    Ok(words.into_iter().map(String::into_boxed_str).collect())
}

fn unknown(item: &Item, known: &str) -> Fault {
    let bad = BadValue::new(format!("the key `{}` is not known here", item.key));
    (item.key_spot, bad.advise(format!("known are {known}")))
}

fn lacking(item: &Item, key: &str) -> Fault {
    (item.value.spot, BadValue::new(format!("`{key}` is lacking")))
}
