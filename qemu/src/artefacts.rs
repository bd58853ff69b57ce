//! What a machine boots, made from this workspace: keelson, a kernel, an initial root.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use boot::cache::{Cache, target_folder, workspace_folder};
use boot::demo::MadeImage;
use boot::initramfs::{Initramfs, Size};
use boot::kernel::{Flavour, Kernel};
use boot::state::StateDisk;

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
    /// The one binary in the initial root.
    pub binary: PathBuf,
    /// The initial root.
    pub initramfs: PathBuf,
    /// How big the initial root is.
    pub size: Size,
    /// The images of the demo and of the tests.
    pub images: Vec<MadeImage>,
    cache: Cache,
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

    /// A state disk with all images on it, for more to be added.
    pub fn state_disk(&self) -> StateDisk {
        let disk = StateDisk::default();
        self.images.iter().fold(disk, |disk, image| disk.image(image.name, &image.folder))
    }

    /// The state disk of the demo: its images and its units.
    ///
    /// # Errors
    /// When a unit cannot be read or the disk cannot be made.
    pub fn demo_disk(&self) -> Result<PathBuf, Fault> {
        let mut disk = self.state_disk();
        for unit in demo_units() {
            let text = std::fs::read_to_string(&unit).map_err(boot::Fault::file("read", &unit))?;
            let name = unit.file_name().unwrap_or_default().to_string_lossy();
            disk = disk.unit(&name, &text);
        }
        let census = workspace_folder().join("boot/demo/files/census");
        for (path, mode, from) in [
            ("demo/busybox", 0o755, boot::demo::busybox_program(&self.cache)?),
            ("demo/census", 0o644, census),
        ] {
            let bytes = std::fs::read(&from).map_err(boot::Fault::file("read", &from))?;
            disk = disk.file(path, mode, &bytes);
        }
        self.write_disk(&disk, "demo")
    }

    /// Makes `disk` under a name of its own.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn write_disk(&self, disk: &StateDisk, name: &str) -> Result<PathBuf, Fault> {
        Ok(disk.write(&self.cache, name)?)
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
        progress("making the images from packages");
        let images = boot::demo::images(&cache)?;
        Ok(Artefacts { kernel, binary, initramfs, size, images, cache })
    }

    /// Builds the one binary and says where it is. `KEELSON_BINARY` names another one to boot: an
    /// older release, or one with a planted fault.
    fn build_keelson(&self) -> Result<PathBuf, Fault> {
        if let Some(binary) = std::env::var_os("KEELSON_BINARY") {
            return Ok(binary.into());
        }
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
    Ok(root.write_unless_same(to)?)
}

/// The unit files of the demo.
pub fn demo_units() -> Vec<PathBuf> {
    files_of(&workspace_folder().join("boot/demo/units"))
}

/// The files of a folder in order of their names; none when there is no such folder.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}
