//! The machine goes down: in order, but in time.

use std::time::Duration;

use units::event::Request;
use units::run::UnitId;
use units::service::Signal;
use units::spec::PowerAction;

use crate::limits::{IMPATIENT_PRESSES, IMPATIENT_WITHIN};
use crate::node::Node;
use crate::node::action::{Action, Outbox, Power};
use crate::node::orders::Asker;

/// What the node is about as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The goal is not reached for the first time yet.
    Booting,
    /// The goal was reached.
    Serving,
    /// Units are being stopped; at `until` patience ends.
    Stopping {
        /// How it ends.
        power: Power,
        /// When, whatever units do.
        until: Duration,
    },
    /// The shore was told to end the machine.
    Ended,
}

impl Phase {
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self {
            Phase::Stopping { until, .. } => Some(*until),
            Phase::Booting | Phase::Serving | Phase::Ended => None,
        }
    }

    /// Whether nothing new is started any more.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Phase::Stopping { .. } | Phase::Ended => true,
            Phase::Booting | Phase::Serving => false,
        }
    }
}

/// How much of the time for a shutdown units may take; the rest is for mounts and disks.
const UNITS_SHARE_PERCENT: u32 = 65;

/// The first real-time signal that the C library leaves to programs.
const SIGRTMIN: u8 = 34;

/// What a signal to PID 1 asks for (systemd(1), and what container managers send).
enum Wish {
    Orderly(Power),
    AtOnce(Power),
    Impatient,
    Reexec,
    Reload,
    Nothing,
}

impl Node {
    pub(super) fn on_signalled(&mut self, signal: Signal, now: Duration, out: &mut Outbox) {
        let reboot = || Power::Reboot { argument: None };
        let wish = match signal.0 {
            1 => Wish::Reload,
            2 => Wish::Impatient,
            10 | 28 | 13 => Wish::Nothing,
            15 if !self.facts.is_machine => Wish::Orderly(Power::Exit(0)),
            15 => Wish::Reexec,
            // SIGUSR2 and SIGPWR: busybox's and finit's poweroff; a UPS or virtual machine says so.
            12 | 30 => Wish::Orderly(Power::Poweroff),
            n if n == SIGRTMIN + 3 => Wish::Orderly(Power::Halt),
            n if n == SIGRTMIN + 4 => Wish::Orderly(Power::Poweroff),
            n if n == SIGRTMIN + 5 => Wish::Orderly(reboot()),
            n if n == SIGRTMIN + 6 => Wish::Orderly(Power::Kexec),
            n if n == SIGRTMIN + 13 => Wish::AtOnce(Power::Halt),
            n if n == SIGRTMIN + 14 => Wish::AtOnce(Power::Poweroff),
            n if n == SIGRTMIN + 15 => Wish::AtOnce(reboot()),
            n if n == SIGRTMIN + 16 => Wish::AtOnce(Power::Kexec),
            n if n == SIGRTMIN + 25 => Wish::Reexec,
            _ => Wish::Nothing,
        };
        match wish {
            Wish::Orderly(power) => {
                self.shut_down(power, &format!("signal {}", signal.0), now, out);
            }
            Wish::AtOnce(power) => self.end(power, out),
            Wish::Impatient => self.on_interrupt(now, out),
            Wish::Reexec => out.push(Action::Reexec { binary: None, client: None }),
            Wish::Reload => self.load(Vec::new(), out),
            Wish::Nothing => {}
        }
    }

    /// ctrl-alt-del: an orderly reboot; seven times within two seconds: at once.
    fn on_interrupt(&mut self, now: Duration, out: &mut Outbox) {
        self.presses.retain(|at| now.saturating_sub(*at) <= IMPATIENT_WITHIN);
        self.presses.push(now);
        let power = Power::Reboot { argument: None };
        if !self.facts.is_machine {
            self.shut_down(Power::Exit(0), "interrupt", now, out);
        } else if self.presses.len() >= IMPATIENT_PRESSES {
            self.end(power, out);
        } else {
            self.shut_down(power, "ctrl-alt-del", now, out);
        }
    }

    /// Begins to stop everything. A later wish replaces how it ends, not when.
    pub(crate) fn shut_down(&mut self, power: Power, why: &str, now: Duration, out: &mut Outbox) {
        match &mut self.phase {
            Phase::Ended => {}
            Phase::Stopping { power: planned, .. } => *planned = power,
            Phase::Booting | Phase::Serving => {
                let whole = self.facts.machine.shutdown.timeout.0;
                self.end_by = Some(now + whole);
                let until = now + whole * UNITS_SHARE_PERCENT / 100;
                self.announce(&format!("going down ({}): {why}", name(&power)), now, out);
                self.phase = Phase::Stopping { power, until };
                self.ask(Asker::ShutDown, Request::ShutDown);
            }
        }
    }

    /// Everything is down, and the last lines are on the disk.
    pub(super) fn on_all_written(&mut self, out: &mut Outbox) {
        if let Phase::Stopping { power, .. } = &self.phase {
            let power = power.clone();
            self.end(power, out);
        }
    }

    pub(super) fn on_power_tick(&mut self, now: Duration, out: &mut Outbox) {
        if let Phase::Stopping { power, until } = &self.phase
            && *until <= now
        {
            let power = power.clone();
            self.announce("units did not stop in time; going down without them", now, out);
            self.end(power, out);
        }
    }

    /// How much time is left for the end of the machine once the loop is left.
    pub(crate) fn ending_budget(&self, now: Duration) -> Duration {
        let whole = self.facts.machine.shutdown.timeout.0;
        let left = self.end_by.map_or(whole, |by| by.saturating_sub(now));
        left.max(whole * (100 - UNITS_SHARE_PERCENT) / 100)
    }

    /// Ends the machine without waiting for units.
    pub(crate) fn end(&mut self, power: Power, out: &mut Outbox) {
        if self.phase != Phase::Ended {
            self.phase = Phase::Ended;
            out.push(Action::Power(power));
        }
    }

    pub(super) fn on_unit_power(
        &mut self,
        unit: UnitId,
        action: PowerAction,
        now: Duration,
        out: &mut Outbox,
    ) {
        let reboot = || Power::Reboot { argument: None };
        let (power, orderly) = match action {
            PowerAction::None => return,
            PowerAction::Reboot | PowerAction::SoftReboot => (reboot(), true),
            PowerAction::RebootForce | PowerAction::RebootImmediate => (reboot(), false),
            PowerAction::Poweroff => (Power::Poweroff, true),
            PowerAction::PoweroffForce | PowerAction::PoweroffImmediate => (Power::Poweroff, false),
            PowerAction::Exit => (self.exit_power(), true),
            PowerAction::ExitForce => (self.exit_power(), false),
            PowerAction::Halt => (Power::Halt, true),
            PowerAction::Kexec => (Power::Kexec, true),
        };
        let why = format!("unit {} asks for it", self.name_of(unit));
        if orderly {
            self.shut_down(power, &why, now, out);
        } else {
            self.announce(&format!("going down at once: {why}"), now, out);
            self.end(power, out);
        }
    }

    /// In somebody's container PID 1 exits; a machine is switched off (systemd.unit(5)).
    fn exit_power(&self) -> Power {
        if self.facts.is_machine { Power::Poweroff } else { Power::Exit(0) }
    }
}

fn name(power: &Power) -> &'static str {
    match power {
        Power::Poweroff => "poweroff",
        Power::Halt => "halt",
        Power::Reboot { .. } => "reboot",
        Power::Kexec => "kexec",
        Power::Exit(_) => "exit",
    }
}
