//! `keelson etcd` as a process: killed under load, and asked by etcd's own client.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crash;
mod etcdctl;
mod member;
mod wire;
