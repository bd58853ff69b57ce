//! Real unit files: what Debian's packages ship, and what becomes of every directive in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use units::check::{Checked, Use, check};
use units::systemd::Treatment;
use units::{Diagnostic, LoadOptions, Severity, SourceFile, SourceKind};

/// Where unit files lie in a package.
const DIRECTORIES: [&str; 4] =
    ["lib/systemd/system", "usr/lib/systemd/system", "etc/systemd/system", "run/systemd/system"];
/// The kinds that count.
const SUFFIXES: [&str; 5] = [".service", ".timer", ".socket", ".target", ".mount"];

/// One package's unit files and what was made of them.
#[derive(Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// The files as the loader gets them.
    pub files: Vec<SourceFile>,
    /// What the loader says.
    pub checked: Checked,
}

/// How well a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Every directive is honoured or translated.
    Honoured,
    /// So are all that have a meaning here.
    Meaningful,
    /// The unit is loaded, but something that was asked is not done.
    Partly,
    /// The unit is not loaded.
    Refused,
}

/// Downloads packages into `cache` until their unit files number `wanted`, and loads all of them.
///
/// # Errors
/// When apt cannot download or dpkg-deb not unpack.
pub fn collect(
    names: &[&str],
    wanted: usize,
    cache: &Path,
    mut progress: impl FnMut(&str),
) -> io::Result<Vec<Package>> {
    fs::create_dir_all(cache.join("deb"))?;
    let mut packages = Vec::new();
    let mut distinct: BTreeSet<Vec<u8>> = BTreeSet::new();
    for batch in names.chunks(10) {
        download(batch, cache)?;
        for name in batch {
            let files = read_package(&unpack(name, cache)?)?;
            let new = files.iter().filter(|file| counts(file));
            distinct.extend(new.map(|file| file.bytes.clone()));
            let checked = check(&files, &LoadOptions::default());
            packages.push(Package { name: (*name).to_owned(), files, checked });
            if distinct.len() >= wanted {
                return Ok(packages);
            }
        }
        progress(&format!("{} packages, {} unit files", packages.len(), distinct.len()));
    }
    Ok(packages)
}

/// Whether a file is a unit file of a kind that counts.
fn counts(file: &SourceFile) -> bool {
    let suffix = SUFFIXES.iter().any(|suffix| file.path.ends_with(suffix));
    file.kind == SourceKind::Regular
        && suffix
        && !file.path.contains(".d/")
        && !file.bytes.is_empty()
}

fn download(names: &[&str], cache: &Path) -> io::Result<()> {
    let lacking: Vec<&&str> = names.iter().filter(|name| find_deb(name, cache).is_none()).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let output = Command::new("apt-get")
        .args(["-q", "-o", "APT::Sandbox::User=root", "download"])
        .args(&lacking)
        .current_dir(cache.join("deb"))
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("apt-get download {lacking:?} failed (apt-get update?): {said}")))
}

/// `NAME_VERSION_ARCHITECTURE.deb` of a package.
fn find_deb(name: &str, cache: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(cache.join("deb")).ok()?;
    let prefix = format!("{name}_");
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&prefix)))
        .collect();
    found.sort();
    found.pop()
}

/// Unpacks a package, never installs it.
fn unpack(name: &str, cache: &Path) -> io::Result<PathBuf> {
    let root = cache.join("root").join(name);
    if root.exists() {
        return Ok(root);
    }
    let deb =
        find_deb(name, cache).ok_or_else(|| io::Error::other(format!("no {name} package")))?;
    let partial = cache.join("root").join(format!(".{name}"));
    fs::create_dir_all(&partial)?;
    let status = Command::new("dpkg-deb").arg("-x").arg(deb).arg(&partial).status()?;
    if !status.success() {
        return Err(io::Error::other(format!("dpkg-deb cannot unpack {name}")));
    }
    fs::rename(&partial, &root)?;
    Ok(root)
}

fn read_package(root: &Path) -> io::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for directory in DIRECTORIES {
        read_directory(&root.join(directory), &format!("/{directory}"), &mut files)?;
    }
    Ok(files)
}

fn read_directory(from: &Path, path: &str, files: &mut Vec<SourceFile>) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let path = format!("{path}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            let target = fs::read_link(entry.path())?;
            files.push(SourceFile::symlink(&path, &target.to_string_lossy()));
        } else if kind.is_dir() {
            read_directory(&entry.path(), &path, files)?;
        } else {
            files.push(SourceFile::regular(&path, &fs::read(entry.path())?));
        }
    }
    Ok(())
}

/// What became of one directive over all files.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// In how many files it stands.
    pub files: usize,
    /// What becomes of it, in a word, and why.
    pub treatment: &'static str,
    /// Why, or by what.
    pub reason: String,
}

