//! What the log carries: one change of the replicated state in our own words. Whatever a change needs from
//! the world outside (time, random numbers, hashed passwords) its proposer has put in, so that all replicas
//! arrive at the same state.

use serde::{Deserialize, Serialize};

use crate::limits::TXN_DEPTH_MAX;
use crate::nesting::deeper;
use crate::read::RangeRequest;
use crate::v2::V2Change;

/// First byte of an encoded command.
const FORMAT: u8 = 1;

/// A change, on whose behalf, and when it was proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Who asks; nobody when authentication is off or the replica itself asks.
    pub who: Option<User>,
    /// The proposer's clock, in milliseconds since 1970. The store lets it never go back.
    pub now_unix_ms: u64,
    /// What.
    pub change: Change,
}

/// Somebody whose token was checked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct User {
    /// Name.
    pub name: String,
    /// Revision of users and roles when the token was given out.
    pub auth_revision: u64,
}

/// All kinds of change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Sets a key.
    Put(PutRequest),
    /// Deletes keys.
    DeleteRange(DeleteRangeRequest),
    /// Several, if something holds.
    Txn(TxnRequest),
    /// Forgets history before a revision.
    Compact {
        /// The oldest revision that can still be read.
        revision: i64,
    },
    /// Begins a lease. The proposer has chosen `id` (if zero, the store takes one from the log index) and
    /// raised `ttl_s` to its minimum.
    LeaseGrant {
        /// Name of the lease, or zero.
        id: i64,
        /// Seconds.
        ttl_s: i64,
    },
    /// Ends a lease and deletes its keys, because a client says so.
    LeaseRevoke {
        /// Which.
        id: i64,
    },
    /// A new leader begins to count the time of leases. Its era is the index of this command.
    LeaseEra,
    /// Ends leases that ran out. Nothing happens if another leader has begun to count since.
    LeaseExpire {
        /// The era of the leader that counted.
        era: u64,
        /// Which.
        ids: Vec<i64>,
    },
    /// Tells how much time is left, so that an election does not make leases young again.
    LeaseCheckpoint {
        /// The era of the leader that counted.
        era: u64,
        /// Lease and seconds; zero means its whole time.
        remaining_s: Vec<(i64, i64)>,
    },
    /// Raises or clears an alarm.
    Alarm(AlarmChange),
    /// Users and roles.
    Auth(AuthChange),
    /// The keys of etcd's version 2.
    V2(V2Change),
    /// What a member tells of itself after its start.
    Publish {
        /// Member.
        member: u64,
        /// Its name.
        name: String,
        /// Where clients reach it.
        client_urls: Vec<String>,
    },
    /// A member was removed; what it published goes too.
    Unpublish {
        /// Member.
        member: u64,
    },
}

/// Sets one key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PutRequest {
    /// Key.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// Value.
    #[serde(with = "serde_bytes")]
    pub value: Vec<u8>,
    /// Lease to hang it on, or zero.
    pub lease: i64,
    /// Tell what was there before.
    pub prev_kv: bool,
    /// Keep the value that is there.
    pub ignore_value: bool,
    /// Keep the lease that is there.
    pub ignore_lease: bool,
}

/// Deletes a range.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeleteRangeRequest {
    /// First key.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// First key after the range, as in [`RangeRequest`].
    #[serde(with = "serde_bytes")]
    pub end: Vec<u8>,
    /// Tell what was there before.
    pub prev_kv: bool,
}

/// `success` if all of `compare` holds, else `failure`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TxnRequest {
    /// What must hold.
    pub compare: Vec<Compare>,
    /// Done if it does.
    pub success: Vec<Op>,
    /// Done if it does not.
    pub failure: Vec<Op>,
}

/// A part of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Reads.
    Range(RangeRequest),
    /// Sets.
    Put(PutRequest),
    /// Deletes.
    DeleteRange(DeleteRangeRequest),
    /// Decides again.
    Txn(#[serde(deserialize_with = "nested")] TxnRequest),
}

/// A condition on one key, or on all keys of a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compare {
    /// First key.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// First key after the range, as in [`RangeRequest`].
    #[serde(with = "serde_bytes")]
    pub end: Vec<u8>,
    /// How what is there must relate to `target`.
    pub relation: Relation,
    /// What is compared, and with what.
    pub target: Target,
}

/// What is there, compared with what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Relation {
    /// The same.
    Equal,
    /// Larger.
    Greater,
    /// Smaller.
    Less,
    /// Another.
    NotEqual,
}

/// A field of a key with the value to compare it with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// How many puts; zero for a key that is not there.
    Version(i64),
    /// When created; zero for a key that is not there.
    Create(i64),
    /// When changed; zero for a key that is not there.
    Mod(i64),
    /// The value. A key that is not there fails any comparison.
    Value(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The lease, or zero.
    Lease(i64),
}

