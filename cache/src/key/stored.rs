//! The key under which a backend stores an entry.

use crate::codec::Shape;
use crate::key::writer::hex;
use crate::key::{Key, KeyWriter, Namespace, Written};
use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// How many bytes of a key a backend takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLimit(usize);

impl KeyLimit {
    /// No limit: no key is hashed.
    pub const NONE: KeyLimit = KeyLimit(usize::MAX);

    /// The smallest limit: the longest [name](Namespace::LONGEST), its colon, the hash and the longest suffix.
    pub const SMALLEST: usize = Namespace::LONGEST + 1 + HASH + SUFFIX;

    /// A limit in bytes.
    ///
    /// # Panics
    ///
    /// Panics if `limit` is below [`SMALLEST`](KeyLimit::SMALLEST). In a `const`, where a backend keeps its limit, that
    /// is an error of the compiler.
    #[must_use]
    pub const fn bytes(limit: usize) -> KeyLimit {
        assert!(limit >= KeyLimit::SMALLEST, "a limit of keys leaves no room for a name and a hash");
        KeyLimit(limit)
    }
}

/// The bytes of the mark and of SHA-256 in hexadecimal digits.
const HASH: usize = 2 + 64;

/// The mark before a hash. No escape looks like the mark, so no key that is written in full contains it.
const MARK: &str = "%#";

/// The bytes of the longest suffix: `@4294967295.255`.
const SUFFIX: usize = 1 + 10 + 1 + 3;

/// The bytes of a key that there is room for at once.
const USUAL: usize = 32;

/// The key under which a backend stores an entry: the *place*, and behind it the shape of the value.
///
/// ```
/// use dogpile_cache::codec::{Format, Shape};
/// use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
///
/// let orders = Namespace::new("order")?;
/// let shape = Shape { schema: 3, format: Format::MESSAGE_PACK };
/// let key = StoredKey::new(&orders, &("anna", 7), shape, KeyLimit::bytes(250));
///
/// assert_eq!(key.place(), "order:anna,7");
/// assert_eq!(key.full(), "order:anna,7@3.2");
/// # Ok::<(), dogpile_cache::key::NameError>(())
/// ```
///
/// # Place and shape
///
/// The full key contains schema and format. Two builds that share a server during a deploy therefore do not overwrite
/// each other's entries, and neither build reads an entry that it cannot understand (G7).
///
/// The place contains neither of them, and a backend chooses slot and server by the place. Entries of all shapes, lease
/// and tombstone of a key then lie together. There are two reasons. A script on a Redis Cluster can change several keys
/// at once only if they are in one slot. An invalidation deletes the entries of its own schema and of those beside it;
/// it reaches all of them on one server, whichever build it comes from. The place of a key that is hashed is also the
/// same for all shapes, since the limit is reduced by the longest suffix and not by the suffix of the shape.
///
/// A backend that needs more keys for a place appends suffixes of its own. A suffix that begins with `@` and a letter
/// is never the suffix of an entry.
///
/// # Hashed keys
///
/// A place that is too long for the limit becomes a readable prefix, `%#`, and the SHA-256 of the place in hexadecimal
/// digits. [`is_hashed`](StoredKey::is_hashed) then returns `true`. The envelope of the entry carries the whole place,
/// and an envelope with another place is no value (G13).
#[derive(Clone, Debug)]
pub struct StoredKey {
    full: String,
    place: usize,
    /// The place as it was before it was hashed.
    whole: Option<Arc<str>>,
    shape: Shape,
}

impl StoredKey {
    /// Writes the key of an entry. Never blocks.
    #[must_use]
    pub fn new<K: Key + ?Sized>(namespace: &Namespace, key: &K, shape: Shape, limit: KeyLimit) -> StoredKey {
        let name = namespace.name();
        let mut place = String::with_capacity(name.len() + 1 + USUAL + SUFFIX);
        place.push_str(name);
        place.push(':');
        let Written(()) = key.write(KeyWriter::new(&mut place));
        // The longest suffix, not the suffix of this shape: the place must not depend on the schema.
        let room = limit.0 - SUFFIX;
        let whole = (place.len() > room).then(|| {
            let hashed = hashed(&place, room);
            Arc::from(std::mem::replace(&mut place, hashed))
        });
        StoredKey::with_suffix(place, whole, shape)
    }

    fn with_suffix(mut full: String, whole: Option<Arc<str>>, shape: Shape) -> StoredKey {
        let place = full.len();
        full.push('@');
        append(shape.schema, &mut full);
        full.push('.');
        append(u32::from(shape.format.number()), &mut full);
        StoredKey { full, place, whole, shape }
    }

    /// Returns the key of the same place in another shape.
    #[must_use]
    pub fn in_shape(&self, shape: Shape) -> StoredKey {
        StoredKey::with_suffix(self.place().to_owned(), self.whole.clone(), shape)
    }

    /// Returns the key of the entry.
    ///
    /// The key contains no space and no control character, so that every protocol takes it as it is.
    #[must_use]
    pub fn full(&self) -> &str {
        &self.full
    }

    /// Returns the part of the full key that decides slot and server: the key without schema and format.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.full[..self.place]
    }

    /// Returns the place as it is without a limit: for a hashed key the text that was hashed, otherwise the place.
    #[must_use]
    pub fn whole(&self) -> &str {
        self.whole.as_deref().unwrap_or(self.place())
    }

    /// Returns whether the key was too long for its limit, and the place ends in a hash.
    #[must_use]
    pub fn is_hashed(&self) -> bool {
        self.whole.is_some()
    }

    /// Returns the shape of the entry's value.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }
}

/// Appends a number. Most schemas and formats are one digit.
fn append(number: u32, out: &mut String) {
    match u8::try_from(number) {
        Ok(digit @ 0..=9) => out.push(char::from(b'0' + digit)),
        _ => out.push_str(itoa::Buffer::new().format(number)),
    }
}

/// Two keys are equal if they name the same entry. Hashed keys must have the same whole place, too.
impl PartialEq for StoredKey {
    fn eq(&self, other: &StoredKey) -> bool {
        self.full == other.full && self.whole == other.whole
    }
}

impl Eq for StoredKey {}

impl Hash for StoredKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.full.hash(state);
    }
}

/// The bounded form of a place: as much of it as there is room for, and its hash.
fn hashed(place: &str, room: usize) -> String {
    let longest = room - HASH;
    let mut prefix = (0..=longest).rfind(|at| place.is_char_boundary(*at)).expect("0 is a boundary");
    // Not half an escape.
    if let Some(at) = place[..prefix].rfind('%')
        && prefix - at < 3
    {
        prefix = at;
    }
    let mut out = String::with_capacity(prefix + HASH);
    out.push_str(&place[..prefix]);
    out.push_str(MARK);
    for byte in Sha256::digest(place.as_bytes()) {
        hex(byte, b"0123456789abcdef", &mut out);
    }
    out
}
