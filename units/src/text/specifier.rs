//! Specifiers (systemd.unit(5)): `%i`, `%H` and the like.

use super::{BadValue, escape, path};
use crate::name::UnitName;
use crate::source::Facts;

/// What specifiers stand for in one unit.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The unit.
    pub unit: &'a UnitName,
    /// The machine.
    pub facts: &'a Facts,
    /// The unit's main file (`%y`).
    pub file: &'a str,
}

/// The letters that are known, with what they stand for, for documentation and completions.
pub const LETTERS: &str = "aAbBCdEfgGhHiIjJlLmMnNopPqsStTuUvVwWyY%";

/// Replaces all specifiers. Unknown ones stay as they are and are listed in `unknown`.
///
/// # Errors
/// When the text that a specifier stands for cannot be made, as `%I` of a broken escape.
pub fn expand(text: &str, scope: &Scope<'_>, unknown: &mut Vec<char>) -> Result<String, BadValue> {
    let mut expanded = String::with_capacity(text.len());
    let mut characters = text.char_indices();
    while let Some((offset, c)) = characters.next() {
        if c != '%' {
            expanded.push(c);
            continue;
        }
        let Some((_, letter)) = characters.next() else {
            expanded.push('%');
            break;
        };
        match scope.stands_for(letter) {
            Some(Ok(value)) => expanded.push_str(&value),
            Some(Err(bad)) => return Err(bad.at(offset, 2)),
            None => {
                unknown.push(letter);
                expanded.push('%');
                expanded.push(letter);
            }
        }
    }
    Ok(expanded)
}

impl Scope<'_> {
    fn stands_for(&self, letter: char) -> Option<Result<String, BadValue>> {
        let facts = self.facts;
        Some(Ok(match letter {
            '%' => "%".into(),
            'i' | 'I' | 'n' | 'N' | 'p' | 'P' | 'j' | 'J' | 'f' => {
                return Some(self.part_of_name(letter));
            }
            'y' => self.file.into(),
            'Y' => path::split_name(self.file).0.into(),
            'd' => format!("/run/credentials/{}", self.unit),
            't' => "/run".into(),
            'S' => "/var/lib".into(),
            'C' => "/var/cache".into(),
            'L' => "/var/log".into(),
            'E' => "/etc".into(),
            'T' => "/tmp".into(),
            'V' => "/var/tmp".into(),
            'u' | 'g' => "root".into(),
            'U' | 'G' => "0".into(),
            'h' => "/root".into(),
            's' => "/bin/sh".into(),
            'H' => facts.hostname.to_string(),
            'l' => facts.hostname.split('.').next().unwrap_or("").into(),
            'q' if facts.pretty_hostname.is_empty() => facts.hostname.to_string(),
            'q' => facts.pretty_hostname.to_string(),
            'm' => facts.machine_id.to_string(),
            'b' => facts.boot_id.to_string(),
            'v' => facts.kernel_release.to_string(),
            'a' => facts.architecture.to_string(),
            'o' => facts.os_id.to_string(),
            'w' => facts.os_version.to_string(),
            'B' => facts.os_build.to_string(),
            'W' => facts.os_variant.to_string(),
            'M' => facts.image_id.to_string(),
            'A' => facts.image_version.to_string(),
            _ => return None,
        }))
    }

    fn part_of_name(&self, letter: char) -> Result<String, BadValue> {
        let unit = self.unit;
        let instance = unit.instance().unwrap_or("");
        let last = unit.prefix().rsplit('-').next().unwrap_or("");
        let broken = || BadValue::new(format!("the name `{unit}` has a broken escape"));
        let plain = |name: &str| escape::unescape(name).ok_or_else(broken);
        match letter {
            'i' => Ok(instance.into()),
            'I' => plain(instance),
            'n' => Ok(unit.as_str().into()),
            'N' => Ok(unit.stem().into()),
            'p' => Ok(unit.prefix().into()),
            'P' => plain(unit.prefix()),
            'j' => Ok(last.into()),
            'J' => plain(last),
            _ => {
                let name = if instance.is_empty() { unit.prefix() } else { instance };
                escape::unescape_path(name).ok_or_else(broken)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_letters() {
        let unit = UnitName::new("a-b@x-y\\x2dz.service").unwrap();
        let facts = Facts { hostname: "h.example".into(), ..Facts::default() };
        let scope = Scope { unit: &unit, facts: &facts, file: "/etc/x/a.service" };
        let check = |text: &str, expected: &str| {
            assert_eq!(expand(text, &scope, &mut Vec::new()).as_deref(), Ok(expected), "{text}");
        };
        check("%i %I", "x-y\\x2dz x/y-z");
        check("%p %P %j", "a-b a/b b");
        check("%n %N", "a-b@x-y\\x2dz.service a-b@x-y\\x2dz");
        check("%f", "/x/y-z");
        check("%H %l %t/%%i%", "h.example h /run/%i%");
        check("%y %Y", "/etc/x/a.service /etc/x");
        for letter in LETTERS.chars() {
            let mut unknown = Vec::new();
            expand(&format!("%{letter}"), &scope, &mut unknown).unwrap();
            assert_eq!(unknown, [], "{letter}");
        }
        let mut unknown = Vec::new();
        assert_eq!(expand("%z", &scope, &mut unknown).as_deref(), Ok("%z"));
        assert_eq!(unknown, ['z']);
    }
}
