//! From an envelope to bytes.

use crate::envelope::{Compression, Content, Envelope, HEAD, MAGIC, SizeLimits, VERSION, checksum, flags, parts};
use crate::key::StoredKey;
use bytes::Bytes;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// An envelope is too large to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The value, or the whole envelope, has `size` bytes, and the limit is `limit`.
    TooLarge {
        /// The size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The header would have `size` bytes or more, and at most 65,535 are possible: there are too many tags.
    HeaderTooLarge {
        /// The size in bytes.
        size: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::TooLarge { size, limit } => {
                write!(f, "the entry has {size} bytes, and at most {limit} are allowed")
            }
            EncodeError::HeaderTooLarge { size } => {
                write!(f, "the tags of the entry take {size} bytes, and at most {} are possible", u16::MAX)
            }
        }
    }
}

impl Error for EncodeError {}

/// The bytes of an envelope that there is room for at once.
const USUAL: usize = 256;

impl SizeLimits {
    /// Returns the longest value, in bytes.
    fn longest_value(self) -> usize {
        self.value.min(u32::MAX as usize)
    }
}

impl Envelope {
    /// Returns the bytes to store under `key`. Never blocks.
    ///
    /// # Errors
    ///
    /// Returns an [`EncodeError`] if the value, or the envelope as a whole, is larger than `limits` allow. The caller
    /// must not try nevertheless: a memcached that refuses an item for its size deletes the item that was there.
    pub fn encode(&self, key: &StoredKey, limits: SizeLimits, compression: Compression) -> Result<Bytes, EncodeError> {
        let value: &[u8] = if let Content::Value(value) = &self.content { value } else { &[] };
        let most = limits.longest_value();
        if value.len() > most {
            return Err(EncodeError::TooLarge { size: value.len(), limit: most });
        }
        let write = |out: &mut Vec<u8>| {
            out.reserve_exact(value.len());
            out.extend_from_slice(value);
            Ok::<_, Infallible>(())
        };
        match self.encode_by(key, limits, compression, write) {
            Ok(encoded) => encoded,
            Err(never) => match never {},
        }
    }

    /// As [`encode`](Envelope::encode), with the value that `write` appends instead of the content's bytes: so a large
    /// value is written once, where it is sent from. The outer error is that of `write`.
    pub(crate) fn encode_by<E>(
        &self,
        key: &StoredKey,
        limits: SizeLimits,
        compression: Compression,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Result<Bytes, EncodeError>, E> {
        let mut out = Vec::with_capacity(USUAL);
        out.resize(HEAD, 0);
        self.parts(key, &mut out);
        let Ok(header) = u16::try_from(out.len()) else {
            return Ok(Err(EncodeError::HeaderTooLarge { size: out.len() }));
        };
        if key.is_hashed() {
            out.extend_from_slice(key.whole().as_bytes());
        }
        let before = out.len();
        write(&mut out)?;

        let (size, most) = (out.len() - before, limits.longest_value());
        let length = match u32::try_from(size) {
            Ok(length) if size <= most => length,
            _ => return Ok(Err(EncodeError::TooLarge { size, limit: most })),
        };
        let compressed = compression.compress(&out[before..]);
        if let Some(compressed) = &compressed {
            out.truncate(before);
            out.extend_from_slice(compressed);
        }
        if out.len() > limits.stored {
            return Ok(Err(EncodeError::TooLarge { size: out.len(), limit: limits.stored }));
        }

        out[..3].copy_from_slice(&MAGIC);
        out[3] = VERSION;
        out[4] = self.flags(compressed.is_some());
        out[5] = key.shape().format.number();
        out[6..8].copy_from_slice(&header.to_le_bytes());
        out[8..16].copy_from_slice(&self.created.to_le_bytes());
        out[16..24].copy_from_slice(&self.fresh_until.to_le_bytes());
        out[24..28].copy_from_slice(&saturated(self.took.as_micros()).to_le_bytes());
        out[28..32].copy_from_slice(&key.shape().schema.to_le_bytes());
        out[32..36].copy_from_slice(&length.to_le_bytes());
        let checksum = checksum(&out);
        out[36..HEAD].copy_from_slice(&checksum.to_le_bytes());
        Ok(Ok(out.into()))
    }

    fn flags(&self, compressed: bool) -> u8 {
        let content = match self.content {
            Content::Value(_) => 0,
            Content::Absence => flags::ABSENCE,
            Content::Nothing => flags::NOTHING,
        };
        let flag = |is_set: bool, flag| if is_set { flag } else { 0 };
        content
            | flag(compressed, flags::LZ4)
            | flag(self.held.is_some(), flags::HELD)
            | flag(self.pause.is_some(), flags::PAUSE)
    }

    fn parts(&self, key: &StoredKey, out: &mut Vec<u8>) {
        if let Some(held) = self.held {
            let lease = saturated(held.lease.as_nanos().div_ceil(1_000_000));
            let content = [&held.token.to_le_bytes()[..], &held.beat.to_le_bytes(), &lease.to_le_bytes()];
            part(out, parts::HELD, &content);
        }
        if let Some(pause) = self.pause {
            part(out, parts::PAUSE, &[&pause.failures.to_le_bytes(), &pause.until.to_le_bytes()]);
        }
        if let Some(version) = self.version {
            part(out, parts::VERSION, &[&version.to_le_bytes()]);
        }
        if let Some(life) = self.life {
            part(out, parts::LIFE, &[&life.to_le_bytes()]);
        }
        if let Some(ttl) = self.ttl {
            part(out, parts::TTL, &[&milliseconds(ttl).to_le_bytes()]);
        }
        if !self.tags.is_empty() {
            part(out, parts::TAGS, &[self.tags.as_bytes()]);
        }
        if key.is_hashed() {
            let length = u32::try_from(key.whole().len()).unwrap_or(u32::MAX);
            part(out, parts::PLACE, &[&length.to_le_bytes()]);
        }
    }
}

/// Appends a part. (`Tags` has at most 65,535 bytes, and no other part comes near.)
fn part(out: &mut Vec<u8>, number: u8, content: &[&[u8]]) {
    out.push(number);
    let at = out.len();
    out.extend_from_slice(&[0; 2]);
    for bytes in content {
        out.extend_from_slice(bytes);
    }
    let length = u16::try_from(out.len() - at - 2).expect("a part is bounded");
    out[at..at + 2].copy_from_slice(&length.to_le_bytes());
}

fn saturated(number: u128) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
