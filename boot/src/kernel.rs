//! A distribution's kernel, fetched as a package and unpacked without installing it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::apt::Apt;
use crate::cache::{Cache, part_of};
use crate::{Fault, tool, vmlinux};

/// Which of the distribution's kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// The small one for virtual machines.
    Cloud,
    /// The one with drivers for real machines.
    Metal,
}

impl Flavour {
    /// The packages that stand for the newest kernel of this kind: Debian's name, then Ubuntu's.
    fn packages(self) -> [&'static str; 2] {
        match self {
            Flavour::Cloud => ["linux-image-cloud-amd64", "linux-image-virtual"],
            Flavour::Metal => ["linux-image-amd64", "linux-image-generic"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Flavour::Cloud => "cloud",
            Flavour::Metal => "metal",
        }
    }
}

/// A kernel and its modules, ready to be packed.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Its release, as `uname -r` prints it.
    pub version: String,
    /// The compressed image that boot loaders take.
    pub image: PathBuf,
    /// The same uncompressed, which an emulator starts faster; the image where that is not known.
    pub fast: PathBuf,
    /// The tree `lib/modules/VERSION`.
    pub modules: PathBuf,
}

/// The kernel of that flavour, fetched when the cache does not have it.
///
/// # Errors
/// When apt cannot fetch it or its package does not hold a kernel.
pub fn fetch(cache: &Cache, flavour: Flavour) -> Result<Kernel, Fault> {
    let key = format!("kernel-{}", flavour.name());
    let packages = Apt::new(cache).fetch(&key, |apt| resolve(apt, flavour))?;
    let folder = cache.path(&format!("kernels/{}", key_of(&packages)))?;
    if !folder.is_dir() {
        unpack(&packages, &folder)?;
    }
    open(&folder)
}

/// The package with the image, and the one with the modules where they are apart (Ubuntu).
fn resolve(apt: &mut Apt<'_>, flavour: Flavour) -> Result<Vec<String>, Fault> {
    let known = apt.show(&flavour.packages())?;
    for meta in flavour.packages() {
        if let Some(package) = known.iter().find(|package| package.name == meta) {
            let depends = package.depends.iter();
            return Ok(depends.filter(|name| holds_kernel(name)).cloned().collect());
        }
    }
    let names = flavour.packages().join(" nor ");
    Err(Fault::malformed("apt", format!("knows neither {names}: check its sources")))
}

fn holds_kernel(name: &str) -> bool {
    let parts = ["linux-image-", "linux-modules-"];
    parts.iter().any(|part| {
        name.strip_prefix(part).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

fn key_of(packages: &[PathBuf]) -> String {
    let first = packages.first().and_then(|path| path.file_stem()).unwrap_or_default();
    first.to_string_lossy().into_owned()
}

fn unpack(packages: &[PathBuf], folder: &Path) -> Result<(), Fault> {
    let part = part_of(folder);
    for package in packages {
        tool::output(tool::command("dpkg-deb").arg("-x").arg(package).arg(&part))?;
    }
    match fs::rename(&part, folder) {
        Ok(()) => Ok(()),
        // Another process was first with the same thing.
        Err(_) if folder.is_dir() => {
            fs::remove_dir_all(&part).map_err(Fault::file("remove", &part))
        }
        Err(error) => Err(Fault::file("put in place", folder)(error)),
    }
}

fn open(folder: &Path) -> Result<Kernel, Fault> {
    let image = only_entry(&folder.join("boot"), "vmlinuz-")?;
    let name = image.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let version = name.trim_start_matches("vmlinuz-").to_owned();
    let merged = folder.join("usr/lib/modules").join(&version);
    let plain = folder.join("lib/modules").join(&version);
    let modules = if merged.is_dir() { merged } else { plain };
    let fast = vmlinux::beside(&image)?.unwrap_or_else(|| image.clone());
    Ok(Kernel { version, image, fast, modules })
}

fn only_entry(folder: &Path, prefix: &str) -> Result<PathBuf, Fault> {
    for entry in fs::read_dir(folder).map_err(Fault::file("list", folder))? {
        let entry = entry.map_err(Fault::file("list", folder))?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            return Ok(entry.path());
        }
    }
    Err(Fault::malformed(folder.display().to_string(), format!("holds no {prefix}*")))
}
