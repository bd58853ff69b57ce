//! Explaining unit files to their author, on any machine.

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::load::load;
use crate::name::{UnitKind, UnitName};
use crate::source::{LoadOptions, SourceFile};
use crate::spec::Spec;
use crate::systemd::{Treatment, find};
use crate::text::lines::{Spot, scan};
use crate::text::path;

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Everything that there is to say, by file and line.
    pub diagnostics: Vec<Diagnostic>,
    /// Every assignment of files in systemd's format, in order.
    pub uses: Vec<Use>,
    /// What the files come to.
    pub specs: Vec<Spec>,
}

/// One assignment of a file in systemd's format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The file.
    pub file: Box<str>,
    /// Where the directive's name stands.
    pub spot: Spot,
    /// Its section.
    pub section: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What becomes of it; `None`: it is not known.
    pub treatment: Option<Treatment>,
}

impl Checked {
    /// The worst of what was found.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.diagnostics.iter().map(|diagnostic| diagnostic.severity).max()
    }
}

/// Checks files that need not be a whole machine's: units that they name and that are not among
/// them are only noted.
#[must_use]
pub fn check(files: &[SourceFile], options: &LoadOptions) -> Checked {
    let loaded = load(files, options);
    let mut diagnostics = loaded.diagnostics;
    for diagnostic in diagnostics.iter_mut().filter(|d| d.code == Code::UnknownUnit) {
        diagnostic.severity = Severity::Note;
    }
    let uses = files.iter().flat_map(uses_of).collect();
    Checked { diagnostics, uses, specs: loaded.specs }
}

/// The assignments of a unit file or drop-in; none of other files.
fn uses_of(file: &SourceFile) -> Vec<Use> {
    let (Some(kind), Ok(text)) = (kind_of(&file.path), std::str::from_utf8(&file.bytes)) else {
        return Vec::new();
    };
    let recognised = |entry: crate::text::lines::Entry| Use {
        file: file.path.clone(),
        spot: entry.key_spot,
        treatment: find(kind, &entry.section, &entry.key).map(|row| row.treatment),
        section: entry.section,
        name: entry.key,
    };
    let entries = scan(text).entries.into_iter();
    let extension = |name: &str| name.starts_with("X-") && name != "X-Fleet";
    let ours = entries.filter(|entry| !extension(&entry.section) && !extension(&entry.key));
    ours.map(recognised).collect()
}

/// The kind of unit that a path belongs to: by its own name, or for a drop-in its directory's.
fn kind_of(file: &str) -> Option<UnitKind> {
    let (parent, name) = path::split_name(file);
    if let Ok(unit) = UnitName::new(name) {
        return Some(unit.kind());
    }
    let (_, owner) = path::split_name(parent);
    let owner = owner.strip_suffix(".d").filter(|_| name.ends_with(".conf"))?;
    let suffix = owner.rsplit_once('.').map_or(owner, |(_, suffix)| suffix);
    UnitKind::from_suffix(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_by_itself() {
        let text =
            b"[Unit]\nRequires=other.service\n[Service]\nExecStart=/a\nSlice=x.slice\nNope=1\n";
        let checked = check(&[SourceFile::regular("web.service", text)], &LoadOptions::default());
        assert_eq!(checked.worst(), Some(Severity::Warning));
        let notes = checked.diagnostics.iter().filter(|d| d.severity == Severity::Note);
        assert_eq!(notes.count(), 2);
        let treatments: Vec<_> = checked.uses.iter().map(|used| used.treatment).collect();
        assert_eq!(treatments[1], Some(Treatment::Honoured));
        assert!(matches!(treatments[2], Some(Treatment::Ignored(_))));
        assert_eq!(treatments[3], None);
    }

    #[test]
    fn a_dropin_belongs_to_its_unit() {
        assert_eq!(kind_of("/x/a.timer.d/b.conf"), Some(UnitKind::Timer));
        assert_eq!(kind_of("service.d/b.conf"), Some(UnitKind::Service));
        assert_eq!(kind_of("/x/a.toml"), None);
    }
}
