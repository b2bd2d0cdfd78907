//! Keys, and how they are written into the keys of a backend.
//!
//! # The text of a key
//!
//! A backend stores an entry under a text of one line, which an operator can read, search for and delete by hand:
//!
//! | the key of a region `order` | is stored under |
//! |---|---|
//! | `"anna"` | `order:anna@3.2` |
//! | `7_u64` | `order:7@3.2` |
//! | `("anna", 7)` | `order:anna,7@3.2` |
//! | `("anna", ("de", 7))` | `order:anna,(de,7)@3.2` |
//! | `"50% (new)"` | `order:50%25%20%28new%29@3.2` |
//! | `"größe"` | `order:größe@3.2` |
//! | `b"\xff\n"` | `order:%FF%0A@3.2` |
//! | `""` | `order:%-@3.2` |
//! | `()` | `order:()@3.2` |
//! | `("a",)` | `order:(a)@3.2` |
//! | a text of 300 letters, where 250 bytes are the limit | `order:` and the first letters, `%#`, 64 hexadecimal digits, `@3.2` |
//!
//! That is: the region's name and a colon; the key; an `@`, the schema of the value, a point, and the number of the
//! [format](crate::codec::Format). [`StoredKey`] says what is done with each part.
//!
//! Characters are written as they are, with these exceptions, which become `%XX` for each byte of their UTF-8:
//!
//! - what has a meaning in a key: `%`, `,`, `(`, `)`, and the braces by which a Redis Cluster finds a slot;
//! - what cannot be seen: spaces, control characters (and so line breaks and NUL), marks without width or of direction;
//! - bytes that are not UTF-8.
//!
//! An empty text is `%-`. Nothing is changed beyond that: neither upper case nor Unicode is normalized, so `é` as one
//! character and `é` as two are two keys.
//!
//! # Two keys are never one
//!
//! The writer is injective (G13): the key of a region, of whatever type, can be read back from its text. [`KeyWriter`]
//! says what that asks of a type of one's own. Since the name of a region contains no colon, the keys of two regions
//! differ as well. Only a key that is too long for its backend is hashed, by SHA-256, and is compared when it is read.

mod namespace;
mod stored;
mod types;
mod writer;

pub use self::namespace::{NameError, Namespace};
pub use self::stored::{KeyLimit, StoredKey};
pub use self::writer::{FieldsWriter, KeyWriter, Written};

/// A type whose values are keys of a region.
///
/// Texts, bytes, integers, `bool`, `char`, tuples of up to six keys, `Option`s of keys, and references and smart pointers
/// to keys are keys. Another type becomes one with a few lines: see [`KeyWriter`].
///
/// An implementation has two duties. Values that are not equal must write different items, and values that are equal
/// must write the same one: also in another build, on another machine, and after an upgrade. A type whose text depends
/// on a locale, an address or the order of a `HashMap` is no key.
pub trait Key {
    /// Writes the key as exactly one item. Never blocks.
    fn write(&self, to: KeyWriter<'_>) -> Written;
}

/// Returns the text of a key, without a region's name: the text that `name:` precedes in a [`StoredKey`].
///
/// Never blocks.
#[must_use]
pub fn to_text<K: Key + ?Sized>(key: &K) -> String {
    let mut text = String::new();
    let Written(()) = key.write(KeyWriter::new(&mut text));
    text
}
