//! Envelopes: their bytes are settled, they are read back as they were stored, and no other bytes do harm (G7, G13,
//! S79, S80, S82).

mod fuzz;
mod golden;
mod round_trip;
mod whys;

use bytes::Bytes;
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::envelope::{Compression, Content, Envelope, Held, Pause, SizeLimits, Tags};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use std::time::Duration;

const SHAPE: Shape = Shape { schema: 0x0403_0201, format: Format::MESSAGE_PACK };
const LIMITS: SizeLimits = SizeLimits { stored: 1 << 20, value: 1 << 20 };

fn key(text: &str) -> StoredKey {
    StoredKey::new(&Namespace::new("page").expect("a name"), text, SHAPE, KeyLimit::bytes(KeyLimit::SMALLEST))
}

/// A key that is too long for its limit.
fn hashed_key() -> StoredKey {
    let key = key(&"k".repeat(150));
    assert!(key.is_hashed());
    key
}

/// An envelope with every part.
fn full() -> Envelope {
    let mut envelope = Envelope::new(Content::Value(Bytes::from_static(b"payload")));
    envelope.created = 0x0102_0304_0506_0708;
    envelope.fresh_until = 0x1112_1314_1516_1718;
    envelope.took = Duration::from_micros(0x2122_2324);
    envelope.held = Some(Held { token: 0x3132_3334_3536_3738, beat: 0x4142_4344, lease: Duration::from_secs(10) });
    envelope.pause = Some(Pause { failures: 3, until: 0x5152_5354_5556_5758 });
    envelope.version = Some(0x6162_6364_6566_6768);
    envelope.life = Some(0x7172_7374_7576_7778);
    envelope.ttl = Some(Duration::from_millis(0x0081_8283_8485_8687));
    envelope.tags = Tags::new([("catalog", 1), ("", u64::MAX)]).expect("few tags");
    envelope
}

fn value(bytes: &[u8]) -> Envelope {
    Envelope::new(Content::Value(Bytes::copy_from_slice(bytes)))
}

fn encode(envelope: &Envelope, key: &StoredKey) -> Vec<u8> {
    envelope.encode(key, LIMITS, Compression::NONE).expect("small enough").to_vec()
}

/// Compresses what is longer than 16 bytes, where the feature allows it.
fn compression() -> Compression {
    #[cfg(feature = "lz4")]
    return Compression::lz4_above(16);
    #[cfg(not(feature = "lz4"))]
    return Compression::NONE;
}

/// Makes the checksum right, so that what is wrong otherwise is met.
fn reseal(bytes: &mut [u8]) {
    if bytes.len() >= 40 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&bytes[..36]);
        hasher.update(&bytes[40..]);
        bytes[36..40].copy_from_slice(&hasher.finalize().to_le_bytes());
    }
}
