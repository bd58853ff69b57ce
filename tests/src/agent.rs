//! How a test talks to the agent that it put into the guest: questions and answers on a port.
//!
//! A question is a list of byte strings, the first one a verb; so is an answer. Each list travels as
//! a count and then each string as a length and its bytes, numbers as 32 bits little-endian.
//!
//! | question | answer |
//! |---|---|
//! | `run` PROGRAM ARGUMENT… | `exit N` or `signal N`, standard output, standard error |
//! | `read` PATH | `ok`, content |
//! | `write` PATH CONTENT | `ok` |
//! | anything that goes wrong | `error`, why |

use std::io::{self, Read, Write};

/// The most strings in a list.
const STRINGS_MAX: u32 = 1024;

/// The most bytes in a string: a test that reads more asks the wrong question.
const STRING_BYTES_MAX: u32 = 64 << 20;

/// Writes one list.
///
/// # Errors
/// When the other side is gone, or the list is beyond the limits.
pub fn write_list(to: &mut impl Write, strings: &[&[u8]]) -> io::Result<()> {
    let mut bytes = Vec::new();
    bytes.extend(number(strings.len(), STRINGS_MAX)?);
    for string in strings {
        bytes.extend(number(string.len(), STRING_BYTES_MAX)?);
        bytes.extend_from_slice(string);
    }
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads one list.
///
/// # Errors
/// When the other side is gone, or what comes is beyond the limits.
pub fn read_list(from: &mut impl Read) -> io::Result<Vec<Vec<u8>>> {
    let count = read_number(from, STRINGS_MAX)?;
    let mut strings = Vec::new();
    for _ in 0..count {
        let mut string = vec![0; read_number(from, STRING_BYTES_MAX)?];
        from.read_exact(&mut string)?;
        strings.push(string);
    }
    Ok(strings)
}

fn number(value: usize, max: u32) -> io::Result<[u8; 4]> {
    match u32::try_from(value) {
        Ok(value) if value <= max => Ok(value.to_le_bytes()),
        Ok(_) | Err(_) => Err(beyond(value)),
    }
}

fn read_number(from: &mut impl Read, max: u32) -> io::Result<usize> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    let value = u32::from_le_bytes(bytes);
    let size = usize::try_from(value).map_err(|_| beyond(usize::MAX))?;
    if value > max { Err(beyond(size)) } else { Ok(size) }
}

fn beyond(value: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{value} is beyond the limit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_back_as_it_was_and_limits_hold() {
        let mut bytes = Vec::new();
        write_list(&mut bytes, &[b"run", b"", b"\0\xff"]).unwrap();
        let list = read_list(&mut bytes.as_slice()).unwrap();
        assert_eq!(list, [b"run".to_vec(), vec![], vec![0, 255]]);
        assert!(read_list(&mut [255_u8; 16].as_slice()).is_err());
        assert!(read_list(&mut &bytes[..bytes.len() - 1]).is_err());
    }
}
