//! Reads every unit file of the machine and says what they mean. Runs apart from PID 1, because files
//! may lie on a slow disk and their text is not to be trusted.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use units::limits::{UNIT_FILE_BYTES_MAX, UNITS_MAX};
use units::source::{LoadOptions, SourceFile, SourceKind};

use crate::machine::Settings;
use crate::sys::configuration;
use crate::work::{LoadReply, LoadRequest, decode, encode};

/// Where stamps of persistent timers lie.
pub const STAMPS: &str = "/state/timers";

/// The worker.
#[must_use]
pub fn main() -> ExitCode {
    let request = super::request().ok();
    let Some(LoadRequest { mut options }) = request.and_then(|bytes| decode(&bytes).ok()) else {
        return super::fail("unreadable request");
    };
    let hostname: Box<str> = rustix::system::uname().nodename().to_string_lossy().into();
    options.facts.hostname.clone_from(&hostname);
    let files = read_all(&options);
    let loaded = units::load::load(&files, &options);
    let (config, _) = configuration::read();
    let settings = Settings::of(&config, configuration::group_number(&config.access.readers));
    super::answer(&encode(&LoadReply { loaded, stamps: read_stamps(), settings, hostname }))
}

/// Every unit file of the machine, those of the release included.
pub(super) fn read_all(options: &LoadOptions) -> Vec<SourceFile> {
    let mut files = Vec::new();
    for (path, bytes) in crate::shipped::SHIPPED {
        files.push(SourceFile::regular(path, bytes.as_bytes()));
    }
    read_directories(options, &mut files);
    files
}

fn read_directories(options: &LoadOptions, files: &mut Vec<SourceFile>) {
    for directory in &options.directories {
        read_directory(Path::new(&*directory.path), 1, files);
    }
}

/// Files and links of a directory, and of its `.d`, `.wants` and `.requires` directories.
fn read_directory(directory: &Path, depth_left: u32, files: &mut Vec<SourceFile>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if files.len() >= UNITS_MAX {
            eprintln!("more than {UNITS_MAX} unit files: the rest is not read");
            return;
        }
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth_left > 0 => {
                read_directory(&path, depth_left - 1, files);
            }
            Ok(kind) if kind.is_symlink() => files.extend(read_link(&path)),
            Ok(kind) if kind.is_file() => files.extend(read_file(&path)),
            Ok(_) | Err(_) => {}
        }
    }
}

fn read_file(path: &Path) -> Option<SourceFile> {
    Some(SourceFile { path: text(path)?, bytes: read_bounded(path), kind: SourceKind::Regular })
}

fn read_link(path: &Path) -> Option<SourceFile> {
    let target = fs::read_link(path).ok()?;
    let kind = SourceKind::Symlink(text(&target)?);
    let leads_to_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let bytes = if leads_to_file { read_bounded(path) } else { Vec::new() };
    Some(SourceFile { path: text(path)?, bytes, kind })
}

/// One byte more than is allowed is read, so that the loader can say that a file is too large.
fn read_bounded(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let limit = UNIT_FILE_BYTES_MAX as u64 + 1;
    match fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) => eprintln!("cannot read {}: {error}", path.display()),
    }
    bytes
}

fn text(path: &Path) -> Option<Box<str>> {
    Some(path.to_str()?.into())
}

fn read_stamps() -> Vec<(Box<str>, i64)> {
    let Ok(entries) = fs::read_dir(STAMPS) else { return Vec::new() };
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let unix_us = fs::read_to_string(entry.path()).ok()?.trim().parse().ok()?;
        Some((name.into(), unix_us))
    };
    entries.flatten().filter_map(read).collect()
}
