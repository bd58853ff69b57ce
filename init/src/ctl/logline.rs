//! One line of a log, as a person or a program reads it.

use serde::Serialize;

use std::collections::BTreeMap;

use super::human;
use super::note::Note;
use super::paint::{Colour, Painter};
use crate::logs::merge::Item;
use crate::logs::{KERNEL, Line, OWN, Stream};

/// The shapes of a line.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Format {
    /// For people; `true`: to a terminal, which must not be told what to do by a log.
    Text(Painter, bool),
    /// Only what was written.
    Raw,
    /// One object per line.
    Json,
}

/// Turns lines into text.
#[derive(Debug)]
pub(crate) struct Printer {
    format: Format,
    /// Lines are of several sources: each says of which.
    named: bool,
    /// Nothing but notes: they stand in columns.
    events: bool,
    utc_offset_s: i32,
}

/// A line as JSON.
#[derive(Serialize)]
struct JsonLine<'a> {
    time: String,
    unix_us: i64,
    source: &'a str,
    stream: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<JsonEvent<'a>>,
    text: std::borrow::Cow<'a, str>,
}

/// A note taken apart.
#[derive(Serialize)]
struct JsonEvent<'a> {
    unit: &'a str,
    what: &'a str,
    #[serde(flatten)]
    fields: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    said: &'a str,
}

#[derive(Serialize)]
struct JsonGap<'a> {
    time: String,
    unix_us: i64,
    source: &'a str,
    lost_lines: u64,
}

impl Printer {
    pub(crate) fn new(format: Format, named: bool, utc_offset_s: i32) -> Printer {
        Printer { format, named, events: false, utc_offset_s }
    }

    /// For nothing but notes.
    pub(crate) fn for_events(format: Format, utc_offset_s: i32) -> Printer {
        Printer { format, named: false, events: true, utc_offset_s }
    }

    /// The text of one item, with its line end.
    pub(crate) fn line(&self, source: &str, item: &Item) -> String {
        match (self.format, item) {
            (Format::Json, item) => json(source, item),
            (Format::Raw, Item::Line(line)) => {
                format!("{}\n", String::from_utf8_lossy(&line.text))
            }
            (Format::Raw, Item::Gap { .. }) => String::new(),
            (Format::Text(paint, terminal), Item::Line(line)) => {
                let text = String::from_utf8_lossy(&line.text);
                match Note::parse(&text).filter(|_| line.stream == Stream::Note) {
                    Some(note) => self.note(&note, source, line.unix_us, paint),
                    None => self.text(source, line, paint, terminal),
                }
            }
            (Format::Text(paint, _), Item::Gap { lines, unix_us }) => {
                let head = self.head(source, *unix_us, paint);
                let are = if *lines == 1 { "line is" } else { "lines are" };
                let said =
                    format!("{lines} {are} lost here: written faster than they could be kept");
                format!("{head}{}\n", paint.paint(Colour::Yellow, &said))
            }
        }
    }

    fn note(&self, note: &Note<'_>, source: &str, unix_us: i64, paint: Painter) -> String {
        if self.events {
            let time = paint.dim(&human::log_time(unix_us, self.utc_offset_s));
            return format!("{time}  {}\n", note.event(&paint));
        }
        format!("{}{}\n", self.head(source, unix_us, paint), note.aside(&paint))
    }

    fn text(&self, source: &str, line: &Line, paint: Painter, terminal: bool) -> String {
        let head = self.head(source, line.unix_us, paint);
        let plain = String::from_utf8_lossy(&line.text);
        let plain = plain.strip_suffix('\r').unwrap_or(&plain);
        let text = if terminal { tame(plain, paint.is_coloured()) } else { plain.to_owned() };
        let text = match (line.stream, line.priority) {
            (_, Some(0..=3)) => paint.paint(Colour::Red, &text),
            (_, Some(4)) => paint.paint(Colour::Yellow, &text),
            (Stream::Note, _) => paint.dim(&text),
            (Stream::Stderr, _) if !text.contains('\x1b') => paint.paint(Colour::Yellow, &text),
            (Stream::Stdout | Stream::Stderr, _) => text,
        };
        let cut = if line.partial { paint.dim(paint.sign("↩", "\\")) } else { String::new() };
        format!("{head}{text}{cut}\n")
    }