/// Everything that the report tells.
#[derive(Debug, Default)]
pub struct Report {
    /// Packages looked at.
    pub packages: usize,
    /// Distinct unit files, by verdict.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// Distinct unit files.
    pub files: usize,
    /// Directives by section and name.
    pub directives: BTreeMap<(String, String), Tally>,
    /// The files that are not fully honoured, with the reasons.
    pub shortfalls: Vec<(String, &'static str, Vec<String>)>,
}

/// Counts every distinct unit file once.
#[must_use]
pub fn report(packages: &[Package]) -> Report {
    let mut report = Report { packages: packages.len(), ..Report::default() };
    let mut seen = BTreeSet::new();
    for package in packages {
        for file in package.files.iter().filter(|file| counts(file)) {
            if seen.insert(&file.bytes) {
                add_file(&mut report, package, file);
            }
        }
    }
    report
}

fn add_file(report: &mut Report, package: &Package, file: &SourceFile) {
    let uses: Vec<&Use> = package.checked.uses.iter().filter(|u| u.file == file.path).collect();
    let said: Vec<&Diagnostic> =
        package.checked.diagnostics.iter().filter(|d| d.file == file.path).collect();
    let verdict = verdict(&uses, &said);
    report.files += 1;
    *report.verdicts.entry(verdict.as_str()).or_default() += 1;
    if verdict > Verdict::Meaningful {
        let reasons = said.iter().filter(|d| d.severity > Severity::Note);
        let reasons = reasons.map(|d| d.message.to_string()).collect();
        report.shortfalls.push((
            format!("{}: {}", package.name, file.path),
            verdict.as_str(),
            reasons,
        ));
    }
    let mut once = BTreeSet::new();
    for used in uses {
        let key = (used.section.to_string(), used.name.to_string());
        if once.insert(key.clone()) {
            let (treatment, reason) = words(used.treatment);
            let tally = report.directives.entry(key).or_default();
            tally.files += 1;
            (tally.treatment, tally.reason) = (treatment, reason);
        }
    }
}

fn verdict(uses: &[&Use], said: &[&Diagnostic]) -> Verdict {
    let worst = said.iter().map(|diagnostic| diagnostic.severity).max();
    match worst {
        Some(Severity::Error) => return Verdict::Refused,
        Some(Severity::Warning) => return Verdict::Partly,
        Some(Severity::Note) | None => {}
    }
    let ignored = |used: &&Use| matches!(used.treatment, Some(Treatment::Ignored(_)));
    if uses.iter().any(ignored) { Verdict::Meaningful } else { Verdict::Honoured }
}

impl Verdict {
    /// The word in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Honoured => "fully honoured",
            Verdict::Meaningful => "honoured but for what has no meaning here",
            Verdict::Partly => "loaded, not all honoured",
            Verdict::Refused => "refused",
        }
    }
}

fn words(treatment: Option<Treatment>) -> (&'static str, String) {
    match treatment {
        Some(Treatment::Honoured) => ("honoured", String::new()),
        Some(Treatment::Translated(how)) => ("translated", how.to_owned()),
        Some(Treatment::Ignored(why)) => ("ignored", why.to_owned()),
        Some(Treatment::NotHonoured(why, _)) => ("not honoured", why.to_owned()),
        Some(Treatment::Refused(why, _)) => ("refused", why.to_owned()),
        None => ("unknown", String::new()),
    }
}

impl Report {
    /// The share of files all of whose meaningful directives are honoured, in percent.
    #[must_use]
    pub fn share_percent(&self) -> f64 {
        let good = [Verdict::Honoured, Verdict::Meaningful].map(Verdict::as_str);
        let count: usize = good.iter().filter_map(|word| self.verdicts.get(word)).sum();
        100.0 * f64::from(u32::try_from(count).unwrap_or(0))
            / f64::from(u32::try_from(self.files.max(1)).unwrap_or(1))
    }

    /// For people.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!(
            "# Real unit files\n\n{} distinct unit files of {} Debian packages; {:.1} % of them fully \
             honoured (directives that have no meaning here left out).\n\n| files | |\n|---:|---|\n",
            self.files,
            self.packages,
            self.share_percent()
        );
        for (verdict, count) in &self.verdicts {
            text += &format!("| {count} | {verdict} |\n");
        }
        text += "\n## Directives\n\n| section | directive | files | treatment | why, or by what |\n|---|---|---:|---|---|\n";
        for ((section, name), tally) in &self.directives {
            let Tally { files, treatment, reason } = tally;
            text += &format!("| {section} | {name} | {files} | {treatment} | {reason} |\n");
        }
        text += "\n## Files that are not fully honoured\n\n";
        for (file, verdict, reasons) in &self.shortfalls {
            text += &format!("- `{file}` ({verdict})\n");
            reasons.iter().for_each(|reason| text += &format!("  - {reason}\n"));
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let directives = self.directives.iter().map(|((section, name), tally)| {
            serde_json::json!({
                "section": section, "name": name, "files": tally.files,
                "treatment": tally.treatment, "reason": tally.reason,
            })
        });
        let shortfalls = self.shortfalls.iter().map(|(file, verdict, reasons)| {
            serde_json::json!({ "file": file, "verdict": verdict, "reasons": reasons })
        });
        serde_json::json!({
            "packages": self.packages,
            "files": self.files,
            "share_percent": self.share_percent(),
            "verdicts": self.verdicts,
            "directives": directives.collect::<Vec<_>>(),
            "shortfalls": shortfalls.collect::<Vec<_>>(),
        })
    }
}
