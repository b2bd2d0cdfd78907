//! From bytes to an envelope, whatever the bytes are.

use crate::envelope::{
    Content, Envelope, HEAD, Held, MAGIC, Pause, SizeLimits, Tags, VERSION, Why, checksum, compression, flags, parts,
};
use crate::key::StoredKey;
use bytes::{Buf, Bytes};
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
        let mut envelope = Envelope::new(Content::Nothing);
        if let Some(payload) = envelope.read(bytes, key, limits)? {
            envelope.content = Content::Value(bytes.slice_ref(payload));
        }
        Ok(envelope)
    }

    /// As [`decode`](Self::decode), of bytes that nobody else needs, into an envelope of nothing: a value that is not
    /// compressed is what is left of the bytes, without another share in their memory.
    ///
    /// After an error the envelope is of no use. (It is large, and not moved.)
    pub(crate) fn decode_whole(&mut self, mut bytes: Bytes, key: &StoredKey, limits: SizeLimits) -> Result<(), Why> {
        if let Some(payload) = self.read(&bytes, key, limits)? {
            // A payload stands at the end.
            let before = bytes.len() - payload.len();
            bytes.advance(before);
            self.content = Content::Value(bytes);
        }
        Ok(())
    }

    /// Reads all but a value that is not compressed, and returns the bytes of that.
    fn read<'a>(&mut self, bytes: &'a Bytes, key: &StoredKey, limits: SizeLimits) -> Result<Option<&'a [u8]>, Why> {
        let (head, header) = checked_head(bytes, limits)?;

        // The checksum covers all that follows. A fault found here is therefore no damage: another build, or a
        // stranger, wrote it.
        let set = head[4];
        if set & !(flags::LZ4 | flags::ABSENCE | flags::HELD | flags::PAUSE | flags::NOTHING) != 0 {
            return Err(Why::OtherVersion);
        }
        let place = read_parts(bytes, &bytes[HEAD..header], self)?;
        if (set & flags::HELD != 0) != self.held.is_some() || (set & flags::PAUSE != 0) != self.pause.is_some() {
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
        let payload = match content(payload, set, length, limits)? {
            Stored::Plain(payload) => Some(payload),
            Stored::Content(content) => {
                self.content = content;
                None
            }
        };
        self.created = u64::from_le_bytes(field(head, 8));
        self.fresh_until = u64::from_le_bytes(field(head, 16));
        self.took = Duration::from_micros(u64::from(u32::from_le_bytes(field(head, 24))));
        Ok(payload)
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

/// A content as it is stored.
enum Stored<'a> {
    /// A value that is not compressed.
    Plain(&'a [u8]),
    Content(Content),
}

/// Returns the content. This is the one place where memory is allocated, after all bounds have been checked.
fn content(payload: &[u8], set: u8, length: u32, limits: SizeLimits) -> Result<Stored<'_>, Why> {
    if set & (flags::ABSENCE | flags::NOTHING) != 0 {
        let bare = set & flags::LZ4 == 0 && payload.is_empty() && length == 0;
        return match set & (flags::ABSENCE | flags::NOTHING) {
            flags::ABSENCE if bare => Ok(Stored::Content(Content::Absence)),
            flags::NOTHING if bare => Ok(Stored::Content(Content::Nothing)),
            _ => Err(Why::Malformed),
        };
    }
    if set & flags::LZ4 == 0 {
        return match usize::try_from(length) {
            Ok(length) if length > limits.value => Err(Why::TooLarge),
            Ok(length) if length == payload.len() => Ok(Stored::Plain(payload)),
            _ => Err(Why::Malformed),
        };
    }
    // A byte of lz4 stands for 255 bytes at most.
    if u64::from(length) > 255 * payload.len() as u64 {
        return Err(Why::Bomb);
    }
    match usize::try_from(length) {
        Ok(length) if length <= limits.value => {
            compression::decompress(payload, length).map(|value| Stored::Content(Content::Value(value)))
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Format, Shape};
    use crate::envelope::Compression;
    use crate::key::{KeyLimit, Namespace};

    const LIMITS: SizeLimits = SizeLimits { stored: 1 << 20, value: 1 << 20 };

    const COMPRESSIONS: &[Compression] = &[
        Compression::NONE,
        #[cfg(feature = "lz4")]
        Compression::lz4_above(16),
    ];

    fn key(name: &str) -> StoredKey {
        let limit = KeyLimit::bytes(KeyLimit::SMALLEST);
        StoredKey::new(&Namespace::new("order").unwrap(), name, Shape { schema: 3, format: Format::RAW }, limit)
    }

    fn full(content: Content) -> Envelope {
        let mut envelope = Envelope::new(content);
        (envelope.created, envelope.fresh_until, envelope.version) = (7, 8, Some(9));
        envelope
    }

    fn whole(bytes: Bytes, key: &StoredKey) -> Result<Envelope, Why> {
        let mut envelope = Envelope::new(Content::Nothing);
        envelope.decode_whole(bytes, key, LIMITS).map(|()| envelope)
    }

    #[test]
    fn bytes_that_nobody_else_needs_are_read_as_all_others() {
        let text = Bytes::from("value".repeat(100));
        for content in [Content::Value(text), Content::Value(Bytes::new()), Content::Absence, Content::Nothing] {
            for name in ["7".to_owned(), "7".repeat(1000)] {
                for compression in COMPRESSIONS {
                    let (key, envelope) = (key(&name), full(content.clone()));
                    let bytes = envelope.encode(&key, LIMITS, *compression).unwrap();
                    assert_eq!(Envelope::decode(&bytes, &key, LIMITS).as_ref(), Ok(&envelope));
                    assert_eq!(whole(bytes.clone(), &key), Ok(envelope));
                    let cut_off = bytes.slice(..bytes.len() - 1);
                    let why = Envelope::decode(&cut_off, &key, LIMITS);
                    assert!(why.is_err());
                    assert_eq!(whole(cut_off, &key), why);
                }
            }
        }
    }

    /// A hit copies nothing: its value lies where the reply has it.
    #[test]
    fn a_value_is_what_is_left_of_the_bytes() {
        let key = key("7");
        let bytes = full(Content::Value(Bytes::from_static(b"value"))).encode(&key, LIMITS, Compression::NONE).unwrap();
        let bytes = Bytes::from(bytes.to_vec());
        let end = bytes.as_ptr_range().end;
        let Content::Value(value) = whole(bytes, &key).unwrap().content else { panic!("a value") };
        assert_eq!(value.as_ptr_range().end, end);
    }
}
