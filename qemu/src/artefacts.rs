//! What a machine boots, made from this workspace: keelson, a kernel, an initial root.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use boot::cache::{Cache, target_folder, workspace_folder};
use boot::initramfs::{Initramfs, Size};
use boot::kernel::{Flavour, Kernel};

use crate::Fault;

/// The profile in which tests build keelson when `KEELSON_PROFILE` does not say otherwise.
pub const PROFILE_DEFAULT: &str = "fast";

/// Told what is being made, before it takes its time.
pub type Progress<'a> = &'a mut dyn FnMut(&str);

/// Progress that nobody hears.
pub fn silent(_: &str) {}

/// Everything that one machine boots.
#[derive(Debug, Clone)]
pub struct Artefacts {
    /// The kernel.
    pub kernel: Kernel,
    /// The initial root.
    pub initramfs: PathBuf,
    /// How big the initial root is.
    pub size: Size,
}

/// How to make them.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Cargo's profile for keelson.
    pub profile: String,
    /// Which kernel.
    pub flavour: Flavour,
}

impl Default for Recipe {
    fn default() -> Recipe {
        let profile = std::env::var("KEELSON_PROFILE");
        let profile = profile.unwrap_or_else(|_| PROFILE_DEFAULT.to_owned());
        Recipe { profile, flavour: Flavour::Cloud }
    }
}

impl Artefacts {
    /// Makes them the way tests want them.
    ///
    /// # Errors
    /// When something does not build, cannot be fetched or cannot be written.
    pub fn make(progress: Progress<'_>) -> Result<Artefacts, Fault> {
        Recipe::default().make(progress)
    }
}

impl Recipe {
    /// Builds keelson, fetches the kernel and packs the initial root.
    ///
    /// # Errors
    /// When something does not build, cannot be fetched or cannot be written.
    pub fn make(&self, progress: Progress<'_>) -> Result<Artefacts, Fault> {
        let cache = Cache::open()?;
        progress(&format!("building keelson (profile {})", self.profile));
        let binary = self.build_keelson()?;
        progress("fetching a kernel");
        let kernel = boot::kernel::fetch(&cache, self.flavour)?;
        progress("packing the initial root");
        let initramfs = cache.path(&format!("initramfs-{}-{}", self.profile, kernel.version))?;
        let size = pack(&kernel, &binary, &initramfs)?;
        Ok(Artefacts { kernel, initramfs, size })
    }

    /// Builds the one binary and says where it is.
    fn build_keelson(&self) -> Result<PathBuf, Fault> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet", "--package", "init", "--bin", "keelson"]);
        command.args(["--profile", &self.profile]).current_dir(workspace_folder());
        let status = command
            .stdin(Stdio::null())
            .status()
            .map_err(|error| Fault::qemu("start cargo to build keelson", error))?;
        if !status.success() {
            return Err(Fault::qemu("build keelson", "cargo has said why"));
        }
        Ok(binary_folder(&self.profile).join("keelson"))
    }
}

/// Where Cargo puts the binaries of `profile`; the workspace names its target, so it is part of it.
pub fn binary_folder(profile: &str) -> PathBuf {
    let folder = if profile == "dev" { "debug" } else { profile };
    target_folder().join("x86_64-unknown-linux-gnu").join(folder)
}

fn pack(kernel: &Kernel, binary: &Path, to: &Path) -> Result<Size, Fault> {
    let units = files_of(&workspace_folder().join("boot/units"));
    let machine = workspace_folder().join("boot/machine.toml");
    let machine = machine.is_file().then_some(machine);
    let root = Initramfs { kernel, binary, machine: machine.as_deref(), units: &units };
    Ok(root.write(to)?)
}

/// The files of a folder in order of their names; none when there is no such folder.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}
