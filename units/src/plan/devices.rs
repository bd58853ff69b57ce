//! Which devices a unit's processes may use.

use crate::container::Container;
use crate::plan::{DeviceAccess, DeviceKind};

/// Read.
const READ: u8 = 2;
/// Write.
const WRITE: u8 = 4;
/// Make a node.
const MAKE: u8 = 1;

/// Some of `r`, `w` and `m`, as bits.
pub(super) fn access(text: &str) -> u8 {
    let bits = [('r', READ), ('w', WRITE), ('m', MAKE)];
    bits.into_iter().filter(|(letter, _)| text.contains(*letter)).map(|(_, bit)| bit).sum()
}

/// What every container may use, as Docker has it: nodes of any number may be made, but only these
/// opened: null, zero, full, random, urandom, tty, console, ptmx and terminals. Those of the machine that
/// it names itself come to it where their numbers are known: when it is spawned.
pub(super) fn of_container(own: &Container) -> Option<Vec<DeviceAccess>> {
    if own.privileged {
        return None;
    }
    let any = |kind| DeviceAccess { kind, major: None, minor: None, access: MAKE };
    let one = |major, minor| DeviceAccess {
        kind: DeviceKind::Character,
        major: Some(major),
        minor,
        access: READ | WRITE | MAKE,
    };
    let mut rules = vec![any(DeviceKind::Character), any(DeviceKind::Block)];
    rules.extend([3, 5, 7, 8, 9].map(|minor| one(1, Some(minor))));
    rules.extend([0, 1, 2].map(|minor| one(5, Some(minor))));
    rules.push(one(136, None));
    Some(rules)
}
