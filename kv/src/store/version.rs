//! One version of a key in as few bytes as it needs: numbers as varints, then the value. A key with one
//! version costs one block of memory beside its name.

/// A packed version.
pub(crate) type Packed = Box<[u8]>;

/// A version, unpacked. `value` points into the packed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Version<'a> {
    /// Revision, and number of the change within it.
    pub(crate) main: i64,
    pub(crate) sub: u32,
    pub(crate) create: i64,
    /// How many puts; zero means that the key is deleted by this version.
    pub(crate) version: i64,
    pub(crate) lease: i64,
    pub(crate) value: &'a [u8],
}

impl<'a> Version<'a> {
    pub(crate) fn is_deletion(&self) -> bool {
        self.version == 0
    }

    pub(crate) fn pack(&self) -> Packed {
        let mut head = Vec::with_capacity(48);
        for number in [
            self.main.cast_unsigned(),
            u64::from(self.sub),
            self.main.wrapping_sub(self.create).cast_unsigned(),
            self.version.cast_unsigned(),
            self.lease.cast_unsigned(),
        ] {
            push_varint(&mut head, number);
        }
        let mut packed = Vec::with_capacity(head.len() + self.value.len());
        packed.extend_from_slice(&head);
        packed.extend_from_slice(self.value);
        packed.into_boxed_slice()
    }

    pub(crate) fn unpack(packed: &'a [u8]) -> Self {
        let mut rest = packed;
        let main = take_varint(&mut rest).cast_signed();
        let sub = u32::try_from(take_varint(&mut rest)).unwrap_or(u32::MAX);
        let create = main.wrapping_sub(take_varint(&mut rest).cast_signed());
        let version = take_varint(&mut rest).cast_signed();
        let lease = take_varint(&mut rest).cast_signed();
        Self { main, sub, create, version, lease, value: rest }
    }
}

/// The revision of a packed version, without the rest.
pub(crate) fn main_of(packed: &[u8]) -> i64 {
    take_varint(&mut &*packed).cast_signed()
}

fn push_varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

fn take_varint(from: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let Some((byte, rest)) = from.split_first() else { break };
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_survives_packing() {
        for number in [1, 127, 128, 300, i64::MAX] {
            let version = Version {
                main: number,
                sub: 7,
                create: 1,
                version: number,
                lease: -number,
                value: b"value",
            };
            let packed = version.pack();
            assert_eq!(Version::unpack(&packed), version);
            assert_eq!(main_of(&packed), number);
        }
    }

    #[test]
    fn a_young_key_costs_few_bytes() {
        let version = Version { main: 100_000, create: 100_000, version: 1, ..Version::default() };
        assert_eq!(version.pack().len(), 7);
    }

    #[test]
    fn foreign_bytes_do_no_harm() {
        assert_eq!(Version::unpack(&[]), Version::default());
        let _ = Version::unpack(&[0xff; 40]);
    }
}
