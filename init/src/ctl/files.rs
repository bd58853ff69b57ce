//! Unit files that a person names: single ones, drop-ins, directories.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use units::UnitKind;
use units::limits::{UNIT_FILE_BYTES_MAX, UNITS_MAX};
use units::source::{SourceFile, SourceKind, UnitDirectory};

use super::failure::{Code, Failure};

/// One file that was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// As the loader wants it, with its path as the person named it.
    pub(crate) file: SourceFile,
    /// Its name below the directory of units: `web.toml`, `web.service.d/memory.conf`.
    pub(crate) name: String,
}

/// Suffixes of directories that belong to a unit.
const COMPANIONS: [&str; 3] = [".d", ".wants", ".requires"];

/// Finds all that the operands name.
pub(crate) fn find(operands: &[String]) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    for operand in operands {
        let path = Path::new(operand);
        let metadata = fs::symlink_metadata(path).map_err(|error| unreadable(path, &error))?;
        if path.is_dir() {
            let inside = !is_companion(path);
            let before = found.len();
            let prefix = if inside { String::new() } else { format!("{}/", file_name(path)) };
            read_directory(path, &prefix, inside, &mut found)?;
            if found.len() == before {
                return Err(Failure::new(
                    Code::Failed,
                    format!("there is no unit file in {operand}"),
                )
                .advise("unit files end in .toml, .service, .timer, .socket, .target or .mount"));
            }
        } else {
            let kind = metadata.file_type();
            let parent = path.parent().filter(|parent| is_companion(parent));
            let prefix = parent.map_or(String::new(), |parent| format!("{}/", file_name(parent)));
            found.push(read(path, &prefix, kind.is_symlink())?);
        }
    }
    Ok(found)
}

/// The directories in which they lie: units there are part of the boot by their `[Install]`.
pub(crate) fn directories(found: &[Found]) -> Vec<UnitDirectory> {
    let mut paths: Vec<&str> = found
        .iter()
        .filter_map(|found| found.file.path.strip_suffix(found.name.as_str())?.strip_suffix('/'))
        .collect();
    paths.sort_unstable();
    paths.dedup();
    let given = paths.into_iter().map(|path| UnitDirectory { path: path.into(), enables: true });
    let shipped = UnitDirectory { path: "/usr/lib/keelson/units".into(), enables: true };
    given.chain([shipped]).collect()
}

fn read_directory(
    directory: &Path,
    prefix: &str,
    deeper: bool,
    found: &mut Vec<Found>,
) -> Result<(), Failure> {
    let entries = fs::read_dir(directory).map_err(|error| unreadable(directory, &error))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if found.len() >= UNITS_MAX {
            return Err(Failure::new(Code::NotApplicable, format!("more than {UNITS_MAX} files")));
        }
        let link = path.is_symlink();
        if path.is_dir() && !link {
            if deeper && is_companion(&path) {
                let prefix = format!("{}/", file_name(&path));
                read_directory(&path, &prefix, false, found)?;
            }
        } else if is_unit_file(&path, !prefix.is_empty()) {
            found.push(read(&path, prefix, link)?);
        }
    }
    Ok(())
}

fn read(path: &Path, prefix: &str, link: bool) -> Result<Found, Failure> {
    let name = format!("{prefix}{}", file_name(path));
    let target = fs::read_link(path).ok().filter(|_| link);
    let kind = match &target {
        Some(target) => SourceKind::Symlink(target.to_string_lossy().into()),
        None => SourceKind::Regular,
    };
    let bytes = match read_bounded(path) {
        Ok(bytes) => bytes,
        // A link may lead to nowhere here and to something there, as `/dev/null` does.
        Err(_) if target.is_some() => Vec::new(),
        Err(error) => return Err(unreadable(path, &error)),
    };
    Ok(Found { file: SourceFile { path: path.to_string_lossy().into(), bytes, kind }, name })
}

/// One byte more than is allowed is read, so that the loader can say that a file is too large.
fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if fs::metadata(path)?.is_file() {
        let limit = UNIT_FILE_BYTES_MAX as u64 + 1;
        fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn is_unit_file(path: &Path, in_companion: bool) -> bool {
    let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
    let known = suffix == "toml" || UnitKind::from_suffix(suffix).is_some();
    (known || in_companion && suffix == "conf") && !file_name(path).starts_with('.')
}

fn is_companion(path: &Path) -> bool {
    COMPANIONS.iter().any(|suffix| file_name(path).ends_with(suffix))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::Failed, format!("cannot read {}: {error}", path.display()))
}
