//! Sockets: somebody calls, and a unit is started to answer.

use super::Supervisor;
use crate::action::Action;
use crate::event::Connection;
use crate::fault::Fault;
use crate::graph::Link;
use crate::name::{UnitKind, UnitName};
use crate::next::Cause;
use crate::run::UnitId;
use crate::spec::{Body, Socket};
use crate::state::State;
use crate::unit::{Part, Serving};

impl Supervisor {
    /// A timer or socket looks at the unit that it starts.
    pub(super) fn consider_trigger(&mut self, id: UnitId) {
        let Some(unit) = self.get(id) else { return };
        match &unit.part {
            Part::Socket(_) => self.watch_as_needed(id),
            Part::Timer(_) => self.plan_timer(id),
            Part::Plain | Part::Instance(_) => {}
        }
    }

    /// Calls are of interest only while nobody is there, or about to be, to take them.
    fn watch_as_needed(&mut self, id: UnitId) {
        let unit = self.unit(id);
        let Some(socket) = socket_of(&unit.spec.body) else { return };
        let up = matches!(unit.state, State::Up { .. }) && self.closing.is_none();
        let nobody = self
            .triggered(id)
            .and_then(|other| self.get(other))
            .is_none_or(|other| other.state.at_rest());
        let wanted = up && (socket.accept || nobody);
        if let Part::Socket(now) = &mut self.change(id).part
            && now.watching != wanted
        {
            now.watching = wanted;
            if up {
                self.order(Action::Watch { unit: id, on: wanted });
            }
        }
    }

    /// The unit that a timer or socket starts.
    pub(super) fn triggered(&self, id: UnitId) -> Option<UnitId> {
        self.graph.related(id, Link::Triggers).next()
    }

    pub(super) fn on_called(&mut self, id: UnitId, connection: Option<Connection>) {
        let number = connection.as_ref().map(|connection| connection.number);
        if !self.take_call(id, connection)
            && let Some(connection) = number
        {
            self.order(Action::Hang { connection });
        }
    }

    /// Returns whether the call is taken; a connection that is not must be hung up.
    fn take_call(&mut self, id: UnitId, connection: Option<Connection>) -> bool {
        let now = self.now;
        let Some(unit) = self.get(id) else { return false };
        let spec = unit.spec.clone();
        let Some(socket) = socket_of(&spec.body) else { return false };
        if !matches!(unit.state, State::Up { .. }) || self.closing.is_some() {
            return false;
        }
        let Part::Socket(memory) = &mut self.change(id).part else { return false };
        if !memory.watching {
            return false;
        }
        if !memory.admits(now, socket.trigger_interval, socket.trigger_burst) {
            self.change(id).evidence().blame(Fault::TriggerLimit);
            self.apply(id, Cause::Crashed);
            return false;
        }
        match connection {
            Some(connection) => self.accept(id, socket, connection),
            None => {
                self.trigger(id);
                true
            }
        }
    }

    /// Starts what a timer or socket is for.
    pub(super) fn trigger(&mut self, id: UnitId) {
        let Some(other) = self.triggered(id) else {
            return self.warn(id, "the unit that it starts is not defined".into());
        };
        if let Err(why) = self.want(other) {
            let name = self.name_of(id, other);
            self.warn(id, format!("cannot start {name}: {why}"));
        }
    }

    fn accept(&mut self, id: UnitId, socket: &Socket, connection: Connection) -> bool {
        let Part::Socket(memory) = &self.unit(id).part else { return false };
        let limit = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        let from_there = memory.serving.iter().filter(|instance| {
            let part = self.get(**instance).map(|unit| &unit.part);
            matches!(part, Some(Part::Instance(serving)) if serving.peer == connection.peer)
        });
        let per_source = socket.connections_per_source_max;
        if memory.serving.len() >= limit(socket.connections_max) {
            let why = format!("{} connections are served already", socket.connections_max);
            return self.turn_away(id, &why);
        }
        let counts = per_source > 0 && !connection.peer.is_empty();
        if counts && from_there.count() >= limit(per_source) {
            let why = format!("{per_source} connections from {} are served", connection.peer);
            return self.turn_away(id, &why);
        }
        let stem = socket.unit.prefix();
        let name = format!("{stem}@{}.{}", connection.instance, UnitKind::Service.suffix());
        let Ok(name) = UnitName::new(&name) else { return false };
        self.called(id, name, connection);
        true
    }

    /// A connection finds no room. Said once until there was room again: callers are not to fill the log.
    fn turn_away(&mut self, id: UnitId, why: &str) -> bool {
        if let Part::Socket(memory) = &mut self.change(id).part
            && !std::mem::replace(&mut memory.full_told, true)
        {
            self.warn(id, format!("{why}; others are hung up on"));
        }
        false
    }

    /// The instance for a connection is defined.
    pub(super) fn serve(&mut self, socket: UnitId, id: UnitId, connection: Connection) {
        let up = self.get(socket).is_some_and(|unit| matches!(unit.state, State::Up { .. }));
        let fresh = matches!(self.unit(id).part, Part::Plain) && self.unit(id).state.at_rest();
        if !up || !fresh {
            return self.order(Action::Hang { connection: connection.number });
        }
        let Connection { number, peer, .. } = connection;
        let serving = Serving { socket, connection: Some(number), peer };
        self.change(id).part = Part::Instance(Box::new(serving));
        if let Part::Socket(memory) = &mut self.change(socket).part {
            memory.serving.push(id);
        }
        if self.want(id).is_err() {
            self.forget_if_gone(id);
        }
    }

    /// An instance is gone; its socket has room for another connection.
    pub(super) fn unserve(&mut self, id: UnitId) {
        let Part::Instance(serving) = &mut self.change(id).part else { return };
        let (socket, connection) = (serving.socket, serving.connection.take());
        if let Some(connection) = connection {
            self.order(Action::Hang { connection });
        }
        if self.get(socket).is_some()
            && let Part::Socket(memory) = &mut self.change(socket).part
        {
            memory.serving.retain(|instance| *instance != id);
            memory.full_told = false;
        }
    }

    pub(super) fn close_socket(&mut self, id: UnitId) {
        if let Part::Socket(memory) = &mut self.change(id).part {
            memory.watching = false;
        }
        self.order(Action::Close { unit: id });
    }
}

fn socket_of(body: &Body) -> Option<&Socket> {
    match body {
        Body::Socket(socket) => Some(socket),
        Body::Service(_) | Body::Timer(_) | Body::Target | Body::Mount(_) => None,
    }
}
