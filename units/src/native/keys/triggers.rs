//! The units that belong to a service, and those that a file defines instead of one.

use crate::calendar::Calendar;
use crate::name::UnitName;
use crate::native::reader::{Fault, Key, Reader, boolean, expected, key, table};
use crate::native::tree::{Item, Node};
use crate::systemd::add_elapse;
use crate::text::BadValue;
use crate::triggers::Elapse;

/// `schedule = "daily"`, one expression or several.
pub(super) fn schedule(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    for (text, spot) in r.texts(&item.value)? {
        let calendar = Calendar::parse(&text).map_err(|bad| (spot, bad))?;
        add(r, item, Elapse::Calendar(Box::new(calendar)))?;
    }
    Ok(())
}

fn add(r: &mut Reader<'_>, item: &Item, elapse: Elapse) -> Result<(), Fault> {
    add_elapse(r.draft, elapse).map_err(|bad| (item.value.spot, bad))
}

pub(super) const TIMER: &[Key] = &[
    key("calendar", schedule),
    key("after-boot", |r, v| {
        let span = r.span(&v.value)?;
        add(r, v, Elapse::Boot(span))
    }),
    key("after-start", |r, v| {
        let span = r.span(&v.value)?;
        add(r, v, Elapse::Active(span))
    }),
    key("every", |r, v| {
        let span = r.span(&v.value)?;
        if span.is_zero() {
            return Err((v.value.spot, BadValue::new("a timer cannot run without pause")));
        }
        add(r, v, Elapse::Active(span))?;
        add(r, v, Elapse::UnitActive(span))
    }),
    key("after-end", |r, v| {
        let span = r.span(&v.value)?;
        add(r, v, Elapse::UnitInactive(span))
    }),
    key("persistent", |r, v| r.set("Timer", "Persistent", v)),
    key("accuracy", |r, v| r.set("Timer", "AccuracySec", v)),
    key("jitter", |r, v| r.set("Timer", "RandomizedDelaySec", v)),
    key("fixed-jitter", |r, v| r.set("Timer", "FixedRandomDelay", v)),
    key("on-clock-change", |r, v| r.set("Timer", "OnClockChange", v)),
    key("on-timezone-change", |r, v| r.set("Timer", "OnTimezoneChange", v)),
    key("unit", |r, v| {
        r.draft.triggers = one_unit(r, v)?;
        Ok(())
    }),
    key("wanted-by", super::unit::wanted_by),
];

pub(super) fn timer(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.descend(item, &[TIMER])
}

fn one_unit(r: &Reader<'_>, item: &Item) -> Result<Option<UnitName>, Fault> {
    Ok(r.units(&item.value)?.into_iter().next())
}

pub(super) const SOCKET: &[Key] = &[
    key("listen", |r, v| addresses(r, v, "ListenStream")),
    key("datagram", |r, v| addresses(r, v, "ListenDatagram")),
    key("sequential", |r, v| addresses(r, v, "ListenSequentialPacket")),
    key("fifo", |r, v| addresses(r, v, "ListenFIFO")),
    key("netlink", |r, v| addresses(r, v, "ListenNetlink")),
    key("accept", |r, v| {
        r.draft.socket.accept = boolean(&v.value)?;
        Ok(())
    }),
    key("connections-max", |r, v| r.set("Socket", "MaxConnections", v)),
    key("connections-per-source-max", |r, v| r.set("Socket", "MaxConnectionsPerSource", v)),
    key("backlog", |r, v| r.set("Socket", "Backlog", v)),
    key("user", |r, v| r.set("Socket", "SocketUser", v)),
    key("group", |r, v| r.set("Socket", "SocketGroup", v)),
    key("mode", |r, v| r.set("Socket", "SocketMode", v)),
    key("directory-mode", |r, v| r.set("Socket", "DirectoryMode", v)),
    key("name", |r, v| r.set("Socket", "FileDescriptorName", v)),
    key("links", |r, v| r.set_words("Socket", "Symlinks", v)),
    key("remove-on-stop", |r, v| r.set("Socket", "RemoveOnStop", v)),
    key("ipv6-only", |r, v| {
        r.draft.socket.options.bind_ipv6_only = Some(boolean(&v.value)?);
        Ok(())
    }),
    key("device", |r, v| r.set("Socket", "BindToDevice", v)),
    key("free-bind", |r, v| r.set("Socket", "FreeBind", v)),
    key("reuse-port", |r, v| r.set("Socket", "ReusePort", v)),
    key("keep-alive", |r, v| r.set("Socket", "KeepAlive", v)),
    key("no-delay", |r, v| r.set("Socket", "NoDelay", v)),
    key("receive-buffer", |r, v| r.set("Socket", "ReceiveBuffer", v)),
    key("send-buffer", |r, v| r.set("Socket", "SendBuffer", v)),
    key("pass-credentials", |r, v| r.set("Socket", "PassCredentials", v)),
    key("unit", |r, v| {
        r.draft.triggers = one_unit(r, v)?;
        Ok(())
    }),
    key("wanted-by", super::unit::wanted_by),
];

pub(super) fn socket(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.descend(item, &[SOCKET])
}

/// Ports and addresses, one or several.
fn addresses(r: &mut Reader<'_>, item: &Item, name: &str) -> Result<(), Fault> {
    let values = match &item.value.node {
        Node::List(list) => list.clone(),
        Node::Text(_) | Node::Integer(_) => vec![item.value.clone()],
        other => return Err(expected(&item.value, "a port or an address", other)),
    };
    for value in values {
        r.set("Socket", name, &Item { value, ..item.clone() })?;
    }
    Ok(())
}

pub(super) const MOUNT: &[Key] = &[
    key("what", |r, v| r.set("Mount", "What", v)),
    key("where", |r, v| r.set("Mount", "Where", v)),
    key("type", |r, v| r.set("Mount", "Type", v)),
    key("options", |r, v| {
        let options: Vec<String> = r.texts(&v.value)?.into_iter().map(|(text, _)| text).collect();
        r.draft.mount.options = options.join(",").into();
        Ok(())
    }),
    key("mode", |r, v| r.set("Mount", "DirectoryMode", v)),
    key("timeout", |r, v| r.set("Mount", "TimeoutSec", v)),
    key("lazy-unmount", |r, v| r.set("Mount", "LazyUnmount", v)),
    key("force-unmount", |r, v| r.set("Mount", "ForceUnmount", v)),
    key("read-write-only", |r, v| r.set("Mount", "ReadWriteOnly", v)),
];

pub(super) fn mount(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.descend(item, &[MOUNT])
}

/// A target has nothing of its own.
pub(super) fn target(_: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    match table(item)?.first() {
        None => Ok(()),
        Some(inner) => {
            let bad = BadValue::new(format!("`{}` is no key of `[target]`", inner.key));
            Err((inner.key_spot, bad.advise("write it above `[target]`, which stays empty")))
        }
    }
}
