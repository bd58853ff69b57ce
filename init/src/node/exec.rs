//! Guests: programs that somebody runs inside a unit (`keelctl exec`).

use units::note::StateName;
use units::plan::{Entry, Plan, join};
use units::run::{ExitStatus, Run, Ticket};
use units::service::Signal;

use crate::node::Node;
use crate::node::action::{Action, Outbox};
use crate::node::api::{Question, drop_all, reply};
use crate::node::event::Fault;
use crate::node::orders::Order;
use crate::wire::response::RefusalKind;
use crate::wire::{ExecEnd, ExecRequest, Response};
use units::action::Answer;

impl Node {
    pub(super) fn on_exec(
        &mut self,
        question: Question,
        request: &ExecRequest,
        descriptors: &[u32],
        out: &mut Outbox,
    ) {
        match self.plan_guest(request) {
            Ok((run, plan)) => {
                let ticket = self.orders.issue(Order::Exec { run, question });
                let stdio = match *descriptors {
                    [stdin, stdout, stderr] => [stdin, stdout, stderr],
                    [terminal] => [terminal; 3],
                    _ => [0; 3],
                };
                out.push(Action::Exec { ticket, run, plan, stdio });
            }
            Err(response) => {
                drop_all(descriptors, out);
                reply(question, *response, out);
            }
        }
    }

    fn plan_guest(&self, request: &ExecRequest) -> Result<(Run, Box<Plan>), Box<Response>> {
        let name = &request.unit;
        let Some(id) = self.supervisor.id(name) else { return Err(Box::new(self.unknown(name))) };
        let unit = self.supervisor.view().unit(id).ok_or_else(|| Box::new(self.unknown(name)))?;
        let runs = matches!(unit.state, StateName::Up | StateName::Starting | StateName::Reloading);
        if !runs || unit.main_pid.is_none() {
            let text = format!("unit {} has no process to enter; start it first", name.short());
            return Err(Box::new(Response::refused(RefusalKind::NotApplicable, text)));
        }
        let entry = Entry {
            arguments: request.arguments.iter().map(|word| word.as_str().into()).collect(),
            environment: request.environment.iter().filter_map(|text| assignment(text)).collect(),
            directory: request.directory.as_deref().map(Into::into),
            user: request.user.as_deref().map(Into::into),
            terminal: request.terminal,
        };
        let plan = join(unit.spec, &entry, &self.plan_facts(id)).map_err(|error| {
            Box::new(Response::refused(RefusalKind::NotApplicable, error.to_string()))
        })?;
        Ok((Run { unit: id, number: unit.run }, Box::new(plan)))
    }

    pub(super) fn on_exec_spawned(
        &mut self,
        ticket: Ticket,
        run: Run,
        question: Question,
        result: Result<u32, Fault>,
        out: &mut Outbox,
    ) {
        match result {
            // The order stays: it ends with the guest.
            Ok(_) => self.orders.follow_guest(ticket, Order::Exec { run, question }),
            Err(fault) => {
                let text = format!("cannot be started (errno {})", fault.errno);
                reply(question, Response::Exited(ExecEnd::NotStarted(text)), out);
            }
        }
    }

    pub(super) fn on_guest_exited(&mut self, ticket: Ticket, status: ExitStatus, out: &mut Outbox) {
        self.clients.abandoned.retain(|(abandoned, _)| *abandoned != ticket);
        let Some(Order::Exec { question, .. }) = self.orders.settle(ticket) else { return };
        let end = match status {
            ExitStatus::Code(code) => ExecEnd::Code(code),
            ExitStatus::Signal { signal, .. } => ExecEnd::Signal(signal.0),
            ExitStatus::Stage(fault) => ExecEnd::NotStarted(fault.to_string()),
            ExitStatus::Lost => ExecEnd::NotStarted("its end was not seen".to_owned()),
        };
        reply(question, Response::Exited(end), out);
    }

    pub(super) fn on_exec_signal(
        &mut self,
        question: Question,
        request: u32,
        signal: Signal,
        out: &mut Outbox,
    ) {
        let wanted = Question { client: question.client, id: request };
        let Some(ticket) = self.orders.guest(wanted) else {
            let text = format!("no program of request {request} runs");
            return reply(question, Response::refused(RefusalKind::NotApplicable, text), out);
        };
        out.push(Action::SignalGuest { ticket, signal });
        reply(question, Response::Done(Answer::Ok), out);
    }
}

fn assignment(text: &str) -> Option<(Box<str>, Box<str>)> {
    let (name, value) = text.split_once('=')?;
    Some((name.into(), value.into()))
}
