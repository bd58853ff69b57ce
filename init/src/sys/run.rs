//! The loop: poll, read the clock once, take what is ready in the right order, step the node, carry
//! out its orders before the next step.

use std::io;
use std::time::Duration;

use mio::{Events, Interest, Poll};

use crate::limits::{CODE_KEPT, EVENTS_PER_POLL_MAX, READ_BYTES_MAX};
use units::run::Run;

use crate::node::action::{Action, Outbox, Power};
use crate::node::{Event, Node, journal};
use crate::sys::groups::{self, Groups};
use crate::sys::logs::LogFile;
use crate::sys::outward::Voices;
use crate::sys::processes::Processes;
use crate::sys::reexec::Replacement;
use crate::sys::signals::Signals;
use crate::sys::sources::{Source, Sources};
use crate::sys::survive::Keeper;
use crate::sys::token::Token;
use crate::sys::workers::Workers;
use crate::sys::{clock, resident};
use crate::vault::{Operation, OperationCode};

/// Everything that PID 1 holds of the world, and the node that decides.
#[derive(Debug)]
pub(crate) struct Shore {
    poll: Poll,
    /// Every descriptor that can wake us.
    pub(crate) sources: Sources,
    /// Whose processes run.
    pub(crate) processes: Processes,
    /// The groups of runs.
    pub(crate) groups: Groups,
    /// Children that work for us.
    pub(crate) workers: Workers,
    /// What units hold with us: pipes, sockets, stored descriptors.
    pub(crate) holdings: crate::sys::holdings::Holdings,
    /// Clients of the control socket.
    pub(crate) clients: crate::sys::client::Clients,
    /// The signal pipe.
    pub(crate) signals: Signals,
    /// Sources that may have more without the kernel telling again (edge-triggered).
    hot: Vec<Token>,
    /// Groups to look at again at the end of the turn.
    pub(crate) recheck: Vec<Run>,
    /// The watch over `cgroup.events`.
    pub(crate) events_watch: Token,
    /// The watch over `memory.events`.
    pub(crate) memory_watch: Token,
    /// Time since boot at this turn.
    pub(crate) now: Duration,
    /// How PID 1 shall end, once the node said so.
    pub(crate) power: Option<Power>,
    /// The log memory; the node writes it.
    pub(crate) logs: LogFile,
    /// Consoles, kernel log, watchdog.
    pub(crate) voices: Voices,
    /// When to let go of the program's pages; `None` when that is done.
    rest_due: Option<Duration>,
    /// What the next image must know.
    pub(crate) keeper: Keeper,
    /// A replacement of the program that is under way.
    pub(crate) replacement: Option<Replacement>,
    /// The read buffer of all sources.
    buffer: Vec<u8>,
    pub(crate) node: Node,
    outbox: Outbox,
}

impl Shore {
    /// Opens what the loop needs.
    ///
    /// # Errors
    /// When the poll set, the signal pipe or the watches cannot be made: PID 1 cannot work without.
    pub(crate) fn new(
        node: Node,
        voices: Voices,
        logs: LogFile,
        keeper: Keeper,
    ) -> io::Result<Shore> {
        let poll = Poll::new()?;
        let mut sources = Sources::new(poll.registry().try_clone()?);
        let signal_token = sources.add(Source::Signals, None)?;
        let signals = Signals::new(poll.registry(), signal_token)?;
        let memory_watch =
            sources.add(Source::Memory(groups::open_watch()?), Some(Interest::READABLE))?;
        let events_watch =
            sources.add(Source::Groups(groups::open_watch()?), Some(Interest::READABLE))?;
        Ok(Shore {
            poll,
            sources,
            processes: Processes::default(),
            groups: Groups::default(),
            workers: Workers::default(),
            holdings: crate::sys::holdings::Holdings::default(),
            clients: crate::sys::client::Clients::default(),
            signals,
            hot: Vec::new(),
            recheck: Vec::new(),
            events_watch,
            memory_watch,
            now: clock::since_boot(),
            power: None,
            logs,
            voices,
            rest_due: None,
            keeper,
            replacement: None,
            buffer: vec![0; READ_BYTES_MAX],
            node,
            outbox: Outbox::default(),
        })
    }

