//! Makes an image ready: its layers unpacked once each, under the digest of what is in them.
//!
//! Nothing of an archive is trusted: every path is resolved below the layer's own directory by the kernel
//! (`openat2`), links are made but never followed outside, only whiteouts become device nodes, and the
//! whole is given its name only when both digests are right (`containers.md` 3.2, 3.3).

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags,
    chownat, fchmod, fsetxattr, linkat, mkdirat, mknodat, openat2, symlinkat, syncfs, unlinkat,
    utimensat,
};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tar::{Archive, Entry, EntryType};
use units::plan::ImageFacts;

use crate::limits::{LAYER_BYTES_MAX, LAYER_ENTRIES_MAX};
use crate::oci::{
    BadImage, Compression, DOCUMENT_BYTES_MAX, Digest, ImageConfig, Index, LayerBlob, Manifest,
    Reference,
};

/// Makes the image of that name ready below `state` and says what it is.
///
/// # Errors
/// What is wrong with the image, or with the disk, in one line.
pub fn ready(state: &str, name: &str) -> Result<ImageFacts, String> {
    let reference = Reference::parse(name).map_err(|error| error.to_string())?;
    let layout = match reference.layout.starts_with('/') {
        true => PathBuf::from(&reference.layout),
        false => Path::new(state).join("images").join(&reference.layout),
    };
    let said = |error: BadImage| format!("image {name}: {error}");
    let manifest = find_manifest(&layout, &reference).map_err(said)?;
    let config =
        ImageConfig::parse(&blob(&layout, manifest.config).map_err(said)?).map_err(said)?;
    if config.diff_ids.len() != manifest.layers.len() {
        return Err(format!("image {name}: the configuration has other layers than the manifest"));
    }
    let store = Path::new(state).join("layers");
    fs::create_dir_all(&store).map_err(|error| format!("{}: {error}", store.display()))?;
    let mut facts = config.facts;
    for (layer, diff_id) in manifest.layers.iter().zip(&config.diff_ids) {
        let place = layer_ready(&layout, &store, layer, diff_id)
            .map_err(|error| format!("image {name}: layer {}: {error}", layer.digest.hex()))?;
        facts.layers.push(place.to_string_lossy().into());
    }
    Ok(facts)
}

