//! Strings in unit names (systemd.unit(5), "string escaping"): `/` is `-`, the rest is `\xNN`.

use super::path;

/// Escapes any string so that it can stand in a unit name.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if index == 0 => push_hex(&mut name, byte),
            b if b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'.') => {
                name.push(char::from(b));
            }
            b => push_hex(&mut name, b),
        }
    }
    name
}

fn push_hex(name: &mut String, byte: u8) {
    name.push_str(&format!("\\x{byte:02x}"));
}

/// Reverses [`escape`]; `None` when an escape is broken or the result is no UTF-8.
#[must_use]
pub fn unescape(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        match first {
            b'-' => bytes.push(b'/'),
            b'\\' => {
                let digits = tail.strip_prefix(b"x")?.get(..2)?;
                let digits = std::str::from_utf8(digits).ok()?;
                if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return None;
                }
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &tail[3..];
                continue;
            }
            other => bytes.push(*other),
        }
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

/// Escapes a path as mount units are named: `/foo//bar/` is `foo-bar`, `/` is `-`.
///
/// `None` when the path has `..` in it.
#[must_use]
pub fn escape_path(text: &str) -> Option<String> {
    let simple = path::simplify(text);
    let simple = simple.strip_prefix('/').unwrap_or(&simple);
    if simple.split('/').any(|part| part == "..") {
        return None;
    }
    if simple.is_empty() {
        return Some("-".into());
    }
    Some(escape(simple))
}

/// Reverses [`escape_path`]; `None` when it is no path that was escaped.
#[must_use]
pub fn unescape_path(name: &str) -> Option<String> {
    if name == "-" {
        return Some("/".into());
    }
    let text = unescape(name)?;
    let normal = !text.is_empty()
        && text.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    (normal && !text.contains('\0')).then(|| format!("/{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(escape("a/b c"), "a-b\\x20c");
        assert_eq!(escape(".x"), "\\x2ex");
        assert_eq!(unescape("a-b\\x20c").as_deref(), Some("a/b c"));
        assert_eq!(unescape("a\\x2"), None);
        assert_eq!(escape_path("/foo//bar-baz/").as_deref(), Some("foo-bar\\x2dbaz"));
        assert_eq!(escape_path("/").as_deref(), Some("-"));
        assert_eq!(unescape_path("foo-bar").as_deref(), Some("/foo/bar"));
        assert_eq!(escape_path("/a/../b"), None);
    }
}
