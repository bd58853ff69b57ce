//! What programs say of themselves (sd_notify(3)): assignments in a datagram.

use units::event::Notification;
use units::service::NotifyAccess;

/// Most assignments that one datagram may have.
pub const ASSIGNMENTS_MAX: usize = 64;

/// What a datagram says, descriptors still to be matched by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The assignments that are facts by themselves.
    pub notifications: Vec<Notification>,
    /// `FDSTORE=1`: keep the descriptors under this name.
    pub store: Option<Store>,
    /// `BARRIER=1`: close the one descriptor when everything before is done.
    pub barrier: bool,
}

/// A request to keep descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// `FDNAME=`; `stored` by default.
    pub name: Box<str>,
    /// `FDPOLL=0` turns it off.
    pub poll: bool,
}

/// Reads a datagram. Unknown assignments are passed over, as the protocol asks.
///
/// # Errors
/// A short reason when the datagram as a whole cannot be taken: it has NUL bytes or is not UTF-8.
pub fn parse(datagram: &[u8]) -> Result<Said, &'static str> {
    let datagram = datagram.strip_suffix(b"\0").unwrap_or(datagram);
    if datagram.contains(&0) {
        return Err("notification has NUL bytes within");
    }
    let text = std::str::from_utf8(datagram).map_err(|_| "notification is not UTF-8")?;
    let lines = || text.lines().take(ASSIGNMENTS_MAX).filter_map(|line| line.split_once('='));
    let value = |key: &str| lines().filter(|(k, _)| *k == key).map(|(_, v)| v).last();
    let monotonic_us = value("MONOTONIC_USEC").and_then(|v| v.parse().ok());
    let mut notifications: Vec<Notification> =
        lines().filter_map(|(key, value)| assignment(key, value, monotonic_us)).collect();
    let name: Box<str> = value("FDNAME").filter(|name| valid_name(name)).unwrap_or("stored").into();
    if value("FDSTOREREMOVE") == Some("1") {
        notifications.push(Notification::RemoveDescriptor { name: name.clone() });
    }
    let store =
        (value("FDSTORE") == Some("1")).then(|| Store { name, poll: value("FDPOLL") != Some("0") });
    Ok(Said { notifications, store, barrier: value("BARRIER") == Some("1") })
}

fn assignment(key: &str, value: &str, monotonic_us: Option<u64>) -> Option<Notification> {
    match (key, value) {
        ("READY", "1") => Some(Notification::Ready),
        ("RELOADING", "1") => Some(Notification::Reloading { monotonic_us }),
        ("STOPPING", "1") => Some(Notification::Stopping),
        ("STATUS", text) => Some(Notification::Status(text.chars().take(256).collect())),
        ("ERRNO", number) => number.parse().ok().map(Notification::Errno),
        ("EXIT_STATUS", number) => number.parse().ok().map(Notification::ExitStatus),
        ("MAINPID", number) => {
            number.parse().ok().filter(|pid| *pid > 1).map(Notification::MainPid)
        }
        ("WATCHDOG", "1") => Some(Notification::Watchdog),
        ("WATCHDOG", "trigger") => Some(Notification::WatchdogTrigger),
        ("WATCHDOG_USEC", number) => number.parse().ok().map(Notification::WatchdogUs),
        ("EXTEND_TIMEOUT_USEC", number) => number.parse().ok().map(Notification::ExtendTimeoutUs),
        ("NOTIFYACCESS", word) => access(word).map(Notification::NotifyAccess),
        (_, _) => None,
    }
}

fn access(word: &str) -> Option<NotifyAccess> {
    match word {
        "none" => Some(NotifyAccess::None),
        "main" => Some(NotifyAccess::Main),
        "exec" => Some(NotifyAccess::Exec),
        "all" => Some(NotifyAccess::All),
        _ => None,
    }
}

/// A descriptor's name: up to 255 printable ASCII characters without a colon.
fn valid_name(name: &str) -> bool {
    name.len() <= 255 && name.bytes().all(|b| b.is_ascii_graphic() && b != b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ones() {
        let said = parse(b"READY=1\nSTATUS=hello world\nMAINPID=42\nUNKNOWN=x").unwrap();
        assert_eq!(
            said.notifications,
            vec![
                Notification::Ready,
                Notification::Status("hello world".into()),
                Notification::MainPid(42)
            ]
        );
        assert_eq!(said.store, None);
    }

    #[test]
    fn descriptors_and_barriers() {
        let said = parse(b"FDSTORE=1\nFDNAME=conn\nFDPOLL=0").unwrap();
        assert_eq!(said.store, Some(Store { name: "conn".into(), poll: false }));
        assert!(parse(b"BARRIER=1").unwrap().barrier);
        let said = parse(b"FDSTOREREMOVE=1\nFDNAME=conn").unwrap();
        assert_eq!(
            said.notifications,
            vec![Notification::RemoveDescriptor { name: "conn".into() }]
        );
    }

    #[test]
    fn what_is_refused() {
        assert!(parse(b"READY=1\0STATUS=x").is_err());
        assert!(parse(b"\xff\xfe").is_err());
        assert!(parse(b"MAINPID=1").unwrap().notifications.is_empty());
    }
}
