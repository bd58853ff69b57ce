//! The kernel's file systems that nothing waits for; reading some of them is slow.

use rustix::io::Errno;

use super::Setting;
use super::mounts::{Api, NODEV, NONE, PLAIN};
use super::steps::Faults;

/// Each where the kernel has a directory for it.
const LATE: [Api; 7] = [
    Api::new("securityfs", "/sys/kernel/security", NONE, PLAIN, 0x7363_6673, "no LSM view"),
    Api::new("pstore", "/sys/fs/pstore", NONE, PLAIN, 0x6165_676c, "no records of old crashes"),
    Api::new("efivarfs", "/sys/firmware/efi/efivars", NONE, PLAIN, 0xde5e_81e4, "no EFI variables"),
    Api::new("bpf", "/sys/fs/bpf", NONE, &["mode=0700"], 0xcafe_4a11, "no pinned BPF objects"),
    Api::new("configfs", "/sys/kernel/config", NONE, PLAIN, 0x6265_6570, "no configfs"),
    Api::new("mqueue", "/dev/mqueue", NONE, PLAIN, 0x1980_0202, "no POSIX queues"),
    Api::new("hugetlbfs", "/dev/hugepages", NODEV, &["mode=1770"], 0x9584_58f6, "no huge pages"),
];

/// Mounts them; what this kernel does not have is passed over.
pub(in crate::sys) fn late_mounts(faults: &mut Faults) {
    for api in &LATE {
        let mounted = match api.mount(Setting::Machine) {
            Err(Errno::NOENT | Errno::NODEV | Errno::PERM) => Ok(()),
            other => other,
        };
        faults.check(mounted, format_args!("mount {}", api.target), api.then);
    }
}
