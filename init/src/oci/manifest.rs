//! Indexes and manifests.

use serde::Deserialize;
use std::collections::BTreeMap;

use super::{BadImage, Digest, LAYERS_MAX, Selector, bad};

const TAG: &str = "org.opencontainers.image.ref.name";

/// `index.json`, or an image index within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    digest: Digest,
    tag: Option<String>,
    is_index: bool,
    suits: bool,
}

/// A manifest: its configuration and its layers, lowest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The configuration's blob.
    pub config: Digest,
    /// The layers' blobs.
    pub layers: Vec<LayerBlob>,
}

/// A layer as it lies in the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerBlob {
    /// The blob, compressed.
    pub digest: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// How it is compressed.
    pub compression: Compression,
}

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

#[derive(Deserialize)]
struct RawIndex {
    manifests: Vec<RawDescriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest {
    config: RawDescriptor,
    layers: Vec<RawDescriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    platform: Option<RawPlatform>,
}

#[derive(Deserialize)]
struct RawPlatform {
    architecture: String,
    os: String,
}

impl Index {
    /// Reads an index.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Index, BadImage> {
        let raw: RawIndex = serde_json::from_slice(bytes).map_err(|e| bad("index", e))?;
        let entries = raw.manifests.into_iter().map(|raw| {
            Ok(Entry {
                digest: Digest::parse(&raw.digest)?,
                tag: raw.annotations.get(TAG).cloned(),
                is_index: raw.media_type.contains("index") || raw.media_type.contains("list"),
                suits: raw.platform.is_none_or(|p| p.architecture == "amd64" && p.os == "linux"),
            })
        });
        Ok(Index { entries: entries.collect::<Result<_, BadImage>>()? })
    }

    /// The manifest that is meant, and whether it is an index itself.
    ///
    /// # Errors
    /// When there is none, or the choice is not clear.
    pub fn choose(&self, selector: &Selector) -> Result<(Digest, bool), BadImage> {
        let suited: Vec<&Entry> = self.entries.iter().filter(|entry| entry.suits).collect();
        let found = match selector {
            Selector::Digest(digest) => self.entries.iter().find(|e| e.digest == *digest),
            Selector::Tag(tag) => suited.iter().copied().find(|e| e.tag.as_ref() == Some(tag)),
            Selector::Default => match suited.as_slice() {
                [only] => Some(*only),
                many => many.iter().copied().find(|e| e.tag.as_deref() == Some("latest")),
            },
        };
        let found = found.ok_or_else(|| bad("index", format!("{} ({selector:?})", self.tell())))?;
        Ok((found.digest, found.is_index))
    }

    fn tell(&self) -> String {
        let tags: Vec<&str> = self.entries.iter().filter_map(|e| e.tag.as_deref()).collect();
        format!(
            "no such image for amd64 linux; there are {} with tags {tags:?}",
            self.entries.len()
        )
    }
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, BadImage> {
        let raw: RawManifest = serde_json::from_slice(bytes).map_err(|e| bad("manifest", e))?;
        if raw.layers.len() > LAYERS_MAX {
            return Err(bad("manifest", format!("more than {LAYERS_MAX} layers")));
        }
        let layer = |raw: &RawDescriptor| {
            let compression = compression(&raw.media_type)?;
            let digest = Digest::parse(&raw.digest)?;
            Ok(LayerBlob { digest, bytes: raw.size, compression })
        };
        Ok(Manifest {
            config: Digest::parse(&raw.config.digest)?,
            layers: raw.layers.iter().map(layer).collect::<Result<_, BadImage>>()?,
        })
    }
}

fn compression(media_type: &str) -> Result<Compression, BadImage> {
    match media_type {
        kind if kind.ends_with("tar+gzip") || kind.ends_with("tar.gzip") => Ok(Compression::Gzip),
        kind if kind.ends_with("tar+zstd") => Ok(Compression::Zstd),
        kind if kind.ends_with(".tar") => Ok(Compression::None),
        kind => Err(bad("layer", format!("media type {kind:?} is not supported"))),
    }
}
