//! What surrounds a value on a server: when it was made, until when it is fresh, who creates it anew.
//!
//! # Layout
//!
//! All numbers are little-endian. Times are milliseconds since the Unix epoch, on the server's clock.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | magic: `DC`, `d`, `p`, and the version of this layout, `01` |
//! | 4 | 1 | flags: 1 lz4, 2 absence, 4 held, 8 pause, 16 nothing; the others are 0 |
//! | 5 | 1 | number of the codec's [format](crate::codec::Format) |
//! | 6 | 2 | length of the header: these 40 bytes and the parts |
//! | 8 | 8 | when the value was created |
//! | 16 | 8 | until when it is fresh; all bits set: for ever |
//! | 24 | 4 | how long its creation took, in microseconds; all bits set: 71 minutes or longer |
//! | 28 | 4 | schema of the value's type |
//! | 32 | 4 | length of the value's bytes before compression |
//! | 36 | 4 | crc32 (IEEE) of all bytes of the envelope but these four |
//! | 40 | | the parts |
//! | | | the whole place of a key that is hashed |
//! | | | the payload: the value's bytes, compressed if the flag lz4 is set |
//!
//! Each part is there or not. It has its number (1 byte), the length of its content (2 bytes), and its content. The
//! parts stand in the order of their numbers, each at most once.
//!
//! | number | part | content |
//! |---|---|---|
//! | 1 | grant under way (with the flag held) | token (8), beat (4), lease in milliseconds (4) |
//! | 2 | pause (with the flag pause) | number of failures (4), until when (8) |
//! | 3 | version of the value | 8 |
//! | 4 | life of the server's data | 8 |
//! | 5 | lifetime that the server was given | milliseconds (8) |
//! | 6 | tags | for each: length of its name (2), the name, its version (8) |
//! | 7 | whole place of a hashed key | its length (4); its bytes stand behind the header |
//!
//! Two things leave room for later builds, which share servers with this one. A build skips a part that it does not
//! know if the part's number is 128 or above: such a part is a hint. A build reads nothing of an envelope with an unknown
//! part below 128, or with an unknown flag: such an envelope counts as one of another version.
//!
//! The place stands outside the header since the header has at most 65,535 bytes, and a key any length.
//!
//! # Hostile bytes
//!
//! Anybody who can write to the server can write anything (G7). [`Envelope::decode`] never panics, and allocates nothing
//! but room for a compressed value: after the checksum was found right and the claimed length within the bounds, and
//! never more than [`SizeLimits::value`]. Tags, place and value are slices of the bytes that were given. Whatever is wrong
//! has a name, a [`Why`]. To its caller each of them is the same: there is no value.
//!
//! The checksum finds damage, not malice.

mod compression;
mod decode;
mod encode;
mod tags;
mod why;

pub use self::compression::Compression;
pub use self::encode::EncodeError;
pub use self::tags::{Tags, TagsIter};
pub use self::why::Why;

use bytes::Bytes;
use std::time::Duration;

