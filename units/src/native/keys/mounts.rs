//! What is mounted into a unit.

use crate::container::{ContainerMount, MountSource};
use crate::native::reader::{Fault, Reader, boolean, expected};
use crate::native::tree::{Item, Node, Table, Value};
use crate::text::{BadValue, number, path, size};

/// Short texts such as `"data:/var/lib/x:ro"`, or tables.
pub(super) fn mounts(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    let Node::List(list) = &item.value.node else {
        return Err(expected(&item.value, "a list of mounts", &item.value.node));
    };
    for value in list {
        let mount = match &value.node {
            Node::Text(text) => short(&r.expand(text, value.spot)?, value),
            Node::Table(table) => long(r, table, value),
            other => Err(expected(value, "`\"source:target\"` or a table", other)),
        }?;
        r.notes.mounts.push((mount, value.spot));
    }
    Ok(())
}

/// `source:target[:options]`; a source without a slash is a volume.
fn short(text: &str, value: &Value) -> Result<ContainerMount, Fault> {
    let mut parts = text.split(':');
    let (source, target) = (parts.next().unwrap_or(""), parts.next());
    let Some(target) = target.filter(|target| !target.is_empty()) else {
        let bad = BadValue::new(format!("`{text}` has no target"));
        return Err((value.spot, bad.advise("write `source:/target` or `source:/target:ro`")));
    };
    let mut mount = mount(source_of(source, value)?, target, value)?;
    for option in parts.flat_map(|options| options.split(',')) {
        match option {
            "ro" | "readonly" => mount.read_only = true,
            "rw" | "" => mount.read_only = false,
            "noexec" => mount.no_exec = true,
            "exec" => mount.no_exec = false,
            "rbind" | "rprivate" | "rslave" | "private" | "slave" => mount.recursive = true,
            "bind" | "norbind" => mount.recursive = false,
            // SELinux labels and ownership shifts of other engines have no counterpart.
            other => {
                let bad = BadValue::new(format!("`{other}` is no option of a mount"));
                return Err((value.spot, bad.advise("known are ro, rw, noexec, rbind, bind")));
            }
        }
    }
    Ok(mount)
}

fn source_of(source: &str, value: &Value) -> Result<MountSource, Fault> {
    let at = |bad| (value.spot, bad);
    if source.starts_with('/') {
        let path = path::absolute(source).map_err(at)?;
        return Ok(MountSource::Bind { path, create: true });
    }
    volume_name(source).map(MountSource::Volume).map_err(at)
}

/// A name that is a directory's name and nothing else.
fn volume_name(name: &str) -> Result<Box<str>, BadValue> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(good) || name.len() > 64 {
        return Err(BadValue::new(format!("`{name}` is neither a volume nor an absolute path"))
            .advise(
                "a volume's name has letters, digits and -_. (relative paths are not known here)",
            ));
    }
    Ok(name.into())
}

fn mount(source: MountSource, target: &str, value: &Value) -> Result<ContainerMount, Fault> {
    let target = path::absolute(target).map_err(|bad| (value.spot, bad))?;
    if &*target == "/" {
        let bad = BadValue::new("nothing can be mounted over the root");
        return Err((value.spot, bad.advise("name the root with `image` or `root`")));
    }
    Ok(ContainerMount { source, target, read_only: false, no_exec: false, recursive: true })
}

/// Kubernetes' and Compose's long form.
fn long(r: &Reader<'_>, table: &Table, value: &Value) -> Result<ContainerMount, Fault> {
    let find = |key: &str| table.iter().find(|item| &*item.key == key);
    check_keys(table)?;
    let text = |key: &str| find(key).map(|item| r.text(&item.value)).transpose();
    let flag =
        |key: &str, otherwise: bool| find(key).map_or(Ok(otherwise), |item| boolean(&item.value));
    let target =
        text("target")?.ok_or_else(|| (value.spot, BadValue::new("the mount has no `target`")))?;
    let source = text("source")?;
    let kind = text("type")?;
    let source = match (kind.as_deref(), source) {
        (Some("tmpfs"), None) => tmpfs_source(r, find("size"), find("mode"))?,
        (Some("tmpfs"), Some(_)) => {
            return Err((value.spot, BadValue::new("a tmpfs has no `source`")));
        }
        (None | Some("bind" | "volume"), Some(source)) => source_of(&source, value)?,
        (_, None) => return Err((value.spot, BadValue::new("the mount has no `source`"))),
        (Some(other), Some(_)) => {
            let bad = BadValue::new(format!("`{other}` is no kind of mount"));
            return Err((value.spot, bad.advise("write bind, volume or tmpfs")));
        }
    };
    let source = match (source, flag("create", true)?) {
        (MountSource::Bind { path, .. }, create) => MountSource::Bind { path, create },
        (other, _) => other,
    };
    let mut mount = mount(source, &target, value)?;
    mount.read_only = flag("read-only", false)?;
    mount.no_exec = flag("no-exec", false)?;
    mount.recursive = flag("recursive", true)?;
    Ok(mount)
}

