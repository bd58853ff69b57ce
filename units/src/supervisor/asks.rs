//! Requests: each is answered exactly once, some of them much later.

use super::{Parked, Supervisor};
use crate::action::{Action, Answer};
use crate::event::{KillTarget, Request};
use crate::goal::{Aim, Goal};
use crate::graph::Link;
use crate::limits::ASKS_MAX;
use crate::name::UnitName;
use crate::next::Cause;
use crate::run::{Ticket, UnitId};
use crate::service::Signal;
use crate::state::State;
use crate::unit::{Ask, AskKind};

impl Supervisor {
    pub(super) fn on_asked(&mut self, ticket: Ticket, request: Request) {
        if request == Request::ShutDown {
            return self.on_shut_down(ticket);
        }
        let Some(name) = request.subject() else {
            for id in self.ids() {
                self.reset_failed(id);
            }
            return self.answer(ticket, Answer::Ok);
        };
        match self.names.get(name).copied() {
            Some(id) => self.on_asked_of(ticket, id, request),
            None => self.on_asked_of_nobody(ticket, name.clone(), request),
        }
    }

    pub(super) fn on_asked_of(&mut self, ticket: Ticket, id: UnitId, request: Request) {
        if self.unit(id).asks.len() >= ASKS_MAX {
            let why = format!("{ASKS_MAX} requests wait for this unit already");
            return self.answer(ticket, Answer::Refused(why.into()));
        }
        if let Some(why) = self.refusal(id, &request) {
            return self.answer(ticket, Answer::Refused(why));
        }
        match request {
            Request::Start(_) => self.on_start(ticket, id),
            Request::Stop(_) => self.on_stop(ticket, id),
            Request::Restart(_) => self.on_restart(ticket, id),
            Request::TryRestart(_) => self.on_try_restart(ticket, id),
            Request::Reload(_) => self.on_reload(ticket, id),
            Request::ReloadOrRestart(_) => self.on_reload_or_restart(ticket, id),
            Request::Kill { whom, signal, .. } => self.on_kill(ticket, id, whom, signal),
            Request::Isolate(_) => self.on_isolate(ticket, id),
            Request::ResetFailed(_) | Request::ShutDown => {
                self.reset_failed(id);
                self.answer(ticket, Answer::Ok);
            }
        }
    }

    /// Why a request may not be made at all.
    fn refusal(&self, id: UnitId, request: &Request) -> Option<Box<str>> {
        let spec = &self.unit(id).spec;
        let starts = matches!(
            request,
            Request::Start(_)
                | Request::Restart(_)
                | Request::TryRestart(_)
                | Request::ReloadOrRestart(_)
                | Request::Isolate(_)
        );
        let stops =
            matches!(request, Request::Stop(_) | Request::Restart(_) | Request::TryRestart(_));
        if starts && self.closing.is_some() {
            return Some("the machine is going down".into());
        }
        if starts && spec.name.is_template() {
            return Some("a template needs an instance name".into());
        }
        if starts && spec.refuse_manual_start {
            return Some("the unit refuses to be started by hand".into());
        }
        if stops && spec.refuse_manual_stop {
            return Some("the unit refuses to be stopped by hand".into());
        }
        let isolates = matches!(request, Request::Isolate(_));
        (isolates && !spec.allow_isolate).then(|| "the unit does not allow to be isolated".into())
    }

    fn on_start(&mut self, ticket: Ticket, id: UnitId) {
        let unit = self.unit(id);
        let already = unit.state.is_up() && unit.aim() == Aim::Up;
        if let Err(why) = self.want(id) {
            return self.answer(ticket, Answer::Failed(why));
        }
        match already {
            true => self.answer(ticket, Answer::Already),
            false => self.ask(id, ticket, AskKind::Start),
        }
    }

    fn on_stop(&mut self, ticket: Ticket, id: UnitId) {
        let unit = self.unit(id);
        let already = unit.state.at_rest();
        self.lower(id);
        self.change(id).pinned = true;
        match already {
            true => self.answer(ticket, Answer::Already),
            false => self.ask(id, ticket, AskKind::Stop),
        }
    }

