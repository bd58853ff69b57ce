//! Where fetched and made things are kept: `keelson/` inside Cargo's target folder.
//!
//! Everything in it can be deleted at any time; it is made again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Fault;

/// The folder of fetched and made things.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache of this workspace, created when it is missing.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn open() -> Result<Cache, Fault> {
        let root = target_folder().join("keelson");
        let cache = Cache { root };
        make_folder(&cache.root)?;
        Ok(cache)
    }

    /// A path inside the cache; its parent exists afterwards.
    ///
    /// # Errors
    /// When the parent cannot be created.
    pub fn path(&self, name: &str) -> Result<PathBuf, Fault> {
        let path = self.root.join(name);
        if let Some(parent) = path.parent() {
            make_folder(parent)?;
        }
        Ok(path)
    }

    /// A folder inside the cache, created when it is missing.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn folder(&self, name: &str) -> Result<PathBuf, Fault> {
        let path = self.root.join(name);
        make_folder(&path)?;
        Ok(path)
    }
}

/// The folder of the workspace: where its `Cargo.toml` is.
pub fn workspace_folder() -> PathBuf {
    let boot = Path::new(env!("CARGO_MANIFEST_DIR"));
    boot.parent().expect("the crate lies in a folder of the workspace").to_path_buf()
}

/// Cargo's target folder: `CARGO_TARGET_DIR`, or `target` in the workspace.
pub fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace_folder().join(folder),
        None => workspace_folder().join("target"),
    }
}

/// Writes `bytes` so that a reader sees the old file or the whole new one, never a part.
///
/// # Errors
/// When the file cannot be written or put in its place.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let part = part_of(path);
    fs::write(&part, bytes).map_err(Fault::file("write", &part))?;
    fs::rename(&part, path).map_err(Fault::file("put in place", path))
}

/// The name under which `path` is written before it is complete. Two processes may make the same
/// thing at the same time (tests run beside each other), and so may two threads of one.
pub fn part_of(path: &Path) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}-{number}.part", std::process::id()));
    path.with_file_name(name)
}

pub(crate) fn make_folder(path: &Path) -> Result<(), Fault> {
    fs::create_dir_all(path).map_err(Fault::file("create", path))
}
