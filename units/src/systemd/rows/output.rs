//! Standard streams and logging (systemd.exec(5)).

use crate::draft::Draft;
use crate::execution::{Input, Output};
use crate::limits::VALUE_BYTES_MAX;
use crate::systemd::setting::{Setting, fill, put};
use crate::systemd::{Directive, Place, Treatment, lists, passive, row};
use crate::text::{BadValue, base64, path};

pub(super) const ROWS: &[Directive] = &[
    row(Place::Process, "StandardInput", |d, s| {
        d.stdin_given = true;
        put(&mut d.execution.stdin, input(s))
    }),
    row(Place::Process, "StandardOutput", |d, s| put(&mut d.execution.stdout, output(s))),
    row(Place::Process, "StandardError", |d, s| put(&mut d.execution.stderr, output(s))),
    row(Place::Process, "StandardInputText", |d, s| {
        let text = s.text()?;
        add_input(d, &lists::unescaped(&text)?, "\n")
    })
    .group("StandardInputData"),
    row(Place::Process, "StandardInputData", |d, s| {
        let bytes =
            base64::decode(s.value).ok_or_else(|| BadValue::new("the value is no Base64"))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| BadValue::new("only text can be passed in").advise("use `file:PATH`"))?;
        add_input(d, &text, "")
    }),
    row(Place::Process, "TTYPath", |d, s| fill(&mut d.execution.tty_path, s.path())),
    passive(Place::Process, "TTYReset", NO_CONSOLES),
    passive(Place::Process, "TTYVHangup", NO_CONSOLES),
    passive(Place::Process, "TTYVTDisallocate", NO_CONSOLES),
    passive(Place::Process, "TTYColumns", NO_SIZE),
    passive(Place::Process, "TTYRows", NO_SIZE),
    row(Place::Process, "SyslogIdentifier", |d, s| fill(&mut d.execution.log_name, s.text())),
    passive(Place::Process, "SyslogFacility", NO_LEVELS),
    passive(Place::Process, "SyslogLevel", NO_LEVELS),
    passive(Place::Process, "SyslogLevelPrefix", NO_LEVELS),
    passive(Place::Process, "LogLevelMax", NO_LEVELS),
    passive(
        Place::Process,
        "LogExtraFields",
        Treatment::Ignored("log lines have no further fields"),
    ),
    passive(Place::Process, "LogRateLimitIntervalSec", QUOTA),
    passive(Place::Process, "LogRateLimitBurst", QUOTA),
    passive(
        Place::Process,
        "LogFilterPatterns",
        Treatment::NotHonoured("every line is kept", "filter when reading: `keelctl logs --grep`"),
    ),
    passive(Place::Process, "LogNamespace", Treatment::Ignored("each unit's log is apart already")),
];

const NO_CONSOLES: Treatment =
    Treatment::Ignored("a terminal is handed over anew to each process that gets it");
const NO_SIZE: Treatment =
    Treatment::NotHonoured("the terminal's size stays as it is", "set it from the program");
const NO_LEVELS: Treatment = Treatment::Ignored("the log has no levels or facilities");
const QUOTA: Treatment = Treatment::Ignored("a chatty unit loses its own lines first, by bytes");

fn input(s: &mut Setting<'_>) -> Result<Input, BadValue> {
    let text = s.text()?;
    if let Some(path) = text.strip_prefix("file:") {
        return path::absolute(path).map(Input::File);
    }
    if let Some(name) = text.strip_prefix("fd:") {
        return Ok(Input::Descriptor(name.into()));
    }
    match &*text {
        "null" => Ok(Input::Null),
        "tty" => Ok(Input::Tty { force: false, fail: false }),
        "tty-force" => Ok(Input::Tty { force: true, fail: false }),
        "tty-fail" => Ok(Input::Tty { force: false, fail: true }),
        "socket" => Ok(Input::Socket),
        "fd" => Ok(Input::Descriptor("stdin".into())),
        "data" => Ok(Input::Bytes("".into())),
        _ => Err(BadValue::new(format!("`{text}` is no standard input"))
            .advise("write null, tty, tty-force, tty-fail, socket, data, file:PATH or fd:NAME")),
    }
}

fn output(s: &mut Setting<'_>) -> Result<Output, BadValue> {
    let text = s.text()?;
    let (kind, rest) = text.split_once(':').unwrap_or((&text, ""));
    match (kind, rest) {
        ("file", path) => path::absolute(path).map(Output::File),
        ("append", path) => path::absolute(path).map(Output::Append),
        ("truncate", path) => path::absolute(path).map(Output::Truncate),
        ("fd", "") => {
            Ok(Output::Descriptor(s.name.replace("Standard", "std").to_lowercase().into()))
        }
        ("fd", name) => Ok(Output::Descriptor(name.into())),
        ("inherit", "") => Ok(Output::Inherit),
        ("null", "") => Ok(Output::Null),
        ("tty", "") => Ok(Output::Tty),
        ("journal" | "syslog", "") => Ok(Output::Log),
        ("kmsg", "") => Ok(Output::Kmsg),
        ("journal+console" | "syslog+console" | "kmsg+console", "") => Ok(Output::LogAndConsole),
        ("socket", "") => Ok(Output::Socket),
        _ => Err(BadValue::new(format!("`{text}` is no standard output")).advise(
            "write journal, journal+console, kmsg, null, inherit, tty, socket, file:PATH, \
             append:PATH, truncate:PATH or fd:NAME",
        )),
    }
}

fn add_input(d: &mut Draft, text: &str, end: &str) -> Result<(), BadValue> {
    let input = d.input.get_or_insert_default();
    input.push_str(text);
    input.push_str(end);
    if input.len() > VALUE_BYTES_MAX {
        return Err(BadValue::new(format!("the input is longer than {VALUE_BYTES_MAX} bytes"))
            .advise("put it into a file: `StandardInput=file:PATH`"));
    }
    Ok(())
}
