//! A stretch of keys, as etcd writes it: a first key, and the first key after it.

/// Keys from `from` on, up to `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span<'a> {
    pub(crate) from: &'a [u8],
    pub(crate) until: Until<'a>,
}

/// Where a stretch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until<'a> {
    /// It is one key.
    One,
    /// Before this key.
    Key(&'a [u8]),
    /// Nowhere.
    End,
}

impl<'a> Span<'a> {
    /// No `end` is one key, and `\0` is everything from `key` on.
    pub(crate) fn new(key: &'a [u8], end: &'a [u8]) -> Self {
        let until = match end {
            [] => Until::One,
            [0] => Until::End,
            end => Until::Key(end),
        };
        Self { from: key, until }
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        match self.until {
            Until::One => key == self.from,
            Until::Key(end) => key >= self.from && key < end,
            Until::End => key >= self.from,
        }
    }

    /// Is `key` beyond the end?
    pub(crate) fn is_past(&self, key: &[u8]) -> bool {
        match self.until {
            Until::One => key > self.from,
            Until::Key(end) => key >= end,
            Until::End => false,
        }
    }

    /// The prefix that all its keys share and no other key has, if that is what it is.
    pub(crate) fn prefix(&self) -> Option<&'a [u8]> {
        match self.until {
            Until::End if self.from.is_empty() || self.from == [0] => Some(&[]),
            Until::Key(end) => {
                let cut = self.from.iter().rposition(|byte| *byte != 0xff)?;
                let (head, last) = (&self.from[..cut], self.from[cut]);
                (end.len() == cut + 1 && end.starts_with(head) && end[cut] == last + 1)
                    .then_some(self.from)
            }
            Until::One | Until::End => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_mean_what_they_mean_in_etcd() {
        assert!(Span::new(b"a", b"").contains(b"a"));
        assert!(!Span::new(b"a", b"").contains(b"aa"));
        assert!(Span::new(b"a", b"c").contains(b"bz"));
        assert!(!Span::new(b"a", b"c").contains(b"c"));
        assert!(Span::new(b"a", b"\0").contains(b"zz"));
        assert!(!Span::new(b"c", b"a").contains(b"b"));
    }

    #[test]
    fn a_prefix_is_recognised() {
        assert_eq!(Span::new(b"foo", b"fop").prefix(), Some(&b"foo"[..]));
        assert_eq!(Span::new(b"a\xff", b"b").prefix(), Some(&b"a\xff"[..]));
        assert_eq!(Span::new(b"", b"\0").prefix(), Some(&b""[..]));
        assert_eq!(Span::new(b"foo", b"foq").prefix(), None);
        assert_eq!(Span::new(b"\xff", b"\0").prefix(), None);
    }
}
