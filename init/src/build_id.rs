//! Which build a program is: the number that the linker computed over it (`.note.gnu.build-id`).
//!
//! Two builds of one release differ in it, so a person sees that the new program is really in service.

/// How much of a program's beginning is enough: headers and notes come first.
pub const HEAD_BYTES: usize = 4096;

/// `PT_NOTE` (elf(5)).
const NOTE: u32 = 4;
/// `NT_GNU_BUILD_ID`.
const BUILD_ID: u32 = 3;
const NOTE_HEAD_BYTES: usize = 12;

/// The build of the program that begins so, in hexadecimal; `None` when it does not say.
#[must_use]
pub fn build_id(head: &[u8]) -> Option<String> {
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = number(head, 32, 8)?;
    let (size, count) = (number(head, 54, 2)?, number(head, 56, 2)?);
    let starts = (0..count).map(|index| table + index * size);
    let id = starts.into_iter().find_map(|start| {
        let is_note = number(head, start, 4)? == NOTE as usize;
        let (offset, length) = (number(head, start + 8, 8)?, number(head, start + 32, 8)?);
        is_note.then(|| find(head.get(offset..offset.checked_add(length)?)?)).flatten()
    })?;
    Some(id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Each note: lengths of name and content, kind, name, content; both padded to four bytes.
fn find(mut notes: &[u8]) -> Option<&[u8]> {
    loop {
        let name_bytes = number(notes, 0, 4)?;
        let content_bytes = number(notes, 4, 4)?;
        let name = notes.get(NOTE_HEAD_BYTES..NOTE_HEAD_BYTES + name_bytes)?;
        let start = NOTE_HEAD_BYTES + name_bytes.next_multiple_of(4);
        let content = notes.get(start..start + content_bytes)?;
        if name == b"GNU\0" && number(notes, 8, 4)? == BUILD_ID as usize {
            return Some(content);
        }
        notes = notes.get(start + content_bytes.next_multiple_of(4)..)?;
    }
}

/// A little-endian number of up to eight bytes; none beyond 32 bits, as nothing here is that far away.
fn number(bytes: &[u8], offset: usize, length: usize) -> Option<usize> {
    let bytes = bytes.get(offset..offset.checked_add(length)?)?;
    let value = bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    usize::try_from(u32::try_from(value).ok()?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn own_head() -> Vec<u8> {
        let mut bytes = std::fs::read("/proc/self/exe").unwrap();
        bytes.truncate(HEAD_BYTES);
        bytes
    }

    #[test]
    fn a_program_that_our_linker_made_says_which_build_it_is() {
        let id = build_id(&own_head()).unwrap();
        assert!(id.len() >= 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }

    #[test]
    fn what_is_cut_or_no_program_says_nothing() {
        let head = own_head();
        for length in 0..head.len() {
            let _ = build_id(&head[..length]);
        }
        assert_eq!(build_id(b"#!/bin/sh\n"), None);
        let wild: Vec<u8> = head.iter().take(64).copied().chain([0xff; 4032]).collect();
        assert_eq!(build_id(&wild), None);
    }
}
