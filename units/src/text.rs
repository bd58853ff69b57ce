//! The small grammars inside unit files: words, escapes, spans of time, sizes, names and numbers.
//!
//! Each is a pure function from text to value. A value that cannot be is a [`BadValue`] that says
//! where in the text the fault is.

pub mod address;
pub mod base64;
pub mod capability;
pub mod command;
pub mod errno;
pub mod escape;
pub mod family;
pub mod lines;
pub mod number;
pub mod path;
pub mod rlimit;
pub mod signal;
pub mod size;
pub mod specifier;
pub mod status;
pub mod suggest;
pub mod timespan;
pub mod words;

use std::fmt;

/// Why a text is not a value, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadValue {
    /// Where it begins, in bytes.
    pub offset: usize,
    /// How many bytes it is about; 0: all from `offset` on.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub advice: String,
}

impl BadValue {
    /// A fault of the whole text.
    #[must_use]
    pub fn new(message: impl Into<String>) -> BadValue {
        BadValue { offset: 0, length: 0, message: message.into(), advice: String::new() }
    }

    /// The same fault with what to do about it.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> BadValue {
        self.advice = advice.into();
        self
    }

    /// The same fault at a place.
    #[must_use]
    pub fn at(mut self, offset: usize, length: usize) -> BadValue {
        self.offset = offset;
        self.length = length;
        self
    }

    /// The same fault seen from a text in which this one begins at `by`.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> BadValue {
        self.offset += by;
        self
    }
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// systemd's `WHITESPACE`.
#[must_use]
pub fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}
