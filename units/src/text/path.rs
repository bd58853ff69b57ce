//! Paths as text: this island looks at no file system.

use super::BadValue;
use crate::limits::PATH_BYTES_MAX;

/// The path without doubled slashes, `.` parts and a slash at the end.
#[must_use]
pub fn simplify(text: &str) -> String {
    let absolute = text.starts_with('/');
    let parts: Vec<&str> =
        text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}

/// An absolute path, simplified.
///
/// # Errors
/// When it is not absolute, too long, or has `..` or a NUL in it.
pub fn absolute(text: &str) -> Result<Box<str>, BadValue> {
    if !text.starts_with('/') {
        return Err(BadValue::new(format!("`{text}` is no absolute path"))
            .advise("write the whole path, beginning with `/`"));
    }
    normal(text)
}

/// A relative path, simplified.
///
/// # Errors
/// When it is absolute, empty, too long, or has `..` or a NUL in it.
pub fn relative(text: &str) -> Result<Box<str>, BadValue> {
    if text.starts_with('/') || text.is_empty() {
        return Err(BadValue::new(format!("`{text}` is no relative path"))
            .advise("leave out the directory in front, such as `/run/` or `/var/lib/`"));
    }
    normal(text)
}

fn normal(text: &str) -> Result<Box<str>, BadValue> {
    if text.len() > PATH_BYTES_MAX {
        return Err(BadValue::new(format!("the path is longer than {PATH_BYTES_MAX} bytes")));
    }
    if text.contains('\0') {
        return Err(BadValue::new("the path has a NUL in it"));
    }
    if text.split('/').any(|part| part == "..") {
        return Err(
            BadValue::new(format!("`{text}` goes up with `..`")).advise("write where it leads to")
        );
    }
    Ok(simplify(text).into())
}

/// The path of the directory and the name in it.
#[must_use]
pub fn split_name(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Where a symbolic link in `directory` that holds `target` leads to, read as text.
#[must_use]
pub fn follow(directory: &str, target: &str) -> String {
    let joined =
        if target.starts_with('/') { target.to_owned() } else { format!("{directory}/{target}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let absolute = if joined.starts_with('/') { "/" } else { "" };
    format!("{absolute}{}", parts.join("/"))
}

/// The path itself and every directory above it, longest first, `/` last.
pub fn upwards(path: &str) -> impl Iterator<Item = &str> {
    let mut next = Some(path);
    std::iter::from_fn(move || {
        let current = next?;
        next = match current.rfind('/') {
            _ if current == "/" => None,
            Some(0) => Some("/"),
            Some(end) => Some(&current[..end]),
            None => None,
        };
        Some(current)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        assert_eq!(simplify("//a/./b/"), "/a/b");
        assert_eq!(upwards("/a/b").collect::<Vec<_>>(), ["/a/b", "/a", "/"]);
        assert_eq!(
            follow("/etc/systemd/system/x.wants", "../y.service"),
            "/etc/systemd/system/y.service"
        );
        assert_eq!(split_name("/a/b"), ("/a", "b"));
        assert!(absolute("a").is_err() && absolute("/a/../b").is_err());
    }
}
