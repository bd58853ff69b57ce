//! gRPC's five bytes in front of each message.

use super::status::Status;

/// Bytes in front of a message: whether it is compressed, and its size.
pub const PREFIX: usize = 5;

/// Looks for a whole message at the front of what has arrived. Gives its size without the prefix, or
/// nothing yet. A size that is not allowed is refused before a byte of it is kept.
///
/// # Errors
///
/// The message is compressed, or too large.
pub fn look(arrived: &[u8], bytes_max: usize) -> Result<Option<usize>, Status> {
    let Some(([compressed, size @ ..], rest)) = arrived.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    if *compressed != 0 {
        return Err(Status::compressed());
    }
    let bytes = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
    if bytes > bytes_max {
        return Err(Status::too_large(bytes, bytes_max));
    }
    Ok((rest.len() >= bytes).then_some(bytes))
}

/// A message with its prefix.
pub fn wrap(message: &impl prost::Message) -> Vec<u8> {
    let size = message.encoded_len();
    let mut out = Vec::with_capacity(PREFIX + size);
    out.push(0);
    // No answer comes near 4 GiB; one that did could not be sent, and its receiver would refuse it.
    out.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(&message.encode_to_vec());
    out
}
