//! Looks at the world before a run: conditions, image.

use std::process::ExitCode;

use units::event::{Outcome, Refusal};

use super::{answer, conditions, fail, request, unpack};
use crate::work::{PrepareReply, PrepareRequest, decode, encode};

/// The worker.
#[must_use]
pub fn main() -> ExitCode {
    let request = request().ok().and_then(|bytes| decode::<PrepareRequest>(&bytes).ok());
    let Some(request) = request else { return fail("unreadable request") };
    answer(&encode(&prepare(&request)))
}

fn prepare(request: &PrepareRequest) -> PrepareReply {
    if let Some(index) = conditions::first_unmet(&request.conditions, request.is_machine) {
        let test = request.conditions[index].test;
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        return PrepareReply { outcome: Outcome::Unmet { index, test }, image: None };
    }
    let Some(name) = &request.image else {
        return PrepareReply { outcome: Outcome::Ok, image: None };
    };
    match unpack::ready(&request.state, name) {
        Ok(facts) => PrepareReply { outcome: Outcome::Ok, image: Some(facts) },
        Err(why) => {
            let refusal = Refusal { stage: None, errno: 0, text: why.into() };
            PrepareReply { outcome: Outcome::Refused(refusal), image: None }
        }
    }
}
