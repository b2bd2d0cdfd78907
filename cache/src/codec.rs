//! Codecs, which turn values into bytes and bytes into values.

#[cfg(feature = "json")]
mod json;
mod message_pack;
mod raw;

#[cfg(feature = "json")]
pub use self::json::Json;
pub use self::message_pack::MessagePack;
pub use self::raw::Raw;

use bytes::Bytes;
use std::error::Error;
use std::fmt;

/// Turns values of type `V` into bytes and back.
///
/// | codec | values | use |
/// |---|---|---|
/// | [`MessagePack`] | types of serde; structs by the names of their fields | the default |
/// | `Json` (feature `json`) | types of serde that JSON can express | for values that people or other programs read |
/// | [`Raw`] | `Bytes`, `Vec<u8>` | for values that are bytes already |
///
/// A codec of the user implements this trait and takes a number for its format: [`Format::custom`].
///
/// # Duties of a codec
///
/// - Bytes may come from strangers. `decode` returns an error for bytes that it cannot read. `decode` neither panics
///   nor allocates more than the bytes account for, whatever lengths they claim (G7).
/// - `decode` reads everything that `encode` writes. Otherwise each access would find an entry, fail to read it, and
///   create the value again.
/// - Two builds share entries during a deploy. A format that changes takes another number. A type whose encoding
///   changes takes another schema.
///
/// # `None`, and absence
///
/// A region of `Option<T>` stores `None` as a value like any other: the codec writes `None` and reads `None` back.
/// Absence is another thing: the creator of a region of `T` has found that there is no `T`. No codec sees absence,
/// which is a flag of the [envelope](crate::envelope::Content::Absence), without a payload, and has a lifetime of its
/// own.
///
/// Formats without a mark for "some" cannot tell `Some(None)` from `None`, nor `Some(())` from `None`. MessagePack and
/// JSON are such formats: a region of `Option<Option<T>>` needs a type of its own for its values.
pub trait Codec<V> {
    /// Returns the number of the format, which is part of each stored key and of each envelope. The number of a codec
    /// never changes.
    fn format(&self) -> Format;

    /// Appends the bytes of `value` to `out`, in which other bytes may be already: those of a codec that changes them
    /// count as not encoded. Never blocks.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be encoded. The caller then discards the bytes that were appended.
    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Returns the value that `bytes` encode. Never blocks.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes, as a whole, are not the encoding of a value.
    fn decode(&self, bytes: &Bytes) -> Result<V, CodecError>;

    /// Returns the value that `bytes` encode, as [`decode`](Codec::decode) does, which this calls by default. A codec
    /// whose values keep the bytes takes them here, instead of a share in them. Regions decode by this. Never blocks.
    ///
    /// # Errors
    ///
    /// As of `decode`.
    fn decode_owned(&self, bytes: Bytes) -> Result<V, CodecError> {
        self.decode(&bytes)
    }
}

/// The number of a codec's format. A number is never used for another format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Format(u8);

impl Format {
    /// The format of [`Raw`]: the bytes themselves.
    pub const RAW: Format = Format(1);
    /// The format of [`MessagePack`]: structs are maps by field names.
    pub const MESSAGE_PACK: Format = Format(2);
    /// The format of `Json`.
    pub const JSON: Format = Format(3);

    /// The first number of a user's format; the numbers below it belong to this crate.
    pub const FIRST_CUSTOM: u8 = 128;

    /// Returns the number of a user's format.
    ///
    /// # Panics
    ///
    /// Panics if `number` is below [`FIRST_CUSTOM`](Format::FIRST_CUSTOM). In a `const` that panic is an error of the
    /// compiler.
    #[must_use]
    pub const fn custom(number: u8) -> Format {
        assert!(number >= Format::FIRST_CUSTOM, "the numbers of custom formats are 128 to 255");
        Format(number)
    }

    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// The shape in which the values of a region are stored: schema and format.
///
/// Both are part of each stored key and of each envelope. A build therefore never reads a value that another build has
/// written in another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The number that the user gives to the value's type. The type takes another number when it changes so that an
    /// older build could not read it, or that this build could not read values of an older one.
    pub schema: u32,
    /// The codec's format.
    pub format: Format,
}

/// A value could not be encoded, or bytes could not be decoded.
#[derive(Debug)]
pub struct CodecError(Box<dyn Error + Send + Sync>);

impl CodecError {
    /// Wraps an error, or a message.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> CodecError {
        CodecError(error.into())
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the codec failed")
    }
}

impl Error for CodecError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
