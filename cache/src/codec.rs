//! Codecs: how a value becomes bytes, and bytes a value.

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
/// | codec | values | goes well with |
/// |---|---|---|
/// | [`MessagePack`] | any that serde knows, structs by the names of their fields | everything; it is the default |
/// | `Json` (feature `json`) | any that serde knows and JSON can express | values that are read by eye or by another program |
/// | [`Raw`] | `Bytes`, `Vec<u8>` | values that are bytes already |
///
/// A codec of one's own implements this trait and takes a number for its format: [`Format::custom`].
///
/// # What a codec must do
///
/// - Bytes come from strangers: `decode` returns an error for what it cannot read. It neither panics nor allocates more
///   than the bytes account for, whatever lengths they claim (G7).
/// - `decode` reads what `encode` wrote. Otherwise each access would find an entry, fail to read it, and create again.
/// - Two builds share entries during a deploy. A format that changes takes another number, and a type whose encoding
///   changes takes another schema.
///
/// # `None`, and absence
///
/// A region of `Option<T>` stores `None` as a value like any other: the codec writes it, and reads it back as `None`.
/// Absence is something else: the creator of a region of `T` found that there is no `T`. No codec sees absence. It is
/// a flag of the [envelope](crate::envelope::Content::Absence), without a payload, and has a lifetime of its own.
///
/// Formats without a mark for "some" cannot tell `Some(None)` from `None`, nor `Some(())` from `None`. MessagePack and
/// JSON are such formats: a region of `Option<Option<T>>` needs a type of its own for its values.
pub trait Codec<V> {
    /// Returns the number of the format, which is part of each stored key and of each envelope. It never changes.
    fn format(&self) -> Format;

    /// Appends the bytes of `value` to `out`. Never blocks.
    ///
    /// # Errors
    ///
    /// An error says that the value cannot be encoded. The caller then discards what has been appended.
    fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Returns the value that `bytes` encode. Never blocks.
    ///
    /// # Errors
    ///
    /// An error says that the bytes, as a whole, are not the encoding of a value.
    fn decode(&self, bytes: &Bytes) -> Result<V, CodecError>;
}

/// The number of a codec's format: it says how bytes are to be read, and is not reused for anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Format(u8);

impl Format {
    /// The format of [`Raw`]: the bytes themselves.
    pub const RAW: Format = Format(1);
    /// The format of [`MessagePack`]: structs are maps by field names.
    pub const MESSAGE_PACK: Format = Format(2);
    /// The format of `Json`.
    pub const JSON: Format = Format(3);

    /// The first number of a format of one's own; those below belong to this crate.
    pub const FIRST_CUSTOM: u8 = 128;

    /// A format of one's own.
    ///
    /// # Panics
    ///
    /// Panics if `number` is below [`FIRST_CUSTOM`](Format::FIRST_CUSTOM). In a `const` that is an error of the compiler.
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

/// In which shape the values of a region are stored: which type, in which format.
///
/// Both parts are in each stored key and in each envelope, so a build never reads what another build has written in
/// another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The number that the user gives to the value's type. A change of the type that older builds cannot read, or that
    /// this build could not read of older ones, takes another number.
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