    fn head(&self, source: &str, unix_us: i64, paint: Painter) -> String {
        let time = paint.dim(&human::log_time(unix_us, self.utc_offset_s));
        if !self.named {
            return format!("{time}  ");
        }
        const WIDTH: usize = 12;
        let short = source.strip_suffix(".service").unwrap_or(source);
        format!("{time}  {}  ", paint.paint(colour_of(source), &format!("{short:WIDTH$}")))
    }
}

/// Always the same colour for the same source.
fn colour_of(source: &str) -> Colour {
    const COLOURS: [Colour; 5] =
        [Colour::Cyan, Colour::Green, Colour::Magenta, Colour::Blue, Colour::Yellow];
    if source == KERNEL || source == OWN {
        return Colour::Dim;
    }
    let sum: usize = source.bytes().map(usize::from).sum();
    COLOURS[sum % COLOURS.len()]
}

/// What a terminal may be sent: text, tabs, and colours if it shows any. Everything else that it would act
/// upon is made visible.
fn tame(text: &str, coloured: bool) -> String {
    let mut tamed = String::with_capacity(text.len());
    let mut rest = text;
    let mut painted = false;
    while let Some(letter) = rest.chars().next() {
        if let Some(colour) = colour_sequence(rest) {
            if coloured {
                tamed.push_str(colour);
                painted = true;
            }
            rest = &rest[colour.len()..];
            continue;
        }
        let visible = letter == '\t' || !letter.is_control();
        tamed.push(if visible { letter } else { '·' });
        rest = &rest[letter.len_utf8()..];
    }
    if painted {
        tamed.push_str("\x1b[0m");
    }
    tamed
}

/// `ESC [ … m` at the beginning of a text.
fn colour_sequence(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("\x1b[")?;
    let length = inner.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    inner[length..].starts_with('m').then(|| &text[..length + 3])
}

fn json_line(source: &str, line: &Line, time: String) -> serde_json::Result<String> {
    let text = String::from_utf8_lossy(&line.text);
    let note = Note::parse(&text).filter(|_| line.stream == Stream::Note);
    let event = note.map(|note| JsonEvent {
        unit: note.unit,
        what: note.what,
        fields: note.fields,
        said: note.text,
    });
    serde_json::to_string(&JsonLine {
        time,
        unix_us: line.unix_us,
        source,
        stream: line.stream.as_str(),
        priority: line.priority,
        partial: line.partial,
        event,
        text: text.clone(),
    })
}

fn json(source: &str, item: &Item) -> String {
    let time = human::rfc3339(item.unix_us());
    let text = match item {
        Item::Line(line) => json_line(source, line, time),
        Item::Gap { lines, unix_us } => {
            serde_json::to_string(&JsonGap { time, unix_us: *unix_us, source, lost_lines: *lines })
        }
    };
    format!("{}\n", text.expect("texts and numbers are JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &[u8]) -> Item {
        Item::Line(Line {
            number: 1,
            unix_us: 1_795_233_906_123_456,
            stream: Stream::Stdout,
            priority: None,
            partial: false,
            text: text.to_vec(),
        })
    }

    #[test]
    fn a_log_does_not_rule_the_terminal() {
        assert_eq!(tame("a\x1b[2Jb\x07\tc", true), "a·[2Jb·\tc");
        assert_eq!(tame("\x1b[1;31mred\x1b[m x", true), "\x1b[1;31mred\x1b[m x\x1b[0m");
        assert_eq!(tame("\x1b[31mred", false), "red");
        assert_eq!(tame("\x1b]0;title\x07", true), "·]0;title·");
    }

    #[test]
    fn shapes() {
        let text = Printer::new(Format::Text(Painter::SIGNS, true), true, 0);
        assert_eq!(
            text.line("web.service", &line(b"hello\r")),
            "11-21 04:05:06.123  web           hello\n"
        );
        let json = Printer::new(Format::Json, true, 0);
        assert_eq!(
            json.line("web.service", &line(b"\xff\"")),
            "{\"time\":\"2026-11-21T04:05:06.123456Z\",\"unix_us\":1795233906123456,\"source\":\"web.service\",\
             \"stream\":\"stdout\",\"text\":\"\u{fffd}\\\"\"}\n"
        );
        let gap = Item::Gap { lines: 7, unix_us: 0 };
        assert!(
            text.line("web.service", &gap)
                .ends_with("7 lines are lost here: written faster than they could be kept\n")
        );
    }
}