    fn on_restart(&mut self, ticket: Ticket, id: UnitId) {
        if let Err(why) = self.again(id) {
            return self.answer(ticket, Answer::Failed(why));
        }
        self.ask(id, ticket, AskKind::Start);
    }

    fn on_try_restart(&mut self, ticket: Ticket, id: UnitId) {
        match self.unit(id).state.is_active() {
            true => self.on_restart(ticket, id),
            false => self.answer(ticket, Answer::Already),
        }
    }

    fn on_reload(&mut self, ticket: Ticket, id: UnitId) {
        if !self.can_reload(id) {
            let why = "the unit cannot reload: it has no reload command";
            return self.answer(ticket, Answer::Refused(why.into()));
        }
        let (state, goal) = (self.unit(id).state, self.unit(id).goal);
        if matches!(state, State::Reloading { .. }) {
            self.ask(id, ticket, AskKind::ReloadNext);
        } else if state.is_up() && goal != Goal::Down {
            self.ask(id, ticket, AskKind::Reload);
            self.apply(id, Cause::ReloadAsked);
            self.propagate_reload(id);
        } else if state.is_starting() {
            // It reads what there is when it comes up, but perhaps before the change was complete.
            self.ask(id, ticket, AskKind::Reload);
        } else {
            self.answer(ticket, Answer::Refused("the unit is not up".into()));
        }
    }

    fn propagate_reload(&mut self, id: UnitId) {
        let others: Vec<UnitId> = self.graph.related(id, Link::ReloadsAlso).collect();
        for other in others {
            if self.get(other).is_some() && self.can_reload(other) {
                self.apply(other, Cause::ReloadAsked);
            }
        }
    }

    fn on_reload_or_restart(&mut self, ticket: Ticket, id: UnitId) {
        let up = self.unit(id).state.is_up();
        match up && self.can_reload(id) {
            true => self.on_reload(ticket, id),
            false => self.on_restart(ticket, id),
        }
    }

    fn on_kill(&mut self, ticket: Ticket, id: UnitId, target: KillTarget, signal: Signal) {
        let unit = self.unit(id);
        let run = unit.run_of(id);
        let evidence = unit.now.as_ref();
        let there = evidence.is_some_and(|now| match target {
            KillTarget::Main => now.main.lives(),
            KillTarget::Control => now.control.lives(),
            KillTarget::All => now.populated,
        });
        if !there || unit.service().is_none() {
            let why = "the unit has no such process";
            return self.answer(ticket, Answer::Refused(why.into()));
        }
        self.order(Action::Signal { run, target, signal });
        self.answer(ticket, Answer::Ok);
    }

    fn reset_failed(&mut self, id: UnitId) {
        if self.get(id).is_none() {
            return;
        }
        let unit = self.change(id);
        unit.history.window_starts = 0;
        unit.history.tries = 0;
        unit.history.restarts = 0;
        if unit.state == State::Failed {
            unit.history.fault = None;
            unit.history.gave_up = false;
            unit.goal = Goal::Down;
            self.set_state(id, State::Down, "failures forgotten");
            self.forget_if_gone(id);
        } else if matches!(unit.state, State::Backoff { .. }) {
            self.apply(id, Cause::Wanted);
        }
    }

    /// Remembers who waits, unless what is waited for is there already.
    fn ask(&mut self, id: UnitId, ticket: Ticket, kind: AskKind) {
        let unit = self.change(id);
        unit.asks.push(Ask { ticket, kind });
        let (state, aim) = (unit.state, unit.aim());
        // It may be held by what will not change.
        self.enqueue(id);
        match kind {
            AskKind::Start if state.is_up() && aim == Aim::Up => self.answer_started(id),
            AskKind::Stop if state.at_rest() => self.answer_stops(id, true),
            AskKind::Start | AskKind::Stop | AskKind::Reload | AskKind::ReloadNext => {}
        }
    }

