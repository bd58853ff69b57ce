//! Changes the unit files of the machine as a whole, or says what that would change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use units::load::{Loaded, load};
use units::source::{LoadOptions, SourceFile, SourceKind};
use units::{Diagnostic, Severity};

use crate::difference;
use crate::paths::{RUN_UNITS, RUN_UNITS_BEFORE, STATE_UNITS, STATE_UNITS_BEFORE};
use crate::sys::worker::load::read_all;
use crate::wire::status::Remark;
use crate::wire::{ApplyReport, ApplyRequest, UnitText};
use crate::work::{ApplyOrder, ApplyWish, decode, encode};

/// The worker.
#[must_use]
pub fn main() -> ExitCode {
    let request = super::request().ok();
    let Some(order) = request.and_then(|bytes| decode::<ApplyOrder>(&bytes).ok()) else {
        return super::fail("unreadable request");
    };
    let place = Place::find();
    let report = match &order.wish {
        ApplyWish::Apply { request, keep_before } => match serde_json::from_str(request) {
            Ok(request) => apply(&place, &request, *keep_before, &order.options),
            Err(error) => Err(error.to_string()),
        },
        ApplyWish::Revert => revert(&place, &order.options),
        ApplyWish::Confirm => forget(&place.before).map(|()| ApplyReport::default()),
    };
    match report {
        Ok(report) => {
            // The report is the wire's own type, which goes as JSON.
            let text = serde_json::to_string(&report).expect("a report is plain text and numbers");
            super::answer(&encode(&text))
        }
        Err(why) => super::fail(&why),
    }
}

/// The administrator's unit files, and how they were before the last change.
struct Place {
    now: PathBuf,
    before: PathBuf,
}

impl Place {
    /// On the state partition, or in memory where there is none.
    fn find() -> Place {
        let (now, before) = match crate::sys::state::is_present() {
            true => (STATE_UNITS, STATE_UNITS_BEFORE),
            false => (RUN_UNITS, RUN_UNITS_BEFORE),
        };
        Place { now: now.into(), before: before.into() }
    }
}

fn apply(
    place: &Place,
    request: &ApplyRequest,
    keep_before: bool,
    options: &LoadOptions,
) -> Result<ApplyReport, String> {
    for file in &request.files {
        check_path(&file.path)?;
    }
    let files = read_all(options);
    let planned = replaced(&files, place, request);
    let mut report = compare(&files, &planned, options, &place.now);
    let refused = report.remarks.iter().any(|remark| remark.severity == "error");
    if request.dry_run || refused || report.changes.is_empty() && !differs(&files, &planned) {
        return Ok(report);
    }
    let said = |error: io::Error| format!("cannot change {}: {error}", place.now.display());
    if !keep_before {
        forget(&place.before)?;
        copy_tree(&place.now, &place.before).map_err(said)?;
    }
    write_files(place, request).map_err(said)?;
    report.done = true;
    Ok(report)
}

fn revert(place: &Place, options: &LoadOptions) -> Result<ApplyReport, String> {
    if !place.before.exists() {
        return Err("there is nothing to go back to".to_owned());
    }
    let files = read_all(options);
    let said = |error: io::Error| format!("cannot go back: {error}");
    let aside = place.before.with_extension("undone");
    forget(&aside)?;
    fs::rename(&place.now, &aside).map_err(said)?;
    fs::rename(&place.before, &place.now).map_err(said)?;
    let mut report = compare(&files, &read_all(options), options, &place.now);
    forget(&aside)?;
    report.done = true;
    Ok(report)
}

/// A file of the directory itself, or of a drop-in directory in it.
fn check_path(path: &str) -> Result<(), String> {
    let parts: Vec<&str> = path.split('/').collect();
    let plain = parts.iter().all(|part| !part.is_empty() && !part.starts_with('.'));
    let shape = match parts.as_slice() {
        [_] => true,
        [directory, _] => {
            [".d", ".wants", ".requires"].iter().any(|suffix| directory.ends_with(suffix))
        }
        _ => false,
    };
    match plain && shape {
        true => Ok(()),
        false => Err(format!("{path:?} is no name of a unit file or drop-in")),
    }
}

/// The machine's files as they would be.
fn replaced(files: &[SourceFile], place: &Place, request: &ApplyRequest) -> Vec<SourceFile> {
    let prefix = format!("{}/", place.now.display());
    let given = |file: &&SourceFile| {
        request.files.iter().any(|new| Some(&*new.path) == file.path.strip_prefix(&*prefix))
    };
    let goes = |file: &&SourceFile| given(file) || request.whole && file.path.starts_with(&*prefix);
    let mut planned: Vec<SourceFile> = files.iter().filter(|f| !goes(f)).cloned().collect();
    planned.extend(request.files.iter().map(|file| source_file(&prefix, file)));
    planned
}

fn source_file(prefix: &str, file: &UnitText) -> SourceFile {
    let kind = match &file.link {
        Some(link) => SourceKind::Symlink(link.as_str().into()),
        None => SourceKind::Regular,
    };
    let path = format!("{prefix}{}", file.path).into();
    SourceFile { path, bytes: file.text.clone().into_bytes(), kind }
}

fn differs(before: &[SourceFile], after: &[SourceFile]) -> bool {
    let sorted = |files: &[SourceFile]| {
        let mut files = files.to_vec();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    };
    sorted(before) != sorted(after)
}

fn compare(
    before: &[SourceFile],
    after: &[SourceFile],
    options: &LoadOptions,
    place: &Path,
) -> ApplyReport {
    let (old, new): (Loaded, Loaded) = (load(before, options), load(after, options));
    let about = |remark: &&Diagnostic| Path::new(&*remark.file).starts_with(place);
    let told = new.diagnostics.iter().filter(about).filter(|r| r.severity != Severity::Note);
    ApplyReport {
        done: false,
        changes: difference::between(&old.specs, &new.specs),
        unchanged: difference::unchanged(&old.specs, &new.specs),
        remarks: told.map(remark).collect(),
        revert_at_us: None,
    }
}

fn remark(remark: &Diagnostic) -> Remark {
    Remark { severity: remark.severity.as_str().to_owned(), text: remark.to_string() }
}

fn write_files(place: &Place, request: &ApplyRequest) -> io::Result<()> {
    if request.whole && place.now.exists() {
        fs::remove_dir_all(&place.now)?;
    }
    for file in &request.files {
        let path = place.now.join(&file.path);
        fs::create_dir_all(path.parent().unwrap_or(&place.now))?;
        let new = path.with_file_name(".new");
        // Left over from a worker that was interrupted here.
        let _ = fs::remove_file(&new);
        match &file.link {
            Some(link) => std::os::unix::fs::symlink(link, &new)?,
            None => fs::write(&new, &file.text)?,
        }
        fs::rename(&new, &path)?;
    }
    fs::create_dir_all(&place.now)?;
    fs::File::open(&place.now)?.sync_all()
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type()? {
            kind if kind.is_dir() => copy_tree(&from, &to)?,
            kind if kind.is_symlink() => std::os::unix::fs::symlink(fs::read_link(from)?, to)?,
            _ => drop(fs::copy(from, to)?),
        }
    }
    Ok(())
}

fn forget(path: &Path) -> Result<(), String> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
