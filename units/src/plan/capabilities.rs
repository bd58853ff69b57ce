//! Capabilities by name and number (capabilities(7)).

/// Names without `CAP_`, at their numbers.
pub const CAPABILITIES_ALL: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What a container gets unless it says otherwise: Docker's fourteen.
pub const CAPABILITIES_DEFAULT: u64 = mask_of(&[
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SYS_CHROOT",
    "MKNOD",
    "AUDIT_WRITE",
    "SETFCAP",
]);

/// Every capability that we know.
pub(super) const CAPABILITIES_FULL: u64 = (1 << CAPABILITIES_ALL.len()) - 1;

/// The number of a capability, by name with or without `CAP_`, in any case.
#[must_use]
pub fn capability_number(name: &str) -> Option<u32> {
    let bare = match name.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("CAP_") => &name[4..],
        Some(_) | None => name,
    };
    (0..).zip(CAPABILITIES_ALL).find(|(_, known)| known.eq_ignore_ascii_case(bare)).map(|(n, _)| n)
}

/// The bits of several capabilities; `ALL` is every one. `Err` is the name that is unknown.
///
/// # Errors
/// The first unknown name.
pub fn capability_mask(names: &[Box<str>]) -> Result<u64, &str> {
    names.iter().try_fold(0, |mask, name| match capability_number(name) {
        Some(number) => Ok(mask | 1 << number),
        None if name.eq_ignore_ascii_case("ALL") => Ok(CAPABILITIES_FULL),
        None => Err(&**name),
    })
}

/// The bit of one capability that is known when we are compiled.
pub(super) const fn bit(name: &str) -> u64 {
    let mut number = 0;
    while number < CAPABILITIES_ALL.len() {
        if same(CAPABILITIES_ALL[number], name) {
            return 1 << number;
        }
        number += 1;
    }
    panic!("no such capability")
}

const fn mask_of(names: &[&str]) -> u64 {
    let mut mask = 0;
    let mut index = 0;
    while index < names.len() {
        mask |= bit(names[index]);
        index += 1;
    }
    mask
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_default_is_the_known_mask() {
        assert_eq!(CAPABILITIES_DEFAULT, 0xa804_25fb);
    }

    #[test]
    fn names_with_and_without_prefix() {
        assert_eq!(capability_number("CAP_SYS_ADMIN"), Some(21));
        assert_eq!(capability_number("cap_chown"), Some(0));
        assert_eq!(capability_number("checkpoint_restore"), Some(40));
        assert_eq!(capability_number("CAP_"), None);
        assert_eq!(capability_number("é"), None);
        assert_eq!(capability_mask(&["ALL".into()]), Ok((1 << 41) - 1));
        assert_eq!(capability_mask(&["CHOWN".into(), "FLY".into()]), Err("FLY"));
    }
}