    /// Turns until the node orders an end of the machine.
    ///
    /// # Errors
    /// When the poll itself fails, which means that the kernel refuses us memory or the set is broken.
    pub(crate) fn run(&mut self) -> io::Result<Power> {
        let mut events = Events::with_capacity(EVENTS_PER_POLL_MAX);
        loop {
            if let Some(power) = self.power.take() {
                return Ok(power);
            }
            self.turn(&mut events)?;
        }
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        self.keeper.enter(Operation::of(OperationCode::Poll));
        match self.poll.poll(events, self.timeout()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => other?,
        }
        self.now = clock::since_boot();
        let woken = self.now;
        self.rest(events.is_empty());
        let mut ready: Vec<Token> = std::mem::take(&mut self.hot);
        ready.extend(events.iter().filter_map(|event| Token::from_mio(event.token())));
        ready.sort_unstable();
        ready.dedup();
        for token in ready {
            if self.take(token) {
                self.hot.push(token);
            }
        }
        if self.node.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.step(Event::Tick);
        }
        self.feed_watchdog();
        for run in std::mem::take(&mut self.recheck) {
            self.look_at_group(run);
        }
        self.try_replacement();
        let pause = clock::since_boot().saturating_sub(woken);
        self.node.note_pause(pause);
        Ok(())
    }

    /// Lets go of the program's pages a while after something happened; whatever goes on uses few of them.
    fn rest(&mut self, is_quiet: bool) {
        if self.rest_due.is_some_and(|due| due <= self.now) {
            self.rest_due = None;
            resident::forget_heap();
            resident::forget_code();
        }
        if !is_quiet {
            self.rest_due.get_or_insert(self.now + CODE_KEPT);
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.hot.is_empty() || !self.recheck.is_empty() {
            return Some(Duration::ZERO);
        }
        let deadline = [
            self.node.deadline(),
            self.watchdog_deadline(),
            self.replacement_deadline(),
            self.rest_due,
        ]
        .into_iter()
        .flatten()
        .min()?;
        Some(deadline.saturating_sub(clock::since_boot()))
    }

    /// Tells the node one fact and carries out all that it orders.
    ///
    /// What must not be forgotten is written down, and counts as a whole, before anything is done:
    /// an order that a fault cuts off follows from the records again, and one that was carried out
    /// is found to be.
    pub(crate) fn step(&mut self, event: Event<'_>) {
        self.keeper.enter(journal::operation_of(&event));
        let mut outbox = std::mem::take(&mut self.outbox);
        self.node.step(event, self.now, &mut outbox);
        self.outbox = self.carry_out(outbox);
    }

    /// Carries out all orders; gives the empty outbox back.
    pub(crate) fn carry_out(&mut self, mut outbox: Outbox) -> Outbox {
        let (records, orders): (Vec<Action>, Vec<Action>) =
            outbox.drain().partition(Action::is_record);
        self.keeper.enter(Operation::of(OperationCode::Commit));
        for record in records {
            self.perform(record);
        }
        self.keeper.finish();
        let mut follow_ups = Vec::new();
        for order in orders {
            self.keeper.enter(journal::operation_of_order(&order));
            follow_ups.extend(self.perform(order));
            // A thousand starts at once take their time; each one that is done is a sign of life.
            self.feed_watchdog();
        }
        // What an order brought about at once is told only when the whole outbox is carried out.
        for event in follow_ups {
            self.step(event);
        }
        outbox
    }

    /// Lends the read buffer to `read`, and tells the node what that makes of the bytes.
    pub(crate) fn with_buffer<T>(&mut self, read: impl FnOnce(&mut Shore, &mut [u8]) -> T) -> T {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = read(self, &mut buffer);
        self.buffer = buffer;
        result
    }
}
