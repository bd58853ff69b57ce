//! Timers, sockets and mounts: what follows from what, and what cannot be.

use super::{HearWhole, error, finish_execution};
use crate::diagnostic::Code;
use crate::draft::Draft;
use crate::name::UnitKind;
use crate::text::escape;
use crate::triggers::{Listen, Mount, Socket, Timer};

pub(super) fn finish_timer(draft: Draft, hear: &mut HearWhole<'_>) -> Timer {
    let mut timer = draft.timer;
    if let Some(unit) = draft.triggers {
        timer.unit = unit;
    }
    if timer.elapses.is_empty() && !timer.on_clock_change && !timer.on_timezone_change {
        let advice = "say when: `OnCalendar=daily`, `OnBootSec=5min`, …";
        error(hear, Code::Missing, "the timer has no time", advice);
    }
    if timer.unit == draft.spec.name {
        error(hear, Code::Contradiction, "the timer starts itself", "name another `Unit=`");
    }
    timer.elapses.shrink_to_fit();
    timer
}

pub(super) fn finish_socket(draft: Draft, hear: &mut HearWhole<'_>) -> Socket {
    let mut socket = draft.socket;
    if socket.listens.is_empty() {
        let advice = "say where: `ListenStream=8080`, `ListenStream=/run/x.sock`, …";
        error(hear, Code::Missing, "the socket listens on nothing", advice);
    }
    if socket.accept {
        check_accept(&socket, draft.triggers.is_some(), hear);
        let name = &draft.spec.name;
        let template = format!("{}@.service", name.prefix());
        let named = crate::name::UnitName::new(&template);
        socket.unit = named.unwrap_or_else(|_| name.with_kind(UnitKind::Service));
    } else if let Some(unit) = draft.triggers {
        socket.unit = unit;
    }
    let per_source = draft.connections_per_source_max.unwrap_or(socket.connections_max);
    socket.connections_per_source_max = per_source;
    // Each connection is a start, so many more are usual.
    let usual = if socket.accept { 200 } else { 20 };
    socket.trigger_burst = draft.trigger_burst.unwrap_or(usual);
    socket.listens.shrink_to_fit();
    socket.links.shrink_to_fit();
    socket
}

fn check_accept(socket: &Socket, names_service: bool, hear: &mut HearWhole<'_>) {
    let connects = |listen: &Listen| match listen {
        Listen::Stream(_) | Listen::SequentialPacket(_) => true,
        Listen::Datagram(_)
        | Listen::Fifo(_)
        | Listen::Special(_)
        | Listen::Netlink { .. }
        | Listen::MessageQueue(_) => false,
    };
    if !socket.listens.iter().all(connects) {
        let message = "`Accept=yes` needs sockets that accept connections";
        error(hear, Code::Contradiction, message, "leave out all but ListenStream=");
    }
    if names_service {
        let message = "`Accept=yes` and `Service=` cannot both be had";
        let advice = "the socket X.socket starts instances of X@.service";
        error(hear, Code::Contradiction, message, advice);
    }
}

pub(super) fn finish_mount(mut draft: Draft, hear: &mut HearWhole<'_>) -> Mount {
    let execution = finish_execution(&mut draft);
    let mount = draft.mount;
    if mount.what.is_empty() {
        error(hear, Code::Missing, "the mount has no `What=`", "name the device or file system");
    }
    let expected = escape::escape_path(&mount.place);
    if mount.place.is_empty() || expected.as_deref() != Some(draft.spec.name.stem()) {
        let message = format!("`Where={}` does not fit the name of the unit", mount.place);
        let name = expected.unwrap_or_default();
        let advice = format!("the unit must be called `{name}.mount`");
        error(hear, Code::Contradiction, &message, &advice);
    }
    Mount { execution: execution.into(), ..mount }
}