fn find_manifest(layout: &Path, reference: &Reference) -> Result<Manifest, BadImage> {
    let index = read_bounded(&layout.join("index.json"))?;
    let (mut digest, mut is_index) = Index::parse(&index)?.choose(&reference.selector)?;
    // An index may name indexes, but not without end.
    for _ in 0..2 {
        if !is_index {
            break;
        }
        let inner = Index::parse(&blob(layout, digest)?)?;
        (digest, is_index) = inner.choose(&crate::oci::Selector::Default)?;
    }
    Manifest::parse(&blob(layout, digest)?)
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, BadImage> {
    let said = |error: io::Error| BadImage(format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(said)?;
    file.take(DOCUMENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(said)?;
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(BadImage(format!("{} is too large", path.display())));
    }
    Ok(bytes)
}

fn blob_path(layout: &Path, digest: Digest) -> PathBuf {
    layout.join("blobs/sha256").join(digest.hex())
}

/// A document, which must be what its name says.
fn blob(layout: &Path, digest: Digest) -> Result<Vec<u8>, BadImage> {
    let bytes = read_bounded(&blob_path(layout, digest))?;
    let is: [u8; 32] = Sha256::digest(&bytes).into();
    match is == digest.0 {
        true => Ok(bytes),
        false => {
            Err(BadImage(format!("blob {} has other contents than its name says", digest.hex())))
        }
    }
}

/// The layer's directory; unpacked if it is not there yet.
fn layer_ready(
    layout: &Path,
    store: &Path,
    layer: &LayerBlob,
    diff_id: &Digest,
) -> Result<PathBuf, String> {
    let place = store.join(diff_id.hex());
    if place.exists() {
        return Ok(place);
    }
    // Two units may want the same layer at the same time: each unpacks apart, the first name wins.
    let apart = store.join(format!(".{}.{}", diff_id.hex(), std::process::id()));
    let done = unpack_apart(layout, &apart, layer, diff_id).and_then(|()| {
        match fs::rename(&apart, &place) {
            Err(error) if !place.exists() => Err(error.to_string()),
            Ok(()) | Err(_) => Ok(()),
        }
    });
    // After a success it is gone already.
    let _ = fs::remove_dir_all(&apart);
    done.map(|()| place)
}

fn unpack_apart(
    layout: &Path,
    apart: &Path,
    layer: &LayerBlob,
    diff_id: &Digest,
) -> Result<(), String> {
    fs::create_dir(apart).map_err(|error| error.to_string())?;
    let file = File::open(blob_path(layout, layer.digest)).map_err(|error| error.to_string())?;
    let mut outer = Hashed::new(BufReader::with_capacity(64 * 1024, file));
    let inner: Box<dyn Read + '_> = match layer.compression {
        Compression::None => Box::new(&mut outer),
        Compression::Gzip => Box::new(MultiGzDecoder::new(&mut outer)),
        Compression::Zstd => Box::new(
            ruzstd::decoding::StreamingDecoder::new(&mut outer).map_err(|e| e.to_string())?,
        ),
    };
    let mut inner = Hashed::new(inner.take(LAYER_BYTES_MAX));
    let root = open_directory(apart).map_err(|errno| errno.to_string())?;
    extract(&mut inner, root.as_fd())?;
    // What follows the archive's end counts for the digest as well.
    io::copy(&mut inner, &mut io::sink()).map_err(|error| error.to_string())?;
    if inner.finish() != diff_id.0 {
        return Err("its contents have another digest than the image says".to_owned());
    }
    io::copy(&mut outer, &mut io::sink()).map_err(|error| error.to_string())?;
    if outer.finish() != layer.digest.0 {
        return Err("the blob has another digest than its name says".to_owned());
    }
    syncfs(&root).map_err(|errno| errno.to_string())
}

fn open_directory(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
}

/// A reader that knows the digest of what went through it.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Hashed<R> {
    fn new(inner: R) -> Hashed<R> {
        Hashed { inner, hash: Sha256::new() }
    }

    fn finish(self) -> [u8; 32] {
        self.hash.finalize().into()
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

fn extract(archive: &mut impl Read, root: BorrowedFd<'_>) -> Result<(), String> {
    let mut archive = Archive::new(archive);
    let entries = archive.entries().map_err(|error| error.to_string())?;
    let mut directories: Vec<(PathBuf, u64)> = Vec::new();
    for (number, entry) in entries.enumerate() {
        if number >= LAYER_ENTRIES_MAX {
            return Err(format!("more than {LAYER_ENTRIES_MAX} entries"));
        }
        let mut entry = entry.map_err(|error| error.to_string())?;
        let path = entry.path().map_err(|error| error.to_string())?.into_owned();
        let Some(path) = below(&path) else { continue };
        extract_one(root, &path, &mut entry)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        if entry.header().entry_type().is_dir() {
            directories.push((path, entry.header().mtime().unwrap_or(0)));
        }
    }
    // Directories get their times last: what was put into them changed them.
    for (path, time) in directories.iter().rev() {
        // One that was replaced since has no time of its own to keep.
        let _ = set_time(root, path, *time);
    }
    Ok(())
}

/// The path without anything that could lead away; `None` for the root itself.
fn below(path: &Path) -> Option<PathBuf> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
        Component::ParentDir => Some(std::ffi::OsStr::new("..")),
    });
    let path: PathBuf = parts.collect();
    let leads_up = path.components().any(|part| part == Component::ParentDir);
    (!leads_up && path.components().next().is_some()).then_some(path)
}

/// The directory that an entry goes into, made if the archive does not name it before.
fn parent(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let above = path.parent().unwrap_or(Path::new(""));
    let mut so_far = PathBuf::new();
    let mut opened = open_below(root, Path::new("."))?;
    for part in above.components() {
        so_far.push(part);
        opened = match open_below(root, &so_far) {
            Err(Errno::NOENT) => {
                mkdirat(&opened, part.as_os_str(), Mode::from_raw_mode(0o755))?;
                open_below(root, &so_far)?
            }
            other => other?,
        };
    }
    Ok(opened)
}

fn open_below(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    openat2(root, path, flags, Mode::empty(), resolve)
}

