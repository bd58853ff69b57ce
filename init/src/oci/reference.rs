//! What a unit calls its image.

use super::{BadImage, Digest, bad};

/// An image: a layout directory, and which of the images in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// A name in the machine's image directory, or an absolute path.
    pub layout: String,
    /// Which image of the layout.
    pub selector: Selector,
}

/// Which image of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The only one, or the one called `latest`.
    Default,
    /// By `org.opencontainers.image.ref.name`.
    Tag(String),
    /// By its manifest's digest.
    Digest(Digest),
}

impl Reference {
    /// Reads `NAME`, `NAME:TAG`, `NAME@sha256:…`, or the same with an absolute path.
    ///
    /// # Errors
    /// A name that is empty or leads elsewhere, a bad tag or digest.
    pub fn parse(text: &str) -> Result<Reference, BadImage> {
        let (layout, selector) = match text.split_once('@') {
            Some((layout, digest)) => (layout, Selector::Digest(Digest::parse(digest)?)),
            None => match text.rsplit_once(':') {
                Some((layout, tag)) if !tag.contains('/') => {
                    (layout, Selector::Tag(checked_tag(tag)?))
                }
                _ => (text, Selector::Default),
            },
        };
        let leads_away = layout.split('/').any(|part| part == ".." || part == ".");
        if layout.is_empty() || leads_away || layout.contains('\0') {
            return Err(bad("image", format!("{text:?} names no image")));
        }
        Ok(Reference { layout: layout.to_owned(), selector })
    }
}

fn checked_tag(tag: &str) -> Result<String, BadImage> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if tag.is_empty() || tag.len() > 128 || !tag.chars().all(plain) {
        return Err(bad("image", format!("{tag:?} is no tag")));
    }
    Ok(tag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tags_and_digests() {
        let parse = |text| Reference::parse(text).unwrap();
        assert_eq!(parse("nginx").selector, Selector::Default);
        assert_eq!(parse("nginx:1.22").selector, Selector::Tag("1.22".into()));
        assert_eq!(parse("/a/b:5/c").layout, "/a/b:5/c");
        for wrong in ["", "../x", "a/../b", "x:", "x@sha256:1"] {
            assert!(Reference::parse(wrong).is_err(), "{wrong}");
        }
    }
}
