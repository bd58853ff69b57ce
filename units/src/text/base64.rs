//! Base64 (RFC 4648, section 4), with white space anywhere.

use super::is_space;

/// The bytes; `None` when the text is no Base64.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().filter(|c| !is_space(*c)).map(digit).collect::<Option<_>>()?;
    let padding = digits.iter().rev().take_while(|digit| **digit == PADDING).count();
    let (digits, end) = digits.split_at(digits.len() - padding);
    if padding > 2 || (digits.len() + end.len()) % 4 != 0 || digits.contains(&PADDING) {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0u32, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - group.len()));
        let [_, a, b, c] = bits.to_be_bytes();
        bytes.extend_from_slice(&[a, b, c][..group.len() - 1]);
    }
    Some(bytes)
}

const PADDING: u8 = 64;

fn digit(c: char) -> Option<u8> {
    let byte = u8::try_from(c).ok()?;
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        b'=' => PADDING,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_standard() {
        let vectors =
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9v YmE=", "fooba")];
        for (text, expected) in vectors {
            assert_eq!(decode(text).as_deref(), Some(expected.as_bytes()), "{text}");
        }
        for bad in ["Z", "Zg=", "Z===", "Zg==Zg==", "Z*=="] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
