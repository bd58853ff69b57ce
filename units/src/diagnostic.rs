//! What is wrong with a unit file, where, and what to do about it.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::limits::QUOTE_BYTES_MAX;

/// One remark about a unit file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The file, as it was given; empty when it is about no single file.
    pub file: Box<str>,
    /// From 1; 0: the file as a whole.
    pub line: u32,
    /// In characters, from 1; 0: the file as a whole.
    pub column: u32,
    /// How many characters the remark is about.
    pub width: u32,
    /// How bad it is.
    pub severity: Severity,
    /// The class of the remark, stable for programs.
    pub code: Code,
    /// What is wrong.
    pub message: Box<str>,
    /// What to do about it; may be empty.
    pub advice: Box<str>,
    /// The line as written; may be empty.
    pub quote: Box<str>,
}

/// How bad a remark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know; nothing is lost.
    Note,
    /// The unit is loaded, but not all that was written has effect.
    Warning,
    /// The unit is not loaded, or cannot start as it is written.
    Error,
}

/// The classes of remarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The text has not the shape of a unit file.
    Syntax,
    /// A section that we do not know.
    UnknownSection,
    /// A directive or key that we do not know.
    UnknownDirective,
    /// A value that the directive cannot have.
    BadValue,
    /// A directive that we know and do not honour.
    NotHonoured,
    /// A directive that has no meaning here.
    Meaningless,
    /// Something that a unit must have is lacking.
    Missing,
    /// Two settings that cannot both be had.
    Contradiction,
    /// A unit that is named and does not exist.
    UnknownUnit,
    /// A kind of unit that we do not have.
    UnknownKind,
    /// Units that must each start before the other.
    Cycle,
    /// More than a limit allows.
    Limit,
    /// A file that is hidden by another or has no effect.
    Shadowed,
    /// A symbolic link that leads nowhere or in a circle.
    BadLink,
}

impl Severity {
    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }

    /// The colour on a terminal (ECMA-48).
    fn paint(self) -> &'static str {
        match self {
            Severity::Note => "\x1b[1;36m",
            Severity::Warning => "\x1b[1;33m",
            Severity::Error => "\x1b[1;31m",
        }
    }
}

impl Code {
    /// The name as it stands in `--json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Syntax => "syntax",
            Code::UnknownSection => "unknown-section",
            Code::UnknownDirective => "unknown-directive",
            Code::BadValue => "bad-value",
            Code::NotHonoured => "not-honoured",
            Code::Meaningless => "meaningless",
            Code::Missing => "missing",
            Code::Contradiction => "contradiction",
            Code::UnknownUnit => "unknown-unit",
            Code::UnknownKind => "unknown-kind",
            Code::Cycle => "cycle",
            Code::Limit => "limit",
            Code::Shadowed => "shadowed",
            Code::BadLink => "bad-link",
        }
    }
}

impl Diagnostic {
    /// A remark about a file as a whole.
    #[must_use]
    pub fn about(file: &str, severity: Severity, code: Code, message: &str) -> Diagnostic {
        Diagnostic {
            file: file.into(),
            line: 0,
            column: 0,
            width: 0,
            severity,
            code,
            message: message.into(),
            advice: "".into(),
            quote: "".into(),
        }
    }

    /// The remark as a person reads it, with the line and a mark under the place.
    ///
    /// `coloured` adds terminal colours. Control characters of the file are shown as dots.
    #[must_use]
    pub fn render(&self, coloured: bool) -> String {
        let (paint, plain) = if coloured { (self.severity.paint(), "\x1b[0m") } else { ("", "") };
        let word = self.severity.as_str();
        let mut text =
            format!("{paint}{word}[{}]{plain}: {}\n", self.code.as_str(), visible(&self.message));
        text.push_str(&self.render_place(paint, plain));
        if !self.advice.is_empty() {
            text.push_str(&format!("   = help: {}\n", visible(&self.advice)));
        }
        text
    }

    fn render_place(&self, paint: &str, plain: &str) -> String {
        if self.file.is_empty() {
            return String::new();
        }
        if self.line == 0 {
            return format!("  --> {}\n", visible(&self.file));
        }
        let mut text = format!("  --> {}:{}:{}\n", visible(&self.file), self.line, self.column);
        if self.quote.is_empty() {
            return text;
        }
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let blank = " ".repeat(self.column.saturating_sub(1) as usize);
        let room = self.quote.chars().count().saturating_sub(blank.len()).max(1);
        let marks = "^".repeat((self.width as usize).clamp(1, room));
        text.push_str(&format!(" {margin} |\n {number} | {}\n", visible(&self.quote)));
        text.push_str(&format!(" {margin} | {blank}{paint}{marks}{plain}\n"));
        text
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// The text with everything that a terminal would act upon made visible; tabs become one space,
/// so that the mark stands under its place.
fn visible(text: &str) -> String {
    let plain = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => '·',
        c => c,
    };
    text.chars().map(plain).collect()
}

/// A line cut to what is worth showing.
pub(crate) fn quote(line: &str) -> Box<str> {
    let mut end = line.len().min(QUOTE_BYTES_MAX);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line[..end].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_under_the_place() {
        let remark = Diagnostic {
            line: 7,
            column: 9,
            width: 9,
            advice: "one of no, always".into(),
            quote: "Restart=sometimes".into(),
            ..Diagnostic::about("web.service", Severity::Error, Code::BadValue, "no such policy")
        };
        let expected = "error[bad-value]: no such policy\n  --> web.service:7:9\n   |\n 7 | \
                        Restart=sometimes\n   |         ^^^^^^^^^\n   = help: one of no, always\n";
        assert_eq!(remark.to_string(), expected);
    }
}
