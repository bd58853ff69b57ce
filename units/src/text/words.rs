//! Words, quotes and C escapes (systemd.syntax(7)).

use super::{BadValue, is_space};

/// One word of a value, with its place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word without quotes, escapes decoded where asked.
    pub text: String,
    /// Where it begins, in bytes.
    pub offset: usize,
    /// How many bytes it takes, quotes included.
    pub length: usize,
}

/// What becomes of backslashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escapes {
    /// C escapes become what they mean; unknown ones stay as they are.
    Decode,
    /// They are ordinary characters: unit names are full of them.
    Keep,
}

/// Splits at blanks, minding quotes.
///
/// # Errors
/// When a quote is not closed or an escape makes bytes that are no UTF-8.
pub fn split(text: &str, escapes: Escapes) -> Result<Vec<Word>, BadValue> {
    let mut words = Vec::new();
    let mut offset = 0;
    while let Some(word) = next(text, offset, escapes)? {
        offset = word.offset + word.length;
        words.push(word);
    }
    Ok(words)
}

/// The first word at or after `from`.
///
/// # Errors
/// As [`split`].
pub fn next(text: &str, from: usize, escapes: Escapes) -> Result<Option<Word>, BadValue> {
    let rest = &text[from..];
    let start = from + (rest.len() - rest.trim_start_matches(is_space).len());
    if start == text.len() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let mut quote: Option<(char, usize)> = None;
    let mut at = start;
    while let Some(c) = text[at..].chars().next() {
        match (c, quote) {
            ('\\', _) if escapes == Escapes::Decode => {
                at += decode(&text[at..], &mut bytes).map_err(|bad| bad.at(at, 2))?;
                continue;
            }
            (c, Some((open, _))) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some((c, at)),
            (c, None) if is_space(c) => break,
            (c, _) => push(&mut bytes, c),
        }
        at += c.len_utf8();
    }
    if let Some((_, at)) = quote {
        return Err(BadValue::new("the quote is not closed")
            .advise("close it, or write `\\x22` for `\"` and `\\x27` for `'`")
            .at(at, 1));
    }
    let word = String::from_utf8(bytes).map_err(|_| {
        BadValue::new("an escape makes bytes that are no UTF-8").at(start, at - start)
    })?;
    Ok(Some(Word { text: word, offset: start, length: at - start }))
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Decodes the escape at the start of `text` and says how long it was.
fn decode(text: &str, bytes: &mut Vec<u8>) -> Result<usize, BadValue> {
    let Some(kind) = text[1..].chars().next() else {
        bytes.push(b'\\');
        return Ok(1);
    };
    let simple = match kind {
        'a' => Some(7),
        'b' => Some(8),
        'f' => Some(12),
        'n' => Some(b'\n'),
        'r' => Some(b'\r'),
        't' => Some(b'\t'),
        'v' => Some(11),
        's' => Some(b' '),
        '\\' | '"' | '\'' => u8::try_from(kind).ok(),
        _ => None,
    };
    if let Some(byte) = simple {
        bytes.push(byte);
        return Ok(2);
    }
    let value = match kind {
        'x' => digits(text, 2, 2, 16),
        'u' => digits(text, 2, 4, 16),
        'U' => digits(text, 2, 8, 16),
        '0'..='7' => digits(text, 1, 3, 8),
        _ => None,
    };
    let Some((value, length)) = value else {
        bytes.push(b'\\');
        push(bytes, kind);
        return Ok(1 + kind.len_utf8());
    };
    if value == 0 {
        return Err(BadValue::new("a NUL cannot be passed on"));
    }
    match (kind, u8::try_from(value), char::from_u32(value)) {
        ('u' | 'U', _, Some(c)) => push(bytes, c),
        ('u' | 'U', _, None) => return Err(BadValue::new("the escape is no character")),
        (_, Ok(byte), _) => bytes.push(byte),
        (_, Err(_), _) => return Err(BadValue::new("the escape is more than one byte")),
    }
    Ok(length)
}

fn digits(text: &str, from: usize, count: usize, base: u32) -> Option<(u32, usize)> {
    let digits = text.get(from..from + count)?;
    let all = digits.chars().all(|c| c.is_digit(base));
    all.then(|| Some((u32::from_str_radix(digits, base).ok()?, from + count)))?
}

/// The whole text with C escapes decoded; blanks and quotes are ordinary characters.
///
/// # Errors
/// When an escape makes bytes that are no UTF-8.
pub fn unescape(text: &str) -> Result<String, BadValue> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c == '\\' {
            at += decode(&text[at..], &mut bytes).map_err(|bad| bad.at(at, 2))?;
        } else {
            push(&mut bytes, c);
            at += c.len_utf8();
        }
    }
    String::from_utf8(bytes).map_err(|_| BadValue::new("an escape makes bytes that are no UTF-8"))
}

/// Words at blanks without any quoting, with their places.
pub fn plain(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = &text[from..];
        let start = from + (rest.len() - rest.trim_start_matches(is_space).len());
        let length = text[start..].find(is_space).unwrap_or(text.len() - start);
        from = start + length;
        (length > 0).then(|| (start, &text[start..from]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let words = split(text, Escapes::Decode).unwrap();
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, expected, "{text}");
    }

    #[test]
    fn words() {
        check("a  b\tc", &["a", "b", "c"]);
        check(r#"a "b c" 'd "e' f"g h"i"#, &["a", "b c", "d \"e", "fg hi"]);
        check(r#"a\x20b "\t" \s \q \"#, &["a b", "\t", " ", "\\q", "\\"]);
        check(r"\101\u00e4", &["Aä"]);
        check(r#""" x"#, &["", "x"]);
        assert_eq!(split("a 'b", Escapes::Decode).unwrap_err().offset, 2);
        assert!(split(r"\xff", Escapes::Decode).is_err());
        assert!(split(r"\x00", Escapes::Decode).is_err());
        let kept = split(r"dev-a\x2db.mount", Escapes::Keep).unwrap();
        assert_eq!(kept[0].text, r"dev-a\x2db.mount");
    }

    #[test]
    fn places() {
        let words = split(" ab 'c d'", Escapes::Decode).unwrap();
        assert_eq!((words[1].offset, words[1].length), (4, 5));
        assert_eq!(plain(" ab  c ").collect::<Vec<_>>(), [(1, "ab"), (5, "c")]);
    }
}
