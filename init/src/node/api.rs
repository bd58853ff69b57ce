//! What people ask, and what they are told: one request, one response.

use std::time::Duration;

use units::UnitName;
use units::action::Answer;
use units::event::{KillTarget, Request as UnitRequest};
use units::service::Signal;

use crate::node::Node;
use crate::node::action::{Action, Outbox, Power};
use crate::node::event::ClientId;
use crate::node::orders::Asker;
use crate::wire::access::granted;
use crate::wire::response::RefusalKind;
use crate::wire::{Access, KillWhom, PowerKind, Request, Response};

/// Who asks, and the number that the answer must bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question {
    /// The client.
    pub(crate) client: ClientId,
    /// Its number for the request.
    pub(crate) id: u32,
}

impl Node {
    pub(super) fn on_asked(
        &mut self,
        question: Question,
        request: Request,
        descriptors: &[u32],
        now: Duration,
        out: &mut Outbox,
    ) {
        if let Err((kind, text)) = self.admit(question.client, &request, descriptors) {
            drop_all(descriptors, out);
            return reply(question, Response::refused(kind, text), out);
        }
        match request {
            Request::Version => reply(question, Response::Version(self.version()), out),
            Request::Health => reply(question, Response::Health(self.health(now)), out),
            Request::Metrics => reply(question, Response::Metrics(self.metrics()), out),
            Request::Status => {
                reply(question, Response::Machine(Box::new(self.machine(now))), out);
            }
            Request::Show { unit } => self.on_show(question, &unit, out),
            Request::Cat { unit } => self.on_cat(question, &unit, out),
            Request::Logs => reply(question, Response::Logs(self.log_arena(now)), out),
            Request::LogsWait { appended } => self.on_logs_wait(question, appended, out),
            Request::BootChart => {
                reply(question, Response::BootChart(Box::new(self.boot_chart())), out);
            }
            Request::Dump => reply(question, Response::Dump { text: self.dump(now) }, out),
            Request::Start { unit, wait } => {
                self.order(question, wait, UnitRequest::Start(unit), out);
            }
            Request::Stop { unit, wait } => {
                self.order(question, wait, UnitRequest::Stop(unit), out);
            }
            Request::Restart { unit, wait, only_if_up } => {
                let request = match only_if_up {
                    true => UnitRequest::TryRestart(unit),
                    false => UnitRequest::Restart(unit),
                };
                self.order(question, wait, request, out);
            }
            Request::Reload { unit, wait, or_restart } => {
                let request = match or_restart {
                    true => UnitRequest::ReloadOrRestart(unit),
                    false => UnitRequest::Reload(unit),
                };
                self.order(question, wait, request, out);
            }
            Request::Kill { unit, signal, whom } => {
                let whom = kill_target(whom);
                let signal = Signal(signal);
                self.order(question, true, UnitRequest::Kill { unit, whom, signal }, out);
            }
            Request::ResetFailed { unit } => {
                let id = unit.as_ref().and_then(|name| self.supervisor.id(name));
                if id.is_some() == unit.is_some() {
                    self.pardon(id, out);
                }
                self.order(question, true, UnitRequest::ResetFailed(unit), out);
            }
            Request::Isolate { unit, wait } => {
                self.order(question, wait, UnitRequest::Isolate(unit), out);
            }
            Request::SetLimits { unit, limits } => {
                self.on_set_limits(question, &unit, &limits, out);
            }
            Request::Exec(exec) => self.on_exec(question, &exec, descriptors, out),
            Request::ExecSignal { request, signal } => {
                self.on_exec_signal(question, request, Signal(signal), out);
            }
            Request::Apply(request) => self.on_apply(question, request, out),
            Request::Confirm => self.on_confirm(question, out),
            Request::Revert => self.on_revert(Some(question), out),
            Request::Reexec => {
                let client = Some((question.client, question.id));
                out.push(Action::Reexec { binary: descriptors.first().copied(), client });
            }
            Request::Power { kind, force } => self.on_power(question, kind, force, now, out),
        }
    }

