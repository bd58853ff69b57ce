//! What PID 1 is doing, in the words of the vault: the first thing to know about a fault.

use units::run::Run;

use crate::node::Event;
use crate::node::action::Action;
use crate::vault::{Operation, OperationCode};

/// The operation of telling the node an event.
pub(crate) fn operation_of(event: &Event<'_>) -> Operation {
    match event {
        Event::Started => Operation::of(OperationCode::Started),
        Event::Resumed { .. } => Operation::of(OperationCode::Recover),
        Event::Tick => Operation::of(OperationCode::Tick),
        Event::Unit(event) => operation_of_fact(event),
        Event::Spawned { .. } => Operation::of(OperationCode::Spawned),
        Event::Worked { .. } => Operation::of(OperationCode::Worked),
        Event::Orphaned { .. } => Operation::of(OperationCode::Orphaned),
        Event::Wrote { unit, .. } => Operation::on(OperationCode::Wrote, *unit),
        Event::KernelWrote { .. } => Operation::of(OperationCode::KernelWrote),
        Event::Notified { run, .. } => on_run(OperationCode::Notified, *run),
        Event::DescriptorGone { unit, .. } => Operation::on(OperationCode::DescriptorGone, *unit),
        Event::GuestExited { .. } => Operation::of(OperationCode::GuestExited),
        Event::LimitsChanged { client, .. } => Operation::of(OperationCode::Done).with(client.0),
        Event::Connected { client, .. } => Operation::of(OperationCode::Connected).with(client.0),
        Event::Asked { request, .. } => {
            Operation::of(OperationCode::Asked).with(request.kind_number())
        }
        Event::Interrupted { client, .. } => Operation::of(OperationCode::Reply).with(client.0),
        Event::Left { client } => Operation::of(OperationCode::Left).with(client.0),
        Event::Signalled { signal } => {
            Operation::of(OperationCode::Signalled).with(u32::from(signal.0))
        }
        Event::DevicesLost | Event::Device(_) => Operation::of(OperationCode::Device),
    }
}

fn operation_of_fact(event: &units::Event) -> Operation {
    use units::Event as Fact;
    match event {
        Fact::Tick => Operation::of(OperationCode::Tick),
        Fact::Defined { .. } | Fact::Added { .. } | Fact::Stamped { .. } => {
            Operation::of(OperationCode::Define)
        }
        Fact::Asked { .. } => Operation::of(OperationCode::Asked),
        Fact::Done { .. } => Operation::of(OperationCode::Done),
        Fact::Executed { run, .. } => on_run(OperationCode::Executed, *run),
        Fact::Exited { run, .. } => on_run(OperationCode::Exited, *run),
        Fact::Emptied { run } => on_run(OperationCode::Emptied, *run),
        Fact::Notified { run, .. } => on_run(OperationCode::Notified, *run),
        Fact::OutOfMemory { run, .. } => on_run(OperationCode::OutOfMemory, *run),
        Fact::Called { unit, .. } => Operation::on(OperationCode::Called, *unit),
        Fact::Kept { unit, .. } => Operation::on(OperationCode::Adopt, *unit),
        Fact::ClockStepped { .. } => Operation::of(OperationCode::ClockStepped),
    }
}

/// The operation of carrying out an order.
pub(crate) fn operation_of_order(order: &Action) -> Operation {
    match order {
        Action::Spawn { run, .. } => on_run(OperationCode::Spawn, *run),
        Action::Exec { run, .. } => on_run(OperationCode::Spawn, *run),
        Action::SignalGuest { .. } => Operation::of(OperationCode::Signal),
        Action::Work { .. } | Action::KillWorker { .. } | Action::Flush { .. } => {
            Operation::of(OperationCode::Work)
        }
        Action::Signal { run, .. } => on_run(OperationCode::Signal, *run),
        Action::KillGroup { run } => on_run(OperationCode::KillGroup, *run),
        Action::Release { run, .. } => on_run(OperationCode::Release, *run),
        Action::FindMain { run, .. } => on_run(OperationCode::FindMain, *run),
        Action::AdoptMain { run, .. } => on_run(OperationCode::AdoptMain, *run),
        Action::SetLimits { run, .. } | Action::ChangeLimits { run, .. } => {
            on_run(OperationCode::SetLimits, *run)
        }
        Action::Listen { unit, .. } | Action::Watch { unit, .. } | Action::Close { unit } => {
            Operation::on(OperationCode::Listen, *unit)
        }
        Action::Keep { unit, .. } | Action::Forget { unit } => {
            Operation::on(OperationCode::Keep, *unit)
        }
        Action::Hang { .. } | Action::Drop { .. } => Operation::of(OperationCode::Keep),
        Action::Reply { client, .. } | Action::Hangup { client } => {
            Operation::of(OperationCode::Reply).with(client.0)
        }
        Action::Record { .. }
        | Action::Note { .. }
        | Action::Image { .. }
        | Action::Pardon { .. }
        | Action::Definitions => Operation::of(OperationCode::Commit),
        Action::Say { .. } | Action::MoveLogs { .. } => Operation::of(OperationCode::Say),
        Action::ArmWatchdog { .. } | Action::Power(_) => Operation::of(OperationCode::Power),
        Action::Reexec { .. } => Operation::of(OperationCode::Reexec),
    }
}

fn on_run(code: OperationCode, run: Run) -> Operation {
    Operation::on(code, run.unit).with(run.number)
}
