//! Help for people, made from the table of verbs; also the manual page.

use std::fmt::Write;

use super::failure::Code;
use super::paint::Painter;
use super::verb::{self, Family, Flag, GLOBAL_FLAGS, Verb};

/// Text is folded at this column.
const COLUMNS: usize = 90;

/// `keelctl logs [OPTION…] [UNIT…]`
pub(crate) fn usage_line(verb: &Verb) -> String {
    let options = if verb.flags.is_empty() { "" } else { " [OPTION…]" };
    let space = if verb.operands.is_empty() { "" } else { " " };
    format!("keelctl {}{options}{space}{}", verb.name, verb.operands)
}

/// What `keelctl help` says.
pub(crate) fn overview(paint: &Painter) -> String {
    let mut text = String::new();
    text += "keelctl looks at and changes the machine that keelson runs.\n\n";
    let _ = writeln!(text, "{}  keelctl VERB [OPTION…] [UNIT…]", paint.bold("usage:"));
    let width = verb::all().map(|verb| verb.name.len()).max().unwrap_or(0);
    for (family, title) in Family::ALL {
        let _ = writeln!(text, "\n{}", paint.bold(title));
        // Second spellings of a verb are explained, but not listed.
        let shown = |verb: &&Verb| verb.family == family && !verb.name.contains(' ');
        for verb in verb::all().filter(shown) {
            let name = paint.name(&format!("{:width$}", verb.name));
            let _ = writeln!(text, "  {name}  {}", verb.summary);
        }
    }
    text += "\n";
    let hint = "A unit is named with or without its suffix: `web` is web.service. `keelctl help VERB` \
                explains a verb with its options and examples.";
    text += &fold(hint, 0);
    text
}

/// What `keelctl help VERB` says.
pub(crate) fn explain(verb: &Verb, paint: &Painter) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "keelctl {}: {}\n", paint.name(verb.name), verb.summary);
    let _ = writeln!(text, "{}  {}", paint.bold("usage:"), usage_line(verb));
    if !verb.details.is_empty() {
        let _ = writeln!(text, "\n{}", fold(verb.details, 0).trim_end());
    }
    let _ = writeln!(text, "\n{}", paint.bold("options"));
    let rows: Vec<(String, &str)> =
        verb.all_flags().map(|flag| (spelled(flag), flag.help)).collect();
    let width = rows.iter().map(|(spelling, _)| spelling.chars().count()).max().unwrap_or(0);
    for (spelling, help) in rows {
        let spelling = paint.name(&format!("{spelling:width$}"));
        let _ = writeln!(text, "  {spelling}  {}", fold(help, width + 4).trim());
    }
    if !verb.examples.is_empty() {
        let _ = writeln!(text, "\n{}", paint.bold("examples"));
        for (line, what) in verb.examples {
            let _ = writeln!(text, "  {}\n      {what}", paint.name(line));
        }
    }
    text
}

/// `-n, --lines N`
fn spelled(flag: &Flag) -> String {
    let short = flag.short.map_or("    ".to_owned(), |short| format!("-{short}, "));
    let value = flag.value.map_or(String::new(), |value| format!(" {value}"));
    format!("{short}--{}{value}", flag.long)
}

/// The page `docs/keelctl.md`.
#[cfg_attr(not(test), expect(dead_code, reason = "a test writes the page"))]
pub(crate) fn page() -> String {
    let mut text = String::from(include_str!("page.md"));
    for (family, title) in Family::ALL {
        let _ = writeln!(text, "\n## {title}\n");
        for verb in verb::all().filter(|verb| verb.family == family) {
            page_verb(verb, &mut text);
        }
    }
    text += "\n## Options of every verb\n\n";
    page_flags(GLOBAL_FLAGS, &mut text);
    text += "\n## Exit codes\n\n| code | meaning |\n|---|---|\n| 0 | done |\n";
    for (code, meaning) in Code::MEANINGS {
        let _ = writeln!(text, "| {} | {meaning} |", code.number());
    }
    text += "\n`exec` ends with the code of the program that it ran, or with 128 and the number of the \
             signal that ended it.\n";
    text
}

fn page_verb(verb: &Verb, text: &mut String) {
    let _ = writeln!(text, "### `{}`\n\n{}.\n", usage_line(verb), capital(verb.summary));
    if !verb.details.is_empty() {
        let _ = writeln!(text, "{}", fold_at(verb.details, 0, 120));
    }
    if !verb.flags.is_empty() {
        page_flags(verb.flags, text);
        text.push('\n');
    }
    if !verb.examples.is_empty() {
        text.push_str("```sh\n");
        for (line, what) in verb.examples {
            let _ = writeln!(text, "{line:40} # {what}");
        }
        text.push_str("```\n\n");
    }
}

fn page_flags(flags: &[Flag], text: &mut String) {
    text.push_str("| option | what |\n|---|---|\n");
    for flag in flags {
        let _ = writeln!(text, "| `{}` | {} |", spelled(flag).trim(), flag.help);
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

fn fold(text: &str, margin: usize) -> String {
    fold_at(text, margin, COLUMNS)
}

/// Folds paragraphs (separated by empty lines) to the columns, later lines behind a margin.
fn fold_at(text: &str, margin: usize, columns: usize) -> String {
    let mut folded = String::new();
    for (index, paragraph) in text.split("\n\n").enumerate() {
        if index > 0 {
            folded.push('\n');
        }
        let mut used = margin;
        for word in paragraph.split_whitespace() {
            let length = word.chars().count();
            if used + length + 1 > columns && used > margin {
                folded.push('\n');
                folded.push_str(&" ".repeat(margin));
                used = margin;
            } else if used > margin {
                folded.push(' ');
                used += 1;
            }
            folded.push_str(word);
            used += length;
        }
        folded.push('\n');
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_in_step() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/keelctl.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap();
        assert!(
            written == page(),
            "docs/keelctl.md is out of step: UPDATE=1 cargo test -p init page"
        );
    }

    #[test]
    fn every_verb_is_explained() {
        for verb in verb::all() {
            assert!(!verb.summary.is_empty() && !verb.summary.ends_with('.'), "{}", verb.name);
            assert!(verb.summary.len() <= 72, "{}: the summary is long", verb.name);
            for (line, _) in verb.examples {
                assert!(line.contains(verb.name), "{}: example {line}", verb.name);
                let words: Vec<String> = line
                    .trim_start_matches("keelctl ")
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect();
                let (found, _) =
                    super::super::parse::parse(&words).unwrap_or_else(|e| panic!("{line}: {e}"));
                assert_eq!(found.unwrap().name, verb.name);
            }
        }
    }

    #[test]
    fn paragraphs_are_folded() {
        assert_eq!(fold_at("a bb ccc dddd\n\ne", 2, 8), "a bb\n  ccc\n  dddd\n\ne\n");
    }
}
