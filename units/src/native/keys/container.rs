//! What only containers have, and what means something else without a root of one's own.

use super::mounts::size_of;
use crate::container::{
    Container, ContainerDevice, Network, Port, RootSource, SeccompChoice, UserNamespace, Writable,
};
use crate::native::reader::{Fault, Key, Reader, boolean, count, expected, key, one_of, table};
use crate::native::tree::{Item, Node, Value};
use crate::text::{BadValue, capability, path};

/// The container part, or the complaint that there is none.
fn of<'r>(r: &'r mut Reader<'_>, item: &Item) -> Result<&'r mut Container, Fault> {
    let bad = BadValue::new(format!("only containers have `{}`", item.key))
        .advise("give the unit an `image` or a `root` of its own, or take the key out");
    r.draft.container.as_deref_mut().ok_or((item.key_spot, bad))
}

pub(super) fn image(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let text = r.text(&item.value)?;
    let bad = |c: char| c.is_control() || c == ' ';
    if text.is_empty() || text.contains(bad) {
        return Err((item.value.spot, BadValue::new(format!("`{text}` is no name of an image"))));
    }
    of(r, item)?.root = RootSource::Image(text.into());
    Ok(())
}

pub(super) fn root(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let text = r.text(&item.value)?;
    let path = path::absolute(&text).map_err(|bad| (item.value.spot, bad))?;
    let container = of(r, item)?;
    if container.root != RootSource::Directory("".into()) {
        let bad = BadValue::new("`image` and `root` cannot both be had");
        return Err((item.key_spot, bad.advise("take one of them out")));
    }
    container.root = RootSource::Directory(path);
    Ok(())
}

pub(super) fn network(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let words = [("host", Network::Host), ("none", Network::None), ("private", Network::Private)];
    let network = one_of(&item.value, &words)?;
    r.notes.network = true;
    match r.draft.container.as_deref_mut() {
        Some(container) => container.network = network,
        None => r.draft.sandbox.private_network = network != Network::Host,
    }
    Ok(())
}

/// `"8080:80"`, `"53:53/udp"`, `80`, or tables.
pub(super) fn ports(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let Node::List(list) = &item.value.node else {
        return Err(expected(&item.value, "a list of ports", &item.value.node));
    };
    r.notes.ports_at = Some(item.key_spot);
    for value in list {
        let port = match &value.node {
            Node::Integer(_) => {
                let number = super::limits::port(value)?;
                Port { name: None, host: number, container: number, udp: false }
            }
            Node::Text(text) => short_port(text, value)?,
            Node::Table(table) => long_port(r, table, value)?,
            other => return Err(expected(value, "a port such as `\"8080:80\"`", other)),
        };
        of(r, item)?.ports.push(port);
    }
    Ok(())
}

fn short_port(text: &str, value: &Value) -> Result<Port, Fault> {
    let bad = || {
        let bad = BadValue::new(format!("`{text}` is no port"));
        (value.spot, bad.advise("write `\"80\"`, `\"8080:80\"` or `\"53:53/udp\"`"))
    };
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let udp = match protocol {
        "tcp" => false,
        "udp" => true,
        _ => return Err(bad()),
    };
    let (host, container) = numbers.split_once(':').unwrap_or((numbers, numbers));
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(bad);
    Ok(Port { name: None, host: number(host)?, container: number(container)?, udp })
}

fn long_port(r: &Reader<'_>, table: &[Item], value: &Value) -> Result<Port, Fault> {
    let mut port = Port { name: None, host: 0, container: 0, udp: false };
    for item in table {
        match &*item.key {
            "name" => port.name = Some(r.text(&item.value)?.into()),
            "host" => port.host = super::limits::port(&item.value)?,
            "container" => port.container = super::limits::port(&item.value)?,
            "protocol" => port.udp = one_of(&item.value, &[("tcp", false), ("udp", true)])?,
            other => {
                let bad = BadValue::new(format!("`{other}` is no key of a port"));
                return Err((
                    item.key_spot,
                    bad.advise("known are name, host, container, protocol"),
                ));
            }
        }
    }
    let bad = || (value.spot, BadValue::new("the port has no `container`"));
    let container = Some(port.container).filter(|port| *port != 0).ok_or_else(bad)?;
    let host = if port.host == 0 { container } else { port.host };
    Ok(Port { host, ..port })
}

