//! Loads single modules: `keelson worker modprobe ALIAS…`, and what the kernel calls `/sbin/modprobe`
//! for (`fs-overlay`, `net-pf-40`, `rtnl-link-veth`).

use std::process::ExitCode;

use crate::sys::modules::Modules;

/// The worker. Options are passed over: the kernel calls `modprobe -q -- ALIAS`.
#[must_use]
pub fn main(arguments: &[String]) -> ExitCode {
    let names = arguments.iter().filter(|word| !word.starts_with('-'));
    let wanted: Vec<Box<str>> = names.map(|name| name.as_str().into()).collect();
    let modules = Modules::open();
    let refused: Vec<_> = wanted.iter().flat_map(|name| modules.load(name)).collect();
    for one in &refused {
        eprintln!("module {}: {}", one.file, one.errno);
    }
    match wanted.iter().find(|name| !modules.knows(name)) {
        Some(name) => super::fail(&format!("no module for {name}")),
        None if refused.is_empty() => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    }
}
