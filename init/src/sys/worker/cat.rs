//! Reads the files that a unit was made from, for `keelctl unit cat`.

use std::fs;
use std::io::Read;
use std::process::ExitCode;

use units::limits::UNIT_FILE_BYTES_MAX;

use crate::work::{decode, encode};

/// The worker: paths in, paths and texts out.
#[must_use]
pub fn main() -> ExitCode {
    let request = super::request().ok();
    let Some(paths) = request.and_then(|bytes| decode::<Vec<Box<str>>>(&bytes).ok()) else {
        return super::fail("unreadable request");
    };
    let files: Vec<(Box<str>, String)> = paths.into_iter().map(read).collect();
    super::answer(&encode(&files))
}

fn read(path: Box<str>) -> (Box<str>, String) {
    let shipped = crate::shipped::SHIPPED.iter().find(|(shipped, _)| **shipped == *path);
    if let Some((_, text)) = shipped {
        return (path, (*text).to_owned());
    }
    let mut bytes = Vec::new();
    let limit = UNIT_FILE_BYTES_MAX as u64;
    let text = match fs::File::open(&*path).and_then(|f| f.take(limit).read_to_end(&mut bytes)) {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("# cannot be read: {error}\n"),
    };
    (path, text)
}
