//! Collects what there is to say, with the lines that it is about.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic, Severity, quote};
use crate::draft::Origin;
use crate::limits::DIAGNOSTICS_MAX;
use crate::source::SourceFile;
use crate::text::BadValue;
use crate::text::lines::Spot;

/// Everything said so far.
pub(super) struct Remarks<'a> {
    files: &'a [&'a SourceFile],
    list: Vec<Diagnostic>,
    /// Where the lines of a file begin, once something was said about it.
    starts: BTreeMap<usize, Vec<usize>>,
    /// How many were left out because there were too many.
    left_out: usize,
}

impl<'a> Remarks<'a> {
    pub(super) fn new(files: &'a [&'a SourceFile]) -> Remarks<'a> {
        Remarks { files, list: Vec::new(), starts: BTreeMap::new(), left_out: 0 }
    }

    /// A remark with its place.
    pub(super) fn say(&mut self, origin: Origin, severity: Severity, code: Code, bad: &BadValue) {
        if self.list.len() >= DIAGNOSTICS_MAX {
            self.left_out += 1;
            return;
        }
        let Some(source) = self.files.get(origin.file) else { return };
        let Spot { line, column, width } = origin.spot;
        let mut diagnostic = Diagnostic::about(&source.path, severity, code, &bad.message);
        diagnostic.advice = bad.advice.as_str().into();
        (diagnostic.line, diagnostic.column, diagnostic.width) = (line, column, width);
        diagnostic.quote = self.line_of(origin.file, line);
        self.list.push(diagnostic);
    }

    /// A remark about a file as a whole.
    pub(super) fn file(
        &mut self,
        file: usize,
        severity: Severity,
        code: Code,
        message: &str,
        advice: &str,
    ) {
        let origin = Origin::whole(file);
        self.say(origin, severity, code, &BadValue::new(message).advise(advice));
    }

    /// A remark about no file.
    pub(super) fn general(&mut self, severity: Severity, code: Code, message: &str) {
        self.list.push(Diagnostic::about("", severity, code, message));
    }

    /// All remarks by place, each once: instances of one template say the same things.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        if self.left_out > 0 {
            let text = format!("{} more remarks are left out", self.left_out);
            self.general(Severity::Warning, Code::Limit, &text);
        }
        let key = |d: &Diagnostic| (d.file.clone(), d.line, d.column, d.code, d.message.clone());
        self.list.sort_by_cached_key(key);
        self.list.dedup_by(|a, b| key(a) == key(b));
        self.list
    }

    /// A line as written.
    fn line_of(&mut self, file: usize, line: u32) -> Box<str> {
        let bytes = &self.files[file].bytes;
        let starts = self.starts.entry(file).or_insert_with(|| {
            let breaks = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect()
        });
        let index = usize::try_from(line).ok().and_then(|line| line.checked_sub(1));
        let Some(start) = index.and_then(|index| starts.get(index)).copied() else {
            return "".into();
        };
        let rest = &bytes[start..];
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let text = String::from_utf8_lossy(&rest[..end.min(QUOTED)]);
        quote(text.trim_end_matches('\r'))
    }
}

/// More than is shown, less than a line may have.
const QUOTED: usize = 4 * crate::limits::QUOTE_BYTES_MAX;
