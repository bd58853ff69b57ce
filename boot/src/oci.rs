//! Writes images as OCI image layouts, byte for byte the same for the same content.
//!
//! Source of the format: the OCI image specification 1.1, `image-layout.md`, `manifest.md`,
//! `config.md`, `layer.md`. Times are zero and entries sorted, so a digest tells what is inside.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Fault;
use crate::cache::make_folder;
use crate::debian::Entry;

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Every time in an image: what is reproducible has no time of its own.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// Who owns an entry that is not root's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// The files that one layer adds or replaces.
#[derive(Debug, Default, Clone)]
pub struct Layer {
    /// By path, without a leading slash. Parents that are missing are added.
    pub entries: BTreeMap<String, (Entry, Owner)>,
}

/// A layer as the layout holds it.
#[derive(Debug, Clone)]
pub struct PackedLayer {
    /// The compressed archive.
    bytes: Vec<u8>,
    /// Digest of the archive before compression.
    diff_id: String,
}

/// An image: its layers from the lowest up, and how to run it.
#[derive(Debug)]
pub struct Image<'a> {
    /// The layers.
    pub layers: Vec<&'a PackedLayer>,
    /// The `config` object of the image's configuration: `Entrypoint`, `Cmd`, `Env`, `User` …
    pub config: Value,
}

impl Layer {
    /// Adds what root owns.
    pub fn add(&mut self, path: &str, entry: Entry) {
        self.add_owned(path, entry, Owner::default());
    }

    /// Adds what somebody else owns.
    pub fn add_owned(&mut self, path: &str, entry: Entry, owner: Owner) {
        self.entries.insert(path.to_owned(), (entry, owner));
    }

    /// Makes the archive that goes into a layout.
    ///
    /// # Errors
    /// When a path is too long for the archive format.
    pub fn pack(&self) -> Result<PackedLayer, Fault> {
        let fault = |error: std::io::Error| Fault::malformed("image layer", error.to_string());
        let mut archive = tar::Builder::new(Vec::new());
        for folder in self.missing_parents() {
            append(&mut archive, &folder, &Entry::Directory(0o755), Owner::default())
                .map_err(fault)?;
        }
        for (path, (entry, owner)) in &self.entries {
            append(&mut archive, path, entry, *owner).map_err(fault)?;
        }
        let plain = archive.into_inner().map_err(fault)?;
        let mut packer = GzBuilder::new().write(Vec::new(), Compression::new(6));
        packer.write_all(&plain).map_err(fault)?;
        let bytes = packer.finish().map_err(fault)?;
        Ok(PackedLayer { diff_id: digest(&plain), bytes })
    }

    fn missing_parents(&self) -> BTreeSet<String> {
        let parents = self.entries.keys().flat_map(|path| {
            path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect::<Vec<_>>()
        });
        parents.filter(|folder| !self.entries.contains_key(folder)).collect()
    }
}

fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    path: &str,
    entry: &Entry,
    owner: Owner,
) -> std::io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_uid(owner.uid.into());
    header.set_gid(owner.gid.into());
    header.set_mtime(0);
    match entry {
        Entry::Directory(mode) => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(mode & 0o7777);
            header.set_size(0);
            archive.append_data(&mut header, format!("{path}/"), &[][..])
        }
        Entry::File(mode, bytes) => {
            header.set_mode(mode & 0o7777);
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, path, bytes.as_slice())
        }
        Entry::Symlink(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            archive.append_link(&mut header, path, target)
        }
    }
}

impl Image<'_> {
    /// Writes the layout into `folder`, which is made.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Fault> {
        make_folder(&folder.join("blobs/sha256"))?;
        let diff_ids: Vec<&str> = self.layers.iter().map(|one| one.diff_id.as_str()).collect();
        let config = json!({
            "created": CREATED,
            "architecture": "amd64",
            "os": "linux",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = write_blob(folder, CONFIG_TYPE, config.to_string().as_bytes())?;
        let layers: Result<Vec<Value>, Fault> =
            self.layers.iter().map(|one| write_blob(folder, LAYER_TYPE, &one.bytes)).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config,
            "layers": layers?,
        });
        let mut manifest = write_blob(folder, MANIFEST_TYPE, manifest.to_string().as_bytes())?;
        manifest["platform"] = json!({ "architecture": "amd64", "os": "linux" });
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": INDEX_TYPE,
            "manifests": [manifest],
        });
        write(&folder.join("index.json"), index.to_string().as_bytes())?;
        write(&folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)
    }
}

/// Writes a blob and returns its descriptor.
fn write_blob(folder: &Path, media_type: &str, bytes: &[u8]) -> Result<Value, Fault> {
    let digest = digest(bytes);
    write(&folder.join("blobs").join(digest.replace(':', "/")), bytes)?;
    Ok(json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() }))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    fs::write(path, bytes).map_err(Fault::file("write", path))
}

/// `sha256:` and the hexadecimal digest of `bytes`.
pub fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> Layer {
        let mut layer = Layer::default();
        layer.add("usr/bin/program", Entry::File(0o755, b"#!".to_vec()));
        layer.add("bin", Entry::Symlink("usr/bin".to_owned()));
        layer.add_owned("data", Entry::Directory(0o750), Owner { uid: 999, gid: 999 });
        layer
    }

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        let known = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(b""), known);
    }

    #[test]
    fn the_same_layer_has_the_same_bytes_and_all_parents() {
        let packed = layer().pack().unwrap();
        assert_eq!(packed.bytes, layer().pack().unwrap().bytes);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.bytes.as_slice()));
        let paths: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(paths, ["usr/", "usr/bin/", "bin", "data/", "usr/bin/program"]);
    }

    #[test]
    fn a_layout_names_each_blob_by_its_digest() {
        let folder = std::env::temp_dir().join(format!("keelson-oci-{}", std::process::id()));
        let packed = layer().pack().unwrap();
        let config = json!({ "Cmd": ["/bin/program"] });
        Image { layers: vec![&packed], config }.write(&folder).unwrap();
        for blob in fs::read_dir(folder.join("blobs/sha256")).unwrap() {
            let blob = blob.unwrap();
            let name = format!("sha256:{}", blob.file_name().into_string().unwrap());
            assert_eq!(digest(&fs::read(blob.path()).unwrap()), name);
        }
        let index = fs::read_to_string(folder.join("index.json")).unwrap();
        assert!(index.contains("sha256:"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
