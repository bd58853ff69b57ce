//! The store's directory: `member/` with the log's segments, snapshots, who the member is, and a lock.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::etcd::identity::Identity;
use crate::limits::STORE_FILE_BYTES_MAX;

const IDENTITY: &str = "identity";

/// Where a segment of the log is.
pub(super) fn segment_path(directory: &Path, segment: u64) -> PathBuf {
    directory.join(format!("{segment:016x}.log"))
}

/// Where a snapshot is.
pub(super) fn snapshot_path(directory: &Path, file: u64) -> PathBuf {
    directory.join(format!("{file:016x}.snap"))
}

/// Makes names durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The directory, for this process alone.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    _lock: File,
}

/// What was found in it.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) identity: Option<Identity>,
    pub(super) segments: Vec<(u64, Vec<u8>)>,
    pub(super) snapshots: Vec<(u64, Vec<u8>)>,
}

impl Directory {
    /// Makes the directory if there is none, and locks it.
    pub(super) fn open(data: &Path) -> Result<Self, String> {
        let path = data.join("member");
        let told = |why: io::Error| format!("data directory {}: {why}", path.display());
        let is_new = !path.exists();
        fs::create_dir_all(&path).map_err(told)?;
        if is_new {
            sync_directory(data).map_err(told)?;
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let lock = options.open(path.join("lock")).map_err(told)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| format!("data directory {}: another process uses it", path.display()))?;
        Ok(Self { path, _lock: lock })
    }

    /// Reads all of it.
    pub(super) fn read(&self) -> Result<Found, String> {
        let told = |why: io::Error| format!("data directory {}: {why}", self.path.display());
        let mut found = Found::default();
        for entry in fs::read_dir(&self.path).map_err(told)? {
            let entry = entry.map_err(told)?;
            let name = entry.file_name();
            let Some((stem, kind)) = name.to_str().and_then(|name| name.split_once('.')) else {
                continue;
            };
            let Ok(number) = u64::from_str_radix(stem, 16) else { continue };
            match kind {
                "log" => found.segments.push((number, read(&entry.path())?)),
                "snap" => found.snapshots.push((number, read(&entry.path())?)),
                _ => {}
            }
        }
        found.segments.sort_unstable_by_key(|(number, _)| *number);
        found.snapshots.sort_unstable_by_key(|(number, _)| *number);
        found.identity = self.identity(!found.segments.is_empty())?;
        Ok(found)
    }

    fn identity(&self, is_needed: bool) -> Result<Option<Identity>, String> {
        let path = self.path.join(IDENTITY);
        match fs::read_to_string(&path) {
            Ok(text) => match Identity::decode(&text) {
                Some(identity) => Ok(Some(identity)),
                None => Err(format!("{}: not what this release writes", path.display())),
            },
            Err(why) if why.kind() == io::ErrorKind::NotFound && !is_needed => Ok(None),
            Err(why) => Err(format!("{}: {why}", path.display())),
        }
    }

    /// Keeps who the member is, durably, before it writes anything else.
    pub(super) fn keep(&self, identity: Identity) -> io::Result<()> {
        let new = self.path.join("identity.new");
        let mut file = File::create(&new)?;
        file.write_all(identity.encode().as_bytes())?;
        file.sync_all()?;
        fs::rename(new, self.path.join(IDENTITY))?;
        sync_directory(&self.path)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let told = |why: io::Error| format!("{}: {why}", path.display());
    let file = File::open(path).map_err(told)?;
    let size = file.metadata().map_err(told)?.len();
    if size > STORE_FILE_BYTES_MAX {
        return Err(format!("{}: {size} bytes are more than any file has", path.display()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(STORE_FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(told)?;
    Ok(bytes)
}