pub(super) fn hostname(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let text = r.text(&item.value)?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if text.is_empty() || text.len() > 64 || !text.chars().all(good) {
        return Err((
            item.value.spot,
            BadValue::new(format!("`{text}` is no host name"))
                .advise("use up to 64 letters, digits, `-` and `.`"),
        ));
    }
    of(r, item)?.hostname = Some(text.into());
    Ok(())
}

/// `true`, `"host"`, or `{ base = 100000 }`.
pub(super) fn user_namespace(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let choice = match &item.value.node {
        Node::Boolean(true) => UserNamespace::Mapped { base: 0 },
        Node::Boolean(false) => UserNamespace::Host,
        Node::Text(_) => {
            let mapped = UserNamespace::Mapped { base: 0 };
            one_of(&item.value, &[("host", UserNamespace::Host), ("auto", mapped)])?
        }
        Node::Table(table) => mapped(table, item)?,
        other => return Err(expected(&item.value, "true, `\"host\"` or `{ base = … }`", other)),
    };
    of(r, item)?.user_namespace = choice;
    Ok(())
}

fn mapped(table: &[Item], item: &Item) -> Result<UserNamespace, Fault> {
    match table {
        [base] if &*base.key == "base" => {
            // The first 65,536 ids are the machine's own, and 65,536 follow.
            let base = count(&base.value, 65_536, i64::from(u32::MAX) - 65_536)?;
            Ok(UserNamespace::Mapped { base })
        }
        _ => Err((item.value.spot, BadValue::new("expected `{ base = 100000 }`"))),
    }
}

pub(super) fn pid(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let host = one_of(&item.value, &[("host", true), ("private", false)])?;
    of(r, item)?.host_pids = host;
    Ok(())
}

pub(super) fn ipc(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let host = one_of(&item.value, &[("host", true), ("private", false)])?;
    match r.draft.container.as_deref_mut() {
        Some(container) => container.host_ipc = host,
        None => r.draft.sandbox.private_ipc = !host,
    }
    Ok(())
}

pub(super) fn shm_size(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let bytes = match &item.value.node {
        Node::Integer(bytes) => bytes.unsigned_abs(),
        _ => size_of(&r.text(&item.value)?).map_err(|bad| (item.value.spot, bad))?,
    };
    of(r, item)?.shm_bytes = bytes;
    Ok(())
}

pub(super) fn read_only(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let read_only = boolean(&item.value)?;
    match r.draft.container.as_deref_mut() {
        Some(container) => container.read_only = read_only,
        None if read_only => {
            r.draft.sandbox.protect_system = crate::execution::ProtectSystem::Strict;
        }
        None => {}
    }
    Ok(())
}

pub(super) fn writable(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let words = [("ephemeral", Writable::Ephemeral), ("persistent", Writable::Persistent)];
    let writable = one_of(&item.value, &words)?;
    of(r, item)?.writable = writable;
    Ok(())
}

pub(super) fn privileged(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let privileged = boolean(&item.value)?;
    of(r, item)?.privileged = privileged;
    Ok(())
}

pub(super) fn seccomp(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let text = r.text(&item.value)?;
    let choice = match text.as_str() {
        "default" => SeccompChoice::Default,
        "unconfined" => SeccompChoice::Unconfined,
        file => SeccompChoice::File(path::absolute(file).map_err(|bad| {
            (item.value.spot, bad.advise("write `default`, `unconfined` or a path to a profile"))
        })?),
    };
    of(r, item)?.seccomp = choice;
    Ok(())
}

