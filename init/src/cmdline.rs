//! The kernel command line, parsed by ourselves (kernel-parameters; `lib/cmdline.c`, `next_arg`).
//!
//! Words are separated by white space, `"` keeps white space inside a word, the last of several
//! equal keys wins, and `-` and `_` are the same letter in a key. Nothing here reads a file.

use crate::identity::{MachineId, is_hostname};
use crate::limits::{COMMAND_LINE_BYTES_MAX, COMMAND_LINE_WORDS_MAX};
use std::time::Duration;

/// The words of a command line in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    words: Vec<Word>,
}

/// One word: `key` or `key=value`, quotes removed, `-` in the key turned into `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    key: Box<str>,
    value: Option<Box<str>>,
}

impl CommandLine {
    /// Parses any bytes; whatever is beyond the limits is left out, what is not UTF-8 is replaced.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> CommandLine {
        let bytes = &bytes[..bytes.len().min(COMMAND_LINE_BYTES_MAX)];
        let text = String::from_utf8_lossy(bytes);
        let words = Words { rest: &text }.take(COMMAND_LINE_WORDS_MAX).map(Word::parse).collect();
        CommandLine { words }
    }

    /// The value of the last `key=value`; a bare `key` after it does not undo it.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values(key).last()
    }

    /// The values of all `key=value` words, in order.
    pub fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.words.iter().filter(move |word| &*word.key == key).filter_map(|w| w.value.as_deref())
    }

    /// The last word with this key as a switch: bare, `=1`, `=yes`, `=true`, `=on` are true.
    #[must_use]
    pub fn switch(&self, key: &str) -> Option<bool> {
        let word = self.words.iter().rev().find(|word| &*word.key == key)?;
        Some(match word.value.as_deref() {
            None | Some("1" | "yes" | "true" | "on" | "y" | "t") => true,
            Some(_) => false,
        })
    }

    /// Whether the word appears as it is written here: `quiet`, or `init=/bin/sh`.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        let word = Word::parse(word);
        match word.value {
            None => self.words.iter().any(|own| own.key == word.key),
            Some(_) => self.words.contains(&word),
        }
    }

    /// All keys that begin with `prefix`, in order, once for each word.
    pub fn keys<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.words.iter().map(|word| &*word.key).filter(move |key| key.starts_with(prefix))
    }
}

/// The keys that belong to us; a `keelson.` key that is not one of them is a typing error.
pub const KEYS: [&str; 12] = [
    "keelson.state",
    "keelson.state_wait",
    "keelson.hostname",
    "keelson.machine_id",
    "keelson.target",
    "keelson.watchdog",
    "keelson.modules",
    "keelson.console",
    "keelson.ip",
    "keelson.core",
    "keelson.faults_max",
    "keelson.fault_injection",
];

/// What the command line says about the machine, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `keelson.state=`: where the state partition is, as written.
    pub state: Option<Box<str>>,
    /// `keelson.state_wait=`: how long to wait for it.
    pub state_wait: Option<Duration>,
    /// `keelson.hostname=`, or systemd's `systemd.hostname=`.
    pub hostname: Option<Box<str>>,
    /// `keelson.machine_id=`, or systemd's `systemd.machine_id=`.
    pub machine_id: Option<MachineId>,
    /// `keelson.target=`, `systemd.unit=`, `rescue`, `single`, `emergency`: the goal of the boot.
    pub target: Option<Box<str>>,
    /// `keelson.watchdog=`: seconds, or `off` (zero).
    pub watchdog: Option<Duration>,
    /// `keelson.modules=a,b`: kernel modules to load besides the configured ones.
    pub modules: Vec<Box<str>>,
    /// `keelson.console=off`: no shell on the console.
    pub console: Option<bool>,
    /// `ip=` (or `keelson.ip=`), as written, in order (the kernel's nfsroot format).
    pub ip: Vec<Box<str>>,
    /// `keelson.core=1`: PID 1 leaves a core behind when it fails.
    pub core: bool,
    /// `keelson.faults_max=`: how many faults of PID 1 within a minute are too many; 0: none ever are.
    pub faults_max: Option<u64>,
    /// `keelson.fault_injection=1`: faults of PID 1 may be asked for. For tests of machines that are
    /// nobody's.
    pub fault_injection: bool,
    /// `panic=` was given: the machine's own default does not apply.
    pub panic_given: bool,
    /// What of it could not be understood, one line each.
    pub problems: Vec<Box<str>>,
}

impl Options {
    /// Reads our own keys; what cannot be understood is left at its default and reported.
    #[must_use]
    pub fn read(line: &CommandLine) -> Options {
        let mut problems = Vec::new();
        for key in line.keys("keelson.").filter(|key| !KEYS.contains(key)) {
            problems.push(format!("command line: {key} is not a key of ours").into());
        }
        let owned = |key: &str| line.value(key).map(Box::from);
        Options {
            state: owned("keelson.state"),
            state_wait: seconds(line, "keelson.state_wait", &mut problems),
            hostname: hostname(line, &mut problems),
            machine_id: machine_id(line, &mut problems),
            target: target(line),
            watchdog: seconds(line, "keelson.watchdog", &mut problems),
            modules: split(line, "keelson.modules"),
            console: line.switch("keelson.console"),
            ip: line.values("ip").chain(line.values("keelson.ip")).map(Box::from).collect(),
            core: line.switch("keelson.core") == Some(true),
            faults_max: number(line, "keelson.faults_max", &mut problems),
            fault_injection: line.switch("keelson.fault_injection") == Some(true),
            panic_given: line.value("panic").is_some(),
            problems,
        }
    }
}

