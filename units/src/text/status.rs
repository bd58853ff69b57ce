//! Names of exit statuses (systemd.exec(5), "process exit codes").

use super::{BadValue, signal, words};
use crate::service::ExitSet;

/// sysexits.h, the LSB, and systemd's own range from 200.
const NAMES: &[(&str, u8)] = &[
    ("SUCCESS", 0),
    ("FAILURE", 1),
    ("INVALIDARGUMENT", 2),
    ("NOTIMPLEMENTED", 3),
    ("NOPERMISSION", 4),
    ("NOTINSTALLED", 5),
    ("NOTCONFIGURED", 6),
    ("NOTRUNNING", 7),
    ("USAGE", 64),
    ("DATAERR", 65),
    ("NOINPUT", 66),
    ("NOUSER", 67),
    ("NOHOST", 68),
    ("UNAVAILABLE", 69),
    ("SOFTWARE", 70),
    ("OSERR", 71),
    ("OSFILE", 72),
    ("CANTCREAT", 73),
    ("IOERR", 74),
    ("TEMPFAIL", 75),
    ("PROTOCOL", 76),
    ("NOPERM", 77),
    ("CONFIG", 78),
    ("CHDIR", 200),
    ("NICE", 201),
    ("FDS", 202),
    ("EXEC", 203),
    ("MEMORY", 204),
    ("LIMITS", 205),
    ("OOM_ADJUST", 206),
    ("SIGNAL_MASK", 207),
    ("STDIN", 208),
    ("STDOUT", 209),
    ("CHROOT", 210),
    ("IOPRIO", 211),
    ("TIMERSLACK", 212),
    ("SECUREBITS", 213),
    ("SETSCHEDULER", 214),
    ("CPUAFFINITY", 215),
    ("GROUP", 216),
    ("USER", 217),
    ("CAPABILITIES", 218),
    ("CGROUP", 219),
    ("SETSID", 220),
    ("CONFIRM", 221),
    ("STDERR", 222),
    ("PAM", 224),
    ("NETWORK", 225),
    ("NAMESPACE", 226),
    ("NO_NEW_PRIVILEGES", 227),
    ("SECCOMP", 228),
    ("SELINUX_CONTEXT", 229),
    ("PERSONALITY", 230),
    ("APPARMOR_PROFILE", 231),
    ("ADDRESS_FAMILIES", 232),
    ("RUNTIME_DIRECTORY", 233),
    ("CHOWN", 235),
    ("SMACK_PROCESS_LABEL", 236),
    ("KEYRING", 237),
    ("STATE_DIRECTORY", 238),
    ("CACHE_DIRECTORY", 239),
    ("LOGS_DIRECTORY", 240),
    ("CONFIGURATION_DIRECTORY", 241),
    ("NUMA_POLICY", 242),
    ("CREDENTIALS", 243),
    ("BPF", 245),
    ("EXCEPTION", 255),
];

/// Adds one `SuccessExitStatus=` or the like: codes, their names, and signals.
///
/// # Errors
/// When a word is neither.
pub fn add(set: &mut ExitSet, text: &str) -> Result<(), BadValue> {
    for (offset, word) in words::plain(text) {
        add_word(set, word).ok_or_else(|| {
            BadValue::new(format!("`{word}` is neither an exit code nor a signal"))
                .advise("write codes from 0 to 255, their names, or signals such as `SIGKILL`")
                .at(offset, word.len())
        })?;
    }
    Ok(())
}

fn add_word(set: &mut ExitSet, word: &str) -> Option<()> {
    let named = NAMES.iter().find(|(name, _)| *name == word).map(|(_, code)| *code);
    if let Some(code) = named.or_else(|| word.parse().ok()) {
        if !set.codes.contains(&code) {
            set.codes.push(code);
        }
        return Some(());
    }
    let found = signal::find(word).filter(|_| !word.starts_with(|c: char| c.is_ascii_digit()))?;
    if !set.signals.contains(&found) {
        set.signals.push(found);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        let mut set = ExitSet::default();
        add(&mut set, "1 2 TEMPFAIL SIGKILL 1").unwrap();
        assert_eq!(set.codes, [1, 2, 75]);
        assert_eq!(set.signals, [crate::service::Signal::KILL]);
        assert!(add(&mut set, "256").is_err());
    }
}
