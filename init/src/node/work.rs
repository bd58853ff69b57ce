//! Orders to workers, and what their answers mean.

use std::time::Duration;

use serde::Serialize;
use units::action::ProbeKind;
use units::container::{Network, RootSource};
use units::event::{Outcome, Refusal};
use units::plan::ImageFacts;
use units::run::{ExitStatus, Run, Ticket};
use units::service::Service;
use units::spec::Spec;

use crate::node::action::Action;
use crate::node::event::WorkerFault;
pub(super) use crate::work::encode;
use crate::work::{PrepareReply, PrepareRequest, ProbeRequest, decode};

/// An order to a worker with an encoded request.
pub(super) fn order(
    ticket: Ticket,
    arguments: &[&str],
    input: &[u8],
    target: Option<Run>,
) -> Action {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    Action::Work { ticket, arguments, input: input.to_vec(), target }
}

/// An order to a worker with a request.
pub(super) fn order_with<T: Serialize>(
    ticket: Ticket,
    arguments: &[&str],
    request: &T,
    target: Option<Run>,
) -> Action {
    order(ticket, arguments, &encode(request), target)
}

/// What a worker has to look at before a run; `None` if there is nothing.
pub(super) fn prepare_request(
    spec: &Spec,
    conditions: bool,
    image: bool,
    is_machine: bool,
) -> Option<PrepareRequest> {
    let conditions = if conditions { spec.conditions.to_vec() } else { Vec::new() };
    let image = image.then(|| image_of(spec)).flatten();
    (!conditions.is_empty() || image.is_some()).then(|| PrepareRequest {
        conditions,
        image,
        state: crate::paths::STATE.into(),
        is_machine,
    })
}

fn image_of(spec: &Spec) -> Option<Box<str>> {
    match &spec.service()?.container.as_ref()?.root {
        RootSource::Image(reference) => Some(reference.clone()),
        RootSource::Directory(_) => None,
    }
}

/// One try of a probe; `None` if the unit has none of that kind.
pub(super) fn probe_request(service: &Service, kind: ProbeKind) -> Option<ProbeRequest> {
    let probe = match kind {
        ProbeKind::Startup => &service.probes.startup,
        ProbeKind::Readiness => &service.probes.readiness,
        ProbeKind::Liveness => &service.probes.liveness,
    };
    let probe = probe.as_ref()?;
    let container = service.container.as_ref();
    Some(ProbeRequest {
        action: probe.action.clone(),
        timeout: probe.timeout.max(Duration::from_millis(1)),
        environment: service.execution.environment.to_vec(),
        host_network: container.is_none_or(|container| container.network == Network::Host),
    })
}

/// What `prepare` answered.
pub(super) fn decode_prepared(bytes: &[u8]) -> (Outcome, Option<ImageFacts>) {
    match decode::<PrepareReply>(bytes) {
        Ok(reply) => (reply.outcome, reply.image),
        Err(_) => (unreadable(), None),
    }
}

/// What another worker answered.
pub(super) fn decode_outcome(bytes: &[u8]) -> Outcome {
    if bytes.is_empty() {
        return Outcome::Ok;
    }
    decode(bytes).unwrap_or_else(|_| unreadable())
}

fn unreadable() -> Outcome {
    Outcome::Refused(Refusal { stage: None, errno: 0, text: "unreadable answer".into() })
}

/// A worker without an answer, as the supervisor is told.
pub(super) fn refusal(fault: &WorkerFault) -> Outcome {
    let errno = match fault {
        WorkerFault::Spawn(fault) => fault.errno,
        WorkerFault::Ended { .. } | WorkerFault::TooMuch => 0,
    };
    Outcome::Refused(Refusal { stage: None, errno, text: describe(fault).into() })
}

/// A worker without an answer, for people.
pub(super) fn describe(fault: &WorkerFault) -> String {
    match fault {
        WorkerFault::Spawn(fault) => format!("cannot be started (errno {})", fault.errno),
        WorkerFault::TooMuch => "wrote more than it may".to_owned(),
        WorkerFault::Ended { complaint, .. } if !complaint.is_empty() => complaint.clone(),
        WorkerFault::Ended { status, .. } => match status {
            ExitStatus::Code(code) => format!("exited with {code}"),
            ExitStatus::Signal { signal, .. } => format!("ended by signal {}", signal.0),
            ExitStatus::Stage(_) | ExitStatus::Lost => "ended, how is not known".to_owned(),
        },
    }
}