    /// Takes out the requests of a kind and answers them.
    pub(super) fn answer_asks(&mut self, id: UnitId, kind: AskKind, answer: &Answer) {
        if self.unit(id).asks.is_empty() {
            return;
        }
        let asks = std::mem::take(&mut self.change(id).asks);
        let (answered, kept): (Vec<Ask>, Vec<Ask>) = asks.into_iter().partition(|a| a.kind == kind);
        self.change(id).asks = kept;
        for ask in answered {
            self.answer(ask.ticket, answer.clone());
        }
    }

    pub(super) fn answer_started(&mut self, id: UnitId) {
        self.answer_asks(id, AskKind::Start, &Answer::Ok);
    }

    pub(super) fn answer_stops(&mut self, id: UnitId, well: bool) {
        if self.unit(id).asks.is_empty() {
            return;
        }
        let answer = match well {
            true => Answer::Ok,
            false => Answer::Failed(self.explain(id)),
        };
        self.answer_asks(id, AskKind::Stop, &answer);
    }

    /// Whoever waits for the unit to come up hears that it does not, and why.
    pub(super) fn fail_asks(&mut self, id: UnitId) {
        if self.unit(id).asks.is_empty() {
            return;
        }
        let answer = Answer::Failed(self.explain(id));
        for kind in [AskKind::Start, AskKind::Reload, AskKind::ReloadNext] {
            self.answer_asks(id, kind, &answer);
        }
    }

    /// Whoever waits for the unit to come up hears that somebody else stopped it.
    pub(super) fn cancel_starts(&mut self, id: UnitId) {
        for kind in [AskKind::Start, AskKind::Reload, AskKind::ReloadNext] {
            self.answer_asks(id, kind, &Answer::Cancelled);
        }
    }

    /// A stop that did not begin yet is void when somebody wants the unit up.
    pub(super) fn cancel_stops(&mut self, id: UnitId) {
        if !self.unit(id).state.is_stopping() {
            self.answer_asks(id, AskKind::Stop, &Answer::Cancelled);
        }
    }

    pub(super) fn on_job_timeout(&mut self, id: UnitId) {
        use crate::fault::{Fault, Waited};
        let unit = self.change(id);
        unit.job_until = None;
        if unit.state == State::Waiting {
            unit.history.fault = Some(Fault::Timeout(Waited::Job));
            unit.goal = Goal::Down;
            self.rest_at(id, State::Down, "its needs did not come up in time");
            self.forget_if_gone(id);
        } else {
            let why = "it did not come up in time; the start goes on";
            self.answer_asks(id, AskKind::Start, &Answer::Failed(why.into()));
        }
    }

    fn on_shut_down(&mut self, ticket: Ticket) {
        self.closing.get_or_insert_default().push(ticket);
        let parked: Vec<UnitName> = self.parked.keys().cloned().collect();
        for name in parked {
            self.unpark(&name, &Answer::Cancelled);
        }
        for id in self.ids() {
            if self.get(id).is_some_and(|unit| unit.goal != Goal::Down || !unit.state.at_rest()) {
                self.sink(id);
            }
        }
    }

    pub(super) fn answer_shutdown(&mut self) {
        if self.awake > 0 || self.closing.as_ref().is_none_or(Vec::is_empty) {
            return;
        }
        for ticket in self.closing.replace(Vec::new()).unwrap_or_default() {
            self.answer(ticket, Answer::Ok);
        }
    }

    /// An instance that is not defined may be made; anything else is unknown. A second request while the first
    /// one waits is what the shore asks after it tried: what is still not defined then will not be.
    fn on_asked_of_nobody(&mut self, ticket: Ticket, name: UnitName, request: Request) {
        let is_instance = name.instance().is_some_and(|instance| !instance.is_empty());
        let may = is_instance && self.closing.is_none() && !self.parked.contains_key(&name);
        if !may {
            self.answer(ticket, Answer::Unknown);
            return self.unpark(&name, &Answer::Unknown);
        }
        self.park(name, Parked::Asked { ticket, request });
    }
}
