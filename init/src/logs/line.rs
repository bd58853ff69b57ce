//! Lines: cut from a stream of bytes by the writer, put together again by readers.

use super::Stream;
use super::block::Record;
use crate::limits::LOG_LINE_BYTES_MAX;

/// How a piece of a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With the line.
    Newline,
    /// Because the line became too long; what follows counts as another.
    Cut,
    /// Because there are no more bytes yet.
    Open,
}

/// The first piece of `bytes`, how many bytes it takes, and its end. `line_bytes` is how long the
/// unfinished line is already.
pub(super) fn next_piece(bytes: &[u8], line_bytes: usize) -> (&[u8], usize, End) {
    let room = LOG_LINE_BYTES_MAX - line_bytes;
    let window = &bytes[..bytes.len().min(room + 1)];
    match memchr::memchr(b'\n', window) {
        Some(at) => (&bytes[..at], at + 1, End::Newline),
        None if bytes.len() > room => (&bytes[..room], room, End::Cut),
        None => (bytes, bytes.len(), End::Open),
    }
}

/// What follows the pieces of `bytes` that make up so many bytes of text and so many ended lines. A
/// piece of which only the beginning is among them is gone on with where it was cut off.
pub(super) fn skip_pieces(
    mut bytes: &[u8],
    mut line_bytes: usize,
    mut text_bytes: usize,
    mut lines: usize,
) -> &[u8] {
    while (text_bytes, lines) != (0, 0) && !bytes.is_empty() {
        let (text, taken, end) = next_piece(bytes, line_bytes.min(LOG_LINE_BYTES_MAX));
        let ended = usize::from(end != End::Open);
        if text.len() > text_bytes || ended > lines {
            return &bytes[text_bytes.min(text.len())..];
        }
        text_bytes -= text.len();
        lines -= ended;
        line_bytes = if ended == 1 { 0 } else { line_bytes + text.len() };
        bytes = &bytes[taken..];
    }
    bytes
}

/// A line as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The number of its last record within its source.
    pub number: u64,
    /// When it began.
    pub unix_us: i64,
    /// Where it came from.
    pub stream: Stream,
    /// syslog(3)'s number, if the writer gave one.
    pub priority: Option<u8>,
    /// It was cut here because it was too long, or is not finished.
    pub partial: bool,
    /// The text; any bytes.
    pub text: Vec<u8>,
}

/// Puts lines together from the records of one source.
#[derive(Debug, Default)]
pub struct LineJoiner {
    pending: [Option<Line>; Stream::ALL.len()],
}

impl LineJoiner {
    /// Takes the next record; gives a line when it is complete.
    pub fn push(&mut self, record: &Record<'_>) -> Option<Line> {
        let place = &mut self.pending[usize::from(record.stream.number())];
        let line = place.get_or_insert_with(|| Line {
            number: record.number,
            unix_us: record.unix_us,
            stream: record.stream,
            priority: record.priority,
            partial: false,
            text: Vec::new(),
        });
        line.number = record.number;
        line.partial = record.cut;
        line.text.extend_from_slice(record.text);
        // A reader that began in the middle, or a damaged disk, must not grow it for ever.
        let ends = !record.continues || line.text.len() > LOG_LINE_BYTES_MAX;
        if ends { place.take() } else { None }
    }

    /// Gives up what is unfinished, oldest first: the rest was lost, or is not there yet.
    pub fn finish(&mut self) -> Vec<Line> {
        let mut rest: Vec<Line> = self.pending.iter_mut().filter_map(Option::take).collect();
        rest.sort_by_key(|line| line.number);
        for line in &mut rest {
            line.partial = true;
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipping_what_is_there_already() {
        let bytes = b"one\ntwo\n\nthree";
        assert_eq!(skip_pieces(bytes, 0, 0, 0), bytes);
        assert_eq!(skip_pieces(bytes, 0, 3, 1), b"two\n\nthree");
        assert_eq!(skip_pieces(bytes, 0, 5, 1), b"o\n\nthree");
        assert_eq!(skip_pieces(bytes, 0, 6, 1), b"\n\nthree");
        assert_eq!(skip_pieces(bytes, 0, 6, 2), b"\nthree");
        assert_eq!(skip_pieces(bytes, 0, 6, 3), b"three");
        assert_eq!(skip_pieces(bytes, 0, 11, 3), b"");
    }

    #[test]
    fn pieces() {
        assert_eq!(next_piece(b"a\nb", 0), (&b"a"[..], 2, End::Newline));
        assert_eq!(next_piece(b"b", 0), (&b"b"[..], 1, End::Open));
        assert_eq!(next_piece(b"\n", 7), (&b""[..], 1, End::Newline));
        let long = [b'x'; LOG_LINE_BYTES_MAX + 9];
        let (text, taken, end) = next_piece(&long, 5);
        assert_eq!(
            (text.len(), taken, end),
            (LOG_LINE_BYTES_MAX - 5, LOG_LINE_BYTES_MAX - 5, End::Cut)
        );
        assert_eq!(next_piece(b"x", LOG_LINE_BYTES_MAX), (&b""[..], 0, End::Cut));
        assert_eq!(next_piece(b"\n", LOG_LINE_BYTES_MAX), (&b""[..], 1, End::Newline));
    }
}
