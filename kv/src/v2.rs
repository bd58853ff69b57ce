//! The keys of etcd's version 2, as asked for and as told. A tree of directories with its own index, apart
//! from the revisions of version 3.

use serde::{Deserialize, Serialize};

/// A change of version 2 keys. Paths begin with `/` and are those of the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum V2Change {
    /// Sets a value or makes a directory, whatever was there.
    Set(V2Put),
    /// Sets what must exist.
    Update(V2Put),
    /// Makes what must not exist.
    Create(V2Put),
    /// Makes a child with the next number as its name.
    CreateInOrder(V2Put),
    /// Sets if what is there fits.
    CompareAndSwap(V2Put, V2Expected),
    /// Deletes.
    Delete {
        /// Where.
        path: String,
        /// It may be a directory.
        dir: bool,
        /// With all that is in it.
        recursive: bool,
    },
    /// Deletes if what is there fits.
    CompareAndDelete {
        /// Where.
        path: String,
        /// What must be there.
        expected: V2Expected,
    },
    /// Time passes: what has expired goes.
    Expire,
}

/// What to put where.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct V2Put {
    /// Where.
    pub path: String,
    /// The value.
    pub value: String,
    /// A directory rather than a value.
    pub dir: bool,
    /// Keep the value, renew the time, wake nobody.
    pub refresh: bool,
    /// When it goes, in milliseconds since 1970: the proposer's clock plus the client's TTL.
    pub expires_unix_ms: Option<u64>,
}

/// What must be there. Empty and zero mean *anything*.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct V2Expected {
    /// The value.
    pub value: String,
    /// The index of its last change.
    pub index: u64,
}

/// A node of the tree, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct V2Node {
    /// Path from the root.
    pub key: String,
    /// Its value, if it has one and it is not left out.
    pub value: Option<String>,
    /// It is a directory.
    pub dir: bool,
    /// When it goes, in milliseconds since 1970.
    pub expires_unix_ms: Option<u64>,
    /// Seconds until then, rounded up.
    pub ttl_s: i64,
    /// What is in the directory, when shown. Events that are remembered show none.
    #[serde(skip)]
    pub nodes: Vec<V2Node>,
    /// Index of its last change.
    pub modified_index: u64,
    /// Index in which it came into being.
    pub created_index: u64,
}

/// What was done to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are etcd's")]
pub enum V2Action {
    Get,
    Create,
    Set,
    Update,
    Delete,
    CompareAndSwap,
    CompareAndDelete,
    Expire,
}

impl V2Action {
    /// As in the answer's `action`.
    pub fn name(self) -> &'static str {
        match self {
            V2Action::Get => "get",
            V2Action::Create => "create",
            V2Action::Set => "set",
            V2Action::Update => "update",
            V2Action::Delete => "delete",
            V2Action::CompareAndSwap => "compareAndSwap",
            V2Action::CompareAndDelete => "compareAndDelete",
            V2Action::Expire => "expire",
        }
    }
}

/// The answer to a read or change, and what those who wait are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct V2Event {
    /// What was done.
    pub action: V2Action,
    /// To what.
    pub node: V2Node,
    /// What was there before.
    pub prev_node: Option<V2Node>,
    /// The index of the tree then: `X-Etcd-Index`.
    pub index: u64,
}

impl V2Event {
    /// Something new came into being: answered with 201 rather than 200.
    pub fn is_created(&self) -> bool {
        self.action == V2Action::Create
            || (self.action == V2Action::Set && self.prev_node.is_none())
    }
}

/// Why a version 2 request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V2Error {
    /// etcd's number.
    pub code: u16,
    /// The path, or what did not fit.
    pub cause: String,
    /// The index of the tree.
    pub index: u64,
}

impl V2Error {
    /// The text that belongs to the number.
    pub fn message(&self) -> &'static str {
        match self.code {
            100 => "Key not found",
            101 => "Compare failed",
            102 => "Not a file",
            104 => "Not a directory",
            105 => "Key already exists",
            107 => "Root is read only",
            108 => "Directory not empty",
            110 => "The request requires user authentication",
            200 => "Value is Required in POST form",
            201 => "PrevValue is Required in POST form",
            202 => "The given TTL in POST form is not a number",
            203 => "The given index in POST form is not a number",
            207 => "Index or value is required",
            208 => "Index and value cannot both be specified",
            209 => "Invalid field",
            210 => "Invalid POST form",
            211 => "Value provided on refresh",
            212 => "A TTL must be provided on refresh",
            300 => "Raft Internal Error",
            301 => "During Leader Election",
            400 => "watcher is cleared due to etcd recovery",
            401 => "The event in requested index is outdated and cleared",
            _ => "Invalid request",
        }
    }

    /// The status of the HTTP answer.
    pub fn http_status(&self) -> u16 {
        match self.code {
            100 => 404,
            101 | 105 => 412,
            102 | 108 => 403,
            110 => 401,
            300 | 301 => 500,
            _ => 400,
        }
    }
}

impl std::fmt::Display for V2Error {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}: {} ({}) [{}]", self.code, self.message(), self.cause, self.index)
    }
}

impl std::error::Error for V2Error {}

/// The answer to a change.
pub type V2Reply = Result<V2Event, V2Error>;
