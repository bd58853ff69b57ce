//! File systems known by the first bytes of their device: type, label and identity.
//!
//! Formats: ext4 (`Documentation/filesystems/ext4/globals`), XFS (`xfs_sb`), btrfs (on-disk format,
//! super block at 64 KiB), FAT (Microsoft's FAT specification 1.03).

/// What is read from a device: enough for all of them.
pub const SUPERBLOCK_BYTES: usize = 68 * 1024;

/// A file system that can be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The kernel's name of the type.
    pub kind: &'static str,
    /// Its label; empty if it has none.
    pub label: Box<str>,
    /// Its identity as `UUID=` spells it: lower case, with dashes.
    pub uuid: Box<str>,
}

impl Volume {
    /// Recognises the file system that begins with these bytes; fewer than [`SUPERBLOCK_BYTES`] are
    /// fine, but then it may not be found.
    #[must_use]
    pub fn recognise(bytes: &[u8]) -> Option<Volume> {
        ext4(bytes).or_else(|| xfs(bytes)).or_else(|| btrfs(bytes)).or_else(|| fat(bytes))
    }
}

fn ext4(bytes: &[u8]) -> Option<Volume> {
    let block = bytes.get(1024..2048)?;
    (block[56..58] == [0x53, 0xef]).then(|| Volume {
        kind: "ext4",
        label: label(&block[120..136]),
        uuid: uuid(&block[104..120]),
    })
}

fn xfs(bytes: &[u8]) -> Option<Volume> {
    let block = bytes.get(..512)?;
    (block[..4] == *b"XFSB").then(|| Volume {
        kind: "xfs",
        label: label(&block[108..120]),
        uuid: uuid(&block[32..48]),
    })
}

fn btrfs(bytes: &[u8]) -> Option<Volume> {
    let block = bytes.get(65_536..65_536 + 1024)?;
    (block[64..72] == *b"_BHRfS_M").then(|| Volume {
        kind: "btrfs",
        label: label(&block[299..555]),
        uuid: uuid(&block[32..48]),
    })
}

fn fat(bytes: &[u8]) -> Option<Volume> {
    let sector = bytes.get(..512)?;
    if sector[510..] != [0x55, 0xaa] {
        return None;
    }
    // FAT32 keeps them further back than FAT12 and FAT16.
    let at = if sector[82..87] == *b"FAT32" {
        67
    } else if sector[54..57] == *b"FAT" {
        39
    } else {
        return None;
    };
    let [a, b, c, d] = sector[at..at + 4] else { return None };
    let text = label(&sector[at + 4..at + 15]);
    let text = if &*text == "NO NAME" { "".into() } else { text };
    Some(Volume {
        kind: "vfat",
        label: text,
        uuid: format!("{d:02x}{c:02x}-{b:02x}{a:02x}").into(),
    })
}

/// A label: up to the first zero, blanks at the end removed.
fn label(bytes: &[u8]) -> Box<str> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim_end().into()
}

fn uuid(bytes: &[u8]) -> Box<str> {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&at) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; SUPERBLOCK_BYTES];
        for (at, part) in parts {
            bytes[*at..at + part.len()].copy_from_slice(part);
        }
        bytes
    }

    #[test]
    fn each_kind_is_recognised_with_its_label() {
        let uuid = [0xab; 16];
        let ext4 = image(&[(1080, &[0x53, 0xef]), (1144, b"keelson-state"), (1128, &uuid)]);
        let found = Volume::recognise(&ext4).unwrap();
        assert_eq!((found.kind, &*found.label), ("ext4", "keelson-state"));
        assert_eq!(&*found.uuid, "abababab-abab-abab-abab-abababababab");
        let fat = image(&[(510, &[0x55, 0xaa]), (82, b"FAT32   "), (71, b"KEELSON    ")]);
        let found = Volume::recognise(&fat).unwrap();
        assert_eq!((found.kind, &*found.label, &*found.uuid), ("vfat", "KEELSON", "0000-0000"));
        let btrfs = image(&[(65_600, b"_BHRfS_M"), (65_835, b"b")]);
        assert_eq!(&*Volume::recognise(&btrfs).unwrap().label, "b");
        assert_eq!(Volume::recognise(&image(&[(0, b"XFSB")])).unwrap().kind, "xfs");
    }

    #[test]
    fn anything_else_is_nothing() {
        assert_eq!(Volume::recognise(&image(&[])), None);
        for length in [0, 1, 511, 512, 1025, 2047, 65_540] {
            assert_eq!(Volume::recognise(&vec![0xff; length]), None);
        }
        let boot_sector_alone = image(&[(510, &[0x55, 0xaa])]);
        assert_eq!(Volume::recognise(&boot_sector_alone), None);
    }
}
