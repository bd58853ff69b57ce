//! What the guest wrote on its serial console: every line with the time at which it came.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How many lines of the console a failure repeats.
const TAIL_LINES: usize = 60;

/// One line of the console.
#[derive(Debug, Clone)]
pub struct Line {
    /// Since the machine was started; when the line's first byte came.
    pub at: Duration,
    /// Without its end and without terminal sequences.
    pub text: String,
}

/// The console as read so far. Cloning gives another view of the same console.
#[derive(Debug, Clone)]
pub struct Console {
    shared: Arc<(Mutex<Text>, Condvar)>,
    started: Instant,
}

#[derive(Debug, Default)]
struct Text {
    lines: Vec<Line>,
    /// The line that has no end yet, such as a prompt: when it began, and its bytes.
    open: Option<(Duration, Vec<u8>)>,
    /// Up to where an earlier wait has read: index of a line, and an offset within it.
    read: (usize, usize),
    escape: Escape,
    ended: bool,
}

/// Where in a terminal control sequence the reader is (ECMA-48: ESC, then `[`, then up to a letter).
#[derive(Debug, Default, Clone, Copy)]
enum Escape {
    #[default]
    Outside,
    Started,
    Control,
}

/// How a wait came out.
#[derive(Debug)]
pub enum Waited {
    /// The text came, in this line (which may go on).
    Found(Line),
    /// The deadline passed.
    Late,
    /// The console ended.
    Ended,
}

impl Console {
    /// Reads `from` on a thread of its own until it ends.
    pub fn read(mut from: impl Read + Send + 'static) -> Console {
        let shared = Arc::new((Mutex::new(Text::default()), Condvar::new()));
        let console = Console { shared, started: Instant::now() };
        let writer = console.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                let at = writer.started.elapsed();
                writer.change(|text| text.push(&buffer[..length], at));
            }
            writer.change(|text| text.ended = true);
        });
        console
    }

    /// Waits until `pattern` is in the console after what earlier waits have read.
    pub fn wait_for(&self, pattern: &str, timeout: Duration) -> Waited {
        self.wait(timeout, |text| text.take(pattern, false))
    }

    /// Waits until a complete line holds `pattern`, after what earlier waits have read.
    pub fn wait_for_line(&self, pattern: &str, timeout: Duration) -> Waited {
        self.wait(timeout, |text| text.take(pattern, true))
    }

    /// Counts everything so far as read, and says how many lines that is, the open one included.
    pub fn skip(&self) -> usize {
        let mut text = self.lock();
        let open = text.open.as_ref().map_or(0, |(_, bytes)| bytes.len());
        text.read = (text.lines.len(), open);
        text.lines.len() + usize::from(text.open.is_some())
    }

    /// Waits until the guest's console is closed, which is when QEMU ends.
    pub fn wait_for_end(&self, timeout: Duration) -> bool {
        !matches!(self.wait(timeout, |_| None), Waited::Late)
    }

    /// Every line so far.
    pub fn transcript(&self) -> Vec<Line> {
        let text = self.lock();
        text.lines.iter().cloned().chain(text.open_line()).collect()
    }

    /// The last lines, each with its time, as a failure shows them.
    pub fn tail(&self) -> String {
        let lines = self.transcript();
        let start = lines.len().saturating_sub(TAIL_LINES);
        let shown = lines[start..]
            .iter()
            .map(|line| format!("    {:8.3}  {}\n", line.at.as_secs_f64(), line.text));
        shown.collect()
    }

    /// When the machine was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    fn wait(&self, timeout: Duration, mut found: impl FnMut(&mut Text) -> Option<Line>) -> Waited {
        let until = Instant::now() + timeout;
        let mut text = self.lock();
        loop {
            if let Some(line) = found(&mut text) {
                return Waited::Found(line);
            }
            if text.ended {
                return Waited::Ended;
            }
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return Waited::Late;
            };
            let waited = self.shared.1.wait_timeout(text, left);
            text = waited.expect("no thread panics while it holds the text").0;
        }
    }

    fn change(&self, change: impl FnOnce(&mut Text)) {
        change(&mut self.lock());
        self.shared.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Text> {
        self.shared.0.lock().expect("no thread panics while it holds the text")
    }
}

impl Text {
    fn push(&mut self, bytes: &[u8], at: Duration) {
        for byte in bytes {
            self.push_byte(*byte, at);
        }
    }

    fn push_byte(&mut self, byte: u8, at: Duration) {
        match (self.escape, byte) {
            (Escape::Outside, 0x1b) => self.escape = Escape::Started,
            (Escape::Started, b'[') => self.escape = Escape::Control,
            (Escape::Control, b'0'..=b'?') => {}
            (Escape::Started | Escape::Control, _) => self.escape = Escape::Outside,
            (Escape::Outside, b'\n') => {
                let line = self.open_line().unwrap_or(Line { at, text: String::new() });
                self.open = None;
                self.lines.push(line);
            }
            (Escape::Outside, b'\r' | 0) => {}
            (Escape::Outside, byte) => {
                self.open.get_or_insert((at, Vec::new())).1.push(byte);
            }
        }
    }

    fn open_line(&self) -> Option<Line> {
        let (at, bytes) = self.open.as_ref()?;
        Some(Line { at: *at, text: String::from_utf8_lossy(bytes).into_owned() })
    }

    /// The next line that holds `pattern`; what comes before the end of the match counts as read.
    fn take(&mut self, pattern: &str, complete: bool) -> Option<Line> {
        let (mut index, mut offset) = self.read;
        let open = self.open_line().filter(|_| !complete);
        for line in self.lines.iter().chain(&open).skip(self.read.0) {
            let rest = line.text.get(offset..).unwrap_or_default();
            if let Some(at) = rest.find(pattern) {
                let end = offset + at + pattern.len();
                self.read = if complete { (index + 1, 0) } else { (index, end) };
                return Some(line.clone());
            }
            index += 1;
            offset = 0;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Text {
        let mut text = Text::default();
        text.push(bytes, Duration::ZERO);
        text
    }

    #[test]
    fn lines_lose_their_ends_and_terminal_sequences() {
        let text = text(b"\x1bc\x1b[?7l\x1b[2Jone\r\ntwo \x1b[32mgreen\x1b[0m\r\nthr");
        let lines: Vec<&str> = text.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(lines, ["one", "two green"]);
        assert_eq!(text.open_line().unwrap().text, "thr");
    }

    #[test]
    fn each_wait_reads_on_from_the_last() {
        let mut text = text(b"a ready\nb\na ready\nprompt# ");
        assert!(text.take("ready", true).is_some());
        assert_eq!(text.take("ready", true).unwrap().text, "a ready");
        assert!(text.take("ready", true).is_none());
        assert!(text.take("prompt# ", true).is_none(), "it is no complete line");
        assert!(text.take("prompt# ", false).is_some());
        assert!(text.take("prompt# ", false).is_none(), "it was read");
    }

    #[test]
    fn the_end_of_the_console_ends_a_wait() {
        let console = Console::read(&b"last words"[..]);
        let found = console.wait_for("last", Duration::from_secs(60));
        assert!(matches!(found, Waited::Found(_)));
        let ended = console.wait_for("more", Duration::from_secs(60));
        assert!(matches!(ended, Waited::Ended));
    }
}
