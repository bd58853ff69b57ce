//! The state disk: what a machine keeps, as an ext4 image made without root and without mounting.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cache::{Cache, make_folder, part_of};
use crate::{Fault, gpt, tool};

/// The label by which PID 1 finds the disk, or the partition on one.
pub const LABEL: &str = "keelson-state";

const SIZE_DEFAULT_MIB: u32 = 1024;

/// A state disk to be made.
#[derive(Debug)]
pub struct StateDisk {
    /// Files by their path on the disk.
    files: Vec<(String, Content)>,
    size_mib: u32,
    partitioned: bool,
}

#[derive(Debug)]
enum Content {
    /// These bytes, with this mode.
    Bytes(Vec<u8>, u32),
    /// A copy of a folder of the host.
    Folder(PathBuf),
}

impl Default for StateDisk {
    fn default() -> StateDisk {
        StateDisk { files: Vec::new(), size_mib: SIZE_DEFAULT_MIB, partitioned: false }
    }
}

impl StateDisk {
    /// Puts an image on it: the layout in `folder` becomes `images/NAME`.
    pub fn image(mut self, name: &str, folder: &Path) -> StateDisk {
        let content = Content::Folder(folder.to_path_buf());
        self.files.push((format!("images/{name}"), content));
        self
    }

    /// Puts a unit of the administrator on it.
    pub fn unit(self, name: &str, text: &str) -> StateDisk {
        self.file(&format!("units/{name}"), 0o644, text.as_bytes())
    }

    /// Sets the machine's configuration.
    pub fn machine(self, text: &str) -> StateDisk {
        self.file("machine.toml", 0o644, text.as_bytes())
    }

    /// Puts any other file on it.
    pub fn file(mut self, path: &str, mode: u32, bytes: &[u8]) -> StateDisk {
        self.files.push((path.to_owned(), Content::Bytes(bytes.to_vec(), mode)));
        self
    }

    /// Sets its size; the file on the host is sparse.
    pub fn size_mib(mut self, size_mib: u32) -> StateDisk {
        self.size_mib = size_mib;
        self
    }

    /// Makes it a partition of a disk with a partition table, as on a real machine.
    pub fn partitioned(mut self) -> StateDisk {
        self.partitioned = true;
        self
    }

    /// Makes the image `name` in the cache and says where it is.
    ///
    /// # Errors
    /// When e2fsprogs is missing, or a file cannot be read or written.
    pub fn write(&self, cache: &Cache, name: &str) -> Result<PathBuf, Fault> {
        let image = cache.path(&format!("disks/{name}.ext4"))?;
        let part = part_of(&image);
        let tree = part.with_extension("tree");
        self.write_tree(&tree)?;
        self.make_file_system(&tree, &part)?;
        fs::remove_dir_all(&tree).map_err(Fault::file("remove", &tree))?;
        fs::rename(&part, &image).map_err(Fault::file("put in place", &image))?;
        Ok(image)
    }

    fn make_file_system(&self, tree: &Path, image: &Path) -> Result<(), Fault> {
        let mut command = tool::command("mkfs.ext4");
        command.args(["-q", "-F", "-L", LABEL, "-d"]).arg(tree);
        // Tables are written now (a sparse file has them as holes): a guest that writes them later
        // in the background would never be idle. No space is kept back for root: all here is root's.
        let mut extended = "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0".to_owned();
        if self.partitioned {
            extended += &format!(",offset={}", gpt::START_BYTES);
        }
        command.args(["-m", "0", "-E", &extended]).arg(image).arg(format!("{}M", self.size_mib));
        tool::output(&mut command)?;
        give_to_root(tree, image, self.start_bytes())?;
        if self.partitioned {
            self.write_table(image)?;
        }
        Ok(())
    }

    fn start_bytes(&self) -> u64 {
        if self.partitioned { gpt::START_BYTES } else { 0 }
    }

    fn write_table(&self, image: &Path) -> Result<(), Fault> {
        let size = gpt::START_BYTES + (u64::from(self.size_mib) << 20) + gpt::END_BYTES;
        let file =
            fs::File::options().write(true).open(image).map_err(Fault::file("open", image))?;
        file.set_len(size).map_err(Fault::file("enlarge", image))?;
        gpt::write_single(image, size, LABEL)
    }

    fn write_tree(&self, tree: &Path) -> Result<(), Fault> {
        for folder in ["images", "units"] {
            make_folder(&tree.join(folder))?;
        }
        for (path, content) in &self.files {
            let to = tree.join(path);
            match content {
                Content::Bytes(bytes, mode) => write_file(&to, bytes, *mode)?,
                Content::Folder(from) => link_folder(from, &to)?,
            }
        }
        Ok(())
    }
}

fn write_file(to: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
    if let Some(parent) = to.parent() {
        make_folder(parent)?;
    }
    fs::write(to, bytes).map_err(Fault::file("write", to))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::set_permissions(to, mode).map_err(Fault::file("set the mode of", to))
}

/// The same files under another name: nothing is copied before the file system is made.
fn link_folder(from: &Path, to: &Path) -> Result<(), Fault> {
    make_folder(to)?;
    for entry in fs::read_dir(from).map_err(Fault::file("list", from))? {
        let entry = entry.map_err(Fault::file("list", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            link_folder(&source, &target)?;
        } else {
            fs::hard_link(&source, &target).map_err(Fault::file("link", &target))?;
        }
    }
    Ok(())
}

/// `mkfs.ext4 -d` keeps the owner of each file; made by a plain user, the disk would be that user's.
fn give_to_root(tree: &Path, image: &Path, start_bytes: u64) -> Result<(), Fault> {
    let owner = fs::metadata(tree).map_err(Fault::file("look at", tree))?.uid();
    if owner == 0 {
        return Ok(());
    }
    let mut script = String::new();
    list_owners(tree, "", &mut script)?;
    let mut command = tool::command("debugfs");
    command.args(["-w", "-f", "-"]).arg(format!("{}?offset={start_bytes}", image.display()));
    tool::filter(&mut command, script.as_bytes()).map(drop)
}

fn list_owners(folder: &Path, path: &str, script: &mut String) -> Result<(), Fault> {
    for entry in fs::read_dir(folder).map_err(Fault::file("list", folder))? {
        let entry = entry.map_err(Fault::file("list", folder))?;
        let path = format!("{path}/{}", entry.file_name().to_string_lossy());
        for field in ["uid", "gid"] {
            *script += &format!("set_inode_field \"{path}\" {field} 0\n");
        }
        if entry.path().is_dir() {
            list_owners(&entry.path(), &path, script)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file system's own check accepts it, plain and in a partition.
    #[test]
    fn a_disk_holds_what_was_put_on_it() {
        let cache = Cache::open().unwrap();
        for partitioned in [false, true] {
            let mut disk = StateDisk::default().size_mib(16).unit("web.toml", "text\n");
            disk.partitioned = partitioned;
            let name = format!("unit-test-{}-{partitioned}", std::process::id());
            let image = disk.write(&cache, &name).unwrap();
            let place = format!("{}?offset={}", image.display(), disk.start_bytes());
            let check = tool::output(tool::command("e2fsck").args(["-f", "-n", &place]));
            let text =
                tool::output(tool::command("debugfs").args(["-R", "cat /units/web.toml", &place]));
            fs::remove_file(&image).unwrap();
            check.unwrap();
            assert_eq!(text.unwrap(), b"text\n");
        }
    }
}
