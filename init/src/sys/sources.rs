//! The poll set: every descriptor that can wake the loop, in a slab of a plain enum.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry};
use slab::Slab;
use units::run::UnitId;

use crate::node::event::{ClientId, Stream};
use crate::sys::client::Client;
use crate::sys::console::Console;
use crate::sys::token::{Kind, Token};
use crate::sys::uevent::UeventSocket;
use crate::vault::{PipeEnd, Role as Keepsake};

/// One thing that can wake the loop. A plain enum: adding one makes the compiler name every place.
#[derive(Debug)]
pub(crate) enum Source {
    /// The notification socket.
    Notify(OwnedFd),
    /// A stage's report pipe.
    Report { pid: u32, pipe: OwnedFd },
    /// Inotify over `memory.events`.
    Memory(OwnedFd),
    /// The signal pipe's reading end belongs to signal-hook; it is registered by itself.
    Signals,
    /// Inotify over `cgroup.events`.
    Groups(OwnedFd),
    /// A listening socket of a unit.
    Listen { unit: UnitId, index: u16, socket: OwnedFd },
    /// A descriptor that a unit stored.
    Stored { number: u32, descriptor: OwnedFd },
    /// A timer that the kernel cancels when the wall clock is set.
    Clock(OwnedFd),
    /// Device events.
    Uevent(UeventSocket),
    /// The control socket.
    Control(OwnedFd),
    /// A client of it.
    Client { id: ClientId, client: Client },
    /// A pipe that a unit writes to.
    Output { unit: UnitId, stream: Stream, pipe: OwnedFd },
    /// The kernel's ring.
    Kmsg(OwnedFd),
    /// A console; watched only while it is owed something.
    Console(Console),
    /// The pipe on which a test orders faults.
    Faults(OwnedFd),
}

impl Source {
    fn kind(&self) -> Kind {
        match self {
            Source::Notify(_) => Kind::Notify,
            Source::Report { .. } => Kind::Report,
            Source::Memory(_) => Kind::Memory,
            Source::Signals => Kind::Signals,
            Source::Groups(_) => Kind::Groups,
            Source::Listen { .. } => Kind::Listen,
            Source::Stored { .. } => Kind::Stored,
            Source::Clock(_) => Kind::Clock,
            Source::Uevent(_) => Kind::Uevent,
            Source::Control(_) => Kind::Control,
            Source::Client { .. } => Kind::Client,
            Source::Output { .. } => Kind::Output,
            Source::Kmsg(_) => Kind::Kmsg,
            Source::Console(_) => Kind::Console,
            Source::Faults(_) => Kind::Faults,
        }
    }

    /// What the next image is told about the descriptor; `None`: it opens its own.
    pub(crate) fn keepsake(&self) -> Option<(RawFd, Keepsake)> {
        let keepsake = match self {
            Source::Notify(_) => Keepsake::Notify,
            Source::Report { pid, .. } => Keepsake::Report { pid: *pid },
            Source::Listen { unit, index, .. } => Keepsake::Listen { unit: *unit, index: *index },
            Source::Uevent(_) => Keepsake::Uevent,
            Source::Control(_) => Keepsake::Control,
            Source::Client { id, .. } => Keepsake::Client { number: id.0 },
            Source::Output { unit, stream, .. } => Keepsake::LogPipe {
                unit: *unit,
                stderr: *stream == Stream::Stderr,
                end: PipeEnd::Read,
            },
            Source::Kmsg(_) => Keepsake::KernelRing,
            // A stored descriptor is kept by its twin among the holdings.
            Source::Memory(_)
            | Source::Signals
            | Source::Groups(_)
            | Source::Stored { .. }
            | Source::Clock(_)
            | Source::Console(_)
            | Source::Faults(_) => return None,
        };
        Some((self.descriptor()?, keepsake))
    }

