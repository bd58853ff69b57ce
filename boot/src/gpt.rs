//! A partition table in the form that firmware and kernel read: GPT behind a protective MBR.
//!
//! Source of the format: UEFI specification 2.10, chapter 5. Identifiers are made from the
//! partition's name, so the same disk has the same bytes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Fault;
use crate::oci::digest;

const SECTOR: u64 = 512;

/// Where the first partition begins: 1 MiB, which every disk's own blocks divide.
pub const START_BYTES: u64 = 1 << 20;

const ENTRIES: u32 = 128;
const ENTRY_BYTES: u32 = 128;
const HEADER_BYTES: u32 = 92;

/// Sectors of the table itself.
const TABLE_SECTORS: u64 = (ENTRIES * ENTRY_BYTES) as u64 / SECTOR;

/// Bytes that the table takes at the end of the disk, rounded up to what keeps sizes round.
pub const END_BYTES: u64 = 1 << 20;

/// "Linux filesystem data", 0FC63DAF-8483-4772-8E79-3D69D8477DE4, as it stands on the disk.
const LINUX_DATA: [u8; 16] = [
    0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4,
];

/// Writes a table with one partition called `name` between [`START_BYTES`] and the last
/// [`END_BYTES`] of the disk `image`, which has `disk_bytes`.
///
/// # Errors
/// When the image cannot be written.
pub fn write_single(image: &Path, disk_bytes: u64, name: &str) -> Result<(), Fault> {
    let file = File::options().write(true).open(image).map_err(Fault::file("open", image))?;
    let last = disk_bytes / SECTOR - 1;
    let entries = entries(name, START_BYTES / SECTOR, (disk_bytes - END_BYTES) / SECTOR - 1);
    let backup_table = last - TABLE_SECTORS;
    let blocks = [
        (0, protective_mbr(last)),
        (1, header(&entries, name, 1, last, 2)),
        (2, entries.clone()),
        (backup_table, entries.clone()),
        (last, header(&entries, name, last, 1, backup_table)),
    ];
    for (sector, bytes) in blocks {
        file.write_all_at(&bytes, sector * SECTOR).map_err(Fault::file("write", image))?;
    }
    Ok(())
}

/// Says to programs that know no GPT that the whole disk is taken.
fn protective_mbr(last: u64) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    let sectors = u32::try_from(last).unwrap_or(u32::MAX);
    bytes[446..462].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0]);
    bytes[458..462].copy_from_slice(&sectors.to_le_bytes());
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    bytes
}

fn entries(name: &str, first: u64, last: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(LINUX_DATA);
    bytes.extend(identifier(&format!("partition {name}")));
    bytes.extend(first.to_le_bytes());
    bytes.extend(last.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend(name.encode_utf16().take(35).flat_map(u16::to_le_bytes));
    bytes.resize((ENTRIES * ENTRY_BYTES) as usize, 0);
    bytes
}

fn header(entries: &[u8], name: &str, own: u64, other: u64, table: u64) -> Vec<u8> {
    let last = own.max(other);
    let mut bytes = b"EFI PART".to_vec();
    bytes.extend([0, 0, 1, 0]); // revision 1.0
    bytes.extend(HEADER_BYTES.to_le_bytes());
    bytes.extend([0; 8]); // this header's checksum, below, and reserved
    bytes.extend(own.to_le_bytes());
    bytes.extend(other.to_le_bytes());
    bytes.extend((2 + TABLE_SECTORS).to_le_bytes());
    bytes.extend((last - TABLE_SECTORS - 1).to_le_bytes());
    bytes.extend(identifier(&format!("disk {name}")));
    bytes.extend(table.to_le_bytes());
    bytes.extend(ENTRIES.to_le_bytes());
    bytes.extend(ENTRY_BYTES.to_le_bytes());
    bytes.extend(checksum(entries).to_le_bytes());
    let sum = checksum(&bytes);
    bytes[16..20].copy_from_slice(&sum.to_le_bytes());
    bytes.resize(512, 0);
    bytes
}

/// A version 8 identifier (RFC 9562: custom) from `text`.
fn identifier(text: &str) -> [u8; 16] {
    let digest = digest(text.as_bytes());
    let hex = digest.trim_start_matches("sha256:");
    let number = u128::from_str_radix(&hex[..32], 16).expect("a digest is hexadecimal");
    let mut bytes = number.to_le_bytes();
    bytes[7] = bytes[7] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_headers_carry_their_checksums_and_point_at_each_other() {
        let path = std::env::temp_dir().join(format!("keelson-gpt-{}", std::process::id()));
        let size = 8 << 20;
        File::create(&path).unwrap().set_len(size).unwrap();
        write_single(&path, size, "state").unwrap();
        let disk = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let last = usize::try_from(size).unwrap() - 512;
        for at in [512, last] {
            let mut header = disk[at..at + 92].to_vec();
            let sum = u32::from_le_bytes(header[16..20].try_into().unwrap());
            header[16..20].fill(0);
            assert!(header.starts_with(b"EFI PART"));
            assert_eq!(checksum(&header), sum);
        }
        assert_eq!(disk[512 + 24..512 + 32], disk[last + 32..last + 40]);
        assert_eq!(disk[510..512], [0x55, 0xaa]);
    }
}
