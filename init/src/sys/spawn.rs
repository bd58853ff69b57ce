//! tmp
#![allow(missing_docs, unused)]
use rustix::process::Pid;
use std::os::fd::*;
use units::plan::Plan;
#[derive(Debug)]
pub(crate) struct Stdio<'a> {
    pub(crate) stdin: Option<BorrowedFd<'a>>,
    pub(crate) stdout: Option<BorrowedFd<'a>>,
    pub(crate) stderr: Option<BorrowedFd<'a>>,
}
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
    pub(crate) report: OwnedFd,
}
pub(crate) fn spawn(
    plan: &Plan,
    cgroup: BorrowedFd<'_>,
    stdio: Stdio<'_>,
    passed: &[(BorrowedFd<'_>, &str)],
    target: Option<BorrowedFd<'_>>,
) -> std::io::Result<Spawned> {
    Err(std::io::ErrorKind::Other.into())
}
