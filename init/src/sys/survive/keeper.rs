//! The shore's hand on the vault: what is done, what is held, what counts.

use std::collections::BTreeMap;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::fs::fstat;
use units::Spec;
use units::record::Record;
use units::run::Run;

use super::fault;
use super::inject::Injector;
use super::memory::give_back;
use crate::limits::DESCRIPTORS_MAX;
use crate::sys::spawn::Cradle;
use crate::vault::check::{Units, read_units};
use crate::vault::definitions::{Batch, Encoding};
use crate::vault::{Descriptor, Front, Full, Held, Inbox, Intent, Operation, Role, Section, Vault};

/// What PID 1 keeps outside its heap, as the loop uses it.
#[derive(Debug)]
pub struct Keeper {
    vault: Vault<'static>,
    injector: Injector,
}

/// What an input is, besides its bytes; the numbers are the caller's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// What kind.
    pub kind: u32,
    /// Whose.
    pub source: u64,
    /// Where whoever it is for stood before.
    pub before: u64,
}

impl Keeper {
    pub(super) fn new(vault: Vault<'static>) -> Keeper {
        Keeper { vault, injector: Injector::default() }
    }

    /// Says what is being done from here on.
    pub fn enter(&mut self, operation: Operation) {
        self.vault.front().enter(operation);
        self.injector.tick();
    }

    /// Whether faults on purpose are allowed; the command line says so.
    pub fn allow_injection(&mut self, allowed: bool) {
        self.injector = Injector::new(allowed);
    }

    /// The source of faults on purpose.
    pub fn injector(&mut self) -> &mut Injector {
        &mut self.injector
    }

