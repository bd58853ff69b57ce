//! Writes a cpio archive in the "new ASCII" form that the kernel unpacks as its initial root.
//!
//! Source of the format: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`.
//! Owner is always root and every time is zero, so the same tree gives the same bytes.

/// An archive being written.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER: u32 = 0o020_000;
const ALIGNMENT: usize = 4;

impl Archive {
    /// A directory; its parent has to come first.
    pub fn directory(&mut self, path: &str, mode: u32) {
        self.entry(path, DIRECTORY | mode, &[], (0, 0));
    }

    /// A regular file.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entry(path, REGULAR | mode, content, (0, 0));
    }

    /// A symbolic link to `target`.
    pub fn symlink(&mut self, path: &str, target: &str) {
        self.entry(path, SYMLINK | 0o777, target.as_bytes(), (0, 0));
    }

    /// A character device.
    pub fn device(&mut self, path: &str, mode: u32, major: u32, minor: u32) {
        self.entry(path, CHARACTER | mode, &[], (major, minor));
    }

    /// Ends the archive and returns its bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[], (0, 0));
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8], device: (u32, u32)) {
        self.entries += 1;
        let number = |length: usize| u32::try_from(length).expect("entries are below 4 GiB");
        let fields = [
            self.entries,
            mode,
            0, // owner
            0, // group
            1, // links
            0, // time of change
            number(content.len()),
            0, // device that holds it, two fields
            0,
            device.0,
            device.1,
            number(path.len() + 1),
            0, // checksum, unused in this form
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned_and_the_trailer_ends_the_archive() {
        let mut archive = Archive::default();
        archive.directory("dev", 0o755);
        archive.device("dev/console", 0o600, 5, 1);
        archive.file("init", 0o755, b"#!");
        archive.symlink("sbin", "bin");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % ALIGNMENT, 0);
        assert!(bytes.starts_with(b"070701"));
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(text.matches("070701").count(), 5);
        assert!(text.trim_end_matches('\0').ends_with("TRAILER!!!"));
    }
}
