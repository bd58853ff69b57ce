//! What a message looks like: enough of it to carry it over from JSON to etcd's bytes and back.

/// A message.
#[derive(Debug)]
pub struct Shape {
    /// Its fields.
    pub(super) fields: &'static [Field],
}

/// A field.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    /// As in the `.proto` file. Clients may write it in camel case, too.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) repeated: bool,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// In JSON as base64.
    Bytes,
    Text,
    /// In JSON as text, because its readers count in floating point.
    Int64,
    /// As above.
    Uint64,
    Uint32,
    Bool,
    Enum(&'static Names),
    Message(&'static Shape),
}

/// An enumeration, whose values count from zero.
#[derive(Debug)]
pub(super) struct Names {
    /// What Go calls it.
    pub(super) name: &'static str,
    pub(super) values: &'static [&'static str],
}

const fn field(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, repeated: false }
}

pub(super) const fn bytes(number: u32, name: &'static str) -> Field {
    field(number, name, Kind::Bytes)
}

pub(super) const fn text(number: u32, name: &'static str) -> Field {
    field(number, name, Kind::Text)
}

pub(super) const fn int(number: u32, name: &'static str) -> Field {
    field(number, name, Kind::Int64)
}

pub(super) const fn uint(number: u32, name: &'static str) -> Field {
    field(number, name, Kind::Uint64)
}

pub(super) const fn small(number: u32, name: &'static str) -> Field {
    field(number, name, Kind::Uint32)
}

pub(super) const fn flag(number: u32, name: &'static str) -> Field {
    field(number, name, Kind::Bool)
}

pub(super) const fn choice(number: u32, name: &'static str, of: &'static Names) -> Field {
    field(number, name, Kind::Enum(of))
}

pub(super) const fn message(number: u32, name: &'static str, of: &'static Shape) -> Field {
    field(number, name, Kind::Message(of))
}

pub(super) const fn many(one: Field) -> Field {
    Field { repeated: true, ..one }
}

impl Shape {
    /// The field that a client means.
    pub(super) fn named(&'static self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name || is_camel(field.name, name))
    }

    /// The field of a number.
    pub(super) fn numbered(&'static self, number: u32) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.number == number)
    }
}

/// Is `camel` the name with its underlines taken for capitals?
fn is_camel(name: &str, camel: &str) -> bool {
    let mut camel = camel.bytes();
    let mut is_capital = false;
    for byte in name.bytes() {
        if byte == b'_' {
            is_capital = true;
            continue;
        }
        let wanted = if is_capital { byte.to_ascii_uppercase() } else { byte };
        is_capital = false;
        if camel.next() != Some(wanted) {
            return false;
        }
    }
    camel.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_two_forms() {
        assert!(is_camel("range_end", "rangeEnd"));
        assert!(is_camel("remaining_TTL", "remainingTTL"));
        assert!(!is_camel("range_end", "rangeend"));
        assert!(!is_camel("TTL", "ttl"));
        assert!(!is_camel("key", "keys"));
        assert!(!is_camel("keys", "key"));
    }
}
