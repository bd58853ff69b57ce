//! A line of text in fixed memory, for places that may not allocate.

use std::fmt;

/// Longest line; the kernel's log takes 976 bytes, this is meant to be read at a glance.
const LINE_BYTES_MAX: usize = 320;

/// A line under construction. What does not fit is cut.
#[derive(Debug)]
pub(super) struct Line {
    bytes: [u8; LINE_BYTES_MAX],
    length: usize,
}

impl Line {
    /// A line that begins so.
    pub(super) fn new(start: &str) -> Line {
        let mut line = Line { bytes: [0; LINE_BYTES_MAX], length: 0 };
        line.text(start);
        line
    }

    /// Adds text, without the line breaks that would end the record.
    pub(super) fn text(&mut self, text: &str) {
        for byte in text.bytes() {
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = if byte == b'\n' { b' ' } else { byte };
                self.length += 1;
            }
        }
    }

    /// Adds a number in hexadecimal digits, without the formatting machinery.
    pub(super) fn hex(&mut self, number: u64) {
        self.text("0x");
        let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            let value = number >> (4 * digit) & 0xf;
            let digit = char::from_digit(u32::try_from(value).unwrap_or(0), 16).unwrap_or('?');
            self.text(digit.encode_utf8(&mut [0; 4]));
        }
    }

    /// Adds a number in decimal digits.
    pub(super) fn decimal(&mut self, mut number: u64) {
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.text(std::str::from_utf8(&digits[at..]).unwrap_or("?"));
    }

    /// The line.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_limits() {
        let mut line = Line::new("a=");
        line.hex(0);
        line.text(" b=");
        line.hex(0xdead_beef_0123);
        line.text(" c=");
        line.decimal(u64::MAX);
        line.text("\n");
        assert_eq!(line.bytes(), b"a=0x0 b=0xdeadbeef0123 c=18446744073709551615 ");
        line.text(&"x".repeat(1000));
        assert_eq!(line.bytes().len(), LINE_BYTES_MAX);
    }
}
