//! How a call ended, in gRPC's terms.

use std::borrow::Cow;

use crate::error::{Code, Error};
use crate::replica::Refusal;

/// A code that is not zero, with the text that clients compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// gRPC's number.
    pub code: u8,
    /// In etcd's words.
    pub text: Cow<'static, str>,
}

/// gRPC's own code for messages that are none; etcd itself never uses it.
const INTERNAL: u8 = 13;

impl Status {
    /// No such call.
    pub fn unknown_call(service: &str, call: &str) -> Self {
        let text = format!("unknown method {call} for service {service}");
        Self { code: Code::Unimplemented as u8, text: text.into() }
    }

    /// Compression is not offered.
    pub fn compressed() -> Self {
        let text = "grpc: Decompressor is not installed for grpc-encoding \"gzip\"";
        Self { code: Code::Unimplemented as u8, text: text.into() }
    }

    /// A message over the limit.
    pub fn too_large(bytes: usize, bytes_max: usize) -> Self {
        let text = format!("grpc: received message larger than max ({bytes} vs. {bytes_max})");
        Self { code: Code::ResourceExhausted as u8, text: text.into() }
    }

    /// Bytes that are no message.
    pub fn broken(why: &prost::DecodeError) -> Self {
        Self { code: INTERNAL, text: format!("grpc: error unmarshalling request: {why}").into() }
    }

    /// The text as a header's value: gRPC wants all but printable ASCII as `%XX`.
    pub fn text_for_header(&self) -> String {
        let mut out = String::with_capacity(self.text.len());
        for byte in self.text.bytes() {
            match byte {
                b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
                _ => out.push_str(&format!("%{byte:02X}")),
            }
        }
        out
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Self { code: error.code() as u8, text: error.text().into() }
    }
}

/// What a replica's refusal is called in etcd.
pub fn of_refusal(why: Refusal) -> Error {
    match why {
        Refusal::NoLeader => Error::NoLeader,
        Refusal::Busy => Error::TooManyRequests,
        Refusal::Late => Error::Timeout,
        Refusal::Stopped => Error::Stopped,
        Refusal::TooLarge => Error::RequestTooLarge,
        Refusal::MemberExists => Error::MemberExists,
        Refusal::MemberUnknown => Error::MemberNotFound,
        Refusal::NotLearner => Error::MemberNotLearner,
        Refusal::LearnerBehind => Error::LearnerNotReady,
        Refusal::TooManyLearners => Error::TooManyLearners,
        Refusal::ChangeRefused => Error::Unhealthy,
        Refusal::NotLeader => Error::NotLeader,
    }
}
