//! The log memory: a memory file that outlives PID 1's program, and that others may read.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{
    MemfdFlags, Mode, OFlags, SealFlags, fchmod, fcntl_add_seals, fstat, ftruncate, memfd_create,
    open,
};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::logs::layout::{HEAD_BYTES, Layout};
use crate::logs::{LogMemory, LogStore, Opened};
use crate::node::Facts;
use crate::sys::run::Shore;
use crate::vault::Role;

/// The memory file of the log store.
#[derive(Debug)]
pub(crate) struct LogFile {
    /// `None`: there is none, and the store lies in ordinary memory that nobody else can read.
    descriptor: Option<OwnedFd>,
}

impl LogFile {
    /// Makes a new store of about `bytes`.
    pub(crate) fn create(bytes: u64, boot_id: &str) -> (LogStore, LogFile) {
        let layout = Layout::for_capacity(bytes);
        let boot_id = boot_id_bytes(boot_id);
        match new_file(layout).and_then(|file| Ok((map(&file)?, file))) {
            Ok((memory, file)) => {
                let (store, _) = LogStore::open(LogMemory::Mapped(memory), layout, &boot_id);
                (store, LogFile { descriptor: Some(file) })
            }
            Err(error) => {
                crate::sys::kmsg::complain(&format!("cannot share the log memory: {error}"));
                (LogStore::new(bytes, &boot_id), LogFile { descriptor: None })
            }
        }
    }

    /// Takes over the store of an earlier life.
    ///
    /// # Errors
    /// When the file cannot be mapped or is none of ours.
    pub(crate) fn adopt(file: OwnedFd, boot_id: &str) -> io::Result<(LogStore, LogFile, Opened)> {
        let memory = map(&file)?;
        let known = memory.get(..HEAD_BYTES).and_then(Layout::read);
        let layout = known
            .filter(|layout| layout.arena_bytes() <= memory.len())
            .ok_or(io::ErrorKind::InvalidData)?;
        let memory = LogMemory::Mapped(memory);
        let (store, opened) = LogStore::open(memory, layout, &boot_id_bytes(boot_id));
        Ok((store, LogFile { descriptor: Some(file) }, opened))
    }

    /// New memory of about `bytes`, to which a store can move.
    fn fresh(bytes: u64) -> io::Result<(LogFile, LogMemory, Layout)> {
        let layout = Layout::for_capacity(bytes);
        let file = new_file(layout)?;
        let memory = LogMemory::Mapped(map(&file)?);
        Ok((LogFile { descriptor: Some(file) }, memory, layout))
    }

    /// Takes over the store of an earlier life if there is one, or makes a new one.
    pub(crate) fn take_over(file: Option<OwnedFd>, facts: &Facts) -> (LogStore, LogFile) {
        let boot_id = &facts.units.boot_id;
        match file.map(|file| LogFile::adopt(file, boot_id)) {
            Some(Ok((store, logs, _))) => return (store, logs),
            Some(Err(error)) => {
                crate::sys::kmsg::complain(&format!("cannot take the log memory over: {error}"));
            }
            None => {}
        }
        LogFile::create(facts.machine.log.memory.0, boot_id)
    }

    /// The descriptor to be handed to the next life.
    pub(crate) fn descriptor(&self) -> Option<&OwnedFd> {
        self.descriptor.as_ref()
    }
}

impl Shore {
    /// Enters the log memory into the table of what is kept.
    pub(crate) fn enter_arena(&mut self) {
        let Some(file) = self.logs.descriptor() else { return };
        if let Err(error) = self.keeper.keep(file.as_fd(), Role::LogArena) {
            self.complain("keep the log memory for the next life", &error);
        }
        self.keeper.commit();
    }

    /// Moves the log store to memory of about `bytes`. Where there is none it stays where it is.
    pub(crate) fn move_logs(&mut self, bytes: u64) {
        match LogFile::fresh(bytes) {
            Ok((file, memory, layout)) => {
                let old = self.node.move_logs(memory, layout);
                let before = std::mem::replace(&mut self.logs, file);
                // Both with one commit: a next life finds the one or the other.
                if let Some(before) = before.descriptor() {
                    self.keeper.strike(before.as_fd());
                }
                self.enter_arena();
                unmap(old);
            }
            Err(error) => self.complain("make log memory of the configured size", &error),
        }
    }

    /// The log memory for somebody who may read it and not write.
    pub(crate) fn log_reader(&self) -> io::Result<OwnedFd> {
        let file = self.logs.descriptor().ok_or(io::ErrorKind::Unsupported)?;
        let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        Ok(open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    }
}

fn new_file(layout: Layout) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create(c"keelson-logs", flags)?;
    // Readers get a descriptor that cannot write; with this mode they cannot open another that can.
    fchmod(&file, Mode::RUSR)?;
    ftruncate(&file, layout.arena_bytes() as u64)?;
    // Nobody can shrink it under our mapping.
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

fn map(file: &OwnedFd) -> io::Result<&'static mut [u8]> {
    let length = usize::try_from(fstat(file)?.st_size).map_err(io::Error::other)?;
    if length == 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice. The file is sealed against shrinking,
    // so every byte stays there; the mapping is never unmapped; PID 1 maps a log file once per life
    // and is its only writer, so this is the only reference to these bytes.
    unsafe {
        let start =
            mmap(std::ptr::null_mut(), length, protection, MapFlags::SHARED, file.as_fd(), 0)?;
        Ok(std::slice::from_raw_parts_mut(start.cast(), length))
    }
}

/// Gives back memory that the store has left.
fn unmap(memory: LogMemory) {
    if let LogMemory::Mapped(bytes) = memory {
        let length = bytes.len();
        // SAFETY: `map` made this mapping with this length, and the only reference to it ends here.
        let unmapped = unsafe { munmap(bytes.as_mut_ptr().cast(), length) };
        debug_assert!(unmapped.is_ok(), "a whole mapping of ours");
    }
}

/// The 32 digits of a boot id.
fn boot_id_bytes(text: &str) -> [u8; 32] {
    let mut id = [b'0'; 32];
    for (to, from) in id.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    id
}
