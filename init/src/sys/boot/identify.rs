//! Name and identity of the machine, as far as they can be known before any disk.

use rustix::rand::{GetRandomFlags, getrandom};

use super::Setting;
use super::steps::Faults;
use crate::cmdline::Options;
use crate::identity::{MachineId, is_hostname};
use crate::sys::files::{create, read_text};

/// Where the identity is kept; `/etc/machine-id` leads here.
pub const MACHINE_ID_FILE: &str = "/run/keelson/machine-id";

/// The name of a machine that nobody gave one.
pub const HOSTNAME_DEFAULT: &str = "keelson";

/// Sets the host name: the command line's, the image's, or the default; configuration comes later.
///
/// In a container the name is its maker's.
pub(super) fn set_hostname(setting: Setting, options: &Options, faults: &mut Faults) -> Box<str> {
    if setting == Setting::Container {
        faults.skip("in a container");
        return read_text("/proc/sys/kernel/hostname").unwrap_or_default().into();
    }
    let given = options.hostname.clone().map(String::from);
    let name = given
        .or_else(|| read_text("/etc/hostname").ok())
        .filter(|name| is_hostname(name))
        .unwrap_or_else(|| HOSTNAME_DEFAULT.to_owned());
    let set = rustix::system::sethostname(name.as_bytes());
    faults.check(set, format_args!("sethostname {name}"), "the machine keeps its old name");
    name.into()
}

/// Finds or draws the machine's identity and writes it where programs look.
///
/// It holds for this boot only, until the state partition says otherwise: never a failure.
pub(super) fn find_machine_id(options: &Options, faults: &mut Faults) -> MachineId {
    let id = options
        .machine_id
        .or_else(|| read_text("/etc/machine-id").ok().and_then(|text| MachineId::parse(&text)))
        .or_else(|| std::env::var("container_uuid").ok().and_then(|text| MachineId::parse(&text)))
        .or_else(firmware_id)
        .unwrap_or_else(|| MachineId::from_random(random_bytes()));
    let written = create(MACHINE_ID_FILE, format!("{id}\n").as_bytes(), 0o444);
    faults.check(written, MACHINE_ID_FILE, "programs do not find the machine's identity");
    id
}

/// The UUID that a hypervisor gave; on metal many boards share one, so it is not looked at there.
fn firmware_id() -> Option<MachineId> {
    let vendor = read_text("/sys/class/dmi/id/sys_vendor").ok()?;
    let virtual_vendors = ["QEMU", "Amazon EC2", "Google", "KVM", "Xen", "VMware, Inc."];
    if !virtual_vendors.contains(&vendor.as_str()) {
        return None;
    }
    MachineId::parse(&read_text("/sys/class/dmi/id/product_uuid").ok()?)
}

/// Sixteen bytes, as random as the kernel has them now: an identity needs difference, not secrecy,
/// and waiting for entropy here could take for ever.
fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    let flags = GetRandomFlags::NONBLOCK;
    if getrandom(&mut bytes, flags).is_err() {
        // What remains zero is still an identity, though a poor one.
        let _ = getrandom(&mut bytes, GetRandomFlags::INSECURE);
    }
    bytes
}