/// What surrounds a value on a server.
///
/// Schema, format and the whole place of a hashed key are in the envelope's bytes and not here: [`encode`] takes them
/// from the key, and [`decode`] compares them with it.
///
/// ```
/// use bytes::Bytes;
/// use dogpile_cache::codec::{Format, Shape};
/// use dogpile_cache::envelope::{Compression, Content, Envelope, SizeLimits};
/// use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
///
/// let shape = Shape { schema: 3, format: Format::RAW };
/// let key = StoredKey::new(&Namespace::new("page")?, "/index", shape, KeyLimit::NONE);
/// let limits = SizeLimits { stored: 1 << 20, value: 8 << 20 };
///
/// let mut envelope = Envelope::new(Content::Value(Bytes::from_static(b"<html>")));
/// envelope.created = 1_700_000_000_000;
/// envelope.fresh_until = 1_700_000_600_000;
/// let bytes = envelope.encode(&key, limits, Compression::NONE)?;
///
/// assert_eq!(Envelope::decode(&bytes, &key, limits)?, envelope);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`encode`]: Envelope::encode
/// [`decode`]: Envelope::decode
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// What is inside.
    pub content: Content,
    /// When the value was created, in milliseconds since the Unix epoch on the server's clock.
    pub created: u64,
    /// Until when the value is fresh, likewise. [`FOR_EVER`](Envelope::FOR_EVER) is for ever; 0 is stale.
    pub fresh_until: u64,
    /// How long the creation took. Stored in whole microseconds, rounded down; 71 minutes stand for anything longer.
    pub took: Duration,
    /// The grant that is under way, on a backend that keeps it in the entry.
    pub held: Option<Held>,
    /// The pause after a failure, on a backend that keeps it in the entry.
    pub pause: Option<Pause>,
    /// The version of the value.
    pub version: Option<u64>,
    /// The life of the server's data in which the value was stored.
    pub life: Option<u64>,
    /// The lifetime that the server was given for the entry. Stored in whole milliseconds, rounded down. `None`: the
    /// entry lives for ever, or the backend has no need to know.
    pub ttl: Option<Duration>,
    /// The tags of the value, with the versions that they had at the grant.
    pub tags: Tags,
}

impl Envelope {
    /// As [`fresh_until`](Envelope::fresh_until): the value never expires.
    pub const FOR_EVER: u64 = u64::MAX;

    /// Returns an envelope of which nothing is said but the content: created at 0, stale, without any of the parts.
    #[must_use]
    pub fn new(content: Content) -> Envelope {
        Envelope {
            content,
            created: 0,
            fresh_until: 0,
            took: Duration::ZERO,
            held: None,
            pause: None,
            version: None,
            life: None,
            ttl: None,
            tags: Tags::default(),
        }
    }
}

/// What is inside an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A value, as its codec has encoded it. `None` and the empty value are values, and their bytes may be empty.
    Value(Bytes),
    /// The knowledge that there is no such value: what a creator has found, and what is remembered like a value.
    Absence,
    /// Neither: the entry exists for its grant or its pause only.
    Nothing,
}

/// A grant that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The token of the grant.
    pub token: u64,
    /// How often the holder has renewed its lease. A beat that does not change for a whole lease is that of a dead holder.
    pub beat: u32,
    /// The lease. Stored in whole milliseconds, rounded up: others must not end it before its holder does. 49 days stand
    /// for anything longer.
    pub lease: Duration,
}

/// The pause after a failure, in which no creator is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// How many creations in a row have failed.
    pub failures: u32,
    /// When the pause ends, in milliseconds since the Unix epoch on the server's clock.
    pub until: u64,
}

/// How large an envelope and its value may be, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimits {
    /// The envelope with all that belongs to it, as it is stored: what the backend takes.
    pub stored: usize,
    /// The value's bytes, decompressed: what this process is willing to allocate. The layout has room for 4 GiB - 1.
    pub value: usize,
}

const MAGIC: [u8; 3] = [0xDC, b'd', b'p'];
const VERSION: u8 = 1;

/// The bytes of the header without any part.
const HEAD: usize = 40;

mod flags {
    pub const LZ4: u8 = 1;
    pub const ABSENCE: u8 = 2;
    pub const HELD: u8 = 4;
    pub const PAUSE: u8 = 8;
    pub const NOTHING: u8 = 16;
}

mod parts {
    pub const HELD: u8 = 1;
    pub const PAUSE: u8 = 2;
    pub const VERSION: u8 = 3;
    pub const LIFE: u8 = 4;
    pub const TTL: u8 = 5;
    pub const TAGS: u8 = 6;
    pub const PLACE: u8 = 7;
    /// From this number on a build skips what it does not know.
    pub const HINTS: u8 = 128;
}

/// The checksum of an envelope: of its header but the last four bytes of the head, of the parts and of all behind them.
fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..HEAD - 4]);
    hasher.update(&bytes[HEAD..]);
    hasher.finalize()
}
