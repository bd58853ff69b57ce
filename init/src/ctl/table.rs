//! Tables for people: columns as wide as they must be, the last one as wide as the terminal allows.

use super::paint::{shorten, width};

/// Rows of cells under a head.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<&'static str>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A column's title that begins with `>` makes the column stand to the right.
    pub(crate) fn new(head: &[&'static str]) -> Table {
        Table {
            head: head.iter().map(|title| title.trim_start_matches('>')).collect(),
            right: head.iter().map(|title| title.starts_with('>')).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table as text. Columns without any content are left out. `columns` is the terminal's width,
    /// `head` paints the head.
    pub(crate) fn render(&self, columns: usize, head: &dyn Fn(&str) -> String) -> String {
        let shown: Vec<usize> = (0..self.head.len())
            .filter(|&c| {
                self.rows.iter().any(|row| row.get(c).is_some_and(|cell| !cell.is_empty()))
            })
            .collect();
        let widths: Vec<usize> = shown
            .iter()
            .map(|&c| {
                let cells = self.rows.iter().map(|row| row.get(c).map_or(0, |cell| width(cell)));
                cells.chain([self.head[c].chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let titles: Vec<String> = self.head.iter().map(|title| (*title).to_owned()).collect();
        let mut text = head(&self.line(&titles, &shown, &widths, columns));
        text.push('\n');
        for row in &self.rows {
            text.push_str(&self.line(row, &shown, &widths, columns));
            text.push('\n');
        }
        text
    }

    fn line(&self, row: &[String], shown: &[usize], widths: &[usize], columns: usize) -> String {
        let mut line = String::new();
        let mut used = 0;
        for (index, (&c, &wide)) in shown.iter().zip(widths).enumerate() {
            let cell = row.get(c).map_or("", String::as_str);
            let last = index + 1 == shown.len();
            if last {
                let room = columns.saturating_sub(used).max(8);
                let painted = cell.contains('\x1b');
                line.push_str(&if painted { cell.to_owned() } else { shorten(cell, room) });
                break;
            }
            let blank = " ".repeat(wide - width(cell));
            let (before, after) = if self.right[c] { (&*blank, "") } else { ("", &*blank) };
            line.push_str(before);
            line.push_str(cell);
            line.push_str(after);
            line.push_str("  ");
            used += wide + 2;
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["NAME", ">SIZE", "EMPTY", "WHAT"]);
        table.row(vec!["a".into(), "1".into(), String::new(), "first".into()]);
        table.row(vec![
            "\x1b[1mlonger\x1b[0m".into(),
            "1000".into(),
            String::new(),
            "a long last cell".into(),
        ]);
        let text = table.render(24, &str::to_owned);
        let expected =
            "NAME    SIZE  WHAT\na          1  first\n\x1b[1mlonger\x1b[0m  1000  a long la…\n";
        assert_eq!(text, expected);
    }
}
