//! The faults of bytes that are no value.

use std::error::Error;
use std::fmt;

/// Why the bytes that a backend has returned count as no value.
///
/// For an access each of these faults is a miss. They are told apart so that they can be counted: a foreign program
/// shows as [`Foreign`](Why::Foreign), and broken memory as [`Checksum`](Why::Checksum).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// The bytes end too early.
    Truncated,
    /// The bytes do not begin as an envelope does: another program wrote them.
    Foreign,
    /// The envelope has another version of the layout, or a part or a flag that this build does not know.
    OtherVersion,
    /// The value's type has another schema.
    OtherSchema,
    /// The value is in the format of another codec.
    OtherFormat,
    /// The bytes are damaged: their checksum is another.
    Checksum,
    /// The checksum is right, but the envelope contradicts itself, or its compressed bytes cannot be decompressed.
    Malformed,
    /// The envelope, or the value that it claims to contain, is larger than the limit.
    TooLarge,
    /// The value claims a length that so few compressed bytes cannot have.
    Bomb,
    /// The envelope belongs to another key with the same hash.
    OtherKey,
    /// The value is compressed, and this build cannot decompress: it lacks the feature `lz4`.
    Compressed,
    /// The codec cannot read the value's bytes. (The codec's caller says so; an envelope does not know its codec.)
    Undecodable,
}

impl Why {
    /// Returns a short name, for the label of a metric or for a log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Why::Truncated => "truncated",
            Why::Foreign => "foreign",
            Why::OtherVersion => "other_version",
            Why::OtherSchema => "other_schema",
            Why::OtherFormat => "other_format",
            Why::Checksum => "checksum",
            Why::Malformed => "malformed",
            Why::TooLarge => "too_large",
            Why::Bomb => "bomb",
            Why::OtherKey => "other_key",
            Why::Compressed => "compressed",
            Why::Undecodable => "undecodable",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Truncated => "the entry ends too early",
            Why::Foreign => "another program wrote the entry",
            Why::OtherVersion => "the entry has a layout of another version",
            Why::OtherSchema => "the entry's value has another schema",
            Why::OtherFormat => "the entry's value is in the format of another codec",
            Why::Checksum => "the entry is damaged",
            Why::Malformed => "the entry contradicts itself",
            Why::TooLarge => "the entry is larger than the limit",
            Why::Bomb => "the entry claims more than so few bytes can contain",
            Why::OtherKey => "the entry belongs to another key",
            Why::Compressed => "the entry is compressed, and this build lacks the feature `lz4`",
            Why::Undecodable => "the codec cannot read the entry's value",
        })
    }
}

impl Error for Why {}