fn hostname(line: &CommandLine, problems: &mut Vec<Box<str>>) -> Option<Box<str>> {
    let name = line.value("keelson.hostname").or_else(|| line.value("systemd.hostname"))?;
    if !is_hostname(name) {
        problems.push(format!("command line: {name:?} cannot be a host name").into());
        return None;
    }
    Some(name.into())
}

fn machine_id(line: &CommandLine, problems: &mut Vec<Box<str>>) -> Option<MachineId> {
    let text = line.value("keelson.machine_id").or_else(|| line.value("systemd.machine_id"))?;
    let id = MachineId::parse(text);
    if id.is_none() {
        problems.push(format!("command line: machine id {text:?} is not 32 hex digits").into());
    }
    id
}

fn target(line: &CommandLine) -> Option<Box<str>> {
    if let Some(name) = line.value("keelson.target").or_else(|| line.value("systemd.unit")) {
        return Some(name.into());
    }
    if line.has("emergency") {
        return Some("emergency.target".into());
    }
    ["rescue", "single", "s", "S", "1"]
        .iter()
        .any(|word| line.has(word))
        .then(|| "rescue.target".into())
}

/// A number of seconds, `s` allowed behind it; `off` is zero.
fn seconds(line: &CommandLine, key: &str, problems: &mut Vec<Box<str>>) -> Option<Duration> {
    let text = line.value(key)?;
    if text == "off" {
        return Some(Duration::ZERO);
    }
    let number = text.strip_suffix('s').unwrap_or(text).parse::<u32>();
    if number.is_err() {
        problems.push(format!("command line: {key}={text} is not a number of seconds").into());
    }
    number.ok().map(|seconds| Duration::from_secs(seconds.into()))
}

fn number(line: &CommandLine, key: &str, problems: &mut Vec<Box<str>>) -> Option<u64> {
    let text = line.value(key)?;
    let number = text.parse().ok();
    if number.is_none() {
        problems.push(format!("command line: {key}={text} is not a number").into());
    }
    number
}

fn split(line: &CommandLine, key: &str) -> Vec<Box<str>> {
    let names = line.values(key).flat_map(|list| list.split(','));
    names.filter(|name| !name.is_empty()).map(Box::from).collect()
}

impl Word {
    /// Splits at the first `=` and removes quotes, as the kernel's `next_arg` does.
    fn parse(text: &str) -> Word {
        let bare = text.strip_prefix('"').map(|t| t.strip_suffix('"').unwrap_or(t));
        let (key, value) = match bare.unwrap_or(text).split_once('=') {
            Some((key, value)) => (key, Some(unquote(value))),
            None => (bare.unwrap_or(text), None),
        };
        Word { key: key.replace('-', "_").into(), value: value.map(Box::from) }
    }
}

fn unquote(value: &str) -> &str {
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').unwrap_or(rest),
        None => value,
    }
}

/// Splits at white space outside quotes.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let blank = |c: char| c.is_ascii_whitespace() || c == '\0';
        self.rest = self.rest.trim_start_matches(blank);
        if self.rest.is_empty() {
            return None;
        }
        let mut quoted = false;
        let end = self.rest.find(|c: char| {
            quoted ^= c == '"';
            blank(c) && !quoted
        });
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_unquoted_as_the_kernel_does() {
        let line = CommandLine::parse(b"quiet  a=1 b=\"x y\" \"c=p q\" a=2 e= \"d e\"\n");
        assert!(line.has("quiet"));
        assert_eq!(line.value("a"), Some("2"), "the last one wins");
        assert_eq!(line.value("b"), Some("x y"));
        assert_eq!(line.value("c"), Some("p q"));
        assert_eq!(line.value("e"), Some(""));
        assert!(line.has("d e"));
        assert_eq!(line.value("quiet"), None);
        assert_eq!(line.values("a").collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn dashes_and_underscores_in_keys_are_one() {
        let line = CommandLine::parse(b"keelson.state-wait=3 x=a-b");
        assert_eq!(line.value("keelson.state_wait"), Some("3"));
        assert_eq!(line.value("x"), Some("a-b"));
    }

    #[test]
    fn an_open_quote_reaches_to_the_end() {
        let line = CommandLine::parse(b"a=\"b c");
        assert_eq!(line.value("a"), Some("b c"));
    }

    #[test]
    fn our_keys_are_checked_and_faults_are_named() {
        let line = CommandLine::parse(
            b"keelson.watchdog=20s keelson.state-wait=soon keelson.hostname=a_b keelson.stat=x \
              systemd.machine_id=0123456789abcdef0123456789ABCDEF single panic=5",
        );
        let options = Options::read(&line);
        assert_eq!(options.watchdog, Some(Duration::from_secs(20)));
        assert_eq!(options.state_wait, None);
        assert_eq!(options.hostname, None);
        assert_eq!(options.machine_id.unwrap().to_string(), "0123456789abcdef0123456789abcdef");
        assert_eq!(options.target.as_deref(), Some("rescue.target"));
        assert!(options.panic_given);
        assert_eq!(options.problems.len(), 3, "{:?}", options.problems);
    }

    #[test]
    fn anything_parses_without_a_panic() {
        let mut seed = 1_u32;
        for _ in 0..2000 {
            let bytes: Vec<u8> = (0..40)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    b"a\"= -_.\xff\0\n"[(seed >> 24) as usize % 10]
                })
                .collect();
            let line = CommandLine::parse(&bytes);
            assert!(line.keys("").count() <= bytes.len());
        }
    }
}
