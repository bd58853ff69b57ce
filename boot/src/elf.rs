//! The little of ELF that packing needs: a module's own description, a program's libraries.
//!
//! Source of the format: elf(5). Only 64-bit little-endian files, the only ones we boot.

use std::ops::Range;

/// An ELF file's bytes and its section table.
#[derive(Debug)]
pub struct Elf<'a> {
    bytes: &'a [u8],
    sections: Vec<Section>,
}

#[derive(Debug)]
struct Section {
    name: u32,
    kind: u32,
    link: u32,
    place: Range<usize>,
}

const KIND_DYNAMIC: u32 = 6;
const TAG_NEEDED: u64 = 1;

impl<'a> Elf<'a> {
    /// Reads the section table; `None` when this is no such ELF file.
    pub fn parse(bytes: &'a [u8]) -> Option<Elf<'a>> {
        // Magic, 64-bit class, little-endian.
        if !bytes.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let table = usize::try_from(number(bytes, 0x28, 8)?).ok()?;
        let size = usize::try_from(number(bytes, 0x3a, 2)?).ok()?;
        let count = usize::try_from(number(bytes, 0x3c, 2)?).ok()?;
        let sections: Option<Vec<Section>> =
            (0..count).map(|index| section(bytes, table.checked_add(index * size)?)).collect();
        Some(Elf { bytes, sections: sections? })
    }

    /// The bytes of the section called `name`.
    pub fn section(&self, name: &str) -> Option<&'a [u8]> {
        let names_index = usize::try_from(number(self.bytes, 0x3e, 2)?).ok()?;
        let names = self.content(self.sections.get(names_index)?)?;
        let found = self.sections.iter().find(|one| text(names, one.name) == Some(name))?;
        self.content(found)
    }

    /// The sonames of the libraries that the dynamic loader has to find.
    pub fn needed(&self) -> Vec<&'a str> {
        let Some(dynamic) = self.sections.iter().find(|one| one.kind == KIND_DYNAMIC) else {
            return Vec::new();
        };
        let strings = usize::try_from(dynamic.link).ok().and_then(|at| self.sections.get(at));
        let (Some(entries), Some(strings)) =
            (self.content(dynamic), strings.and_then(|one| self.content(one)))
        else {
            return Vec::new();
        };
        let needed =
            entries.chunks_exact(16).filter(|entry| number(entry, 0, 8) == Some(TAG_NEEDED));
        needed
            .filter_map(|entry| text(strings, u32::try_from(number(entry, 8, 8)?).ok()?))
            .collect()
    }

    fn content(&self, section: &Section) -> Option<&'a [u8]> {
        self.bytes.get(section.place.clone())
    }
}

fn section(bytes: &[u8], at: usize) -> Option<Section> {
    let start = usize::try_from(number(bytes, at + 0x18, 8)?).ok()?;
    let size = usize::try_from(number(bytes, at + 0x20, 8)?).ok()?;
    Some(Section {
        name: u32::try_from(number(bytes, at, 4)?).ok()?,
        kind: u32::try_from(number(bytes, at + 4, 4)?).ok()?,
        link: u32::try_from(number(bytes, at + 0x28, 4)?).ok()?,
        place: start..start.checked_add(size)?,
    })
}

fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(size)?)?;
    Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn text(table: &[u8], at: u32) -> Option<&str> {
    let rest = table.get(usize::try_from(at).ok()?..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_sections_of_this_very_program() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let elf = Elf::parse(&bytes).unwrap();
        assert!(elf.section(".text").is_some_and(|text| !text.is_empty()));
        assert!(elf.section(".no-such-section").is_none());
        assert!(elf.needed().is_empty(), "everything is linked statically");
    }

    #[test]
    fn cut_files_are_refused_and_never_panic() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        for end in (0..4096).step_by(7) {
            assert!(Elf::parse(&bytes[..end]).is_none());
        }
    }
}
