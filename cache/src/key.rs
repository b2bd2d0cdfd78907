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
//! | 300 letters, with a limit of 250 bytes | `order:`, the first letters, `%#`, 64 hexadecimal digits, `@3.2` |
//!
//! The stored key consists of the region's name and a colon; the key; an `@`, the schema of the value, a point, and the
//! number of the [format](crate::codec::Format). [`StoredKey`] explains the use of each part.
//!
//! Characters are written as they are, with these exceptions, which become `%XX` for each byte of their UTF-8:
//!
//! - characters with a meaning in a key: `%`, `,`, `(`, `)`, and the braces by which a Redis Cluster finds a slot;
//! - invisible characters: spaces, control characters (line breaks and NUL among them), marks without width or of
//!   direction;
//! - bytes that are not UTF-8.
//!
//! An empty text is `%-`. Nothing else is changed. In particular, neither upper case nor Unicode is normalized: `é` as
//! one character and `é` as two are two keys.
//!
//! # Two keys are never one
//!
//! The writer is injective (G13): two different keys of a type have different texts. [`KeyWriter`] states the
//! conditions for types of users. The name of a region contains no colon, so the keys of two regions differ as well. A
//! key that is too long for its backend is hashed by SHA-256. The entry then carries the whole key, which is compared
//! at each look.

mod namespace;
mod stored;
mod types;
mod writer;

pub use self::namespace::{NameError, Namespace};
pub use self::stored::{KeyLimit, StoredKey};
pub use self::writer::{FieldsWriter, KeyWriter, Written};

/// A type whose values are keys of a region.
///
/// Texts, bytes, integers, `bool`, `char`, tuples of up to six keys, `Option`s of keys, and references and smart
/// pointers to keys implement the trait. A type of the user implements it with a few lines: see [`KeyWriter`].
///
/// An implementation has two duties. Values that are not equal must write different items. Values that are equal must
/// write the same item, also in another build, on another machine, and after an upgrade: the item must not depend on a
/// locale, on an address, or on the order of a `HashMap`.
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