fn check_keys(table: &Table) -> Result<(), Fault> {
    let known =
        ["type", "source", "target", "read-only", "no-exec", "recursive", "create", "size", "mode"];
    match table.iter().find(|item| !known.contains(&&*item.key)) {
        None => Ok(()),
        Some(item) => {
            let bad = BadValue::new(format!("`{}` is no key of a mount", item.key));
            Err((item.key_spot, bad.advise(format!("known are {}", known.join(", ")))))
        }
    }
}

fn tmpfs_source(
    r: &Reader<'_>,
    size: Option<&Item>,
    mode: Option<&Item>,
) -> Result<MountSource, Fault> {
    let mut source = (0, 0o1777);
    if let Some(item) = size {
        source.0 = match &item.value.node {
            Node::Integer(bytes) => bytes.unsigned_abs(),
            _ => size_of(&r.text(&item.value)?).map_err(|bad| (item.value.spot, bad))?,
        };
    }
    if let Some(item) = mode {
        let text = r.text(&item.value)?;
        source.1 = number::mode(&text).map_err(|bad| (item.value.spot, bad))?;
    }
    Ok(MountSource::Tmpfs { bytes_max: source.0, mode: source.1 })
}

pub(super) fn size_of(text: &str) -> Result<u64, BadValue> {
    size::parse_bytes(text.strip_suffix('i').unwrap_or(text))
}

/// `"/tmp"` or `"/tmp:size=64M,mode=1777"`, one or several.
pub(super) fn tmpfs(r: &mut Reader<'_>, item: &Item) -> Result<(), Fault> {
    for (text, spot) in r.texts(&item.value)? {
        let value = Value { node: Node::Other, spot };
        let (target, options) = text.split_once(':').unwrap_or((&text, ""));
        let (mut bytes_max, mut mode, mut read_only, mut no_exec) = (0, 0o1777, false, false);
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let at = |bad| (spot, bad);
            match option.split_once('=') {
                Some(("size", size)) => bytes_max = size_of(size).map_err(at)?,
                Some(("mode", bits)) => mode = number::mode(bits).map_err(at)?,
                None if option == "ro" => read_only = true,
                None if option == "noexec" => no_exec = true,
                None if ["rw", "exec", "nosuid", "nodev"].contains(&option) => {}
                _ => {
                    let bad = BadValue::new(format!("`{option}` is no option of a tmpfs"));
                    return Err((spot, bad.advise("known are size=, mode=, ro, noexec")));
                }
            }
        }
        let mut mount = mount(MountSource::Tmpfs { bytes_max, mode }, target, &value)?;
        (mount.read_only, mount.no_exec) = (read_only, no_exec);
        r.notes.mounts.push((mount, spot));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount_of(text: &str) -> Option<ContainerMount> {
        let spot = crate::text::lines::Spot::default();
        short(text, &Value { node: Node::Other, spot }).ok()
    }

    #[test]
    fn short_forms() {
        let bind = mount_of("/srv:/data:ro").unwrap();
        assert_eq!(bind.source, MountSource::Bind { path: "/srv".into(), create: true });
        assert!(bind.read_only);
        let volume = mount_of("data:/var/lib/x:noexec").unwrap();
        assert_eq!(volume.source, MountSource::Volume("data".into()));
        assert!(volume.no_exec && !volume.read_only);
        for bad in ["data", "../x:/y", "data:relative", "data:/", "a:/b:zz", ":/x"] {
            assert!(mount_of(bad).is_none(), "{bad}");
        }
    }
}
