//! Notes about units: one line each in keelson's log, `unit web up from=starting run=3 cause="started"`.
//! For people they are told in words, for programs taken apart.

use std::collections::BTreeMap;

use units::service::Signal;
use units::text::signal;

use super::paint::{Colour, Painter, harmless};

/// A note, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note<'a> {
    /// The unit, without `.service`.
    pub(crate) unit: &'a str,
    /// What happened: a state, `exited`, `out-of-memory` …
    pub(crate) what: &'a str,
    /// The rest.
    pub(crate) fields: BTreeMap<&'a str, &'a str>,
    /// Text that stands without a name.
    pub(crate) text: &'a str,
}

impl<'a> Note<'a> {
    /// Takes a line apart; `None` if it is no note.
    pub(crate) fn parse(line: &'a str) -> Option<Note<'a>> {
        let (unit, rest) = line.strip_prefix("unit ")?.split_once(' ')?;
        let (what, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut note = Note { unit, what, fields: BTreeMap::new(), text: "" };
        while !rest.is_empty() {
            // What is quoted is the last thing, and may have quotes in it.
            if let Some(text) = rest.strip_prefix('"') {
                note.text = text.strip_suffix('"').unwrap_or(text);
                break;
            }
            let (key, value) = rest.split_once('=')?;
            if let Some(quoted) = value.strip_prefix('"') {
                note.fields.insert(key, quoted.strip_suffix('"').unwrap_or(quoted));
                break;
            }
            let (value, after) = value.split_once(' ').unwrap_or((value, ""));
            note.fields.insert(key, value);
            rest = after;
        }
        Some(note)
    }

    fn field(&self, key: &str) -> &'a str {
        self.fields.get(key).copied().unwrap_or_default()
    }

    /// What happened in words: a short one, and why.
    pub(crate) fn words(&self) -> (String, String) {
        let said = |text: &str| harmless(text);
        match self.what {
            "exited" => ("exited".to_owned(), self.end()),
            "out-of-memory" => {
                let killed = match self.field("kills") {
                    "1" => "1 process".to_owned(),
                    count => format!("{count} processes"),
                };
                ("out of memory".to_owned(), format!("the kernel killed {killed}"))
            }
            "healthy" | "unhealthy" => {
                (self.what.to_owned(), format!("says its {} probe", self.field("probe")))
            }
            "says" | "warning" => (self.what.to_owned(), said(self.text)),
            state => (state.to_owned(), said(self.field("cause"))),
        }
    }

    fn end(&self) -> String {
        if let Some(code) = self.fields.get("code") {
            return format!("with code {code}");
        }
        if let Some(number) = self.fields.get("signal") {
            let name =
                number.parse().map_or_else(|_| (*number).to_owned(), |n| signal::name(Signal(n)));
            let core = if self.field("core") == "true" { ", with a core" } else { "" };
            return format!("by {name}{core}");
        }
        match self.fields.get("step") {
            Some(step) => {
                format!("before it was set up: step {step}, errno {}", self.field("errno"))
            }
            None => "how is not known".to_owned(),
        }
    }

    /// Whether it is worth a line among those of its unit: not what is only on its way.
    pub(crate) fn is_milestone(&self) -> bool {
        !matches!(self.what, "waiting" | "starting" | "stopping" | "reloading")
    }

    /// How much it matters.
    pub(crate) fn colour(&self) -> Colour {
        match self.what {
            "up" | "healthy" => Colour::Green,
            "failed" | "out-of-memory" | "warning" => Colour::Red,
            "backoff" | "unhealthy" => Colour::Yellow,
            "exited" if self.field("code") != "0" => Colour::Yellow,
            _ => Colour::Dim,
        }
    }

    /// The note as a line of a table of events.
    pub(crate) fn event(&self, paint: &Painter) -> String {
        let (what, why) = self.words();
        let run = match self.field("run") {
            "" | "0" => String::new(),
            run => format!("run {run}"),
        };
        let unit = paint.name(&format!("{:<16}", self.unit));
        let what = paint.paint(self.colour(), &format!("{what:<13}"));
        format!("{unit}  {what}  {}  {why}", paint.dim(&format!("{run:<7}")))
    }

    /// The note among the lines of its unit.
    pub(crate) fn aside(&self, paint: &Painter) -> String {
        let (what, why) = self.words();
        let dash = paint.sign("—", "--");
        let between = match (why.is_empty(), self.what) {
            (true, _) => "",
            (false, "exited") => " ",
            (false, _) => ": ",
        };
        let text = format!("{dash} {} {what}{between}{why}", self.unit);
        paint.paint(self.colour(), &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_taken_apart() {
        let note =
            Note::parse("unit web up from=starting run=3 cause=\"it said \"ready\"\"").unwrap();
        assert_eq!((note.unit, note.what), ("web", "up"));
        assert_eq!(note.fields["from"], "starting");
        assert_eq!(note.fields["cause"], "it said \"ready\"");
        assert_eq!(Note::parse("unit web says run=3 \"a=b c\"").unwrap().text, "a=b c");
        assert_eq!(Note::parse("keelson 0.1.0 on demo"), None);
        assert_eq!(Note::parse("unit web"), None);
    }

    #[test]
    fn notes_in_words() {
        let event = |line: &str| Note::parse(line).unwrap().event(&Painter::PLAIN);
        assert_eq!(
            event("unit web exited run=3 signal=9 core=false"),
            "web               exited         run 3    by SIGKILL"
        );
        assert_eq!(
            event("unit web failed from=up run=3 cause=\"exited with code 1\""),
            "web               failed         run 3    exited with code 1"
        );
        let aside = |line: &str| Note::parse(line).unwrap().aside(&Painter::PLAIN);
        assert_eq!(aside("unit web exited run=3 code=3"), "-- web exited with code 3");
        assert_eq!(
            aside("unit web out-of-memory run=3 kills=2"),
            "-- web out of memory: the kernel killed 2 processes"
        );
    }
}