pub(super) fn no_new_privileges(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.draft.execution.no_new_privileges = boolean(&item.value)?;
    r.notes.no_new_privileges = true;
    Ok(())
}

pub(super) const CAPABILITIES: &[Key] = &[
    key("add", |r, v| {
        let names = names(r, &v.value)?;
        r.notes.capabilities.get_or_insert_default().0 = names;
        Ok(())
    }),
    key("drop", |r, v| {
        let names = names(r, &v.value)?;
        r.notes.capabilities.get_or_insert_default().1 = names;
        Ok(())
    }),
];

pub(super) fn capabilities(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    r.descend(item, &[CAPABILITIES])
}

/// Names in capitals without `CAP_`; `ALL` is all of them.
fn names(r: &Reader<'_>, value: &Value) -> Result<Vec<Box<str>>, Fault> {
    let name = |(text, spot): (String, _)| {
        if text.eq_ignore_ascii_case("all") {
            return Ok("ALL".into());
        }
        let number = capability::parse(&text).map_err(|bad| (spot, bad))?;
        Ok(capability::NAMES[usize::from(number)].to_ascii_uppercase().into())
    };
    r.texts(value)?.into_iter().map(name).collect()
}

/// `"/dev/fuse"`, `"/dev/a:/dev/b:rw"`, or tables.
pub(super) fn devices(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let Node::List(list) = &item.value.node else {
        return Err(expected(&item.value, "a list of devices", &item.value.node));
    };
    for value in list {
        let device = match &value.node {
            Node::Table(_) => long_device(r, &Item { value: value.clone(), ..item.clone() })?,
            _ => short_device(&r.text(value)?, value)?,
        };
        match r.draft.container.as_deref_mut() {
            Some(container) => container.devices.push(device),
            None => {
                let rule = format!("{} {}", device.path, device.access);
                r.assign("Service", "DeviceAllow", &rule, "devices", value.spot);
            }
        }
    }
    Ok(())
}

fn short_device(text: &str, value: &Value) -> Result<ContainerDevice, Fault> {
    let parts: Vec<&str> = text.split(':').collect();
    let (path, target, access) = match parts.as_slice() {
        [path] => (*path, *path, "rwm"),
        [path, access] if !access.starts_with('/') => (*path, *path, *access),
        [path, target] => (*path, *target, "rwm"),
        [path, target, access] => (*path, *target, *access),
        _ => return Err((value.spot, BadValue::new(format!("`{text}` is no device")))),
    };
    device(path, target, access, value)
}

fn long_device(r: &Reader<'_>, item: &Item) -> Result<ContainerDevice, Fault> {
    let (mut source, mut target, mut access) = (None, None, "rwm".to_owned());
    for part in table(item)? {
        match &*part.key {
            "path" => source = Some(r.text(&part.value)?),
            "target" => target = Some(r.text(&part.value)?),
            "access" => access = r.text(&part.value)?,
            other => {
                let bad = BadValue::new(format!("`{other}` is no key of a device"));
                return Err((part.key_spot, bad.advise("known are path, target, access")));
            }
        }
    }
    let lacking = || (item.value.spot, BadValue::new("the device has no `path`"));
    let source = source.ok_or_else(lacking)?;
    let target = target.unwrap_or_else(|| source.clone());
    device(&source, &target, &access, &item.value)
}

fn device(path: &str, target: &str, access: &str, value: &Value) -> Result<ContainerDevice, Fault> {
    let good = |text: &str| path::absolute(text).map_err(|bad| (value.spot, bad));
    if access.is_empty() || access.chars().any(|c| !"rwm".contains(c)) {
        let bad = BadValue::new(format!("`{access}` is no access to a device"));
        return Err((value.spot, bad.advise("write some of `r`, `w`, `m`")));
    }
    Ok(ContainerDevice { path: good(path)?, target: good(target)?, access: access.into() })
}
