//! The kernel as the linker made it, taken out of the compressed image that boot loaders want.
//!
//! QEMU starts such a file directly (its entry for virtual machines is the PVH note), so the guest
//! has nothing to unpack: measured under emulation, 1.5 s instead of 1.95 s from the start of QEMU
//! to our init.
//!
//! Source of the format: the kernel's `Documentation/x86/boot.rst`, fields `setup_sects`,
//! `payload_offset` and `payload_length`; for LZ4, `lz4_Block_format.md` of the LZ4 project.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::replace_file;
use crate::{Fault, tool};

const SECTOR: usize = 512;
const LZ4_LEGACY: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ELF: &[u8] = b"\x7fELF";

/// The shortest copy that LZ4 writes down.
const LZ4_COPY_MIN: usize = 4;

/// The uncompressed kernel of `image`, made beside it when it is not there yet; `None` when the image
/// is packed in a way that we do not unpack, and has to be booted as it is.
///
/// # Errors
/// When a file cannot be read or written.
pub fn beside(image: &Path) -> Result<Option<PathBuf>, Fault> {
    let plain = image.with_file_name("vmlinux");
    if plain.is_file() {
        return Ok(Some(plain));
    }
    let bytes = fs::read(image).map_err(Fault::file("read", image))?;
    let Some(kernel) = payload(&bytes).and_then(unpack).filter(|kernel| kernel.starts_with(ELF))
    else {
        return Ok(None);
    };
    replace_file(&plain, &kernel)?;
    Ok(Some(plain))
}

/// The compressed kernel within the image.
fn payload(image: &[u8]) -> Option<&[u8]> {
    image.get(0x202..0x206).filter(|magic| magic == b"HdrS")?;
    let setup = usize::from(*image.get(0x1f1)?);
    let start = (setup + 1) * SECTOR + number(image, 0x248)?;
    image.get(start..start.checked_add(number(image, 0x24c)?)?)
}

fn unpack(payload: &[u8]) -> Option<Vec<u8>> {
    // The last four bytes are the kernel's size, which is not part of the compressed stream.
    let (stream, _size) = payload.split_at_checked(payload.len().checked_sub(4)?)?;
    if let Some(blocks) = stream.strip_prefix(&LZ4_LEGACY) {
        return unpack_lz4(blocks);
    }
    if stream.starts_with(&ZSTD) {
        return tool::filter(tool::command("zstd").args(["-q", "-d", "-c"]), stream).ok();
    }
    None
}

/// Blocks, each after its length.
fn unpack_lz4(mut blocks: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while !blocks.is_empty() {
        let length = number(blocks, 0)?;
        let block = blocks.get(4..length.checked_add(4)?)?;
        unpack_block(block, &mut out)?;
        blocks = &blocks[4 + length..];
    }
    Some(out)
}

/// Sequences of literal bytes and a copy from `offset` bytes back; the last one has no copy.
fn unpack_block(mut block: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let begin = out.len();
    while let Some((token, rest)) = block.split_first() {
        block = rest;
        let literals = length(usize::from(token >> 4), &mut block)?;
        out.extend_from_slice(block.get(..literals)?);
        block = &block[literals..];
        if block.is_empty() {
            break;
        }
        let offset = usize::from(u16::from_le_bytes([*block.first()?, *block.get(1)?]));
        block = &block[2..];
        let count = length(usize::from(token & 15), &mut block)? + LZ4_COPY_MIN;
        let from = out.len().checked_sub(offset).filter(|at| offset > 0 && *at >= begin)?;
        copy(out, from, count);
    }
    Some(())
}

/// Source and destination may overlap: what is copied may itself be part of the copy.
fn copy(out: &mut Vec<u8>, from: usize, count: usize) {
    let mut left = count;
    while left > 0 {
        let step = left.min(out.len() - from);
        out.extend_from_within(from..from + step);
        left -= step;
    }
}

/// Fifteen means that more follows, in bytes of which all but the last are 255.
fn length(first: usize, block: &mut &[u8]) -> Option<usize> {
    let mut sum = first;
    let mut more = first == 15;
    while more {
        let (byte, rest) = block.split_first()?;
        *block = rest;
        sum = sum.checked_add(usize::from(*byte))?;
        more = *byte == 255;
    }
    Some(sum)
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..at + 4)?;
    usize::try_from(u32::from_le_bytes(field.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_may_overlap_themselves() {
        // Literals "ab", then 9 bytes from 2 back, then the literal "!".
        let block = [0x25, b'a', b'b', 2, 0, 0x10, b'!'];
        let mut out = b"x".to_vec();
        unpack_block(&block, &mut out).unwrap();
        assert_eq!(out, b"xabababababa!");
    }

    #[test]
    fn long_lengths_go_on_and_bad_offsets_are_refused() {
        let mut block = vec![0xf0, 5];
        block.extend([b'z'; 20]);
        let mut out = Vec::new();
        unpack_block(&block, &mut out).unwrap();
        assert_eq!(out, [b'z'; 20]);
        assert!(unpack_block(&[0x10, b'a', 2, 0], &mut Vec::new()).is_none());
        assert!(unpack_block(&[0x10, b'a', 0, 0], &mut Vec::new()).is_none());
        assert!(unpack_block(&[0xf0, 255], &mut Vec::new()).is_none());
    }

    #[test]
    fn what_is_no_kernel_image_has_no_payload() {
        assert!(payload(b"").is_none());
        assert!(payload(&[0; 4096]).is_none());
    }
}
