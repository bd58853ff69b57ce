//! The thread that writes: one order after another, so that the loop never waits for a disk.
//!
//! A segment is made of real zeros, so that a write into it changes no metadata and one flush is all it
//! costs. The next one is made while nothing else is to be done.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use kv::limits::SEGMENT_BYTES;
use kv::replica::{Action, Event};
use kv::reply::Reply;
use kv::wal::log::Order;
use mio::Waker;

use super::files::{segment_path, snapshot_path, sync_directory};

/// The name under which the next segment waits.
const SPARE: &str = "spare";

/// The loop's end of the thread.
#[derive(Debug)]
pub(super) struct Disk {
    orders: Sender<Action<Reply>>,
    events: Receiver<Event>,
}

impl Disk {
    /// Starts the thread. It wakes the loop when it has something to tell.
    pub(super) fn start(directory: PathBuf, waker: Arc<Waker>) -> io::Result<Self> {
        let (orders, taken) = channel();
        let (told, events) = channel();
        let worker = Worker {
            directory,
            segments: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            spare: false,
            spare_wanted: false,
            told,
            waker,
        };
        thread::Builder::new().name("disk".into()).spawn(move || worker.work(&taken))?;
        Ok(Self { orders, events })
    }

    /// Gives an order. If the thread is gone nothing is ever answered, and nothing acknowledged.
    pub(super) fn order(&self, order: Action<Reply>) {
        drop(self.orders.send(order));
    }

    /// What has come of orders since.
    pub(super) fn take(&self) -> impl Iterator<Item = Event> + '_ {
        self.events.try_iter()
    }
}

struct Worker {
    directory: PathBuf,
    segments: BTreeMap<u64, File>,
    snapshots: BTreeMap<u64, File>,
    /// There is a spare segment, of zeros and durable.
    spare: bool,
    spare_wanted: bool,
    told: Sender<Event>,
    waker: Arc<Waker>,
}

impl Worker {
    fn work(mut self, orders: &Receiver<Action<Reply>>) {
        self.spare = self.directory.join(SPARE).exists() && self.make_spare().is_ok();
        loop {
            let order = match orders.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) if self.spare_wanted => {
                    self.spare_wanted = false;
                    self.spare = self.make_spare().is_ok();
                    continue;
                }
                Err(TryRecvError::Empty) => match orders.recv() {
                    Ok(order) => order,
                    Err(_) => return,
                },
            };
            if let Some(event) = self.carry_out(order) {
                drop(self.told.send(event));
                drop(self.waker.wake());
            }
        }
    }

    fn carry_out(&mut self, order: Action<Reply>) -> Option<Event> {
        match order {
            Action::Segment(order) => {
                // A segment that could not be made is found missing by the write that follows.
                drop(self.segment(order));
                None
            }
            Action::Write { ticket, segment, offset, bytes } => {
                Some(told(ticket, self.write(segment, offset, &bytes)))
            }
            Action::SnapshotWrite { ticket, file, offset, bytes, last } => {
                Some(told(ticket, self.write_snapshot(file, offset, &bytes, last)))
            }
            Action::SnapshotRead { ticket, file, offset, bytes } => {
                Some(match self.read_snapshot(file, offset, bytes) {
                    Ok(bytes) => Event::DiskRead { ticket, bytes },
                    Err(why) => Event::Failed { ticket, why: why.to_string() },
                })
            }
            Action::SnapshotRemove { file } => {
                self.snapshots.remove(&file);
                drop(std::fs::remove_file(snapshot_path(&self.directory, file)));
                None
            }
            Action::Send { .. }
            | Action::Applied { .. }
            | Action::Changed { .. }
            | Action::ReadReady { .. }
            | Action::Refused { .. }
            | Action::Members(_)
            | Action::Leader { .. }
            | Action::Broken { .. } => None,
        }
    }

    fn segment(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Open { segment, bytes } => self.open_segment(segment, bytes),
            Order::Remove { segment, spare } => {
                self.segments.remove(&segment);
                let path = segment_path(&self.directory, segment);
                let keeps = spare && !self.spare && !self.spare_wanted;
                if keeps && std::fs::metadata(&path)?.len() == SEGMENT_BYTES {
                    std::fs::rename(&path, self.directory.join(SPARE))?;
                    self.spare_wanted = true;
                    return Ok(());
                }
                std::fs::remove_file(path)
            }
            Order::Write { .. } => Ok(()),
        }
    }

    fn open_segment(&mut self, segment: u64, bytes: u64) -> io::Result<()> {
        let path = segment_path(&self.directory, segment);
        let spare = self.directory.join(SPARE);
        if bytes == SEGMENT_BYTES && (self.spare || self.make_spare().is_ok()) {
            self.spare = false;
            std::fs::rename(spare, &path)?;
        } else {
            let made = self.directory.join("new");
            zeros(&made, bytes)?;
            std::fs::rename(made, &path)?;
        }
        sync_directory(&self.directory)?;
        self.spare_wanted = true;
        let file = OpenOptions::new().write(true).open(path)?;
        // One segment is written at a time.
        self.segments = BTreeMap::from([(segment, file)]);
        Ok(())
    }

    fn make_spare(&self) -> io::Result<()> {
        zeros(&self.directory.join(SPARE), SEGMENT_BYTES)
    }

    fn write(&mut self, segment: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = match self.segments.entry(segment) {
            std::collections::btree_map::Entry::Occupied(file) => file.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let path = segment_path(&self.directory, segment);
                place.insert(OpenOptions::new().write(true).open(path)?)
            }
        };
        file.write_all_at(bytes, offset)?;
        file.sync_data()
    }

    fn write_snapshot(
        &mut self,
        number: u64,
        offset: u64,
        bytes: &[u8],
        last: bool,
    ) -> io::Result<()> {
        let path = snapshot_path(&self.directory, number);
        if offset == 0 {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&path)?;
            self.snapshots.insert(number, file);
        }
        let file = self.snapshots.get(&number).ok_or(io::ErrorKind::NotFound)?;
        file.write_all_at(bytes, offset)?;
        if last {
            file.sync_all()?;
            self.snapshots.remove(&number);
            sync_directory(&self.directory)?;
        }
        Ok(())
    }

    fn read_snapshot(&self, number: u64, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let file = File::open(snapshot_path(&self.directory, number))?;
        let mut read = vec![0; bytes];
        let mut filled = 0;
        while filled < bytes {
            match file.read_at(&mut read[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
        }
        read.truncate(filled);
        Ok(read)
    }
}

fn told(ticket: kv::replica::Ticket, done: io::Result<()>) -> Event {
    match done {
        Ok(()) => Event::Done { ticket },
        Err(why) => Event::Failed { ticket, why: why.to_string() },
    }
}

/// A file of zeros, durable but for its name.
fn zeros(path: &Path, bytes: u64) -> io::Result<()> {
    static PIECE: [u8; 64 * 1024] = [0; 64 * 1024];
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.set_len(bytes)?;
    let mut offset = 0;
    while offset < bytes {
        let piece =
            usize::try_from(bytes - offset).map_or(PIECE.len(), |left| left.min(PIECE.len()));
        file.write_all_at(&PIECE[..piece], offset)?;
        offset += piece as u64;
    }
    file.sync_all()
}