    /// Whether the peer may ask that now, and brought what it takes.
    fn admit(
        &self,
        client: ClientId,
        request: &Request,
        descriptors: &[u32],
    ) -> Result<(), (RefusalKind, String)> {
        let Some(peer) = self.clients.peer(client) else {
            return Err((RefusalKind::BadRequest, "the connection is not known".to_owned()));
        };
        let readers = self.facts.readers;
        if granted(peer.uid, &peer.gids, readers).is_none_or(|has| has < request.access()) {
            let text = match request.access() {
                Access::Read => {
                    "only root and members of the readers group may ask (access.readers in machine.toml)"
                }
                Access::Write => "only root may change the machine",
            };
            return Err((RefusalKind::Forbidden, text.to_owned()));
        }
        let wanted = request.descriptors();
        let count = u8::try_from(descriptors.len()).unwrap_or(u8::MAX);
        if !wanted.contains(&count) {
            let text = format!("the request takes {wanted:?} descriptors, {count} came along");
            return Err((RefusalKind::BadRequest, text));
        }
        if self.phase.is_final() && starts_something(request) {
            let text = "the machine is going down; nothing new is started".to_owned();
            return Err((RefusalKind::WrongPhase, text));
        }
        Ok(())
    }

    /// Hands an order to the supervisor. An instance that is not defined yet is loaded first.
    fn order(&mut self, question: Question, wait: bool, request: UnitRequest, out: &mut Outbox) {
        let asker = match wait {
            true => Asker::Client(question),
            false => {
                reply(question, Response::Done(Answer::Ok), out);
                Asker::Nobody
            }
        };
        if let Some(name) = subject(&request) {
            if let Some(id) = self.supervisor.id(name) {
                // Whoever orders a start means the image as it lies there now.
                if self.images.remove(&id).is_some() {
                    out.push(Action::Image { unit: id, bytes: Vec::new() });
                }
            } else if name.instance().is_some() {
                self.want_instance(name.clone());
                return self.load(vec![(asker, request)], out);
            }
        }
        self.ask(asker, request);
    }

    pub(super) fn answer_client(&self, question: Question, answer: Answer, out: &mut Outbox) {
        let response = match answer {
            Answer::Unknown => Response::refused(RefusalKind::UnknownUnit, "there is no such unit"),
            Answer::Refused(why) => Response::refused(RefusalKind::NotApplicable, why),
            done @ (Answer::Ok
            | Answer::Already
            | Answer::Skipped(_)
            | Answer::Failed(_)
            | Answer::Cancelled) => Response::Done(done),
        };
        reply(question, response, out);
    }

    fn on_power(
        &mut self,
        question: Question,
        kind: PowerKind,
        force: bool,
        now: Duration,
        out: &mut Outbox,
    ) {
        let power = match kind {
            PowerKind::Poweroff => Power::Poweroff,
            PowerKind::Reboot => Power::Reboot { argument: None },
            PowerKind::Halt => Power::Halt,
            PowerKind::Kexec => Power::Kexec,
        };
        reply(question, Response::Done(Answer::Ok), out);
        match force {
            true => self.end(power, out),
            false => self.shut_down(power, "asked for", now, out),
        }
    }
}

/// Answers a question.
pub(crate) fn reply(question: Question, response: Response, out: &mut Outbox) {
    let Question { client, id } = question;
    out.push(Action::Reply { client, id, response: Box::new(response) });
}

/// Closes descriptors that came along and are not wanted.
pub(super) fn drop_all(descriptors: &[u32], out: &mut Outbox) {
    for number in descriptors {
        out.push(Action::Drop { number: *number });
    }
}

fn kill_target(whom: KillWhom) -> KillTarget {
    match whom {
        KillWhom::Main => KillTarget::Main,
        KillWhom::Control => KillTarget::Control,
        KillWhom::All => KillTarget::All,
    }
}

/// The unit that an order is about.
fn subject(request: &UnitRequest) -> Option<&UnitName> {
    match request {
        UnitRequest::Start(unit)
        | UnitRequest::Restart(unit)
        | UnitRequest::ReloadOrRestart(unit)
        | UnitRequest::TryRestart(unit)
        | UnitRequest::Isolate(unit) => Some(unit),
        UnitRequest::Stop(_)
        | UnitRequest::Reload(_)
        | UnitRequest::Kill { .. }
        | UnitRequest::ResetFailed(_)
        | UnitRequest::ShutDown => None,
    }
}

fn starts_something(request: &Request) -> bool {
    match request {
        Request::Start { .. }
        | Request::Restart { .. }
        | Request::Isolate { .. }
        | Request::Exec(_)
        | Request::Apply(_) => true,
        Request::Version
        | Request::Health
        | Request::Metrics
        | Request::Status
        | Request::Show { .. }
        | Request::Cat { .. }
        | Request::Logs
        | Request::LogsWait { .. }
        | Request::BootChart
        | Request::Dump
        | Request::Stop { .. }
        | Request::Reload { .. }
        | Request::Kill { .. }
        | Request::ResetFailed { .. }
        | Request::SetLimits { .. }
        | Request::ExecSignal { .. }
        | Request::Confirm
        | Request::Revert
        | Request::Reexec
        | Request::Power { .. } => false,
    }
}
