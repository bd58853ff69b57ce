//! TOML with the place of every key and value, independent of the library that reads it.

use toml::de::{DeTable, DeValue};

use crate::limits::UNIT_ENTRIES_MAX;
use crate::text::BadValue;
use crate::text::lines::Spot;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Value>),
    Table(Table),
    /// A date or time, or a number that is too large: nothing takes one.
    Other,
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    pub(super) node: Node,
    pub(super) spot: Spot,
}

/// One key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub(super) key: Box<str>,
    pub(super) key_spot: Spot,
    pub(super) value: Value,
}

/// Keys and values in the order in which they were written.
pub(super) type Table = Vec<Item>;

/// Reads a whole file.
pub(super) fn parse(text: &str) -> Result<Table, Vec<(Spot, BadValue)>> {
    let lines = LineStarts::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let fault = |error: &toml::de::Error| {
            let span = error.span().unwrap_or(0..0);
            let message = error.message().replace('\n', ", ");
            (lines.spot(span.start, span.end), BadValue::new(message).advise(ADVICE))
        };
        return Err(errors.iter().map(fault).collect());
    }
    let mut left = UNIT_ENTRIES_MAX;
    match convert_table(table.get_ref(), &lines, &mut left) {
        Some(table) => Ok(table),
        None => {
            let text = format!("more than {UNIT_ENTRIES_MAX} values in one file");
            Err(vec![(Spot::default(), BadValue::new(text))])
        }
    }
}

const ADVICE: &str = "the file must be TOML 1.0: `key = value`, texts in quotes";

fn convert_table(table: &DeTable<'_>, lines: &LineStarts<'_>, left: &mut usize) -> Option<Table> {
    let mut items = Vec::with_capacity(table.len());
    for (key, value) in table.iter() {
        *left = left.checked_sub(1)?;
        let spot = |span: std::ops::Range<usize>| lines.spot(span.start, span.end);
        let node = convert(value.get_ref(), lines, left)?;
        items.push(Item {
            key: key.get_ref().as_ref().into(),
            key_spot: spot(key.span()),
            value: Value { node, spot: spot(value.span()) },
        });
    }
    items.sort_by_key(|item| item.key_spot);
    Some(items)
}

fn convert(value: &DeValue<'_>, lines: &LineStarts<'_>, left: &mut usize) -> Option<Node> {
    Some(match value {
        DeValue::String(text) => Node::Text(text.as_ref().to_owned()),
        DeValue::Integer(number) => {
            let digits = i64::from_str_radix(number.as_str(), number.radix());
            digits.map_or(Node::Other, Node::Integer)
        }
        DeValue::Float(number) => number.as_str().parse().map_or(Node::Other, Node::Float),
        DeValue::Boolean(truth) => Node::Boolean(*truth),
        DeValue::Datetime(_) => Node::Other,
        DeValue::Array(values) => {
            let mut list = Vec::with_capacity(values.len());
            for value in values {
                *left = left.checked_sub(1)?;
                let spot = lines.spot(value.span().start, value.span().end);
                list.push(Value { node: convert(value.get_ref(), lines, left)?, spot });
            }
            Node::List(list)
        }
        DeValue::Table(table) => Node::Table(convert_table(table, lines, left)?),
    })
}

/// Where the lines of a text begin.
struct LineStarts<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> LineStarts<'a> {
    fn new(text: &'a str) -> LineStarts<'a> {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        LineStarts { text, starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    /// The place of a span; of one that takes several lines, its part in the first.
    fn spot(&self, start: usize, end: usize) -> Spot {
        let start = start.min(self.text.len());
        let line = self.starts.partition_point(|begin| *begin <= start) - 1;
        let begin = self.starts[line];
        let line_end = self.starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        let count = |from: usize, to: usize| {
            let part = self.text.get(from..to.max(from)).unwrap_or("");
            u32::try_from(part.trim_end().chars().count()).unwrap_or(u32::MAX)
        };
        let before = self.text.get(begin..start).map_or(0, |part| part.chars().count());
        Spot {
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            column: u32::try_from(before + 1).unwrap_or(u32::MAX),
            width: count(start, end.min(line_end)).max(1),
        }
    }
}

impl Node {
    /// What it is, for people.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Node::Text(_) => "a text",
            Node::Integer(_) => "a whole number",
            Node::Float(_) => "a number",
            Node::Boolean(_) => "true or false",
            Node::List(_) => "a list",
            Node::Table(_) => "a table",
            Node::Other => "a date, or too large a number",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let table = parse("a = 1\n[t]\n\"ä\" = [\"x\", 0x10]\n").unwrap();
        assert_eq!(
            table[0].value,
            Value { node: Node::Integer(1), spot: Spot { line: 1, column: 5, width: 1 } }
        );
        let Node::Table(inner) = &table[1].value.node else { panic!() };
        assert_eq!(inner[0].key_spot, Spot { line: 3, column: 1, width: 3 });
        let Node::List(list) = &inner[0].value.node else { panic!() };
        assert_eq!(
            list[1],
            Value { node: Node::Integer(16), spot: Spot { line: 3, column: 13, width: 4 } }
        );
    }

    #[test]
    fn faults() {
        let faults = parse("a = \nb = 1\nb = 2\n").unwrap_err();
        assert_eq!(faults[0].0.line, 1);
        assert!(faults.iter().any(|(spot, _)| spot.line == 3));
    }
}
