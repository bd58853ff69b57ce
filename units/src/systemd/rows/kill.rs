//! How processes are ended (systemd.kill(5)).

use crate::service::KillMode;
use crate::systemd::setting::{fill, put};
use crate::systemd::{Directive, Place, row};
use crate::text::signal;

const MODES: &[(&str, KillMode)] = &[
    ("control-group", KillMode::Group),
    ("mixed", KillMode::Mixed),
    ("process", KillMode::Process),
    ("none", KillMode::None),
];

pub(super) const ROWS: &[Directive] = &[
    row(Place::Process, "KillMode", |d, s| put(&mut d.stopping.mode, s.one_of(MODES))),
    row(Place::Process, "KillSignal", |d, s| put(&mut d.stopping.signal, signal::parse(s.value))),
    row(Place::Process, "RestartKillSignal", |d, s| {
        fill(&mut d.restart_signal, signal::parse(s.value))
    }),
    row(Place::Process, "SendSIGHUP", |d, s| put(&mut d.stopping.send_hup, s.boolean())),
    row(Place::Process, "SendSIGKILL", |d, s| put(&mut d.stopping.send_kill, s.boolean())),
    row(Place::Process, "FinalKillSignal", |d, s| {
        put(&mut d.stopping.final_signal, signal::parse(s.value))
    }),
    row(Place::Process, "WatchdogSignal", |d, s| {
        put(&mut d.stopping.watchdog_signal, signal::parse(s.value))
    }),
];
