//! Lines of systemd's format (systemd.syntax(7)): sections, assignments, comments, continuations.

use super::BadValue;
use crate::limits::UNIT_ENTRIES_MAX;

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Line; 0: the file as a whole.
    pub line: u32,
    /// Column.
    pub column: u32,
    /// How many characters.
    pub width: u32,
}

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The section it stands in.
    pub section: Box<str>,
    /// The left-hand side.
    pub key: Box<str>,
    /// Where that stands.
    pub key_spot: Spot,
    /// The right-hand side, continuation lines joined by blanks, blanks at both ends taken off.
    pub value: String,
    /// From which offset of the value on it stands where: (offset, line, column).
    pieces: Vec<(usize, u32, u32)>,
}

/// What a file says, line by line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// All assignments, in order.
    pub entries: Vec<Entry>,
    /// All section headers, in order.
    pub sections: Vec<(Box<str>, Spot)>,
    /// Lines that are neither.
    pub faults: Vec<(Spot, BadValue)>,
    /// Which of them began like a section header.
    broken_headers: Vec<Spot>,
}

impl Lines {
    /// Whether the faulty line there began like a section header.
    #[must_use]
    pub fn is_header(&self, spot: &Spot) -> bool {
        self.broken_headers.contains(spot)
    }
}

impl Entry {
    /// Where a part of the value stands; a length of 0 means all from the offset on.
    #[must_use]
    pub fn spot(&self, offset: usize, length: usize) -> Spot {
        let at = offset.min(self.value.len());
        let piece = self.pieces.iter().rev().find(|(start, ..)| *start <= at);
        let Some((start, line, column)) = piece.copied() else { return self.key_spot };
        let following = self.pieces.iter().map(|(start, ..)| *start).find(|start| *start > at);
        let end = following.unwrap_or(self.value.len());
        let end = if length == 0 { end } else { end.min(at.saturating_add(length)) };
        let count = |from, to| {
            let part = self.value.get(from..to).unwrap_or("");
            u32::try_from(part.trim_end().chars().count()).unwrap_or(0)
        };
        let before = self.value.get(start..at).map_or(0, |part| part.chars().count());
        let before = u32::try_from(before).unwrap_or(0);
        Spot { line, column: column + before, width: count(at, end) }
    }
}

/// A line that may go on in the next: its text with the places of its pieces.
#[derive(Default)]
struct Logical {
    text: String,
    pieces: Vec<(usize, u32, u32)>,
}

/// Reads a file. Faults of single lines do not keep the rest from being read.
#[must_use]
pub fn scan(text: &str) -> Lines {
    let mut lines = Lines::default();
    let mut section: Option<Box<str>> = None;
    let mut open: Option<Logical> = None;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, physical) in (1u32..).zip(text.split('\n')) {
        let bare = physical.trim_start_matches(blank);
        if bare.starts_with(['#', ';']) {
            continue;
        }
        let column = 1 + count_chars(&physical[..physical.len() - bare.len()]);
        let mut logical = open.take().unwrap_or_default();
        logical.pieces.push((logical.text.len(), number, column));
        let bare = bare.trim_end_matches('\r');
        match unfinished(bare) {
            Some(part) => {
                logical.text.push_str(part);
                logical.text.push(' ');
                open = Some(logical);
            }
            None => {
                logical.text.push_str(bare);
                take(&mut lines, &mut section, logical);
            }
        }
    }
    if let Some(logical) = open {
        take(&mut lines, &mut section, logical);
    }
    lines
}

fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r')
}

fn count_chars(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

/// The line without its last backslash, if that is not itself escaped.
fn unfinished(line: &str) -> Option<&str> {
    let slashes = line.bytes().rev().take_while(|b| *b == b'\\').count();
    (slashes % 2 == 1).then(|| &line[..line.len() - 1])
}

fn take(lines: &mut Lines, section: &mut Option<Box<str>>, logical: Logical) {
    let text = logical.text.trim_matches(blank);
    if text.is_empty() {
        return;
    }
    let spot = whole(&logical, text);
    if text.starts_with('[') {
        match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => {
                *section = Some(name.into());
                lines.sections.push((name.into(), spot));
            }
            None => {
                lines.broken_headers.push(spot);
                lines.faults.push((spot, BadValue::new("the section header has no `]`")));
            }
        }
        return;
    }
    match assignment(section.as_deref(), &logical, spot) {
        Ok(_) if lines.entries.len() == UNIT_ENTRIES_MAX => {
            let text = format!("more than {UNIT_ENTRIES_MAX} assignments in one file");
            lines.faults.push((spot, BadValue::new(text)));
        }
        Ok(entry) => lines.entries.push(entry),
        Err(bad) => lines.faults.push((spot, bad)),
    }
}