fn extract_one<R: Read>(
    root: BorrowedFd<'_>,
    path: &Path,
    entry: &mut Entry<'_, R>,
) -> Result<(), String> {
    let said = |errno: Errno| errno.to_string();
    let directory = parent(root, path).map_err(said)?;
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("not a name")?.to_owned();
    if let Some(hidden) = name.strip_prefix(".wh.") {
        return whiteout(directory.as_fd(), hidden).map_err(said);
    }
    let kind = entry.header().entry_type();
    if !(kind.is_dir() && is_directory(directory.as_fd(), &name)) {
        clear(directory.as_fd(), &name).map_err(said)?;
    }
    #[allow(clippy::wildcard_enum_match_arm, reason = "the list of kinds is not ours and may grow")]
    match kind {
        EntryType::Directory => make_directory(directory.as_fd(), &name).map_err(said)?,
        EntryType::Symlink => {
            let target = entry.link_name().ok().flatten().ok_or("a link without a target")?;
            symlinkat(target.as_os_str(), &directory, &*name).map_err(said)?;
        }
        EntryType::Link => {
            let target = entry.link_name().ok().flatten().ok_or("a link without a target")?;
            return hard_link(root, &target, directory.as_fd(), &name).map_err(said);
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            write_file(directory.as_fd(), &name, entry).map_err(|error| error.to_string())?;
        }
        // Containers get their devices from the stage; pipes are made by who uses them.
        EntryType::Fifo => {
            mknodat(&directory, &*name, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
                .map_err(said)?;
        }
        _ => return Ok(()),
    }
    settle(directory.as_fd(), &name, entry).map_err(said)
}

/// What a lower layer has is hidden: as the overlay file system wants it.
fn whiteout(directory: BorrowedFd<'_>, hidden: &str) -> Result<(), Errno> {
    match hidden {
        ".wh..opq" => fsetxattr(directory, "trusted.overlay.opaque", b"y", XattrFlags::empty()),
        "" | "." | ".." => Err(Errno::INVAL),
        name => {
            clear(directory, name)?;
            mknodat(directory, name, FileType::CharacterDevice, Mode::empty(), 0)
        }
    }
}

fn is_directory(directory: BorrowedFd<'_>, name: &str) -> bool {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
}

/// Whatever an earlier entry of the same name left goes.
fn clear(directory: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {
            let path = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
            fs::remove_dir_all(path).map_err(|_| Errno::NOTEMPTY)
        }
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn make_directory(directory: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    match mkdirat(directory, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn hard_link(
    root: BorrowedFd<'_>,
    target: &Path,
    directory: BorrowedFd<'_>,
    name: &str,
) -> Result<(), Errno> {
    let target = below(target).ok_or(Errno::XDEV)?;
    let from = parent(root, &target)?;
    let target_name = target.file_name().ok_or(Errno::INVAL)?;
    linkat(&from, target_name, directory, name, AtFlags::empty())
}

fn write_file<R: Read>(
    directory: BorrowedFd<'_>,
    name: &str,
    entry: &mut Entry<'_, R>,
) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(0o600))?;
    io::copy(entry, &mut File::from(file)).map(drop)
}

/// Owner, mode, attributes and time, in the order in which none undoes another.
fn settle<R: Read>(
    directory: BorrowedFd<'_>,
    name: &str,
    entry: &mut Entry<'_, R>,
) -> Result<(), Errno> {
    let header = entry.header();
    let id = |number: io::Result<u64>| u32::try_from(number.unwrap_or(0)).map_err(|_| Errno::INVAL);
    let (uid, gid) = (id(header.uid())?, id(header.gid())?);
    let (mode, time) = (header.mode().unwrap_or(0o755), header.mtime().unwrap_or(0));
    let is_link = header.entry_type().is_symlink();
    let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    chownat(directory, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
    if !is_link {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(directory, name, flags, Mode::empty())?;
        fchmod(&file, Mode::from_raw_mode(mode & 0o7777))?;
        set_attributes(file.as_fd(), entry)?;
    }
    utimensat(directory, name, &times(time), AtFlags::SYMLINK_NOFOLLOW)
}

/// File capabilities are part of a program; labels and overlay's own attributes are not the image's to set.
fn set_attributes<R: Read>(file: BorrowedFd<'_>, entry: &mut Entry<'_, R>) -> Result<(), Errno> {
    let Ok(Some(extensions)) = entry.pax_extensions() else { return Ok(()) };
    for extension in extensions.flatten() {
        let Ok(key) = extension.key() else { continue };
        let Some(name) = key.strip_prefix("SCHILY.xattr.") else { continue };
        let kept = name == "security.capability"
            || name.starts_with("user.") && !name.starts_with("user.overlay.");
        if kept {
            fsetxattr(file, name, extension.value_bytes(), XattrFlags::empty())?;
        }
    }
    Ok(())
}

fn set_time(root: BorrowedFd<'_>, path: &Path, time: u64) -> Result<(), Errno> {
    let directory = open_below(root, path)?;
    rustix::fs::futimens(&directory, &times(time))
}

fn times(seconds: u64) -> Timestamps {
    let time = Timespec { tv_sec: i64::try_from(seconds).unwrap_or(0), tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
