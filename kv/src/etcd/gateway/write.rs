//! From etcd's bytes to JSON: names as in the `.proto` file, 64-bit numbers as text, what is zero left out.

use super::base64;
use super::shape::{Field, Kind, Shape};
use super::text::quote;
use crate::limits::GATEWAY_DEPTH_MAX;

/// Bytes that are no message of their shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAMessage;

impl std::fmt::Display for NotAMessage {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("an answer cannot be shown as JSON: its bytes are no message")
    }
}

impl std::error::Error for NotAMessage {}

/// A message as JSON.
///
/// # Errors
///
/// The bytes are no such message.
pub fn to_json(shape: &'static Shape, bytes: &[u8]) -> Result<String, NotAMessage> {
    // Base64 is longer by a third, and names and quotes come on top.
    let mut out = String::with_capacity(bytes.len() * 2);
    write_message(shape, bytes, 0, &mut out).ok_or(NotAMessage)?;
    Ok(out)
}

fn write_message(
    shape: &'static Shape,
    mut rest: &[u8],
    depth: usize,
    out: &mut String,
) -> Option<()> {
    if depth > GATEWAY_DEPTH_MAX {
        return None;
    }
    out.push('{');
    let mut open: Option<&Field> = None;
    let mut is_first = true;
    while !rest.is_empty() {
        let (number, value) = take_field(&mut rest)?;
        let Some(field) = shape.numbered(number) else { continue };
        let goes_on = open.is_some_and(|open| open.number == number);
        if !goes_on && open.take().is_some() {
            out.push(']');
        }
        if !is_first {
            out.push(',');
        }
        is_first = false;
        if !goes_on {
            quote(field.name, out);
            out.push(':');
            if field.repeated {
                out.push('[');
                open = Some(field);
            }
        }
        write_value(field, value, depth, out)?;
    }
    if open.is_some() {
        out.push(']');
    }
    out.push('}');
    Some(())
}

/// A field's value as it is on the wire.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn take_field<'a>(rest: &mut &'a [u8]) -> Option<(u32, Value<'a>)> {
    let head = take_number(rest)?;
    let number = u32::try_from(head >> 3).ok()?;
    let value = match head & 7 {
        0 => Value::Number(take_number(rest)?),
        1 => Value::Bytes(take(rest, 8)?),
        2 => {
            let size = usize::try_from(take_number(rest)?).ok()?;
            Value::Bytes(take(rest, size)?)
        }
        5 => Value::Bytes(take(rest, 4)?),
        _ => return None,
    };
    Some((number, value))
}

fn take<'a>(rest: &mut &'a [u8], size: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(size)?;
    *rest = after;
    Some(taken)
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    prost::encoding::decode_varint(rest).ok()
}

fn write_value(field: &Field, value: Value<'_>, depth: usize, out: &mut String) -> Option<()> {
    match (field.kind, value) {
        (Kind::Bytes, Value::Bytes(bytes)) => {
            out.push('"');
            base64::encode(bytes, out);
            out.push('"');
        }
        (Kind::Text, Value::Bytes(bytes)) => quote(std::str::from_utf8(bytes).ok()?, out),
        (Kind::Int64, Value::Number(n)) => out.push_str(&format!("\"{}\"", n.cast_signed())),
        (Kind::Uint64, Value::Number(n)) => out.push_str(&format!("\"{n}\"")),
        (Kind::Uint32, Value::Number(n)) => out.push_str(&n.to_string()),
        (Kind::Bool, Value::Number(n)) => out.push_str(if n == 0 { "false" } else { "true" }),
        (Kind::Enum(names), Value::Number(n)) => {
            match usize::try_from(n).ok().and_then(|n| names.values.get(n)) {
                Some(name) => quote(name, out),
                None => out.push_str(&n.cast_signed().to_string()),
            }
        }
        (Kind::Message(shape), Value::Bytes(bytes)) => {
            write_message(shape, bytes, depth + 1, out)?;
        }
        (Kind::Bytes | Kind::Text | Kind::Message(_), Value::Number(_))
        | (
            Kind::Int64 | Kind::Uint64 | Kind::Uint32 | Kind::Bool | Kind::Enum(_),
            Value::Bytes(_),
        ) => return None,
    }
    Some(())
}
