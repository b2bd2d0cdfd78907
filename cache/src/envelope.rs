//! Envelopes, which surround the values on a server with times, tags, grant and checksum.
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
//! A part consists of its number (1 byte), the length of its content (2 bytes), and its content. The parts stand in the
//! order of their numbers, each at most once. A part that says nothing is left out.
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
//! Later builds, which share servers with this one, have room for additions. A part with a number from 128 on is a
//! hint: a build that does not know the part skips it. An envelope with an unknown part below 128, or with an unknown
//! flag, counts as an envelope of another version, and no value is read from it.
//!
//! The whole place stands behind the header because a header has at most 65,535 bytes, while a key may have any length.
//!
//! # Hostile bytes
//!
//! The bytes on a server may come from anybody (G7). [`Envelope::decode`] never panics. The only memory that it
//! allocates is room for a compressed value: at most [`SizeLimits::value`], and only after the checksum was found right
//! and the claimed length within its bounds. Tags, place and values that are not compressed are slices of the bytes
//! that were given. Each fault has a name, a [`Why`], and each of them means that there is no value.
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

/// The surroundings of a value on a server, and the value's bytes.
///
/// Schema, format and the whole place of a hashed key are no fields: [`encode`] takes them from the key and writes
/// them, and [`decode`] compares them with the key.
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
    /// The content: a value, absence, or nothing.
    pub content: Content,
    /// When the value was created, in milliseconds since the Unix epoch on the server's clock.
    pub created: u64,
    /// Until when the value is fresh, likewise. A value that never expires has [`FOR_EVER`](Envelope::FOR_EVER) here,
    /// and a value that is stale from the beginning 0.
    pub fresh_until: u64,
    /// How long the creation took. The envelope stores whole microseconds, rounded down, and `u32::MAX` of them (71
    /// minutes) for any longer duration, `Duration::MAX` among them. Zero is zero.
    pub took: Duration,
    /// The grant that is under way, on a backend that keeps it in the entry.
    pub held: Option<Held>,
    /// The pause after a failure, on a backend that keeps it in the entry.
    pub pause: Option<Pause>,
    /// The version of the value.
    pub version: Option<u64>,
    /// The life of the server's data in which the value was stored.
    pub life: Option<u64>,
    /// The lifetime that the server was given for the entry, or `None` if the entry lives for ever or the backend does
    /// not need the lifetime. The envelope stores whole milliseconds, rounded down, and `u64::MAX` of them for any
    /// longer duration. Zero is zero.
    pub ttl: Option<Duration>,
    /// The tags of the value, with the versions that they had at the grant.
    pub tags: Tags,
}

impl Envelope {
    /// The [`fresh_until`](Envelope::fresh_until) of a value that never expires.
    pub const FOR_EVER: u64 = u64::MAX;

    /// Returns an envelope with this content, created at 0, stale, and without any of the parts.
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

/// The content of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A value, as its codec has encoded it. `None` and an empty text are values, too. The bytes of a value may be
    /// empty.
    Value(Bytes),
    /// Absence: a creator has found that there is no value, and the envelope remembers that as it remembers a value.
    Absence,
    /// Neither of them: the entry exists for its grant or its pause only.
    Nothing,
}

/// A grant that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The token of the grant.
    pub token: u64,
    /// How often the holder has renewed its lease. If the beat does not change for a whole lease, then the holder is
    /// dead.
    pub beat: u32,
    /// The lease. The envelope stores whole milliseconds, rounded up, so that for no process the lease ends before it
    /// ends for its holder; and `u32::MAX` of them (49 days) for any longer duration. Zero is zero.
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

/// The largest sizes of an envelope and of its value, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimits {
    /// The size of a whole envelope as it is stored. The backend sets this limit.
    pub stored: usize,
    /// The size of a value's bytes before compression. The limit bounds the memory that a hostile envelope can make
    /// this process allocate. The layout has room for 4 GiB - 1.
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

/// Returns the checksum of an envelope: of all its bytes but the last four of its head, where the checksum stands.
fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..HEAD - 4]);
    hasher.update(&bytes[HEAD..]);
    hasher.finalize()
}
