//! `/proc/self/mountinfo`, parsed (proc_pid_mountinfo(5)); text in, values out.

use crate::limits::MOUNTS_MAX;

/// One mount of the name space, as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountLine {
    /// The mount's number.
    pub id: u32,
    /// The number of the mount that it sits on.
    pub parent: u32,
    /// Major and minor number of the file system's device.
    pub device: (u32, u32),
    /// Where it is, escapes undone. Not always UTF-8.
    pub target: Vec<u8>,
    /// The file system's type, without subtype.
    pub kind: Box<str>,
    /// What was mounted: a device, a server, or a mere word.
    pub source: Box<str>,
    /// The mount itself, or its file system, is read-only.
    pub read_only: bool,
}

/// Parses all lines, in the kernel's order; a line that is none of the format is left out.
#[must_use]
pub fn parse(bytes: &[u8]) -> Vec<MountLine> {
    bytes.split(|byte| *byte == b'\n').filter_map(parse_line).take(MOUNTS_MAX).collect()
}

fn parse_line(line: &[u8]) -> Option<MountLine> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let (major, minor) = text(fields.next()?)?.split_once(':')?;
    let device = (major.parse().ok()?, minor.parse().ok()?);
    let _root = fields.next()?;
    let target = unescape(fields.next()?);
    let options = text(fields.next()?)?;
    // Optional fields (peer groups) end with a single dash.
    fields.by_ref().find(|field| *field == b"-")?;
    let kind = text(fields.next()?)?.split('.').next()?.into();
    let source = String::from_utf8_lossy(&unescape(fields.next()?)).into();
    let super_options = text(fields.next().unwrap_or_default())?;
    let read_only = |options: &str| options.split(',').any(|option| option == "ro");
    let read_only = read_only(options) || read_only(super_options);
    Some(MountLine { id, parent, device, target, kind, source, read_only })
}

fn number(field: &[u8]) -> Option<u32> {
    text(field)?.parse().ok()
}

fn text(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field).ok()
}

/// Undoes the kernel's `\ooo` for blank, tab, new line and backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = (byte == b'\\').then(|| tail.get(..3).and_then(octal_value)).flatten();
        match octal {
            Some(value) => {
                out.push(value);
                rest = &tail[3..];
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

fn octal_value(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(text(digits)?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_and_unescaped() {
        let text =
            b"36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime master:1 shared:2 - ext3 /dev/root ro,x\n\
            22 1 0:2 / / rw - rootfs rootfs rw\n\
            no line at all\n\
            40 22 0:50 / /fuse rw - fuse.sshfs host:/a rw\n";
        let lines = parse(text);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].target, b"/mnt/a b");
        assert_eq!(lines[0].device, (98, 0));
        assert_eq!((&*lines[0].kind, &*lines[0].source), ("ext3", "/dev/root"));
        assert!(lines[0].read_only && !lines[1].read_only);
        assert_eq!(&*lines[2].kind, "fuse");
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        assert_eq!(unescape(b"a\\04"), b"a\\04");
        assert_eq!(unescape(b"\\999"), b"\\999");
        assert_eq!(unescape(b"\\134"), b"\\");
    }
}
