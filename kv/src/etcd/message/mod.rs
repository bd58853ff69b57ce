//! The messages of etcd's version 3, by hand. Names and field numbers are those of etcd-io/etcd (main, with all
//! fields up to 3.6): `api/etcdserverpb/rpc.proto`, `api/mvccpb/kv.proto`, `api/authpb/auth.proto`, and in
//! `server/etcdserver/api` `v3lock/v3lockpb/v3lock.proto` and `v3election/v3electionpb/v3election.proto`.
//! Enumerations stay numbers, as on the wire, so that unknown ones can be told from the default. Messages of
//! the same form are one.

mod auth;
mod cluster;
mod keys;
mod lease;
mod lock;
mod maintenance;
mod watch;

pub use auth::*;
pub use cluster::*;
pub use keys::*;
pub use lease::*;
pub use lock::*;
pub use maintenance::*;
pub use watch::*;