fn whole(logical: &Logical, text: &str) -> Spot {
    let (_, line, column) = logical.pieces[0];
    let first_line = match logical.pieces.get(1) {
        Some((end, ..)) => logical.text[..*end].trim_end(),
        None => text,
    };
    Spot { line, column, width: count_chars(first_line) }
}

fn assignment(section: Option<&str>, logical: &Logical, spot: Spot) -> Result<Entry, BadValue> {
    let (left, right) = logical.text.split_once('=').ok_or_else(|| {
        BadValue::new("the line is neither a section header nor an assignment")
            .advise("write `[Section]` or `Directive=value`; comments begin with `#`")
    })?;
    let key = left.trim_matches(blank);
    if key.is_empty() {
        return Err(BadValue::new("the line has nothing before `=`"));
    }
    let section = section.ok_or_else(|| {
        BadValue::new("the assignment stands before any section")
            .advise("put a header such as `[Unit]` or `[Service]` above it")
    })?;
    let value = right.trim_matches(blank);
    let start = left.len() + 1 + (right.len() - right.trim_start_matches(blank).len());
    Ok(Entry {
        section: section.into(),
        key: key.into(),
        key_spot: Spot { width: count_chars(key), ..spot },
        value: value.to_owned(),
        pieces: pieces_from(logical, start),
    })
}

/// The places of the pieces as seen from the value, which begins at `start` of the line.
fn pieces_from(logical: &Logical, start: usize) -> Vec<(usize, u32, u32)> {
    let mut pieces = Vec::new();
    for (index, (from, line, column)) in logical.pieces.iter().enumerate() {
        let end = logical.pieces.get(index + 1).map_or(logical.text.len(), |next| next.0);
        if end < start || (end == start && end < logical.text.len()) {
            continue;
        }
        let skipped = logical.text.get(*from..start).map_or(0, count_chars);
        pieces.push((from.saturating_sub(start), *line, column + skipped));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_with_their_places() {
        let lines = scan("# c\n[Service]\nExecStart = /bin/a \\\n  # no\n   b\\\n c\nType=x\\\\\n");
        assert_eq!(lines.faults, []);
        let start = &lines.entries[0];
        assert_eq!((&*start.section, &*start.key), ("Service", "ExecStart"));
        assert_eq!(start.value, "/bin/a  b c");
        assert_eq!(start.spot(0, 6), Spot { line: 3, column: 13, width: 6 });
        let b = start.value.find('b').unwrap();
        let b = start.value[b + 1..].find('b').map_or(b, |at| at + b + 1);
        assert_eq!(start.spot(b, 1), Spot { line: 5, column: 4, width: 1 });
        assert_eq!(lines.entries[1].value, "x\\\\");
    }

    #[test]
    fn faults_spare_the_rest() {
        let lines = scan("A=1\n[Unit\n[Unit]\nnothing\n=x\nB = 2\r\n");
        let found: Vec<u32> = lines.faults.iter().map(|(spot, _)| spot.line).collect();
        assert_eq!(found, [1, 2, 4, 5]);
        assert_eq!(lines.entries[0].value, "2");
    }

    #[test]
    fn the_value_may_begin_on_a_later_line() {
        let lines = scan("[S]\nA=\\\n  x \\\n  y\n");
        assert_eq!(lines.entries[0].value, "x  y");
        assert_eq!(lines.entries[0].spot(0, 1), Spot { line: 3, column: 3, width: 1 });
        assert_eq!(lines.entries[0].spot(3, 1), Spot { line: 4, column: 3, width: 1 });
    }
}
