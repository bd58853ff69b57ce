//! From a request of version 2 to our words.

use super::form::{Form, refused, unescape};
use crate::v2::{V2Change, V2Error, V2Expected, V2Put};

/// What is in front of the keys.
pub const PREFIX: &str = "/v2/keys";

const PREV_VALUE_REQUIRED: u16 = 201;
const TTL_NOT_A_NUMBER: u16 = 202;
const INDEX_NOT_A_NUMBER: u16 = 203;
const INVALID_FIELD: u16 = 209;
const INVALID_FORM: u16 = 210;
const REFRESH_VALUE: u16 = 211;
const REFRESH_TTL_REQUIRED: u16 = 212;

/// A request as it comes.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// GET, PUT…
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// The body is a form, by its `Content-Type`.
    pub is_form: bool,
    /// The body.
    pub body: &'a [u8],
}

/// What is asked of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// To show a node.
    Get {
        /// Where.
        path: String,
        /// With all that is in it.
        recursive: bool,
        /// As of now, whatever it costs; otherwise as far as this member knows.
        quorum: bool,
    },
    /// To tell what happens next. The head of the answer goes out at once.
    Wait {
        /// Where.
        path: String,
        /// Or below it.
        recursive: bool,
        /// From this index on; zero is from now on.
        since: u64,
        /// And then what comes after that, without end.
        stream: bool,
    },
    /// A change.
    Change {
        /// Which.
        change: V2Change,
        /// The answer needs to tell only that it was done.
        no_value: bool,
    },
    /// There is no such method.
    NotAllowed,
}

/// The methods there are, as the answer to any other says.
pub const METHODS: &str = "HEAD,GET,PUT,POST,DELETE";

/// Reads a request under [`PREFIX`].
///
/// # Errors
///
/// What is wrong with it, in etcd's words.
pub fn keys(asked: Request<'_>, now_unix_ms: u64) -> Result<Asked, V2Error> {
    if !METHODS.split(',').any(|method| method == asked.method) {
        return Ok(Asked::NotAllowed);
    }
    let (path, query) = asked.target.split_once('?').unwrap_or((asked.target, ""));
    let mut form = Form::default();
    // Go reads the body of these two alone.
    if asked.is_form && matches!(asked.method, "PUT" | "POST") {
        form.take(asked.body)?;
    }
    form.take(query.as_bytes())?;
    let path = path.strip_prefix(PREFIX).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let path = path.ok_or_else(|| refused(INVALID_FORM, "incorrect key prefix"))?;
    let path = unescape(path.as_bytes(), false).map_err(|why| refused(INVALID_FORM, why))?;
    let path = if path.is_empty() { "/".into() } else { path };
    Fields::read(&form)?.asked(asked.method, path, &form, now_unix_ms)
}

/// All fields, checked in etcd's order.
struct Fields {
    prev_index: u64,
    wait_index: u64,
    recursive: bool,
    wait: bool,
    dir: bool,
    quorum: bool,
    stream: bool,
    no_value: bool,
    ttl_s: Option<u64>,
    prev_exist: Option<bool>,
    refresh: bool,
}

impl Fields {
    fn read(form: &Form) -> Result<Self, V2Error> {
        let flag = |name: &str| Ok(form.flag(name, &format!("\"{name}\""))?.unwrap_or(false));
        let fields = Self {
            prev_index: form.number("prevIndex", INDEX_NOT_A_NUMBER)?.unwrap_or(0),
            wait_index: form.number("waitIndex", INDEX_NOT_A_NUMBER)?.unwrap_or(0),
            recursive: flag("recursive")?,
            // The answer is always in order.
            wait: flag("sorted").and_then(|_| flag("wait"))?,
            dir: flag("dir")?,
            quorum: flag("quorum")?,
            stream: flag("stream")?,
            no_value: check_prev_value(form).and_then(|()| flag("noValueOnSuccess"))?,
            ttl_s: match form.text("ttl") {
                None | Some("") => None,
                Some(_) => form.number("ttl", TTL_NOT_A_NUMBER)?,
            },
            prev_exist: form.flag("prevExist", "prevExist")?,
            refresh: form.flag("refresh", "refresh")?.unwrap_or(false),
        };
        if fields.refresh && form.text("value").is_some_and(|value| !value.is_empty()) {
            return Err(refused(REFRESH_VALUE, "A value was provided on a refresh"));
        }
        if fields.refresh && fields.ttl_s.is_none() {
            return Err(refused(REFRESH_TTL_REQUIRED, "No TTL value set"));
        }
        Ok(fields)
    }

    fn asked(
        self,
        method: &str,
        path: String,
        form: &Form,
        now_unix_ms: u64,
    ) -> Result<Asked, V2Error> {
        let Self { recursive, no_value, quorum, .. } = self;
        if self.wait && method != "GET" {
            let why = "\"wait\" can only be used with GET requests";
            return Err(refused(INVALID_FIELD, why));
        }
        let expected = V2Expected {
            value: form.text("prevValue").unwrap_or_default().into(),
            index: self.prev_index,
        };
        let change = match method {
            // Who wants the latest does not wait for it, as in etcd.
            "GET" if self.wait && !quorum => {
                let (since, stream) = (self.wait_index, self.stream);
                return Ok(Asked::Wait { path, recursive, since, stream });
            }
            "PUT" => self.put(path, expected, form, now_unix_ms),
            "POST" => V2Change::CreateInOrder(self.content(path, form, now_unix_ms)),
            "DELETE" if expected != V2Expected::default() => {
                V2Change::CompareAndDelete { path, expected }
            }
            "DELETE" => V2Change::Delete { path, dir: self.dir, recursive },
            _ => return Ok(Asked::Get { path, recursive, quorum }),
        };
        Ok(Asked::Change { change, no_value })
    }

    fn put(self, path: String, expected: V2Expected, form: &Form, now_unix_ms: u64) -> V2Change {
        let put = self.content(path, form, now_unix_ms);
        let anything = expected == V2Expected::default();
        match self.prev_exist {
            Some(false) => V2Change::Create(put),
            Some(true) if anything => V2Change::Update(put),
            None if anything => V2Change::Set(put),
            Some(true) | None => V2Change::CompareAndSwap(put, expected),
        }
    }

    fn content(&self, path: String, form: &Form, now_unix_ms: u64) -> V2Put {
        let expires = |ttl_s: u64| now_unix_ms.saturating_add(ttl_s.saturating_mul(1000));
        V2Put {
            path,
            value: form.text("value").unwrap_or_default().into(),
            dir: self.dir,
            refresh: self.refresh,
            expires_unix_ms: self.ttl_s.map(expires),
        }
    }
}

fn check_prev_value(form: &Form) -> Result<(), V2Error> {
    match form.text("prevValue") {
        Some("") => Err(refused(PREV_VALUE_REQUIRED, "\"prevValue\" cannot be empty")),
        Some(_) | None => Ok(()),
    }
}
