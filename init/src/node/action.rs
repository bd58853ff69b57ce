//! Orders that the node gives to the shore, in the imperative.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use units::event::KillTarget;
use units::plan::Plan;
use units::resources::Resources;
use units::run::{Role, Run, Ticket, UnitId};
use units::service::Signal;
use units::triggers::Socket;

use crate::node::event::ClientId;
use crate::wire::{Limits, Response};

/// An order. Those with a ticket are answered by exactly one `Done`, `Spawned` or `Worked`.
#[derive(Debug)]
pub enum Action {
    /// Make one process of a run. Answered by `Spawned`.
    Spawn {
        /// Names the order.
        ticket: Ticket,
        /// Whose.
        run: Run,
        /// Which.
        role: Role,
        /// What the stage shall do.
        plan: Box<Plan>,
        /// What its group may use (written when the group is made).
        resources: Box<Resources>,
        /// The accepted connection that it serves.
        connection: Option<u32>,
    },
    /// Start a guest: a program that somebody runs inside a unit. Answered by `Spawned`, then by
    /// `GuestExited`.
    Exec {
        /// Names the order, and the guest.
        ticket: Ticket,
        /// In whose surroundings.
        run: Run,
        /// What the stage shall do.
        plan: Box<Plan>,
        /// Standard input, output and error, by the shore's numbers; they are used up.
        stdio: [u32; 3],
    },
    /// Send a signal to a guest.
    SignalGuest {
        /// Which.
        ticket: Ticket,
        /// What.
        signal: Signal,
    },
    /// Run a worker. Answered by `Worked`.
    Work {
        /// Names the order.
        ticket: Ticket,
        /// The worker's name and arguments.
        arguments: Vec<String>,
        /// Its standard input.
        input: Vec<u8>,
        /// Pass the main process of this run as descriptor 3.
        target: Option<Run>,
    },
    /// Run the worker `flush` with the log memory. Answered by `Worked`.
    Flush {
        /// Names the order.
        ticket: Ticket,
        /// Its standard input.
        input: Vec<u8>,
    },
    /// End a worker at once; its `Worked` still comes.
    KillWorker {
        /// Which.
        ticket: Ticket,
    },
    /// Send a signal.
    Signal {
        /// Whose.
        run: Run,
        /// Whom.
        target: KillTarget,
        /// What.
        signal: Signal,
    },
    /// Kill every process of the group.
    KillGroup {
        /// Whose.
        run: Run,
    },
    /// Remove the group and close what belonged to the run.
    Release {
        /// Whose.
        run: Run,
        /// Its stored descriptors go too.
        drop_descriptors: bool,
        /// Directories to remove, absolute, all below `/run`.
        directories: Vec<String>,
    },
    /// Look for the main process in the group. Answered by `Unit(Done)`.
    FindMain {
        /// Names the order.
        ticket: Ticket,
        /// Whose.
        run: Run,
        /// Where the unit writes it; else a look at the group decides.
        pid_file: Option<Box<str>>,
    },
    /// The main process is this one from now on.
    AdoptMain {
        /// Whose.
        run: Run,
        /// Which.
        pid: u32,
    },
    /// Write the limits of a running group, all of them.
    SetLimits {
        /// Whose.
        run: Run,
        /// Which.
        resources: Box<Resources>,
    },
    /// Change some limits of a running group for a client. Answered by `LimitsChanged`.
    ChangeLimits {
        /// Who asked.
        client: ClientId,
        /// Its number for the request.
        id: u32,
        /// Whose.
        run: Run,
        /// Which, and to what.
        limits: Box<Limits>,
    },
    /// Open sockets. Answered by `Unit(Done)`.
    Listen {
        /// Names the order.
        ticket: Ticket,
        /// Whose.
        unit: UnitId,
        /// What.
        socket: Box<Socket>,
    },
    /// Tell when somebody calls, or stop telling.
    Watch {
        /// Which socket unit.
        unit: UnitId,
        /// On or off.
        on: bool,
    },
    /// Close a socket unit's sockets.
    Close {
        /// Which.
        unit: UnitId,
    },
    /// Close an accepted connection.
    Hang {
        /// Its number.
        connection: u32,
    },
    /// Keep an offered descriptor.
    Keep {
        /// Whose.
        unit: UnitId,
        /// The shore's number.
        number: u32,
        /// Its name.
        name: Box<str>,
        /// Watch it for its other end's going.
        poll: bool,
    },
    /// Close a descriptor that was offered or kept.
    Drop {
        /// The shore's number.
        number: u32,
    },
    /// The unit's number will be another's: close all that the unit holds with us.
    Forget {
        /// Which.
        unit: UnitId,
    },
    /// Answer a client. To `Response::Logs` the shore adds the log arena's descriptor.
    Reply {
        /// Which.
        client: ClientId,
        /// The number of its request.
        id: u32,
        /// What.
        response: Box<Response>,
    },
    /// Part from a client once it has read what was sent.
    Hangup {
        /// Which.
        client: ClientId,
    },
    /// Write a unit's record to its crash slot; empty: free the slot.
    Record {
        /// The slot: the unit's number.
        slot: u16,
        /// The record.
        bytes: Vec<u8>,
    },
    /// Write down all definitions that are in force now.
    Definitions,
    /// Write a fact of the node's own down.
    Note {
        /// Which.
        number: u8,
        /// What.
        bytes: Vec<u8>,
    },
    /// Write down what is known of a unit's image; empty: nothing.
    Image {
        /// The unit.
        unit: UnitId,
        /// What, encoded.
        bytes: Vec<u8>,
    },
    /// Let a unit's operations out of quarantine; `None`: all of them.
    Pardon {
        /// Whose.
        unit: Option<UnitId>,
    },
    /// Write a line to the console (and the kernel's ring while there is no console).
    Say {
        /// One line without its end.
        line: String,
        /// Kernel log level, 0 (emergency) to 7 (debug).
        level: u8,
    },
    /// Move the log store to memory of about so many bytes; if there is none it stays where it is.
    MoveLogs {
        /// How many.
        bytes: u64,
    },
    /// Arm the watchdog, if the device is there, with this timeout; one that is armed gets it, and zero
    /// disarms it.
    ArmWatchdog {
        /// The device.
        path: String,
        /// How much silence of ours it shall bear.
        timeout: Duration,
    },
    /// Leave the loop and end, restart or hand over the machine.
    Power(Power),
    /// Replace the running program.
    Reexec {
        /// The new binary's descriptor by the shore's number; `None`: the same again.
        binary: Option<u32>,
        /// Whom to answer if it fails, and the number of its request.
        client: Option<(ClientId, u32)>,
    },
}

impl Action {
    /// Whether this is written down before any order of the same step is carried out.
    #[must_use]
    pub fn is_record(&self) -> bool {
        matches!(
            self,
            Action::Record { .. }
                | Action::Definitions
                | Action::Note { .. }
                | Action::Image { .. }
                | Action::Pardon { .. }
        )
    }
}

/// How PID 1 ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Power {
    /// Without power, or without a container.
    Poweroff,
    /// Stopped, with power.
    Halt,
    /// Started again through the firmware.
    Reboot {
        /// A word for the firmware or the boot loader.
        argument: Option<Box<str>>,
    },
    /// Started again with the kernel that was loaded by `kexec`; without one, as `Reboot`.
    Kexec,
    /// In a container: PID 1 ends with this code. On a machine, as `Poweroff`.
    Exit(i32),
}

/// Where orders are collected within one step.
#[derive(Debug, Default)]
pub struct Outbox {
    actions: Vec<Action>,
}

impl Outbox {
    /// Gives an order.
    pub fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Takes all orders in the order in which they were given.
    pub fn drain(&mut self) -> impl Iterator<Item = Action> + use<'_> {
        self.actions.drain(..)
    }

    /// How many orders there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// Whether nothing was ordered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }
}
