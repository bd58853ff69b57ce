//! What a request of version 2 brings along: the query of its address, and a form as its body.

use std::collections::BTreeMap;

use crate::v2::V2Error;

/// What is known. Anything else is passed over, and not kept.
const NAMES: &[&str] = &[
    "dir",
    "noValueOnSuccess",
    "prevExist",
    "prevIndex",
    "prevValue",
    "quorum",
    "recursive",
    "refresh",
    "sorted",
    "stream",
    "ttl",
    "value",
    "wait",
    "waitIndex",
];

/// The known fields of a request. The first of a name counts, and the body before the query.
#[derive(Debug, Default)]
pub(super) struct Form {
    fields: BTreeMap<&'static str, String>,
}

pub(super) fn refused(code: u16, cause: impl Into<String>) -> V2Error {
    V2Error { code, cause: cause.into(), index: 0 }
}

impl Form {
    /// Takes fields from a text like `a=b&c=d`.
    pub(super) fn take(&mut self, text: &[u8]) -> Result<(), V2Error> {
        const INVALID_FORM: u16 = 210;
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if pair.contains(&b';') {
                return Err(refused(INVALID_FORM, "invalid semicolon separator in query"));
            }
            let cut = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let value = pair.get(cut + 1..).unwrap_or_default();
            let escape = |wrong: String| refused(INVALID_FORM, wrong);
            let name = unescape(&pair[..cut], true).map_err(escape)?;
            let value = unescape(value, true).map_err(escape)?;
            if let Some(name) = NAMES.iter().find(|known| **known == name) {
                self.fields.entry(name).or_insert(value);
            }
        }
        Ok(())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A number, if there is one.
    pub(super) fn number(&self, name: &str, code: u16) -> Result<Option<u64>, V2Error> {
        let parse = |text: &str| match text.starts_with('+') {
            true => None,
            false => text.parse().ok(),
        };
        let wrong = || refused(code, format!("invalid value for \"{name}\""));
        self.text(name).map(|text| parse(text).ok_or_else(wrong)).transpose()
    }

    /// Yes or no, if it is there, in the words that Go knows.
    pub(super) fn flag(&self, name: &str, shown: &str) -> Result<Option<bool>, V2Error> {
        const INVALID_FIELD: u16 = 209;
        match self.text(name) {
            None => Ok(None),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(Some(true)),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(Some(false)),
            Some(_) => Err(refused(INVALID_FIELD, format!("invalid value for {shown}"))),
        }
    }
}

/// Takes `%XX` for what it means, and in forms `+` for a space. Gives back what is wrong, in Go's words.
pub(super) fn unescape(text: &[u8], in_form: bool) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' if in_form => out.push(b' '),
            b'%' => {
                let hex = rest.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
                let is_hex = |hex: &&str| hex.bytes().all(|byte| byte.is_ascii_hexdigit());
                let Some(byte) =
                    hex.filter(is_hex).and_then(|hex| u8::from_str_radix(hex, 16).ok())
                else {
                    let shown = String::from_utf8_lossy(&rest[..rest.len().min(2)]);
                    return Err(format!("invalid URL escape \"%{shown}\""));
                };
                out.push(byte);
                rest = &rest[2..];
            }
            byte => out.push(*byte),
        }
    }
    Ok(String::from_utf8(out).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: &str, query: &str) -> Form {
        let mut form = Form::default();
        form.take(body.as_bytes()).unwrap();
        form.take(query.as_bytes()).unwrap();
        form
    }

    #[test]
    fn fields_are_read() {
        let form = form("value=x+y%26z&&nosuch=1&ttl", "value=other&dir=T");
        assert_eq!(form.text("value"), Some("x y&z"));
        assert_eq!(form.text("ttl"), Some(""));
        assert_eq!(form.text("nosuch"), None);
        assert_eq!(form.flag("dir", "x"), Ok(Some(true)));
    }

    #[test]
    fn nonsense_is_refused() {
        let why = |text: &str| Form::default().take(text.as_bytes()).unwrap_err().cause;
        assert_eq!(why("value=%zz"), "invalid URL escape \"%zz\"");
        assert_eq!(why("value=%"), "invalid URL escape \"%\"");
        assert_eq!(why("%+1=1"), "invalid URL escape \"%+1\"");
        assert_eq!(why("a;b"), "invalid semicolon separator in query");
        let number = |text: &str| form(text, "").number("ttl", 202).map_err(|why| why.cause);
        assert_eq!(number("ttl=-1"), Err("invalid value for \"ttl\"".into()));
        assert_eq!(number("ttl=+1"), Err("invalid value for \"ttl\"".into()));
        assert_eq!(number("ttl=18446744073709551616"), Err("invalid value for \"ttl\"".into()));
        assert_eq!(number("ttl=7"), Ok(Some(7)));
        assert_eq!(number(""), Ok(None));
    }
}
