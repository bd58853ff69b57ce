//! Which volume is meant: the words of `keelson.state=` and of `[state] source`.

use crate::superblock::Volume;
use crate::uevent::Uevent;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nothing: the machine keeps its state in memory.
    None,
    /// A file system's label.
    Label(Box<str>),
    /// A partition's name in a GPT.
    PartLabel(Box<str>),
    /// A file system's identity.
    Uuid(Box<str>),
    /// A device below `/dev`.
    Path(Box<str>),
}

impl Source {
    /// Reads `LABEL=x`, `PARTLABEL=x`, `UUID=x`, `/dev/x` or `none`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Source, String> {
        match text.split_once('=') {
            Some((_, "")) => Err(format!("{text}: nothing behind the ="))?,
            Some(("LABEL", label)) => Ok(Source::Label(label.into())),
            Some(("PARTLABEL", label)) => Ok(Source::PartLabel(label.into())),
            Some(("UUID", uuid)) => Ok(Source::Uuid(uuid.to_ascii_lowercase().into())),
            None if text == "none" => Ok(Source::None),
            None if text.starts_with("/dev/") => Ok(Source::Path(text.into())),
            Some(_) | None => {
                Err(format!("{text:?} is not LABEL=, PARTLABEL=, UUID=, /dev/… or none"))
            }
        }
    }

    /// Whether this is it: a block device as the kernel describes it, and what was found on it.
    #[must_use]
    pub fn is(&self, device: &Uevent, volume: &Volume) -> bool {
        match self {
            Source::None => false,
            Source::Label(label) => *label == volume.label,
            Source::PartLabel(label) => device.partname.as_ref() == Some(label),
            Source::Uuid(uuid) => *uuid == volume.uuid,
            Source::Path(path) => device
                .devname
                .as_deref()
                .is_some_and(|name| path.strip_prefix("/dev/") == Some(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_sources_and_find_their_volume() {
        let device = Uevent::parse_file("/x", "DEVNAME=vda1\nPARTNAME=data\n");
        let volume = Volume { kind: "ext4", label: "state".into(), uuid: "ab-cd".into() };
        for word in ["LABEL=state", "PARTLABEL=data", "UUID=AB-CD", "/dev/vda1"] {
            assert!(Source::parse(word).unwrap().is(&device, &volume), "{word}");
        }
        for word in ["LABEL=data", "PARTLABEL=state", "UUID=ab", "/dev/vda", "none"] {
            assert!(!Source::parse(word).unwrap().is(&device, &volume), "{word}");
        }
        for word in ["", "LABEL=", "vda1", "label=x"] {
            assert!(Source::parse(word).is_err(), "{word}");
        }
    }
}