    /// The words of the vault.
    #[must_use]
    pub fn front(&self) -> &'static Front {
        self.vault.front()
    }

    /// The vault itself, for tests and for a look at everything.
    pub fn vault(&mut self) -> &mut Vault<'static> {
        &mut self.vault
    }

    /// Enters a descriptor into the table: the next image will have it under the same number. Counts
    /// with the next commit.
    ///
    /// # Errors
    /// When the descriptor's number is beyond the table, or it cannot be looked at.
    pub fn keep(&mut self, descriptor: BorrowedFd<'_>, role: Role) -> io::Result<()> {
        let stat = fstat(descriptor)?;
        let number = number_of(descriptor)?;
        let entry = Descriptor { role, device: stat.st_dev, inode: stat.st_ino };
        self.vault.put_descriptor(number, &entry).map_err(|_| io::ErrorKind::OutOfMemory.into())
    }

    /// Strikes a descriptor from the table, before it is closed.
    pub fn strike(&mut self, descriptor: BorrowedFd<'_>) {
        if let Ok(number) = number_of(descriptor) {
            self.vault.clear_descriptor(number);
            self.vault.clear(Section::Names, number);
        }
    }

    /// Keeps a descriptor that is never closed, and tells a fault handler its number.
    pub(super) fn hold(&mut self, descriptor: OwnedFd, role: Role, place: &AtomicI32) {
        // Without a place in the table the next image opens its own; this one still uses it.
        let _ = self.keep(descriptor.as_fd(), role);
        self.vault.commit();
        place.store(ManuallyDrop::new(descriptor).as_raw_fd(), Ordering::Relaxed);
    }

    /// Writes a unit's record to its cell. Counts with the next commit.
    ///
    /// # Errors
    /// When the record is larger than a cell, which its author's own limit excludes.
    pub fn record(&mut self, slot: u16, bytes: &[u8]) -> Result<(), Full> {
        self.vault.put_record(usize::from(slot), bytes)
    }

    /// Writes a fact of the node's own, or with no bytes forgets it. Counts with the next commit.
    ///
    /// # Errors
    /// When there is no such note or it is too large.
    pub fn note(&mut self, number: usize, bytes: &[u8]) -> Result<(), Full> {
        self.vault.put(Section::Notes, number, bytes)
    }

    /// A fact of the node's own.
    #[must_use]
    pub fn noted(&self, number: usize) -> Option<&[u8]> {
        self.vault.read(Section::Notes, number).payload()
    }

    /// Names a stored descriptor. Counts with the next commit.
    ///
    /// # Errors
    /// When the descriptor's number is beyond the table.
    pub fn name(&mut self, descriptor: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        self.attach(descriptor, name.as_bytes())
    }

    /// The name of a stored descriptor.
    #[must_use]
    pub fn named(&self, descriptor: BorrowedFd<'_>) -> Option<&str> {
        std::str::from_utf8(self.attached(descriptor)?).ok()
    }

    /// Attaches a fact to a descriptor of the table. Counts with the next commit.
    ///
    /// # Errors
    /// When the descriptor's number is beyond the table, or the fact is too large.
    pub fn attach(&mut self, descriptor: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
        let number = number_of(descriptor)?;
        let put = self.vault.put(Section::Names, number, bytes);
        put.map_err(|_| io::ErrorKind::OutOfMemory.into())
    }

    /// The fact that is attached to a descriptor.
    #[must_use]
    pub fn attached(&self, descriptor: BorrowedFd<'_>) -> Option<&[u8]> {
        self.vault.read(Section::Names, number_of(descriptor).ok()?).payload()
    }

    /// Makes everything that was written count.
    pub fn commit(&mut self) {
        self.vault.commit();
    }

    /// As [`Keeper::commit`], and the input that is being handled is done.
    pub fn finish(&mut self) {
        self.vault.finish();
    }

    /// Reads an input into memory that outlives us: `read` fills the buffer and says how much it took.
    /// From its return on, whatever happens, the input is either handled as a whole or handed to the
    /// next image.
    ///
    /// # Errors
    /// Whatever `read` says; there is no input then.
    pub fn receive(
        &mut self,
        input: Input,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.begin_input();
        let result = read(self.vault.inbox_mut());
        if let Ok(length @ 1..) = result {
            self.accept(input, length);
        }
        self.end_input();
        result
    }

    /// Begins to take an input from the kernel: a signal from outside waits until [`Keeper::end_input`].
    pub fn begin_input(&mut self) {
        self.vault.front().begin_critical();
    }

    /// Says that the first `length` bytes of [`Keeper::room`] are an input to be handled.
    pub fn accept(&mut self, input: Input, length: usize) {
        self.vault.receive(input.kind, input.source, input.before, length);
    }

    /// The input, if there was one, is safe: it will be handled as a whole or handed to the next image.
    pub fn end_input(&mut self) {
        if let Some(signal) = self.vault.front().end_critical() {
            fault::fail_of(signal);
        }
    }

    /// Where the bytes of an input go.
    pub fn room(&mut self) -> &mut [u8] {
        self.vault.inbox_mut()
    }

    /// The bytes of the input that is being handled.
    #[must_use]
    pub fn received(&self, length: usize) -> &[u8] {
        self.vault.inbox_bytes(length)
    }

    /// The input that was received and not done.
    #[must_use]
    pub fn unfinished(&self) -> Option<Inbox<'_>> {
        self.vault.unfinished()
    }

    /// Says for whom a process is about to be made. Returns where the kernel shall write the child's
    /// number and handle, so that no instruction lies between its birth and our knowing of it.
    pub(in crate::sys) fn expect_child(&self, intent: Intent) -> Cradle {
        let pid = self.vault.front().expect_child(intent).cast::<i32>();
        Cradle { pid, pidfd: pid.wrapping_add(1) }
    }

    /// The child is in the table (commit first), or was not made.
    pub fn forget_child(&mut self) {
        self.vault.front().forget_child();
    }

    /// Writes down all definitions that are in force, by unit number. What is unchanged is not written
    /// again. They count at once.
    ///
    /// # Errors
    /// When they do not fit: those before stay in force.
    pub fn define<'s>(
        &mut self,
        specs: impl Iterator<Item = (u16, &'s Spec)> + Clone,
    ) -> Result<(), Full> {
        let changes = self.changes(specs.clone());
        if changes.is_empty() {
            return Ok(());
        }
        let mut batch = self.vault.definitions().append();
        let appended = changes.iter().try_for_each(|(unit, spec)| match spec {
            Some(spec) => put_postcard(&mut batch, *unit, spec),
            None => batch.drop_spec(*unit),
        });
        if appended.and_then(|()| batch.commit()).is_ok() {
            return Ok(());
        }
        let images = read_units(&mut self.vault).images;
        self.rewrite(|batch| put_all(batch, specs.clone(), &images))
    }

    /// Writes down what is known of a unit's image; with no bytes, forgets it. It counts at once.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn know_image(&mut self, unit: u16, image: &[u8]) -> Result<(), Full> {
        let mut batch = self.vault.definitions().append();
        let appended = batch.put_image(unit, image);
        if appended.and_then(|()| batch.commit()).is_ok() {
            return Ok(());
        }
        let mut units = read_units(&mut self.vault);
        units.images.retain(|(known, _)| *known != unit);
        units.images.push((unit, image.to_vec()));
        self.rewrite(|batch| put_all(batch, by_unit(&units), &units.images))
    }

    fn changes<'s>(
        &mut self,
        specs: impl Iterator<Item = (u16, &'s Spec)>,
    ) -> Vec<(u16, Option<&'s Spec>)> {
        let definitions = self.vault.definitions();
        let found = definitions.read();
        let mut gone: BTreeMap<u16, &[u8]> =
            found.definitions.iter().map(|d| (d.unit, d.spec)).collect();
        let mut changes = Vec::new();
        for (unit, spec) in specs {
            let bytes = postcard::to_allocvec(spec).unwrap_or_default();
            if gone.remove(&unit) != Some(bytes.as_slice()) {
                changes.push((unit, Some(spec)));
            }
        }
        changes.extend(gone.into_keys().map(|unit| (unit, None)));
        changes
    }

    /// Writes all definitions, and every unit's record with them, so that another build can read them.
    ///
    /// # Errors
    /// When they do not fit.
    pub(super) fn define_for_others(&mut self) -> Result<(), Full> {
        let units = read_units(&mut self.vault);
        let records: BTreeMap<u16, &Record> = units.records.iter().map(|r| (r.id.0, r)).collect();
        self.rewrite(|batch| {
            units.specs.iter().try_for_each(|(unit, spec)| {
                put_json(batch, *unit, spec, records.get(unit).copied())
            })?;
            units.images.iter().try_for_each(|(unit, image)| batch.put_image(*unit, image))
        })?;
        self.front().set_for_others(true);
        Ok(())
    }

    /// Writes what another build left for us, or what we meant for another build, in our own form.
    ///
    /// # Errors
    /// When it does not fit. The other form stays in force.
    pub(super) fn define_for_ourselves(&mut self, units: &Units) -> Result<(), Full> {
        if !self.front().is_for_others() {
            return Ok(());
        }
        for record in &units.records {
            let bytes = postcard::to_allocvec(record).map_err(|_| Full)?;
            self.record(record.id.0, &bytes)?;
        }
        self.vault.commit();
        self.rewrite(|batch| put_all(batch, by_unit(units), &units.images))?;
        self.front().set_for_others(false);
        Ok(())
    }

    fn rewrite(
        &mut self,
        write: impl FnOnce(&mut Batch<'_>) -> Result<(), Full>,
    ) -> Result<(), Full> {
        let mut batch = self.vault.definitions().rewrite();
        write(&mut batch)?;
        batch.commit()?;
        let old = 1 - self.vault.definitions().half_in_force();
        let (offset, bytes) = self.vault.definition_halves()[old];
        // Memory that the kernel keeps for us is no loss of anything that is in force.
        let _ = give_back(offset, bytes);
        Ok(())
    }

    /// Remembers how many kills for lack of memory in a run's group were told. Counts with the next commit.
    pub fn set_kills(&mut self, run: Run, kills: u32) {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&run.number.to_le_bytes());
        bytes[4..].copy_from_slice(&kills.to_le_bytes());
        // Every unit has a cell, and eight bytes fit.
        let _ = self.vault.put(Section::Groups, usize::from(run.unit.0), &bytes);
    }

    /// How many were told.
    #[must_use]
    pub fn kills(&self, run: Run) -> u32 {
        let held = self.vault.read(Section::Groups, usize::from(run.unit.0));
        match held.payload() {
            Some(&[n0, n1, n2, n3, k0, k1, k2, k3])
                if u32::from_le_bytes([n0, n1, n2, n3]) == run.number =>
            {
                u32::from_le_bytes([k0, k1, k2, k3])
            }
            Some(_) | None => 0,
        }
    }

    /// Whether a unit's record is there.
    #[must_use]
    pub fn has_record(&self, slot: u16) -> bool {
        !matches!(self.vault.read(Section::Units, usize::from(slot)), Held::Nothing)
    }
}

