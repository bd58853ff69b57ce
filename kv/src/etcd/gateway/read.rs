//! From JSON to etcd's bytes, in one pass and without a tree in between. Names in both forms, numbers as text
//! or as numbers, enumerations by name or number, unknown fields passed over, as etcd's gateway has it.

use std::fmt;

use prost::encoding::{WireType, encode_key, encode_varint};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::base64;
use super::shape::{Field, Kind, Shape};

/// Takes the first message off a body. Gives its bytes and how much of the body it was; nothing if there is
/// only space.
///
/// # Errors
///
/// It is no such message, in Go's words where clients know them.
pub fn take_message(
    shape: &'static Shape,
    body: &[u8],
) -> Result<Option<(Vec<u8>, usize)>, NotJson> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<IgnoredAny>();
    match values.next() {
        None => return Ok(None),
        Some(value) => value.map_err(NotJson::of)?,
    };
    let size = values.byte_offset();
    let mut bytes = Vec::with_capacity(size);
    let mut json = serde_json::Deserializer::from_slice(&body[..size]);
    let message = Message { shape, out: &mut bytes };
    message.deserialize(&mut json).map_err(NotJson::of)?;
    Ok(Some((bytes, size)))
}

/// A body that is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotJson {
    /// What is wrong with it.
    pub why: String,
    /// More of it may come.
    pub is_cut: bool,
}

impl NotJson {
    fn of(error: serde_json::Error) -> Self {
        if error.is_eof() {
            return Self { why: "unexpected EOF".into(), is_cut: true };
        }
        let why = error.to_string();
        // Go does not say where.
        let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why);
        Self { why: why.into(), is_cut: false }
    }
}

/// A message within JSON: an object. Null is an empty one.
struct Message<'a> {
    shape: &'static Shape,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(Key(self.shape))? {
            match field {
                Some(field) => map.next_value_seed(Content { field, out: self.out })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The name of a field.
struct Key(&'static Shape);

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<&'static Field>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.named(name))
    }
}

/// What a field holds: a value, several if it is repeated, or null for none.
struct Content<'a> {
    field: &'static Field,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Content<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        match self.field.repeated {
            true => from.deserialize_any(self),
            false => Item { field: self.field, out: self.out }.deserialize(from),
        }
    }
}

impl<'de> Visitor<'de> for Content<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "an array in {}", self.field.name)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Item { field: self.field, out: self.out })?.is_some() {}
        Ok(())
    }
}

/// One value.
struct Item<'a> {
    field: &'static Field,
    out: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl Item<'_> {
    fn number(self, number: u64) {
        encode_key(self.field.number, WireType::Varint, self.out);
        encode_varint(number, self.out);
    }

    fn bytes(self, bytes: &[u8]) {
        encode_key(self.field.number, WireType::LengthDelimited, self.out);
        encode_varint(bytes.len() as u64, self.out);
        self.out.extend_from_slice(bytes);
    }

    fn wrong<E: Error>(&self, what: impl fmt::Display) -> E {
        E::custom(format!("cannot take {what} for {}", self.field.name))
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "a value for {}", self.field.name)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, is: bool) -> Result<(), E> {
        if !matches!(self.field.kind, Kind::Bool) {
            return Err(self.wrong(is));
        }
        self.number(is.into());
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        let is_choice = matches!(self.field.kind, Kind::Enum(_)) && i32::try_from(number).is_ok();
        if !is_choice && !matches!(self.field.kind, Kind::Int64) {
            return Err(self.wrong(number));
        }
        self.number(number.cast_unsigned());
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        let largest = match self.field.kind {
            Kind::Uint64 => Some(u64::MAX),
            Kind::Int64 => Some(i64::MAX.cast_unsigned()),
            Kind::Uint32 => Some(u32::MAX.into()),
            Kind::Enum(_) => Some(u64::from(i32::MAX.cast_unsigned())),
            Kind::Bytes | Kind::Text | Kind::Bool | Kind::Message(_) => None,
        };
        if largest.is_none_or(|largest| number > largest) {
            return Err(self.wrong(number));
        }
        self.number(number);
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.field.kind {
            Kind::Text => self.bytes(text.as_bytes()),
            Kind::Bytes => {
                let mut bytes = Vec::with_capacity(text.len());
                base64::decode(text, &mut bytes).map_err(E::custom)?;
                self.bytes(&bytes);
            }
            Kind::Int64 => match text.parse::<i64>() {
                Ok(number) => self.number(number.cast_unsigned()),
                Err(_) => return Err(self.wrong(format_args!("{text:?}"))),
            },
            Kind::Uint64 | Kind::Uint32 => match text.parse() {
                Ok(number) => return self.visit_u64(number),
                Err(_) => return Err(self.wrong(format_args!("{text:?}"))),
            },
            Kind::Enum(names) => {
                let place = names.values.iter().position(|name| *name == text);
                let unknown = || format!("unknown value {text:?} for enum {}", names.name);
                self.number(place.ok_or_else(|| E::custom(unknown()))? as u64);
            }
            Kind::Bool | Kind::Message(_) => return Err(self.wrong(format_args!("{text:?}"))),
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Kind::Message(shape) = self.field.kind else { return Err(self.wrong("an object")) };
        let mut bytes = Vec::new();
        Message { shape, out: &mut bytes }.visit_map(map)?;
        self.bytes(&bytes);
        Ok(())
    }
}
