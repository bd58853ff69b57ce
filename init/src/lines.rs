//! A bounded queue of whole lines in front of something slow: what does not fit is lost line by line,
//! counted, and the loss is said as soon as there is room.

use std::collections::VecDeque;

/// The queue.
#[derive(Debug)]
pub struct LineQueue {
    /// What is still to be written, line after line.
    bytes: VecDeque<u8>,
    bytes_max: usize,
    /// Lines lost since the last one that was taken.
    lost: u64,
}

impl LineQueue {
    /// A queue that holds at most so many bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> LineQueue {
        assert!(
            bytes_max >= LOSS_BYTES_MAX * 2,
            "there must be room to say that something was lost"
        );
        LineQueue { bytes: VecDeque::new(), bytes_max, lost: 0 }
    }

    /// Takes a line, without its end, or counts it as lost; one that could never fit is cut.
    pub fn push(&mut self, line: &str) {
        self.say_loss();
        let room = self.bytes_max - LOSS_BYTES_MAX;
        let line = &line[..line.floor_char_boundary(room - 2)];
        if self.lost > 0 || self.bytes.len() + line.len() + 2 > room {
            self.lost += 1;
            return;
        }
        self.append(line);
    }

    /// Whether anything waits to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What comes next, perhaps not all of it.
    #[must_use]
    pub fn front(&self) -> &[u8] {
        self.bytes.as_slices().0
    }

    /// So much of it was written.
    pub fn consume(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
        self.say_loss();
        if self.bytes.is_empty() {
            self.bytes.shrink_to(0);
        }
    }

    /// Says that lines were lost, once half of the room is free again.
    fn say_loss(&mut self) {
        if self.lost > 0 && self.bytes.len() <= self.bytes_max / 2 {
            let text = format!("({} lines lost)", self.lost);
            self.lost = 0;
            self.append(&text);
        }
    }

    fn append(&mut self, line: &str) {
        // Terminals in raw mode need the return as well.
        self.bytes.extend(line.bytes().filter(|byte| *byte != b'\n').chain(*b"\r\n"));
        assert!(self.bytes.len() <= self.bytes_max, "a line is only taken if it fits");
    }
}

/// `(18446744073709551615 lines lost)` and its end.
const LOSS_BYTES_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut LineQueue) -> String {
        let mut text = Vec::new();
        while !queue.is_empty() {
            text.extend_from_slice(queue.front());
            queue.consume(queue.front().len());
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn lines_come_out_whole_and_losses_are_said() {
        let mut queue = LineQueue::new(100);
        for number in 0..20 {
            queue.push(&format!("line {number:04}"));
        }
        let text = drain(&mut queue);
        assert!(text.starts_with("line 0000\r\nline 0001\r\n"), "{text}");
        let kept = text.matches("line ").count();
        assert!(text.contains(&format!("({} lines lost)\r\n", 20 - kept)), "{text}");
        queue.push("after");
        assert_eq!(drain(&mut queue), "after\r\n");
    }

    #[test]
    fn memory_is_bounded_and_parts_of_lines_are_never_lost() {
        let mut queue = LineQueue::new(256);
        for number in 0..10_000_u32 {
            queue.push(&"x".repeat((number % 400) as usize));
            let taken = queue.front().len().min(7);
            queue.consume(taken);
            assert!(queue.bytes.len() <= 256);
        }
    }
}
