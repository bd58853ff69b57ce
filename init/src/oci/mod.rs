//! OCI image documents: pure, bytes in and checked values out (image-spec v1.1).

mod config;
mod digest;
mod manifest;
mod reference;

pub use config::ImageConfig;
pub use digest::Digest;
pub use manifest::{Compression, Index, LayerBlob, Manifest};
pub use reference::{Reference, Selector};

/// Largest index, manifest or configuration that is read, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most layers of an image.
pub const LAYERS_MAX: usize = 128;

/// What is wrong with an image, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadImage(pub String);

impl std::fmt::Display for BadImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A document that is not what it should be.
fn bad(what: &str, why: impl std::fmt::Display) -> BadImage {
    BadImage(format!("{what}: {why}"))
}