fn put_postcard(batch: &mut Batch<'_>, unit: u16, spec: &Spec) -> Result<(), Full> {
    batch.put_spec(unit, Encoding::Postcard, |room| {
        postcard::to_slice(spec, room).ok().map(|bytes| bytes.len())
    })
}

fn by_unit(units: &Units) -> impl Iterator<Item = (u16, &Spec)> {
    units.specs.iter().map(|(unit, spec)| (*unit, spec))
}

fn put_all<'s>(
    batch: &mut Batch<'_>,
    mut specs: impl Iterator<Item = (u16, &'s Spec)>,
    images: &[(u16, Vec<u8>)],
) -> Result<(), Full> {
    specs.try_for_each(|(unit, spec)| put_postcard(batch, unit, spec))?;
    images.iter().try_for_each(|(unit, image)| batch.put_image(*unit, image))
}

fn put_json(
    batch: &mut Batch<'_>,
    unit: u16,
    spec: &Spec,
    record: Option<&Record>,
) -> Result<(), Full> {
    let text = serde_json::to_vec(spec).map_err(|_| Full)?;
    batch.put_spec(unit, Encoding::Json, |room| {
        room.get_mut(..text.len())?.copy_from_slice(&text);
        Some(text.len())
    })?;
    match record {
        Some(record) => batch.put_state(unit, &serde_json::to_vec(record).map_err(|_| Full)?),
        None => Ok(()),
    }
}

fn number_of(descriptor: BorrowedFd<'_>) -> io::Result<usize> {
    let number = usize::try_from(descriptor.as_raw_fd()).unwrap_or(usize::MAX);
    if number < DESCRIPTORS_MAX { Ok(number) } else { Err(io::ErrorKind::OutOfMemory.into()) }
}
