//! The vault's memory: a sealed memfd at a fixed descriptor, mapped by every image of the program.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, fstat,
    ftruncate, memfd_create,
};
use rustix::io::{DupFlags, dup3};
use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::vault::Front;
use crate::vault::layout::{BODY_BYTES, FRONT_BYTES};

/// Where every image finds the vault: its number alone says so, no argument does, since the kernel puts
/// words of its own command line among those.
pub const VAULT_DESCRIPTOR: RawFd = 3;

/// The vault's memory. Mapped for as long as the program runs.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) front: &'static Front,
    pub(super) body: &'static mut [u8],
}

fn seals() -> SealFlags {
    SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL
}

/// Makes the memory and puts it at its number. Whatever was there is closed: PID 1 takes no descriptor
/// from whoever started it.
pub(super) fn create() -> io::Result<Memory> {
    let file = make(FRONT_BYTES + BODY_BYTES)?;
    place(file)?;
    map(descriptor(), FRONT_BYTES + BODY_BYTES)
}

/// A sealed memfd of that many zero bytes.
fn make(bytes: usize) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create(c"keelson-vault", flags)?;
    ftruncate(&file, bytes as u64)?;
    fcntl_add_seals(&file, seals())?;
    Ok(file)
}

fn place(file: OwnedFd) -> io::Result<()> {
    if file.as_raw_fd() == VAULT_DESCRIPTOR {
        std::mem::forget(file); // it is where it belongs, for good
        return Ok(());
    }
    // SAFETY: the number is the vault's; nobody else owns it. It is never dropped: see `forget`.
    let mut target = unsafe { OwnedFd::from_raw_fd(VAULT_DESCRIPTOR) };
    let done = dup3(&file, &mut target, DupFlags::CLOEXEC);
    std::mem::forget(target);
    Ok(done?)
}

/// The memory that an earlier image left, if there is any.
pub(super) fn inherit() -> io::Result<Option<Memory>> {
    // SAFETY: asking whether a number is open is harmless whatever it is.
    if unsafe { libc::fcntl(VAULT_DESCRIPTOR, libc::F_GETFD) } < 0 {
        return Ok(None);
    }
    let file = descriptor();
    if !fcntl_get_seals(file).is_ok_and(|found| found.contains(seals())) {
        return Ok(None);
    }
    rustix::io::fcntl_setfd(file, rustix::io::FdFlags::CLOEXEC)?;
    let bytes = usize::try_from(fstat(file)?.st_size).unwrap_or(0);
    if bytes <= FRONT_BYTES {
        return Ok(None);
    }
    map(file, bytes).map(Some)
}

/// The vault's descriptor. Only called once it is known to be open.
pub(super) fn descriptor() -> BorrowedFd<'static> {
    // SAFETY: the vault's number is open for as long as the program runs; nobody closes it.
    unsafe { BorrowedFd::borrow_raw(VAULT_DESCRIPTOR) }
}

fn map(file: BorrowedFd<'_>, bytes: usize) -> io::Result<Memory> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping of our own choosing; it is never unmapped. The file is sealed against
    // shrinking, so that every byte of it stays there.
    let start = unsafe { mmap(ptr::null_mut(), bytes, protection, MapFlags::SHARED, file, 0) }?;
    // SAFETY: the mapping is page-aligned as `Front` asks, lasts for ever, and its first page is only
    // ever used through `Front`'s atomic words, for which any bits are valid.
    let front = unsafe { &*start.cast::<Front>() };
    // SAFETY: the rest of the mapping lasts for ever, any byte is valid, and this is its only reference:
    // fault handlers use the front alone. Another process may map a copy, never this file for writing.
    let body = unsafe {
        std::slice::from_raw_parts_mut(start.cast::<u8>().add(FRONT_BYTES), bytes - FRONT_BYTES)
    };
    Ok(Memory { front, body })
}

/// Gives the memory of a range of the body back to the kernel; it reads as zero from then on.
pub(super) fn give_back(offset: usize, bytes: usize) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(fallocate(descriptor(), flags, (FRONT_BYTES + offset) as u64, bytes as u64)?)
}

/// A copy of the vault as it is now, for another program to look at. Holes stay holes.
pub(super) fn copy() -> io::Result<OwnedFd> {
    let bytes = usize::try_from(fstat(descriptor())?.st_size).unwrap_or(0);
    let target = make(bytes)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut at = 0;
    while let Ok(start) = rustix::fs::seek(descriptor(), rustix::fs::SeekFrom::Data(at)) {
        let end = rustix::fs::seek(descriptor(), rustix::fs::SeekFrom::Hole(start))?;
        at = start;
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            let count = rustix::io::pread(descriptor(), &mut buffer[..wanted], at)?;
            if count == 0 {
                return Ok(target);
            }
            rustix::io::pwrite(&target, &buffer[..count], at)?;
            at += count as u64;
        }
    }
    Ok(target)
}

/// The copy of a vault on standard input, for a program that is asked whether it can read it.
pub(super) fn map_input() -> io::Result<(&'static Front, &'static mut [u8])> {
    let input = rustix::stdio::stdin();
    if !fcntl_get_seals(input)?.contains(seals()) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let bytes = usize::try_from(fstat(input)?.st_size).unwrap_or(0);
    if bytes <= FRONT_BYTES {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let memory = map(input, bytes)?;
    Ok((memory.front, memory.body))
}
