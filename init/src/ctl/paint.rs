//! Colours and signs, where the terminal has them.

use std::io::IsTerminal;

/// Paints text, or leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Painter {
    coloured: bool,
    unicode: bool,
}

/// Standard colours, which every terminal has and every person can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
    Dim,
    Bold,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Colour::Red => "31",
            Colour::Green => "32",
            Colour::Yellow => "33",
            Colour::Blue => "34",
            Colour::Magenta => "35",
            Colour::Cyan => "36",
            Colour::Dim => "2",
            Colour::Bold => "1",
        }
    }
}

impl Painter {
    /// Neither colours nor signs beyond ASCII.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests"))]
    pub(crate) const PLAIN: Painter = Painter { coloured: false, unicode: false };
    /// Signs, but no colours.
    pub(crate) const SIGNS: Painter = Painter { coloured: false, unicode: true };

    /// For standard output as it is. `when` is the value of `--color`.
    pub(crate) fn for_output(when: Option<&str>) -> Painter {
        let terminal = std::io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let coloured = match when {
            Some("always") => true,
            Some("never") => false,
            _ => terminal && !unwanted,
        };
        Painter { coloured, unicode: speaks_unicode() }
    }

    /// Whether it paints at all.
    pub(crate) fn is_coloured(&self) -> bool {
        self.coloured
    }

    /// Text in a colour.
    pub(crate) fn paint(&self, colour: Colour, text: &str) -> String {
        match self.coloured && !text.is_empty() {
            true => format!("\x1b[{}m{text}\x1b[0m", colour.code()),
            false => text.to_owned(),
        }
    }

    pub(crate) fn bold(&self, text: &str) -> String {
        self.paint(Colour::Bold, text)
    }

    pub(crate) fn dim(&self, text: &str) -> String {
        self.paint(Colour::Dim, text)
    }

    /// A name that a person may type.
    pub(crate) fn name(&self, text: &str) -> String {
        self.paint(Colour::Cyan, text)
    }

    /// One of two spellings.
    pub(crate) fn sign(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }
}

/// Unless the surroundings say otherwise. Our own console sets no locale and can do it.
fn speaks_unicode() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    set.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// How many columns a text takes: one per character, colours none.
pub(crate) fn width(text: &str) -> usize {
    let mut columns = 0;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\x1b' {
            // A colour ends with its `m`.
            letters.by_ref().find(|letter| *letter == 'm');
        } else {
            columns += 1;
        }
    }
    columns
}

/// The beginning of a text that takes at most so many columns; an ellipsis says that it was cut.
pub(crate) fn shorten(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// A text with everything made visible that a terminal would act upon.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '·' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_take_no_room() {
        let painter = Painter { coloured: true, unicode: true };
        assert_eq!(painter.paint(Colour::Red, "ab"), "\x1b[31mab\x1b[0m");
        assert_eq!(width(&painter.paint(Colour::Red, "äb")), 2);
        assert_eq!(Painter::PLAIN.bold("x"), "x");
        assert_eq!(shorten("a longer text", 9), "a longer…");
        assert_eq!(harmless("a\x1b[2Jb\n"), "a·[2Jb·");
    }
}
