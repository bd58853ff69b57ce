//! Bytes as text, as Go writes them: with `+`, `/` and padding.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends bytes as text.
pub(super) fn encode(bytes: &[u8], out: &mut String) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
}

/// Appends the bytes of a text.
///
/// # Errors
///
/// It is none, in Go's words.
pub(super) fn decode(text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let wrong = |place: usize| format!("illegal base64 data at input byte {place}");
    let (mut bits, mut letters) = (0_u32, 0);
    let mut rest = text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    while let Some((place, byte)) = rest.next() {
        if byte == b'=' {
            // Nothing but as much padding as is missing may follow.
            let mut padding = 1;
            let is_padding = rest.all(|(_, byte)| {
                padding += 1;
                byte == b'='
            });
            if !is_padding || letters < 2 || letters + padding != 4 {
                return Err(wrong(place));
            }
            bits <<= 6 * padding;
            out.extend_from_slice(&bits.to_be_bytes()[1..letters]);
            return Ok(());
        }
        bits = bits << 6 | value(byte).ok_or_else(|| wrong(place))?;
        letters += 1;
        if letters == 4 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, letters) = (0, 0);
        }
    }
    if letters == 0 { Ok(()) } else { Err(wrong(text.len() - letters)) }
}

fn value(letter: u8) -> Option<u32> {
    let (first, value) = match letter {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'+' => return Some(62),
        b'/' => return Some(63),
        _ => return None,
    };
    Some(u32::from(letter - first) + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive() {
        for size in 0..70_u8 {
            let bytes: Vec<u8> = (0..size).map(|n| n.wrapping_mul(37) ^ 0xa5).collect();
            let (mut text, mut back) = (String::new(), Vec::new());
            encode(&bytes, &mut text);
            decode(&text, &mut back).unwrap();
            assert_eq!(back, bytes);
        }
        let mut text = String::new();
        encode(b"foo\xff\xfe", &mut text);
        assert_eq!(text, "Zm9v//4=");
    }

    #[test]
    fn nonsense_is_refused_where_go_refuses_it() {
        let why = |text: &str| decode(text, &mut Vec::new()).unwrap_err();
        assert_eq!(why("!!!"), "illegal base64 data at input byte 0");
        assert_eq!(why("Zm8"), "illegal base64 data at input byte 0");
        assert_eq!(why("Zm9vZ"), "illegal base64 data at input byte 4");
        for text in ["=", "A=", "AA=", "AA=A", "AA===", "AAA==", "AAA=A", "Zm9v=", "AA==AA==", "é"]
        {
            why(text);
        }
        let mut out = Vec::new();
        decode("Zm\r\n9v", &mut out).unwrap();
        assert_eq!(out, b"foo");
    }
}
