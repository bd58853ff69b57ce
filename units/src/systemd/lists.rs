//! Small things that several directives share.

use crate::compact::List;
use crate::text::BadValue;
use crate::text::words::{self, Escapes};

/// `-path`: may lack.
pub(super) fn optional(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    }
}

/// A later assignment of a variable replaces an earlier one.
pub(crate) fn assign(list: &mut List<(Box<str>, Box<str>)>, name: Box<str>, value: Box<str>) {
    match list.iter_mut().find(|(known, _)| *known == name) {
        Some((_, old)) => *old = value,
        None => list.push((name, value)),
    }
}

/// The whole text with C escapes decoded; quotes and blanks are ordinary.
pub(super) fn unescaped(text: &str) -> Result<Box<str>, BadValue> {
    words::unescape(text).map(String::into_boxed_str)
}

/// Splits with quotes and escapes.
pub(super) fn split(text: &str) -> Result<Vec<words::Word>, BadValue> {
    words::split(text, Escapes::Decode)
}

/// Splits `a:b:c` where `\:` is a plain colon.
pub(super) fn split_colons(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let last = parts.last_mut().expect("there is always one part");
        match c {
            '\\' if characters.peek() == Some(&':') => {
                last.push(':');
                characters.next();
            }
            ':' => parts.push(String::new()),
            c => last.push(c),
        }
    }
    parts
}
