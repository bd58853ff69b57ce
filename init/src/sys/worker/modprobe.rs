//! Loads single modules: `keelson worker modprobe ALIAS…`, and what the kernel calls `/sbin/modprobe`
//! for (`fs-overlay`, `net-pf-40`, `rtnl-link-veth`).

use std::process::ExitCode;

use crate::sys::modules::Modules;

/// The worker. Options are passed over, but for `-q`, with which the kernel asks: it often asks for what
/// there need not be.
#[must_use]
pub fn main(arguments: &[String]) -> ExitCode {
    let names = arguments.iter().filter(|word| !word.starts_with('-'));
    let wanted: Vec<Box<str>> = names.map(|name| name.as_str().into()).collect();
    let modules = Modules::open();
    let refused: Vec<_> = wanted.iter().flat_map(|name| modules.load(name)).collect();
    for one in &refused {
        eprintln!("module {}: {}", one.file, one.errno);
    }
    let is_quiet = arguments.iter().any(|word| word == "-q");
    match wanted.iter().find(|name| !modules.knows(name)) {
        Some(_) if is_quiet => ExitCode::FAILURE,
        Some(name) => super::fail(&format!("no module for {name}")),
        None if refused.is_empty() => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    }
}
