//! What goes into a load: files as they were found, and facts about the machine.

use serde::{Deserialize, Serialize};

use crate::name::UnitName;

/// One file or symbolic link below a directory of units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// The path, absolute where it comes from a machine's directories.
    pub path: Box<str>,
    /// The contents; of a link, those of the file that it leads to, empty when it leads nowhere.
    pub bytes: Vec<u8>,
    /// What the path itself is.
    pub kind: SourceKind,
}

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceKind {
    /// A file.
    Regular,
    /// A symbolic link with the text that it holds: `/dev/null` masks a unit, another unit's name
    /// makes an alias, and within `.wants/` and `.requires/` it enables.
    Symlink(Box<str>),
}

impl SourceFile {
    /// A regular file.
    #[must_use]
    pub fn regular(path: &str, bytes: &[u8]) -> SourceFile {
        SourceFile { path: path.into(), bytes: bytes.to_vec(), kind: SourceKind::Regular }
    }

    /// A symbolic link that holds `target`.
    #[must_use]
    pub fn symlink(path: &str, target: &str) -> SourceFile {
        let kind = SourceKind::Symlink(target.into());
        SourceFile { path: path.into(), bytes: Vec::new(), kind }
    }
}

/// What the machine is: the right-hand sides of the specifiers of systemd.unit(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// `%m`: 32 hexadecimal digits.
    pub machine_id: Box<str>,
    /// `%b`: 32 hexadecimal digits.
    pub boot_id: Box<str>,
    /// `%H`, and up to the first dot `%l`.
    pub hostname: Box<str>,
    /// `%q`; the host name when empty.
    pub pretty_hostname: Box<str>,
    /// `%v`, as `uname -r`.
    pub kernel_release: Box<str>,
    /// `%a`, in systemd's words: `x86-64`.
    pub architecture: Box<str>,
    /// `%o`: `ID=` of os-release.
    pub os_id: Box<str>,
    /// `%w`: `VERSION_ID=`.
    pub os_version: Box<str>,
    /// `%B`: `BUILD_ID=`.
    pub os_build: Box<str>,
    /// `%W`: `VARIANT_ID=`.
    pub os_variant: Box<str>,
    /// `%M`: `IMAGE_ID=`.
    pub image_id: Box<str>,
    /// `%A`: `IMAGE_VERSION=`.
    pub image_version: Box<str>,
}

impl Default for Facts {
    /// A machine that does not know itself: for checks on a developer's own machine.
    fn default() -> Facts {
        Facts {
            machine_id: "00000000000000000000000000000000".into(),
            boot_id: "00000000000000000000000000000000".into(),
            hostname: "localhost".into(),
            pretty_hostname: "".into(),
            kernel_release: "0".into(),
            architecture: "x86-64".into(),
            os_id: "keelson".into(),
            os_version: "".into(),
            os_build: "".into(),
            os_variant: "".into(),
            image_id: "".into(),
            image_version: "".into(),
        }
    }
}

/// A directory of unit files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitDirectory {
    /// Absolute path without a slash at the end.
    pub path: Box<str>,
    /// A unit file here is part of the boot by its `[Install]` alone (`wanted-by` in our format);
    /// elsewhere a link in a `.wants/` directory is needed, as with `systemctl enable`.
    pub enables: bool,
}

/// The directories of a machine, first wins: our own and systemd's, `/etc` before `/run` before
/// `/usr`.
pub const DIRECTORIES: [(&str, bool); 9] = [
    ("/etc/keelson/units", true),
    ("/etc/systemd/system", false),
    ("/run/keelson/units", true),
    ("/run/systemd/system", false),
    ("/usr/local/lib/systemd/system", false),
    ("/usr/lib/keelson/units", true),
    ("/usr/lib/systemd/system", false),
    ("/lib/keelson/units", true),
    ("/lib/systemd/system", false),
];

/// How to load.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadOptions {
    /// What the machine is.
    pub facts: Facts,
    /// Instances of templates that are wanted besides those that files name.
    pub wanted: Vec<UnitName>,
    /// Directories in order of precedence, first wins; empty: [`DIRECTORIES`]. A file below none
    /// of them wins over all and is enabled by its `[Install]`.
    pub directories: Vec<UnitDirectory>,
}
