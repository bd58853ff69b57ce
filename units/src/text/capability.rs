//! Names of capabilities (capabilities(7)).

use super::BadValue;
use super::suggest::did_you_mean;

/// Linux's names in lower case without `cap_`; the index is the number.
pub const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// Every capability, as a mask.
pub const ALL: u64 = (1 << NAMES.len()) - 1;

/// The number of a capability, with or without `CAP_`, in any case.
///
/// # Errors
/// When there is none of that name.
pub fn parse(text: &str) -> Result<u8, BadValue> {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_prefix("cap_").unwrap_or(&lower);
    let index = NAMES.iter().position(|known| *known == name);
    index.and_then(|index| u8::try_from(index).ok()).ok_or_else(|| {
        BadValue::new(format!("`{text}` is no capability")).advise(did_you_mean(
            name,
            NAMES.iter().copied(),
            "see capabilities(7)",
        ))
    })
}

/// Adds one assignment of `CapabilityBoundingSet=` or `AmbientCapabilities=` to what stood before.
///
/// The first list sets, later ones add; `~` takes away; an empty value empties the set, and `~`
/// alone fills it. `before` is `None` when nothing was assigned yet.
///
/// # Errors
/// When a name is no capability.
pub fn merge(before: Option<u64>, text: &str) -> Result<u64, BadValue> {
    let (inverted, list) = match text.strip_prefix('~') {
        Some(list) => (true, list),
        None => (false, text),
    };
    let mut mask = 0;
    for (offset, name) in super::words::plain(list) {
        let number =
            parse(name).map_err(|bad| bad.at(offset + text.len() - list.len(), name.len()))?;
        mask |= 1u64 << number;
    }
    Ok(match (inverted, before) {
        (false, _) if mask == 0 => 0,
        (true, _) if mask == 0 => ALL,
        (false, Some(before)) => before | mask,
        (false, None) => mask,
        (true, before) => before.unwrap_or(ALL) & !mask,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        assert_eq!(parse("CAP_NET_ADMIN"), Ok(12));
        assert!(parse("CAP_NET_ADMNI").unwrap_err().advice.contains("net_admin"));
        assert_eq!(merge(None, "CAP_CHOWN CAP_KILL"), Ok(0b10_0001));
        assert_eq!(merge(Some(1), "CAP_KILL"), Ok(0b10_0001));
        assert_eq!(merge(Some(0b10_0001), "~CAP_KILL"), Ok(1));
        assert_eq!(merge(None, "~CAP_CHOWN"), Ok(ALL - 1));
        assert_eq!(merge(Some(5), ""), Ok(0));
    }
}
