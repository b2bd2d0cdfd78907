//! From bytes to an envelope, whatever the bytes are.

use crate::envelope::{
    Content, Envelope, HEAD, Held, MAGIC, Pause, SizeLimits, Tags, VERSION, Why, checksum, compression, flags, parts,
};
use crate::key::StoredKey;
use bytes::Bytes;
use std::time::Duration;

impl Envelope {
    /// Returns the envelope that was stored under `key`. Never blocks.
    ///
    /// The tags are a slice of `bytes`, and so is a value that is not compressed.
    ///
    /// # Errors
    ///
    /// Returns the fault of the bytes, a [`Why`], if they are no envelope, or not one of this key.
    pub fn decode(bytes: &Bytes, key: &StoredKey, limits: SizeLimits) -> Result<Envelope, Why> {
        let (head, header) = checked_head(bytes, limits)?;

        // The checksum covers all that follows. A fault found here is therefore no damage: another build, or a
        // stranger, wrote it.
        let set = head[4];
        if set & !(flags::LZ4 | flags::ABSENCE | flags::HELD | flags::PAUSE | flags::NOTHING) != 0 {
            return Err(Why::OtherVersion);
        }
        let mut envelope = Envelope::new(Content::Nothing);
        let place = read_parts(bytes, &bytes[HEAD..header], &mut envelope)?;
        if (set & flags::HELD != 0) != envelope.held.is_some() || (set & flags::PAUSE != 0) != envelope.pause.is_some()
        {
            return Err(Why::Malformed);
        }
        if u32::from_le_bytes(field(head, 28)) != key.shape().schema {
            return Err(Why::OtherSchema);
        }
        if head[5] != key.shape().format.number() {
            return Err(Why::OtherFormat);
        }

        let behind = &bytes[header..];
        let payload = match place {
            None if key.is_hashed() => return Err(Why::OtherKey),
            None => behind,
            Some(length) => {
                let length = usize::try_from(length).map_err(|_| Why::Malformed)?;
                let (place, payload) = behind.split_at_checked(length).ok_or(Why::Malformed)?;
                if place != key.whole().as_bytes() {
                    return Err(Why::OtherKey);
                }
                payload
            }
        };

        let length = u32::from_le_bytes(field(head, 32));
        envelope.content = content(bytes, payload, set, length, limits)?;
        envelope.created = u64::from_le_bytes(field(head, 8));
        envelope.fresh_until = u64::from_le_bytes(field(head, 16));
        envelope.took = Duration::from_micros(u64::from(u32::from_le_bytes(field(head, 24))));
        Ok(envelope)
    }
}

/// Returns the head of an envelope whose checksum is right, and the length of its header, which is within the bytes.
fn checked_head(bytes: &[u8], limits: SizeLimits) -> Result<(&[u8; HEAD], usize), Why> {
    let magic = bytes.len().min(MAGIC.len());
    if bytes[..magic] != MAGIC[..magic] {
        return Err(Why::Foreign);
    }
    if bytes.get(3).is_some_and(|version| *version != VERSION) {
        return Err(Why::OtherVersion);
    }
    let head: &[u8; HEAD] = bytes.first_chunk().ok_or(Why::Truncated)?;
    if bytes.len() > limits.stored {
        return Err(Why::TooLarge);
    }
    let header = usize::from(u16::from_le_bytes(field(head, 6)));
    if checksum(bytes) != u32::from_le_bytes(field(head, 36)) {
        // Cut off, or damaged? The lengths tell, as far as they can be believed, if the value is not compressed.
        let value = if head[4] & flags::LZ4 == 0 { u64::from(u32::from_le_bytes(field(head, 32))) } else { 0 };
        let cut_off = (bytes.len() as u64) < header as u64 + value;
        return Err(if cut_off { Why::Truncated } else { Why::Checksum });
    }
    if !(HEAD..=bytes.len()).contains(&header) {
        return Err(Why::Malformed);
    }
    Ok((head, header))
}

/// Reads the parts into `envelope`, and returns the length of the whole place, if there is one.
fn read_parts(bytes: &Bytes, mut rest: &[u8], envelope: &mut Envelope) -> Result<Option<u32>, Why> {
    let (mut last, mut place) = (0, None);
    while let Some((number, behind)) = rest.split_first() {
        let (length, behind) = behind.split_first_chunk().ok_or(Why::Malformed)?;
        let length = usize::from(u16::from_le_bytes(*length));
        let (content, behind) = behind.split_at_checked(length).ok_or(Why::Malformed)?;
        if *number <= last {
            return Err(Why::Malformed);
        }
        match *number {
            parts::HELD => {
                let content: &[u8; 16] = exactly(content)?;
                envelope.held = Some(Held {
                    token: u64::from_le_bytes(field(content, 0)),
                    beat: u32::from_le_bytes(field(content, 8)),
                    lease: Duration::from_millis(u64::from(u32::from_le_bytes(field(content, 12)))),
                });
            }
            parts::PAUSE => {
                let content: &[u8; 12] = exactly(content)?;
                envelope.pause = Some(Pause {
                    failures: u32::from_le_bytes(field(content, 0)),
                    until: u64::from_le_bytes(field(content, 4)),
                });
            }
            parts::VERSION => envelope.version = Some(u64::from_le_bytes(*exactly(content)?)),
            parts::LIFE => envelope.life = Some(u64::from_le_bytes(*exactly(content)?)),
            parts::TTL => envelope.ttl = Some(Duration::from_millis(u64::from_le_bytes(*exactly(content)?))),
            parts::TAGS => envelope.tags = Tags::read(bytes.slice_ref(content)).ok_or(Why::Malformed)?,
            parts::PLACE => place = Some(u32::from_le_bytes(*exactly(content)?)),
            parts::HINTS.. => {}
            _ => return Err(Why::OtherVersion),
        }
        (last, rest) = (*number, behind);
    }
    Ok(place)
}

/// Returns the content. This is the one place where memory is allocated, after all bounds have been checked.
fn content(bytes: &Bytes, payload: &[u8], set: u8, length: u32, limits: SizeLimits) -> Result<Content, Why> {
    if set & (flags::ABSENCE | flags::NOTHING) != 0 {
        let bare = set & flags::LZ4 == 0 && payload.is_empty() && length == 0;
        return match set & (flags::ABSENCE | flags::NOTHING) {
            flags::ABSENCE if bare => Ok(Content::Absence),
            flags::NOTHING if bare => Ok(Content::Nothing),
            _ => Err(Why::Malformed),
        };
    }
    if set & flags::LZ4 == 0 {
        return match usize::try_from(length) {
            Ok(length) if length > limits.value => Err(Why::TooLarge),
            Ok(length) if length == payload.len() => Ok(Content::Value(bytes.slice_ref(payload))),
            _ => Err(Why::Malformed),
        };
    }
    // A byte of lz4 stands for 255 bytes at most.
    if u64::from(length) > 255 * payload.len() as u64 {
        return Err(Why::Bomb);
    }
    match usize::try_from(length) {
        Ok(length) if length <= limits.value => compression::decompress(payload, length).map(Content::Value),
        _ => Err(Why::TooLarge),
    }
}

/// Returns the bytes of a field at a known place.
fn field<const M: usize, const N: usize>(of: &[u8; M], at: usize) -> [u8; N] {
    of[at..at + N].try_into().expect("N bytes are N bytes")
}

/// Returns the content of a part that has a known length.
fn exactly<const N: usize>(content: &[u8]) -> Result<&[u8; N], Why> {
    content.try_into().map_err(|_| Why::Malformed)
}