    fn descriptor(&self) -> Option<RawFd> {
        match self {
            Source::Notify(fd)
            | Source::Memory(fd)
            | Source::Groups(fd)
            | Source::Clock(fd)
            | Source::Control(fd)
            | Source::Faults(fd)
            | Source::Kmsg(fd) => Some(fd.as_raw_fd()),
            Source::Uevent(socket) => Some(socket.as_fd().as_raw_fd()),
            Source::Console(console) => Some(console.as_fd().as_raw_fd()),
            Source::Report { pipe, .. } | Source::Output { pipe, .. } => Some(pipe.as_raw_fd()),
            Source::Listen { socket, .. } => Some(socket.as_raw_fd()),
            Source::Stored { descriptor, .. } => Some(descriptor.as_raw_fd()),
            Source::Client { client, .. } => Some(client.as_raw_fd()),
            Source::Signals => None,
        }
    }
}

#[derive(Debug)]
struct Entry {
    generation: u32,
    source: Source,
}

/// All sources, by token.
#[derive(Debug)]
pub(crate) struct Sources {
    registry: Registry,
    slots: Slab<Entry>,
    generation: u32,
    notify: Option<Token>,
}

impl Sources {
    /// An empty set over a poll's registry.
    pub(crate) fn new(registry: Registry) -> Sources {
        Sources { registry, slots: Slab::new(), generation: 0, notify: None }
    }

    /// Adds a source and asks the kernel to tell of it. With `None` it only has a place: nothing is told
    /// until [`Sources::interest`].
    pub(crate) fn add(&mut self, source: Source, interest: Option<Interest>) -> io::Result<Token> {
        self.generation = self.generation.wrapping_add(1);
        let entry = self.slots.vacant_entry();
        let slot = u32::try_from(entry.key()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let token = Token::new(source.kind(), slot, self.generation);
        if let (Some(fd), Some(interest)) = (source.descriptor(), interest) {
            self.registry.register(&mut SourceFd(&fd), token.to_mio(), interest)?;
        }
        entry.insert(Entry { generation: token.generation, source });
        if token.kind == Kind::Notify {
            self.notify = Some(token);
        }
        Ok(token)
    }

    /// The socket for notifications.
    pub(crate) fn notify(&self) -> Option<Token> {
        self.notify
    }

    /// Changes what the kernel tells of a source that was added with an interest.
    pub(crate) fn interest(&mut self, token: Token, interest: Interest) -> io::Result<()> {
        let Some(fd) = self.get(token).and_then(Source::descriptor) else { return Ok(()) };
        self.registry.reregister(&mut SourceFd(&fd), token.to_mio(), interest)
    }

    /// Begins to tell of a source that is silent.
    pub(crate) fn wake(&mut self, token: Token, interest: Interest) -> io::Result<()> {
        let Some(fd) = self.get(token).and_then(Source::descriptor) else { return Ok(()) };
        self.registry.register(&mut SourceFd(&fd), token.to_mio(), interest)
    }

    /// Stops telling of a source, which keeps its place.
    pub(crate) fn silence(&mut self, token: Token) {
        if let Some(fd) = self.get(token).and_then(Source::descriptor) {
            // Not registered is what we want; there is nothing else that could fail.
            let _ = self.registry.deregister(&mut SourceFd(&fd));
        }
    }

    /// The source, unless the token is of an older generation.
    pub(crate) fn get(&self, token: Token) -> Option<&Source> {
        let entry = self.slots.get(usize::try_from(token.slot).ok()?)?;
        (entry.generation == token.generation).then_some(&entry.source)
    }

    /// The first source for which `wanted` holds.
    pub(crate) fn find(&self, wanted: impl Fn(&Source) -> bool) -> Option<Token> {
        let (slot, entry) = self.slots.iter().find(|(_, entry)| wanted(&entry.source))?;
        Some(Token::new(entry.source.kind(), u32::try_from(slot).ok()?, entry.generation))
    }

    /// As [`Sources::get`].
    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut Source> {
        let entry = self.slots.get_mut(usize::try_from(token.slot).ok()?)?;
        (entry.generation == token.generation).then_some(&mut entry.source)
    }

    /// Takes a source out of the set.
    pub(crate) fn remove(&mut self, token: Token) -> Option<Source> {
        self.silence(token);
        self.get(token)?;
        Some(self.slots.remove(usize::try_from(token.slot).ok()?).source)
    }
}