/// What is wrong with a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Alarm {
    /// The quota is used up.
    NoSpace,
    /// Replicas disagree.
    Corrupt,
}

/// Raises or clears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlarmChange {
    /// Raises.
    Raise {
        /// Whose.
        member: u64,
        /// Which.
        alarm: Alarm,
    },
    /// Clears. Member zero means every member's, no alarm means each.
    Clear {
        /// Whose.
        member: u64,
        /// Which.
        alarm: Option<Alarm>,
    },
}

/// What a role may do with a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Read and watch.
    Read,
    /// Put and delete.
    Write,
    /// Both.
    ReadWrite,
}

/// A right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// To do what.
    pub access: Access,
    /// First key.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// First key after the range, as in [`RangeRequest`].
    #[serde(with = "serde_bytes")]
    pub end: Vec<u8>,
}

/// Changes to users and roles. Passwords come hashed (`crate::password`); no hash means that the user can
/// only come by certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it all, and they are etcd's")]
pub enum AuthChange {
    Enable,
    Disable,
    UserAdd {
        user: String,
        hash: Option<String>,
    },
    UserDelete {
        user: String,
    },
    UserChangePassword {
        user: String,
        hash: Option<String>,
    },
    UserGrantRole {
        user: String,
        role: String,
    },
    UserRevokeRole {
        user: String,
        role: String,
    },
    RoleAdd {
        role: String,
    },
    RoleDelete {
        role: String,
    },
    RoleGrantPermission {
        role: String,
        permission: Permission,
    },
    RoleRevokePermission {
        role: String,
        #[serde(with = "serde_bytes")]
        key: Vec<u8>,
        #[serde(with = "serde_bytes")]
        end: Vec<u8>,
    },
}

/// Reads a transaction within a transaction.
fn nested<'de, D: serde::Deserializer<'de>>(from: D) -> Result<TxnRequest, D::Error> {
    deeper(TXN_DEPTH_MAX, || TxnRequest::deserialize(from))
}

impl Command {
    /// For the log. The first byte tells the format.
    pub fn encode(&self) -> Vec<u8> {
        // Writing into memory cannot fail; should it, an empty command decodes as what it is: broken.
        postcard::to_extend(self, vec![FORMAT]).unwrap_or_default()
    }

    /// From the log.
    ///
    /// # Errors
    ///
    /// The bytes are not a command of a known format.
    pub fn decode(bytes: &[u8]) -> Result<Command, BadCommand> {
        match bytes.split_first() {
            Some((&FORMAT, rest)) => postcard::from_bytes(rest).map_err(|_| BadCommand::Broken),
            Some((&format, _)) => Err(BadCommand::Format(format)),
            None => Err(BadCommand::Broken),
        }
    }
}

/// Bytes that are no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadCommand {
    /// Written by a newer release.
    Format(u8),
    /// Not what `encode` makes.
    Broken,
}

impl std::fmt::Display for BadCommand {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadCommand::Format(format) => {
                write!(
                    to,
                    "command of format {format}: a newer release wrote it, update this member"
                )
            }
            BadCommand::Broken => to.write_str("command cannot be decoded"),
        }
    }
}

impl std::error::Error for BadCommand {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_survives_the_log() {
        let put = PutRequest { key: b"k".to_vec(), value: vec![7; 300], ..Default::default() };
        let txn = TxnRequest { success: vec![Op::Put(put)], ..Default::default() };
        let who = Some(User { name: "root".into(), auth_revision: 3 });
        let command = Command { who, now_unix_ms: 12, change: Change::Txn(txn) };
        let bytes = command.encode();
        assert_eq!(Command::decode(&bytes), Ok(command));
        assert!(bytes.len() < 340, "{}", bytes.len());
    }

    #[test]
    fn endless_nesting_is_refused() {
        let depth = |levels: usize| {
            let mut txn = TxnRequest::default();
            for _ in 0..levels {
                txn = TxnRequest { success: vec![Op::Txn(txn)], ..Default::default() };
            }
            Command { who: None, now_unix_ms: 0, change: Change::Txn(txn) }.encode()
        };
        assert!(Command::decode(&depth(100)).is_ok());
        assert_eq!(Command::decode(&depth(200)), Err(BadCommand::Broken));
        assert!(Command::decode(&depth(100)).is_ok());
    }

    #[test]
    fn foreign_bytes_are_refused() {
        assert_eq!(Command::decode(b""), Err(BadCommand::Broken));
        assert_eq!(Command::decode(&[9, 1, 2]), Err(BadCommand::Format(9)));
        assert_eq!(Command::decode(&[FORMAT, 1]), Err(BadCommand::Broken));
    }
}
