//! etcd's services as JSON over HTTP/1: each call is a POST to a path, and becomes the same bytes that come
//! over gRPC. Answers go the way back.

mod base64;
mod read;
mod route;
mod shape;
mod shapes;
pub(in crate::etcd) mod text;
mod write;

#[cfg(test)]
mod tests;

pub use read::{NotJson, take_message};
pub use route::{find, reply, request};
pub use shape::Shape;
pub use write::{NotAMessage, to_json};

use super::method::{Method, Streams};
use super::status::Status;
use text::quoted;

/// `Content-Type` of every answer.
pub const CONTENT_TYPE: &str = "application/json";

/// The one message of a body. None at all is an empty one; what follows it is not looked at, as in etcd.
///
/// # Errors
///
/// It is no message of that call.
pub fn ask(method: Method, body: &[u8]) -> Result<Vec<u8>, Status> {
    let taken = take_message(request(method), body).map_err(|why| refused(method, &why))?;
    Ok(taken.map(|(bytes, _)| bytes).unwrap_or_default())
}

/// What is answered to a body that is none.
pub fn refused(method: Method, why: &NotJson) -> Status {
    const UNKNOWN: u8 = 2;
    const INVALID_ARGUMENT: u8 = 3;
    let code = if method.streams() == Streams::Both { UNKNOWN } else { INVALID_ARGUMENT };
    Status { code, text: why.why.clone().into() }
}

/// One of a stream's answers: a line.
///
/// # Errors
///
/// The bytes are no answer of that call.
pub fn line(method: Method, message: &[u8]) -> Result<String, NotAMessage> {
    Ok(format!("{{\"result\":{}}}\n", to_json(reply(method), message)?))
}

/// The body of an error.
pub fn error(status: &Status) -> String {
    let text = quoted(&status.text);
    format!("{{\"error\":{text},\"message\":{text},\"code\":{}}}", status.code)
}

/// The last line of a stream that ended with an error.
pub fn error_line(status: &Status) -> String {
    let (code, http) = (status.code, http_status(status.code));
    let (text, words) = (quoted(&status.text), quoted(reason(http)));
    format!(
        "{{\"error\":{{\"grpc_code\":{code},\"http_code\":{http},\"message\":{text},\"http_status\":{words}}}}}\n"
    )
}

/// The status of an HTTP answer for a code of gRPC.
pub fn http_status(code: u8) -> u16 {
    match code {
        0 => 200,
        1 => 408,
        3 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        9 => 412,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

/// What HTTP calls a status.
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Internal Server Error",
    }
}
